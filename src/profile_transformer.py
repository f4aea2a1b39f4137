"""Count the floating-point operations of the transformer per sequence, for lookbacks K_E = K_D = K.

Two ways to track are counted, by fvcore, and timed: `incremental` as track_transformer.py tracks, encoding
and decoding each frame once; `re_encoded`, sending the last K frames through the network at every frame.
Neither depends on what the network has learned.
"""

from pathlib import Path
from time import process_time

import numpy as np
import torch

from command_line import ArgumentParser, int_at_least, positive_int, run
from mpt.tables import OPERATIONS, TableWriter
from mpt.transformer import Architecture, Transformer
from mpt.transformer_operations import incremental, re_encoded, track_by_re_encoding

VARIANTS = {"incremental": (incremental, Transformer.track), "re_encoded": (re_encoded, track_by_re_encoding)}


def main() -> None:
    """Read the flags, count and time each variant at each lookback, write the table."""
    parser = ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--particles", type=positive_int, required=True, metavar="N", help="particles, and so tracks")
    add("--frames", type=int_at_least(2), required=True, metavar="T", help="frames of a sequence")
    add("--lookbacks", type=positive_int, nargs="+", required=True, metavar="K", help="K_E = K_D, in frames")
    add("--dimension", type=positive_int, required=True, metavar="d", help="width of a token")
    add("--heads", type=positive_int, required=True, metavar="n", help="attention heads")
    add("--encoder-layers", type=positive_int, required=True, metavar="n", help="layers of the encoder")
    add("--decoder-layers", type=positive_int, required=True, metavar="n", help="layers of the decoder")
    add(
        "--feedforward", type=positive_int, required=True, metavar="n", help="width of the feedforward layers"
    )
    add("--pointers", type=positive_int, required=True, metavar="n", help="heads of the output")
    add("--timed-sequences", type=positive_int, default=10, metavar="n", help="tracked at once; default 10")
    add("--output", type=Path, required=True, metavar="F", help="the table of operations")
    flags = parser.parse_args()

    torch.set_num_threads(1)
    sizes = ("dimension", "heads", "encoder_layers", "decoder_layers", "feedforward", "pointers")
    architecture = {name: getattr(flags, name) for name in ("particles", "frames", *sizes)}
    lookbacks = sorted(set(flags.lookbacks))
    rows = []
    for variant, (count, track) in VARIANTS.items():
        for K in lookbacks:
            size = Architecture(encoder_lookback=K, decoder_lookback=K, **architecture)
            operations = count(size, flags.frames)
            seconds = time_per_sequence(track, size, flags.timed_sequences)
            rows.append(("transformer", variant, K, *operations, "fvcore", seconds))
            print(f"{variant}, K = {K}: {operations.flops} operations, {seconds:.2g} s", flush=True)
    parameters = {
        "tracker": "transformer",
        **architecture,
        "timed_sequences": flags.timed_sequences,
        "threads": 1,
    }
    with TableWriter(flags.output, OPERATIONS, parameters) as writer:
        writer.write(dict(zip(OPERATIONS.schema.names, map(np.array, zip(*rows, strict=True)), strict=True)))


def time_per_sequence(track, size: Architecture, sequences: int) -> float:
    """Return the processor time, in seconds a sequence, of tracking so many at once on one thread."""
    network = Transformer(size, 1)
    measurements = torch.randn(1, sequences, size.frames, size.particles, 2, dtype=torch.float64)
    initial = measurements[:, :, 0]
    track(network, measurements[:, :1, :2], initial[:, :1])
    begin = process_time()
    track(network, measurements, initial)
    return (process_time() - begin) / sequences


if __name__ == "__main__":
    run(main)
