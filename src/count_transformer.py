"""Count the floating-point operations of a transformer per sequence, for lookbacks K_D = K.

Three ways to track are counted, by fvcore, and timed. With K_E = K, too: `incremental`, encoding and decoding
each frame once, when it comes; `re_encoded`, sending the last K frames through the network at every frame.
With K_E = T: `whole`, encoding the whole sequence once, then decoding it frame by frame. (The first and the
last are what track_transformer.py does, but that it encodes several frames in one call.) None depends on what
the network has learned. What the processor takes for a sequence by itself is mostly the calls of torch; so
sequences are tracked together, too, on a GPU as well where there is one.
"""

from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np
import torch

from command_line import ArgumentParser, InputError, positive_int, run
from counting_flags import add_counting_flags
from mpt.operations.timing import processor_seconds
from mpt.operations.transformer import (
    incremental,
    re_encoded,
    track_by_re_encoding,
    track_frame_by_frame,
    track_whole,
    whole,
)
from mpt.tables.files import TableWriter
from mpt.tables.operations import OPERATIONS
from mpt.transformer.geometric import WITHOUT
from mpt.transformer.network import PAST, WHOLE, Architecture, Network
from mpt.transformer.networks import NETWORKS, make_network, own_sizes
from mpt.transformer.plain import HEADS, TIME_EMBEDDINGS

# How operations are counted, how is tracked, and what the encoder sees.
VARIANTS = {
    "incremental": (incremental, track_frame_by_frame, PAST),
    "re_encoded": (re_encoded, track_by_re_encoding, PAST),
    "whole": (whole, track_whole, WHOLE),
}
# Of the architecture, what every network has.
SIZES = ("dimension", "heads", "encoder_layers", "decoder_layers", "feedforward")


def main() -> None:
    """Read the flags, count and time each variant at each lookback, write the table."""
    parser = ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--network", choices=NETWORKS, required=True, help="plain: the paper's; geometric: ours")
    add_counting_flags(parser)
    add("--dimension", type=positive_int, required=True, metavar="d", help="width of a token")
    add("--heads", type=positive_int, required=True, metavar="n", help="attention heads")
    add("--encoder-layers", type=positive_int, required=True, metavar="n", help="layers of the encoder")
    add("--decoder-layers", type=positive_int, required=True, metavar="n", help="layers of the decoder")
    add(
        "--feedforward", type=positive_int, required=True, metavar="n", help="width of the feedforward layers"
    )
    add("--pointers", type=positive_int, metavar="n", help="geometric: heads of the output")
    add("--without", choices=WITHOUT, help="geometric: the part that is left out")
    add("--head", choices=HEADS, help="plain: what the output is")
    add("--time-embedding", choices=TIME_EMBEDDINGS, help="plain: of the frame's number")
    add(
        "--together",
        type=positive_int,
        default=100,
        metavar="B",
        help="sequences timed at once, besides one by itself; default 100",
    )
    count_operations(**vars(parser.parse_args()))


def count_operations(
    *, network: str, particles: int, frames: int, lookbacks: list[int], together: int, output: Path, **sizes
) -> None:
    """Count, time and write the table; arguments as the flags, sizes those of the architecture."""
    own = (*SIZES, *own_sizes(network))
    if given := [name for name, value in sizes.items() if name not in own and value is not None]:
        raise InputError(f"--{given[0].replace('_', '-')}: not of the {network} network")
    if lacking := [name for name in own if sizes.get(name) is None]:
        raise InputError(f"the {network} network needs --{min(lacking).replace('_', '-')}")
    torch.set_num_threads(1)
    architecture = {"particles": particles, "frames": frames}
    architecture |= {name: sizes[name] for name in own}
    rows = []
    for variant, (count, track, sees) in VARIANTS.items():
        for K in sorted(set(lookbacks)):
            size = NETWORKS[network].Architecture(
                encoder_lookback=frames if sees == WHOLE else K,
                decoder_lookback=K,
                encoder_sees=sees,
                **architecture,
            )
            operations = count(size, frames)
            seconds = time_per_sequence(track, size, together)
            rows.append((network, variant, K, *operations, "fvcore", *seconds))
            print(
                f"{variant}, K = {K}: {operations.flops} operations, {seconds[0]:.2g} s by itself, "
                f"{seconds[1]:.2g} s among {together}",
                flush=True,
            )
    parameters = {"tracker": network, **architecture, "sequences_together": together, "threads": 1}
    columns = dict(zip(OPERATIONS.schema.names, map(np.array, zip(*rows, strict=True)), strict=True))
    columns["gpu_seconds_together"] = np.ma.masked_invalid(columns["gpu_seconds_together"])
    with TableWriter(output, OPERATIONS, parameters) as writer:
        writer.write(columns)


def time_per_sequence(track: Callable, size: Architecture, together: int) -> tuple[float, float, float]:
    """Return the seconds a sequence takes by itself, among others, and among others on a GPU, nan without."""
    network = make_network(size, 1)
    measurements = torch.randn(1, together, size.frames, size.particles, 2, dtype=torch.float64)
    initial = measurements[:, :, 0]
    # What is set up at first use.
    track(network, measurements[:, :1], initial[:, :1])
    alone = processor_seconds(lambda: track(network, measurements[:, :1], initial[:, :1]))
    among = processor_seconds(lambda: track(network, measurements, initial)) / together
    if not torch.cuda.is_available():
        return alone, among, np.nan
    return alone, among, gpu_seconds(track, network, measurements, initial) / together


def gpu_seconds(
    track: Callable, network: Network, measurements: torch.Tensor, initial: torch.Tensor
) -> float:
    """Return the elapsed time of tracking on a GPU, from and to its own memory."""
    network, measurements, initial = (each.to("cuda") for each in (network, measurements, initial))
    for _ in range(2):
        torch.cuda.synchronize()
        begin = perf_counter()
        track(network, measurements, initial)
        torch.cuda.synchronize()
        seconds = perf_counter() - begin
    return seconds


if __name__ == "__main__":
    run(main)
