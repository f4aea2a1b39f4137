"""Track the particles of a dataset with the Multiple Hypothesis Tracker."""

import sys
from contextlib import ExitStack

import numpy as np

from command_line import ArgumentParser, existing_file, non_negative_float, output_file, positive_int, run
from mpt import kalman
from mpt.tables.dataset import dataset_parameters, read_scenes
from mpt.tables.files import TableWriter
from mpt.tables.tracks import MARGINS, TrackWriter
from mpt.trackers import mht

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
        help="q, standard deviation that the filter assumes for a displacement [length per frame]",
    )
    parser.add_argument(
        "--measurement-noise",
        type=non_negative_float,
        required=True,
        help="r, standard deviation that the filter assumes for a measurement [length]",
    )
    parser.add_argument(
        "--velocity-spread",
        type=non_negative_float,
        required=True,
        help="v, standard deviation that the filter assumes for the drift [length per frame]",
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
        help="enumerate: look at every hypothesis; refilter: and filter each anew in every frame, which only "
        "takes longer; assignment: branch and bound, for many particles",
    )
    parser.add_argument(
        "--estimate",
        choices=ESTIMATES,
        default="filtered",
        help="the positions written: given the measurements so far, given all, or the raw detection",
    )
    parser.add_argument(
        "--margin",
        type=output_file,
        help="margins.parquet to write: what another detection would cost each track in each frame",
    )
    parser.add_argument(
        "--node-limit",
        type=positive_int,
        default=mht.NODE_LIMIT,
        help="nodes that the assignment solver searches in a window at most",
    )
    parser.add_argument("--threads", type=positive_int, default=1, help="sequences tracked at a time")
    parser.add_argument("--output", type=output_file, required=True, help="tracks.parquet to write")
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
        "node_limit": flags.node_limit,
        "estimate": flags.estimate,
        "dataset": dataset_parameters(flags.measurements),
    }
    unproven, widest = 0, 0.0
    with ExitStack() as files:
        tracks = files.enter_context(TrackWriter(flags.output, parameters))
        margins = flags.margin and files.enter_context(TableWriter(flags.margin, MARGINS, parameters))
        for scenes in read_scenes(flags.measurements, flags.initial):
            decisions = mht.track(
                scenes.measurements,
                scenes.initial,
                flags.lookback,
                model,
                solver=flags.solver,
                margins=margins is not None,
                node_limit=flags.node_limit,
                threads=flags.threads,
                experiments=scenes.experiments,
            )
            path = decisions.path(scenes.measurements, scenes.initial)
            positions = ESTIMATES[flags.estimate](model, path, scenes.initial)
            tracks.write(scenes.experiments, positions, decisions.detection)
            if margins is not None:
                margins.write(margin_columns(scenes.experiments, decisions))
            unproven += np.count_nonzero(decisions.gap)
            widest = max(widest, decisions.gap.max())
    if unproven:
        print(
            f"track_mht.py: {unproven} frames were decided without proof, by hypotheses that cost at most "
            f"{widest:.3g} more than the best: raise --node-limit",
            file=sys.stderr,
        )


def margin_columns(experiments: np.ndarray, decisions: mht.Decisions) -> dict[str, np.ndarray]:
    """Return the columns of the margins of frames 1 … T - 1."""
    B, T, N = decisions.detection.shape
    return {
        "experiment": np.repeat(experiments, (T - 1) * N),
        "frame": np.tile(np.repeat(np.arange(1, T), N), B),
        "track": np.tile(np.arange(N), B * (T - 1)),
        "margin": np.ma.masked_invalid(decisions.margin[:, 1:].ravel()),
        "gap": np.repeat(decisions.gap[:, 1:].ravel(), N),
    }


if __name__ == "__main__":
    run(main)
