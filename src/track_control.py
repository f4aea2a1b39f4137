"""Track with a control: a tracker that does not track (frozen, random), or one that is told the associations.

Writes a tracks table like any other tracker's. Positions and noises are in the unit of the dataset,
velocities in that unit per frame.
"""

import numpy as np

from command_line import ArgumentParser, InputError, existing_file, non_negative_float, output_file, run, seed
from mpt.kalman import PROCESS_NOISE_MODELS, Model
from mpt.tables.dataset import (
    INITIAL,
    MEASUREMENTS,
    TRUTH,
    check_same_dataset,
    dataset_parameters,
    read_scenes,
    read_truth,
)
from mpt.tables.tracks import TrackWriter
from mpt.trackers import controls

MODEL_FLAGS = ("process_noise", "measurement_noise", "velocity_spread")
NEEDED = {"frozen": (), "random": ("seed",), "oracle": ("truth", *MODEL_FLAGS)}


def main() -> None:
    """Read the flags, write the tracks."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument(
        "--control",
        required=True,
        choices=NEEDED,
        help="frozen: stay at the starting positions; random: a random permutation of the detections in "
        "every frame; oracle: a Kalman filter told the true associations",
    )
    parser.add_argument(
        "--measurements", type=existing_file, required=True, help="measurements.parquet of the dataset"
    )
    parser.add_argument("--initial", type=existing_file, required=True, help="initial.parquet of the dataset")
    parser.add_argument("--truth", type=existing_file, help="truth.parquet of the dataset (oracle)")
    parser.add_argument(
        "--process-noise",
        type=non_negative_float,
        metavar="Q",
        help="standard deviation of the motion, per axis and frame (oracle)",
    )
    parser.add_argument(
        "--measurement-noise",
        type=non_negative_float,
        metavar="R",
        help="standard deviation of the measurements, per axis (oracle)",
    )
    parser.add_argument(
        "--velocity-spread",
        type=non_negative_float,
        metavar="V",
        help="standard deviation of the velocity at frame 0, per axis (oracle)",
    )
    parser.add_argument(
        "--process-noise-model",
        choices=PROCESS_NOISE_MODELS,
        default=PROCESS_NOISE_MODELS[0],
        help="Q = diag(q^2, q^2, 0, 0) or q^2 I (oracle; default: %(default)s)",
    )
    parser.add_argument("--seed", type=seed, metavar="N", help="seed of the order (random)")
    parser.add_argument("--output", type=output_file, required=True, help="tracks.parquet to write")
    arguments = parser.parse_args()

    needed = NEEDED[arguments.control]
    for name in needed:
        if getattr(arguments, name) is None:
            raise InputError(f"--control {arguments.control} needs --{name.replace('_', '-')}")
    inputs = {arguments.measurements: MEASUREMENTS, arguments.initial: INITIAL}
    parameters = {name: getattr(arguments, name) for name in needed if name != "truth"}
    if arguments.control == "oracle":
        inputs[arguments.truth] = TRUTH
        parameters["process_noise_model"] = arguments.process_noise_model
        model = Model(**parameters)
        truths = read_truth(arguments.truth)
    check_same_dataset(inputs)
    dataset = dataset_parameters(arguments.measurements)

    with TrackWriter(
        arguments.output, {"tracker": arguments.control, **parameters, "dataset": dataset}
    ) as writer:
        for scenes in read_scenes(arguments.measurements, arguments.initial):
            if arguments.control == "frozen":
                tracks = controls.frozen(scenes.measurements, scenes.initial)
            elif arguments.control == "random":
                tracks = controls.random(
                    scenes.measurements, scenes.initial, scenes.experiments, arguments.seed
                )
            else:
                truth = next(truths)
                if not np.array_equal(truth.experiments, scenes.experiments):
                    missing = np.setxor1d(truth.experiments, scenes.experiments)[0]
                    raise InputError(
                        f"{arguments.truth} and {arguments.measurements}: "
                        f"experiment {missing} is in only one of them"
                    )
                tracks = controls.oracle(scenes.measurements, scenes.initial, truth.detection, model)
            writer.write(scenes.experiments, *tracks)


if __name__ == "__main__":
    run(main)
