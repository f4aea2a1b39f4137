"""Track the particles of a dataset with the Multiple Hypothesis Tracker among what a geometric network keeps.

The network tracks by itself, in closed loop. How probable it holds it in each frame that a detection is a
track's says which hypotheses are kept; the Multiple Hypothesis Tracker decides among these. A model file
holds several replicates, trained apart; each writes its own tracks.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch

from command_line import ArgumentParser, InputError, fraction, output_file, run
from mht_flags import Unproven, add_mht_flags
from mpt.kalman import Model
from mpt.progress import Progress
from mpt.tables.dataset import Scenes, dataset_parameters, read_scenes, start_of
from mpt.tables.files import TableWriter
from mpt.tables.kept import KEPT
from mpt.tables.tracks import TrackWriter
from mpt.trackers import hybrid, mht
from mpt.trackers.limits import KEEPING_SOLVERS
from mpt.transformer.networks import GEOMETRIC, name_of
from processor_time import processor_time_logged
from trained_trackers import add_model_flags, load_trained


def main() -> None:
    """Read the flags, then track."""
    parser = ArgumentParser(description=__doc__)
    add_model_flags(parser)
    add = parser.add_argument
    add(
        "--epsilon",
        type=fraction,
        required=True,
        metavar="e",
        help="of each track the most probable detections are kept: the fewest that leave out less than e of "
        "its probability; 0 keeps all",
    )
    add_mht_flags(parser, KEEPING_SOLVERS)
    add(
        "--kept",
        type=output_file,
        nargs="+",
        metavar="kept.parquet",
        help="a file for each replicate: how many hypotheses were kept in each frame",
    )
    add(
        "--exact",
        action="store_true",
        help="decide among all hypotheses, too, so that --kept says where the best of them was lost",
    )
    arguments = parser.parse_args()
    with processor_time_logged():
        track(**vars(arguments))


def track(
    *,
    measurements: Path,
    initial: Path,
    model: Path,
    output: Sequence[Path],
    epsilon: float,
    lookback: int,
    process_noise: float,
    measurement_noise: float,
    velocity_spread: float,
    process_noise_model: str,
    solver: str,
    estimate: str,
    kept: Sequence[Path] | None = None,
    exact: bool = False,
    node_limit: int = mht.NODE_LIMIT,
    replicate: int | None = None,
    extrapolate: bool = False,
    device: str = "auto",
    threads: int = 1,
) -> None:
    """Track and write the tracks; arguments as the flags. Raises InputError."""
    if exact and kept is None:
        raise InputError("--exact says where the best hypothesis was lost, which --kept writes")
    trained = load_trained(
        model,
        measurements,
        output,
        replicate=replicate,
        extrapolate=extrapolate,
        device=device,
        threads=threads,
    )
    network = trained.network
    if name_of(network) != GEOMETRIC:
        raise InputError(f"{model}: a {name_of(network)} network does not say whose each detection is")
    if kept is not None and len(kept) != len(output):
        raise InputError(f"--kept names {len(kept)} files, and --output {len(output)}")
    filtering: dict[str, Any] = {
        "process_noise": process_noise,
        "measurement_noise": measurement_noise,
        "velocity_spread": velocity_spread,
        "process_noise_model": process_noise_model,
    }
    deciding: dict[str, Any] = {"solver": solver, "node_limit": node_limit, "threads": threads}
    motion = Model(**filtering, start=start_of(measurements))
    parameters = {
        "tracker": "hybrid",
        "epsilon": epsilon,
        "lookback": lookback,
        **filtering,
        "solver": solver,
        "node_limit": node_limit,
        "estimate": estimate,
        "training": trained.training,
        "dataset": dataset_parameters(measurements),
    }
    progress, done = Progress(parameters["dataset"]["experiments"], "experiments"), 0
    unproven = Unproven()
    with ExitStack() as files:
        of_replicates = [{**parameters, "replicate": number} for number in trained.replicates]
        writers = [
            files.enter_context(TrackWriter(path, its))
            for path, its in zip(output, of_replicates, strict=True)
        ]
        tables = [
            files.enter_context(TableWriter(path, KEPT, its))
            for path, its in zip(kept or (), of_replicates, strict=False)
        ]
        for scenes in read_scenes(measurements, initial, trained.block):
            best = None
            if exact:
                best = decide(scenes, lookback, motion, **deciding, windows=True).windows
            for number, probability in enumerate(probabilities(network, scenes, measurements)):
                chosen = hybrid.keep(probability, epsilon)
                decisions = decide(
                    scenes, lookback, motion, **deciding, windows=estimate == "online", kept=chosen.pairs
                )
                found = mht.estimate(estimate, decisions, scenes.measurements, scenes.initial, motion)
                writers[number].write(scenes.experiments, *found)
                if tables:
                    tables[number].write(kept_columns(scenes.experiments, chosen, best))
                unproven.count(decisions.gap)
            done += len(scenes.experiments)
            progress.at(done)
    unproven.warn("track_hybrid.py", "the best that was kept")


def probabilities(network, scenes: Scenes, measurements: Path) -> np.ndarray:
    """Return the probability (R, B, T, N, N) that a detection (last) is a track's, by each replicate."""
    detections, starts = (
        torch.from_numpy(x).to(network.length_scale.device).expand(network.replicates, *x.shape)
        for x in (scenes.measurements, scenes.initial)
    )
    try:
        return network.associate(detections, starts).cpu().numpy()
    except InputError as error:
        raise InputError(f"{measurements}: {error}") from error


def decide(scenes: Scenes, lookback: int, motion: Model, **settings) -> mht.Decisions:
    """Return what the Multiple Hypothesis Tracker decides."""
    return mht.track(
        scenes.measurements,
        scenes.initial,
        lookback,
        motion,
        margins=False,
        experiments=scenes.experiments,
        **settings,
    )


def kept_columns(
    experiments: np.ndarray, kept: hybrid.Kept, best: np.ndarray | None
) -> dict[str, np.ndarray | None]:
    """Return the columns of the frames 1 … T − 1; best: the exact tracker's windows, if it ran."""
    pairs = kept.pairs[:, 1:]
    B, links = pairs.shape[:2]
    hypotheses = [hybrid.permutations(pairs[index]) for index in np.ndindex(B, links)]
    return {
        "experiment": np.repeat(experiments, links),
        "frame": np.tile(np.arange(1, links + 1), B),
        "pairs": pairs.sum(axis=(2, 3)).ravel(),
        "added": kept.added[:, 1:].ravel(),
        "hypotheses": np.ma.masked_invalid(np.array(hypotheses, dtype=float)),
        "lost": None if best is None else hybrid.lost(best, kept.pairs)[:, 1:].ravel(),
    }


if __name__ == "__main__":
    run(main)
