"""Track the particles of a dataset with the Multiple Hypothesis Tracker."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from command_line import ArgumentParser, InputError, output_file, positive_int, run
from mht_flags import Unproven, add_mht_flags
from mpt.kalman import Model
from mpt.progress import Progress
from mpt.tables.dataset import dataset_parameters, read_scenes, start_of
from mpt.tables.files import TableWriter
from mpt.tables.tracks import MARGINS, TrackWriter
from mpt.trackers import mht
from processor_time import processor_time_logged
from tracker_flags import add_dataset_flags


def main() -> None:
    """Read the flags, then track."""
    parser = ArgumentParser(description=__doc__)
    add_dataset_flags(parser)
    add_mht_flags(parser, mht.SOLVERS)
    parser.add_argument(
        "--margin",
        type=output_file,
        help="margins.parquet to write: what another detection would cost each track in each frame",
    )
    parser.add_argument("--threads", type=positive_int, default=1, help="sequences tracked at a time")
    arguments = parser.parse_args()
    with processor_time_logged():
        track(**vars(arguments))


def track(
    *,
    measurements: Path,
    initial: Path,
    output: Path,
    lookback: int,
    process_noise: float,
    measurement_noise: float,
    velocity_spread: float,
    process_noise_model: str,
    solver: str,
    estimate: str,
    margin: Path | None = None,
    node_limit: int = mht.NODE_LIMIT,
    threads: int = 1,
) -> None:
    """Track a dataset block by block; the arguments are the flags. Raises InputError."""
    if margin is not None and estimate == "online":
        raise InputError("--margin is of the decided associations, which --estimate online does not report")
    settings: dict[str, Any] = {
        "process_noise": process_noise,
        "measurement_noise": measurement_noise,
        "velocity_spread": velocity_spread,
        "process_noise_model": process_noise_model,
    }
    model = Model(**settings, start=start_of(measurements))
    parameters = {
        "tracker": "mht",
        "lookback": lookback,
        **settings,
        "solver": solver,
        "node_limit": node_limit,
        "estimate": estimate,
        "dataset": dataset_parameters(measurements),
    }
    progress, done = Progress(parameters["dataset"]["experiments"], "experiments"), 0
    unproven = Unproven()
    with ExitStack() as files:
        tracks = files.enter_context(TrackWriter(output, parameters))
        margins = None if margin is None else files.enter_context(TableWriter(margin, MARGINS, parameters))
        for scenes in read_scenes(measurements, initial):
            decisions = mht.track(
                scenes.measurements,
                scenes.initial,
                lookback,
                model,
                solver=solver,
                margins=margins is not None,
                node_limit=node_limit,
                threads=threads,
                windows=estimate == "online",
                experiments=scenes.experiments,
            )
            found = mht.estimate(estimate, decisions, scenes.measurements, scenes.initial, model)
            tracks.write(scenes.experiments, *found)
            if margins is not None:
                margins.write(margin_columns(scenes.experiments, decisions))
            unproven.count(decisions.gap)
            done += len(scenes.experiments)
            progress.at(done)
    unproven.warn("track_mht.py")


def margin_columns(experiments: np.ndarray, decisions: mht.Decisions) -> dict[str, np.ndarray]:
    """Return the columns of the margins of frames 1 … T - 1."""
    B, T, N = decisions.detection.shape
    assert decisions.margin is not None
    return {
        "experiment": np.repeat(experiments, (T - 1) * N),
        "frame": np.tile(np.repeat(np.arange(1, T), N), B),
        "track": np.tile(np.arange(N), B * (T - 1)),
        "margin": np.ma.masked_invalid(decisions.margin[:, 1:].ravel()),
        "gap": np.repeat(decisions.gap[:, 1:].ravel(), N),
    }


if __name__ == "__main__":
    run(main)
