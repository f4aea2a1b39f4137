"""Track short sequences with the Bayes reference: the associations with the most expected true links.

It weighs all N!^(T-1) association sequences of an experiment by their posterior probability. Positions and
noises are in the unit of the dataset, velocities in that unit per frame.
"""

from command_line import ArgumentParser, existing_file, non_negative_float, output_file, run
from mpt.kalman import PROCESS_NOISE_MODELS, Model
from mpt.tables.dataset import dataset_parameters, read_scenes
from mpt.tables.tracks import TrackWriter
from mpt.trackers import bayes


def main() -> None:
    """Read the flags, write the tracks."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument(
        "--measurements", type=existing_file, required=True, help="measurements.parquet of the dataset"
    )
    parser.add_argument("--initial", type=existing_file, required=True, help="initial.parquet of the dataset")
    parser.add_argument(
        "--process-noise",
        type=non_negative_float,
        required=True,
        metavar="Q",
        help="standard deviation of the motion, per axis and frame",
    )
    parser.add_argument(
        "--measurement-noise",
        type=non_negative_float,
        required=True,
        metavar="R",
        help="standard deviation of the measurements, per axis",
    )
    parser.add_argument(
        "--velocity-spread",
        type=non_negative_float,
        required=True,
        metavar="V",
        help="standard deviation of the velocity at frame 0, per axis",
    )
    parser.add_argument(
        "--process-noise-model",
        choices=PROCESS_NOISE_MODELS,
        default=PROCESS_NOISE_MODELS[0],
        help="Q = diag(q^2, q^2, 0, 0) or q^2 I (default: %(default)s)",
    )
    parser.add_argument("--output", type=output_file, required=True, help="tracks.parquet to write")
    arguments = parser.parse_args()

    settings = {
        name: getattr(arguments, name)
        for name in ("process_noise", "measurement_noise", "velocity_spread", "process_noise_model")
    }
    model = Model(**settings)
    dataset = dataset_parameters(arguments.measurements)
    with TrackWriter(arguments.output, {"tracker": "bayes", **settings, "dataset": dataset}) as writer:
        for scenes in read_scenes(arguments.measurements, arguments.initial):
            writer.write(scenes.experiments, *bayes.track(scenes.measurements, scenes.initial, model))


if __name__ == "__main__":
    run(main)
