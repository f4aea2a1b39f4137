"""The flags that several trackers share: the dataset that they track, and the filter that they believe in."""

import argparse
from argparse import ArgumentParser
from typing import Any

from command_line import existing_file, non_negative_float, output_file
from mpt.trackers.limits import PROCESS_NOISE_MODELS

FILTER_SETTINGS = ("process_noise", "measurement_noise", "velocity_spread", "process_noise_model")


def add_scenes_flags(parser: ArgumentParser) -> None:
    """Add the flags of the two tables that every tracker reads."""
    add = parser.add_argument
    add("--measurements", type=existing_file, required=True, help="measurements.parquet of the dataset")
    add("--initial", type=existing_file, required=True, help="initial.parquet of the dataset")


def add_dataset_flags(parser: ArgumentParser) -> None:
    """Add the flags of a tracker without a model: the two tables it reads and the one it writes."""
    add_scenes_flags(parser)
    add = parser.add_argument
    add("--output", type=output_file, required=True, help="tracks.parquet to write")


def add_filter_flags(parser: ArgumentParser | argparse._ArgumentGroup, *, required: bool = True) -> None:
    """Add the flags of the Kalman filter: the settings of mpt.kalman.Model but for the start.

    The dataset itself says how its starts are given.
    """
    add = parser.add_argument
    deviation: dict[str, Any] = {"type": non_negative_float, "required": required}
    add(
        "--process-noise",
        **deviation,
        metavar="q",
        help="standard deviation that the filter assumes for a displacement, or for a change of velocity by "
        "the model velocity, per axis [length per frame]",
    )
    add(
        "--measurement-noise",
        **deviation,
        metavar="r",
        help="standard deviation that the filter assumes for a measurement, per axis [length]",
    )
    add(
        "--velocity-spread",
        **deviation,
        metavar="v",
        help="standard deviation that the filter assumes for the velocity at frame 0, per axis "
        "[length per frame]",
    )
    add(
        "--process-noise-model",
        choices=PROCESS_NOISE_MODELS,
        default=PROCESS_NOISE_MODELS[0],
        help="position: Q = diag(q^2, q^2, 0, 0), exact for Brownian motion; literal: Q = q^2 I of four "
        "dimensions; velocity: Q = diag(0, 0, q^2, q^2); default %(default)s",
    )
