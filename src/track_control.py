"""Track with a control: a tracker that does not track (frozen, random), or one that is told the associations.

Writes a tracks table like any other tracker's. Positions and noises are in the unit of the dataset,
velocities in that unit per frame.
"""

from pathlib import Path

import numpy as np

from command_line import ArgumentParser, InputError, existing_file, run, seed
from mpt.kalman import Model
from mpt.tables.dataset import (
    INITIAL,
    MEASUREMENTS,
    TRUTH,
    check_same_dataset,
    dataset_parameters,
    read_scenes,
    read_truth,
    start_of,
)
from mpt.tables.tracks import TrackWriter
from mpt.trackers import controls
from tracker_flags import FILTER_SETTINGS, add_dataset_flags, add_filter_flags

NEEDED = {"frozen": (), "random": ("seed",), "oracle": ("truth", *FILTER_SETTINGS, "estimate")}


def main() -> None:
    """Read the flags, then track."""
    parser = ArgumentParser(description=__doc__)
    add = parser.add_argument
    add(
        "--control",
        required=True,
        choices=NEEDED,
        help="frozen: stay at the starting positions; random: a random permutation of the detections in "
        "every frame; oracle: a Kalman filter told the true associations",
    )
    add_dataset_flags(parser)
    add("--truth", type=existing_file, help="truth.parquet of the dataset (oracle)")
    oracle = parser.add_argument_group("oracle", "what the filter of the oracle believes")
    add_filter_flags(oracle, required=False)
    add(
        "--estimate",
        choices=controls.ESTIMATES,
        help="positions given the measurements so far (filtered) or all of them (smoothed) (oracle)",
    )
    add("--seed", type=seed, metavar="N", help="seed of the order (random)")
    track(**vars(parser.parse_args()))


def track(*, control: str, measurements: Path, initial: Path, output: Path, **settings) -> None:
    """Track a dataset block by block; settings are the flags that NEEDED names. Raises InputError.

    Settings that the control does not need are not looked at.
    """
    needed = NEEDED[control]
    for name in needed:
        if settings.get(name) is None:
            raise InputError(f"--control {control} needs --{name.replace('_', '-')}")
    inputs = {measurements: MEASUREMENTS, initial: INITIAL}
    parameters = {name: settings[name] for name in needed if name not in ("truth", "estimate")}
    if control == "oracle":
        truth_path, estimate = settings["truth"], settings["estimate"]
        inputs[truth_path] = TRUTH
        model = Model(**parameters, start=start_of(measurements))
        truths = read_truth(truth_path)
        if estimate != "filtered":
            # An oracle that does not say filters.
            parameters["estimate"] = estimate
    check_same_dataset(inputs)
    parameters = {"tracker": control, **parameters, "dataset": dataset_parameters(measurements)}

    with TrackWriter(output, parameters) as writer:
        for scenes in read_scenes(measurements, initial):
            if control == "frozen":
                tracks = controls.frozen(scenes.measurements, scenes.initial)
            elif control == "random":
                tracks = controls.random(
                    scenes.measurements, scenes.initial, scenes.experiments, settings["seed"]
                )
            else:
                truth = next(truths)
                if not np.array_equal(truth.experiments, scenes.experiments):
                    missing = np.setxor1d(truth.experiments, scenes.experiments)[0]
                    raise InputError(
                        f"{truth_path} and {measurements}: experiment {missing} is in only one of them"
                    )
                tracks = controls.oracle(
                    scenes.measurements, scenes.initial, truth.detection, model, estimate
                )
            writer.write(scenes.experiments, *tracks)


if __name__ == "__main__":
    run(main)
