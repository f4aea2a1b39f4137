"""What trackers share that track with a model: their flags, and the check that the model fits the dataset."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from command_line import (
    ArgumentParser,
    InputError,
    existing_file,
    non_negative_int,
    output_file,
    positive_int,
)
from mpt.tables.dataset import dataset_shape
from mpt.transformer.devices import DEVICES, set_up
from mpt.transformer.model_file import load_model
from mpt.transformer.network import Network
from mpt.transformer.networks import PLAIN, name_of
from mpt.transformer.plain import LEARNED
from tracker_flags import add_scenes_flags

# Detections tracked at a time, over all replicates; bounds the memory of the cached keys and values.
DETECTIONS_AT_A_TIME = 90_000
# The kernels take so many sequences of a replicate together, and as long for fewer.
SEQUENCES_TOGETHER = 64


def add_model_flags(parser: ArgumentParser) -> None:
    """Add the flags of every tracker with a model: what it reads, with which replicates, what it writes."""
    add_scenes_flags(parser)
    add = parser.add_argument
    add("--model", type=existing_file, required=True, help="model.pt that train.py wrote")
    add("--replicate", type=non_negative_int, metavar="r", help="track with replicate r only, default all")
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


@dataclass(frozen=True)
class Trained:
    """A network with the replicates that track, their numbers in the model, and how they were trained.

    block: how many experiments are tracked at a time.
    """

    network: Network
    replicates: Sequence[int]
    training: dict
    block: int


def load_trained(
    model: Path,
    measurements: Path,
    files: Sequence[Path],
    *,
    replicate: int | None,
    extrapolate: bool,
    device: str,
    threads: int,
) -> Trained:
    """Return the model that is to track a dataset; arguments as the flags, files those of --output.

    Raises InputError if the model cannot be read or does not fit the dataset, or if there are more or fewer
    files than replicates.
    """
    network, training = load_model(model, set_up(device, threads))
    replicates: Sequence[int] = range(network.replicates)
    if replicate is not None:
        if replicate not in replicates:
            raise InputError(f"{model}: has {len(replicates)} replicates and no number {replicate}")
        replicates = [replicate]
        network = network.of_replicate(replicate)
    if len(files) != len(replicates):
        raise InputError(
            f"{model}: has {len(replicates)} replicates; --output names {len(files)} files "
            "(--replicate chooses one)"
        )
    _, frames, particles = dataset_shape(measurements)
    _check_fits(name_of(network), network.architecture, model, measurements, frames, particles, extrapolate)
    block = max(1, DETECTIONS_AT_A_TIME // (len(replicates) * frames * particles))
    if block > SEQUENCES_TOGETHER:
        block -= block % SEQUENCES_TOGETHER
    return Trained(network, replicates, training, block)


def _check_fits(
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
