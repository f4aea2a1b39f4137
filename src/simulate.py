"""Simulate experiments: N particles in Brownian motion and their shuffled noisy detections, without clutter.

Writes truth.parquet, initial.parquet and measurements.parquet into a directory, all three or none. Noises and
spreads are standard deviations per axis, in the unit of length of the positions; time is in frames.
"""

from pathlib import Path
from typing import Any

import numpy as np

from command_line import (
    ArgumentParser,
    int_at_least,
    non_negative_float,
    non_negative_int,
    output_directory,
    positive_float,
    positive_int,
    run,
    seed,
)
from mpt.motion import Stream, simulate
from mpt.tables.dataset import STARTS, DatasetWriter
from mpt.tables.files import ROWS_PER_GROUP


def main() -> None:
    """Read the flags, then simulate."""
    parser = ArgumentParser(description=__doc__)
    add = parser.add_argument
    positive: dict[str, Any] = {"type": positive_int, "required": True}
    deviation: dict[str, Any] = {"type": non_negative_float, "required": True}
    add("--experiments", **positive, metavar="B", help="number of experiments")
    add(
        "--first-experiment",
        type=non_negative_int,
        default=0,
        metavar="n",
        help="number of the first, default 0",
    )
    add("--frames", type=int_at_least(2), required=True, metavar="T", help="frames per experiment, 2 or more")
    add("--particles", **positive, metavar="N", help="particles per experiment")
    add("--process-noise", **deviation, metavar="mu", help="of a particle's random step [length per frame]")
    add(
        "--measurement-noise", **deviation, metavar="sigma", help="of a detection about its particle [length]"
    )
    add("--initial-spread", **deviation, metavar="s0", help="of the positions at frame 0 [length]")
    add("--drift-spread", **deviation, metavar="sd", help="of a particle's constant drift [length per frame]")
    add(
        "--confinement",
        type=positive_float,
        metavar="h",
        help="half-width of a box about the origin whose walls reflect particles [length], default no box",
    )
    add("--seed", type=seed, required=True, metavar="n", help="seed of every random number")
    add(
        "--stream",
        choices=[stream.name.lower() for stream in Stream],
        default=Stream.TEST.name.lower(),
        help="test and training experiments of one seed and number are independent; default test",
    )
    add(
        "--start",
        choices=STARTS,
        default=STARTS[0],
        help="known: initial.parquet has the true positions at frame 0; measured: each particle's own "
        "detection there; default %(default)s",
    )
    add(
        "--output", type=output_directory, required=True, metavar="DIR", help="directory for the three tables"
    )
    simulate_dataset(**vars(parser.parse_args()))


def simulate_dataset(
    *,
    output: Path,
    experiments: int,
    first_experiment: int = 0,
    stream: str = Stream.TEST.name.lower(),
    start: str = STARTS[0],
    **model,
) -> None:
    """Simulate a block of experiments at a time and append it to the tables; the arguments are the flags.

    model: frames, particles, the four noises and spreads, confinement and seed, as of mpt.motion.simulate.
    Raises InputError.
    """
    parameters = {
        **model,
        "experiments": experiments,
        "first_experiment": first_experiment,
        "stream": stream,
    }
    if start != "known":
        # A dataset that does not say knows its starts.
        parameters["start"] = start
    end = first_experiment + experiments
    per_block = max(1, ROWS_PER_GROUP // (model["frames"] * model["particles"]))
    with DatasetWriter(output, parameters) as writer:
        for begin in range(first_experiment, end, per_block):
            numbers = np.arange(begin, min(begin + per_block, end))
            block = simulate(numbers, **model, stream=Stream[stream.upper()])
            writer.write(numbers, block.positions, block.measurements, block.detection)


if __name__ == "__main__":
    run(main)
