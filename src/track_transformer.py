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

from command_line import (
    ArgumentParser,
    InputError,
    existing_file,
    non_negative_int,
    output_file,
    positive_int,
    run,
)
from mpt.progress import Progress
from mpt.tables.dataset import (
    INITIAL,
    MEASUREMENTS,
    TRUTH,
    check_same_dataset,
    dataset_parameters,
    dataset_shape,
    read_scenes,
    read_truth,
)
from mpt.tables.tracks import TrackWriter
from mpt.transformer.devices import DEVICES, set_up
from mpt.transformer.model_file import load_model
from mpt.transformer.networks import PLAIN, name_of
from mpt.transformer.plain import LEARNED

OUTPUTS, TRUE_POSITIONS = "outputs", "truth"
# Detections tracked at a time, over all replicates; bounds the memory of the cached keys and values.
DETECTIONS_AT_A_TIME = 90_000


def main() -> None:
    """Read the flags, then track block by block."""
    parser = ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--measurements", type=existing_file, required=True, help="measurements.parquet of the dataset")
    add("--initial", type=existing_file, required=True, help="initial.parquet of the dataset")
    add("--model", type=existing_file, required=True, help="model.pt that train.py wrote")
    add("--replicate", type=non_negative_int, metavar="r", help="track with replicate r only, default all")
    add(
        "--fed-back",
        choices=(OUTPUTS, TRUE_POSITIONS),
        default=OUTPUTS,
        help="what the decoder is given of frames before: its outputs or, a leak, the truth; default outputs",
    )
    add("--truth", type=existing_file, help="truth.parquet of the dataset, to be fed back")
    add("--extrapolate", action="store_true", help="track sequences longer than those of the training, too")
    add("--device", choices=DEVICES, default="auto", help="auto takes a GPU if there is one; default auto")
    add("--threads", type=positive_int, default=1, metavar="n", help="processor threads, default 1")
    add(
        "--output",
        type=output_file,
        nargs="+",
        required=True,
        metavar="tracks.parquet",
        help="a file for each replicate, in their order",
    )
    track(**vars(parser.parse_args()))


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
    network, training = load_model(model, set_up(device, threads))
    replicates: Sequence[int] = range(network.replicates)
    if replicate is not None:
        if replicate not in replicates:
            raise InputError(f"{model}: has {len(replicates)} replicates and no number {replicate}")
        replicates = [replicate]
        network = network.of_replicate(replicate)
    if len(output) != len(replicates):
        raise InputError(
            f"{model}: has {len(replicates)} replicates; --output names {len(output)} files "
            "(--replicate chooses one)"
        )
    experiments, frames, particles = dataset_shape(measurements)
    check_fits(name_of(network), network.architecture, model, measurements, frames, particles, extrapolate)

    parameters = {"tracker": name_of(network), "fed_back": fed_back, "training": training}
    parameters["dataset"] = dataset_parameters(measurements)
    block = max(1, DETECTIONS_AT_A_TIME // (len(replicates) * frames * particles))
    progress, done = Progress(experiments, "experiments"), 0
    with ExitStack() as stack:
        writers = [
            stack.enter_context(TrackWriter(path, {**parameters, "replicate": number}))
            for path, number in zip(output, replicates, strict=True)
        ]
        for numbers, *arrays in read_blocks(measurements, initial, truth, block):
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


def check_fits(
    name: str, architecture, model: Path, measurements: Path, frames: int, particles: int, extrapolate: bool
) -> None:
    """Raise InputError if the model has no embedding of a track or frame, or is of shorter sequences."""
    if name == PLAIN and particles != architecture.particles:
        raise InputError(
            f"{measurements}: has {particles} particles, but {model} learned an embedding of each of "
            f"{architecture.particles} tracks, and has none of others"
        )
    if frames <= architecture.frames:
        return
    longer = f"{measurements}: has {frames} frames, more than the {architecture.frames} that {model}"
    if getattr(architecture, "time_embedding", None) == LEARNED:
        raise InputError(f"{longer} learned an embedding of")
    if not extrapolate:
        raise InputError(f"{longer} was trained on; --extrapolate tracks them all the same")


if __name__ == "__main__":
    run(main)
