"""Track the particles of a dataset with a trained transformer, closed loop, from their known starts.

A model file holds several replicates, trained apart; each writes its own tracks. Lengths are in the unit of
the measurements.
"""

from contextlib import ExitStack

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
from mpt.tables.dataset import dataset_parameters, dataset_shape, read_scenes
from mpt.tables.tracks import TrackWriter
from mpt.transformer.devices import DEVICES, choose_device
from mpt.transformer.model_file import load_model

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
    flags = parser.parse_args()

    torch.set_num_threads(flags.threads)
    device = choose_device(flags.device)
    network, training = load_model(flags.model, device)
    replicates = range(network.replicates)
    if flags.replicate is not None:
        if flags.replicate not in replicates:
            raise InputError(
                f"{flags.model}: has {len(replicates)} replicates and no number {flags.replicate}"
            )
        replicates = [flags.replicate]
        network = network.of_replicate(flags.replicate)
    if len(flags.output) != len(replicates):
        raise InputError(
            f"{flags.model}: has {len(replicates)} replicates; --output names {len(flags.output)} files "
            "(--replicate chooses one)"
        )
    _, frames, particles = dataset_shape(flags.measurements)
    check_fits(flags, network.architecture, frames, particles)

    parameters = {"tracker": "transformer", "training": training}
    parameters["dataset"] = dataset_parameters(flags.measurements)
    block = max(1, DETECTIONS_AT_A_TIME // (len(replicates) * frames * particles))
    with ExitStack() as stack:
        writers = [
            stack.enter_context(TrackWriter(path, {**parameters, "replicate": replicate}))
            for path, replicate in zip(flags.output, replicates, strict=True)
        ]
        for scenes in read_scenes(flags.measurements, flags.initial, block):
            measurements, initial = (
                torch.from_numpy(x).to(device).expand(len(replicates), *x.shape)
                for x in (scenes.measurements, scenes.initial)
            )
            tracks = network.track(measurements, initial).cpu().numpy()
            for writer, positions in zip(writers, tracks, strict=True):
                writer.write(scenes.experiments, positions, None)


def check_fits(flags, architecture, frames: int, particles: int) -> None:
    """Raise InputError if the model was made for another number of particles or shorter sequences."""
    if particles != architecture.particles:
        raise InputError(
            f"{flags.measurements}: has {particles} particles, "
            f"but {flags.model} was trained on {architecture.particles}"
        )
    if frames > architecture.frames and not flags.extrapolate:
        raise InputError(
            f"{flags.measurements}: has {frames} frames, more than the {architecture.frames} that "
            f"{flags.model} was trained on; --extrapolate tracks them all the same"
        )


if __name__ == "__main__":
    run(main)
