"""Track the particles of a dataset with the Multiple Hypothesis Tracker."""

from pathlib import Path

from command_line import (
    ArgumentParser,
    existing_file,
    non_negative_float,
    positive_int,
    run,
)
from mpt import kalman, mht
from mpt.tables import TrackWriter, dataset_parameters, read_scenes

ESTIMATES = {
    "filtered": lambda model, path, initial: kalman.filter_states(model, path, initial)[0],
    "smoothed": kalman.smooth_positions,
    "detection": lambda model, path, initial: path,
}


def main() -> None:
    """Read the flags, then track block by block."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument(
        "--measurements", type=existing_file, required=True, help="measurements.parquet of the dataset"
    )
    parser.add_argument("--initial", type=existing_file, required=True, help="initial.parquet of the dataset")
    parser.add_argument(
        "--lookback",
        type=positive_int,
        required=True,
        help="K, frames in the window; T - 1 or more solves the whole sequence",
    )
    parser.add_argument(
        "--process-noise",
        type=non_negative_float,
        required=True,
        help="q, standard deviation that the filter assumes for a displacement, pixels a frame",
    )
    parser.add_argument(
        "--measurement-noise",
        type=non_negative_float,
        required=True,
        help="r, standard deviation that the filter assumes for a measurement, pixels",
    )
    parser.add_argument(
        "--velocity-spread",
        type=non_negative_float,
        required=True,
        help="v, standard deviation that the filter assumes for the drift, pixels a frame",
    )
    parser.add_argument(
        "--process-noise-model",
        choices=kalman.PROCESS_NOISE_MODELS,
        default="position",
        help="Q: diag(q², q², 0, 0), or literally q² times the identity of four dimensions",
    )
    parser.add_argument(
        "--solver",
        choices=mht.SOLVERS,
        default="enumerate",
        help="how the best hypothesis is found",
    )
    parser.add_argument(
        "--estimate",
        choices=ESTIMATES,
        default="filtered",
        help="the positions written: given the measurements so far, given all, or the raw detection",
    )
    parser.add_argument("--threads", type=positive_int, default=1, help="sequences tracked at a time")
    parser.add_argument("--output", type=Path, required=True, help="tracks.parquet to write")
    flags = parser.parse_args()

    model = kalman.Model(
        flags.process_noise, flags.measurement_noise, flags.velocity_spread, flags.process_noise_model
    )
    parameters = {
        "tracker": "mht",
        "lookback": flags.lookback,
        "process_noise": flags.process_noise,
        "measurement_noise": flags.measurement_noise,
        "velocity_spread": flags.velocity_spread,
        "process_noise_model": flags.process_noise_model,
        "solver": flags.solver,
        "estimate": flags.estimate,
        "dataset": dataset_parameters(flags.measurements),
    }
    with TrackWriter(flags.output, parameters) as tracks:
        for scenes in read_scenes(flags.measurements, flags.initial):
            decisions = mht.track(
                scenes.measurements,
                scenes.initial,
                flags.lookback,
                model,
                solver=flags.solver,
                threads=flags.threads,
                experiments=scenes.experiments,
            )
            path = decisions.path(scenes.measurements, scenes.initial)
            tracks.write(
                scenes.experiments,
                ESTIMATES[flags.estimate](model, path, scenes.initial),
                decisions.detection,
            )


if __name__ == "__main__":
    run(main)
