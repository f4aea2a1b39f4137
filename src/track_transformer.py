"""Track the particles of a dataset with a trained transformer, closed loop, from their starts.

A model file holds several replicates, trained apart; each writes its own tracks. Lengths are in the unit of
the measurements. With --fed-back truth the true positions are fed back instead of the network's outputs,
which leaks them: the tracks say so in their parameters.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch

from command_line import ArgumentParser, InputError, existing_file, run
from heap import trim_heap
from mpt.progress import Progress
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
from mpt.transformer.networks import name_of
from processor_time import processor_time_logged
from trained_trackers import add_model_flags, load_trained

OUTPUTS, TRUE_POSITIONS = "outputs", "truth"
# After each block it would take a fifth of the time.
BLOCKS_BETWEEN_TRIMS = 4


def main() -> None:
    """Read the flags, then track block by block."""
    parser = ArgumentParser(description=__doc__)
    add_model_flags(parser)
    add = parser.add_argument
    add(
        "--fed-back",
        choices=(OUTPUTS, TRUE_POSITIONS),
        default=OUTPUTS,
        help="what the decoder is given of frames before: its outputs or, a leak, the truth; default outputs",
    )
    add("--truth", type=existing_file, help="truth.parquet of the dataset, to be fed back")
    arguments = parser.parse_args()
    with processor_time_logged():
        track(**vars(arguments))


def track(
    *,
    measurements: Path,
    initial: Path,
    model: Path,
    output: Sequence[Path],
    replicate: int | None = None,
    fed_back: str = OUTPUTS,
    truth: Path | None = None,
    extrapolate: bool = False,
    device: str = "auto",
    threads: int = 1,
) -> None:
    """Track and write the tracks; arguments as the flags. Raises InputError."""
    if (fed_back == TRUE_POSITIONS) != (truth is not None):
        raise InputError("--fed-back truth needs --truth, and nothing else does")
    trained = load_trained(
        model,
        measurements,
        output,
        replicate=replicate,
        extrapolate=extrapolate,
        device=device,
        threads=threads,
    )
    network, replicates = trained.network, trained.replicates

    parameters = {"tracker": name_of(network), "fed_back": fed_back, "training": trained.training}
    parameters["dataset"] = dataset_parameters(measurements)
    experiments = parameters["dataset"]["experiments"]
    progress, done = Progress(experiments, "experiments"), 0
    with ExitStack() as stack:
        writers = [
            stack.enter_context(TrackWriter(path, {**parameters, "replicate": number}))
            for path, number in zip(output, replicates, strict=True)
        ]
        blocks = read_blocks(measurements, initial, truth, trained.block)
        for number, (numbers, *arrays) in enumerate(blocks, 1):
            detections, starts, *true = (
                torch.from_numpy(x).to(network.length_scale.device).expand(len(replicates), *x.shape)
                for x in arrays
            )
            try:
                tracks = network.track(detections, starts, truth=true[0] if true else None).cpu().numpy()
            except InputError as error:
                raise InputError(f"{measurements}: {error}") from error
            for writer, positions in zip(writers, tracks, strict=True):
                writer.write(numbers, positions, None)
            done += len(numbers)
            progress.at(done)
            if number % BLOCKS_BETWEEN_TRIMS == 0:
                trim_heap()


def read_blocks(
    measurements: Path, initial: Path, truth: Path | None, experiments_per_block: int
) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield experiments (B,), measurements (B, T, N, 2), starts (B, N, 2) and, if asked for, the truth."""
    scenes = read_scenes(measurements, initial, experiments_per_block)
    if truth is None:
        for scene in scenes:
            yield scene.experiments, scene.measurements, scene.initial
        return
    check_same_dataset({measurements: MEASUREMENTS, initial: INITIAL, truth: TRUTH})
    for scene, true in zip(scenes, read_truth(truth, experiments_per_block), strict=True):
        if not np.array_equal(scene.experiments, true.experiments):
            raise InputError(f"{truth}: has other experiments than {measurements}")
        yield scene.experiments, scene.measurements, scene.initial, true.positions


if __name__ == "__main__":
    run(main)
