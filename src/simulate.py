"""Simulate experiments: N particles in Brownian motion and their shuffled noisy detections, without clutter.

Writes truth.parquet, initial.parquet and measurements.parquet into a directory, all three or none. Noises and
spreads are standard deviations per axis, in the unit of length of the positions; time is in frames.
"""

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
from mpt.tables.dataset import DatasetWriter
from mpt.tables.files import ROWS_PER_GROUP


def main() -> None:
    """Simulate a block of experiments at a time and append it to the tables."""
    parser = ArgumentParser(description=__doc__)
    add = parser.add_argument
    positive = {"type": positive_int, "required": True}
    deviation = {"type": non_negative_float, "required": True}
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
        "--output", type=output_directory, required=True, metavar="DIR", help="directory for the three tables"
    )
    arguments = parser.parse_args()

    model = {
        "frames": arguments.frames,
        "particles": arguments.particles,
        "process_noise": arguments.process_noise,
        "measurement_noise": arguments.measurement_noise,
        "initial_spread": arguments.initial_spread,
        "drift_spread": arguments.drift_spread,
        "seed": arguments.seed,
    }
    half_width = arguments.confinement
    parameters = {
        **model,
        "experiments": arguments.experiments,
        "first_experiment": arguments.first_experiment,
        "stream": arguments.stream,
        "confinement": None if half_width is None else {"half_width": half_width},
    }
    stream = Stream[arguments.stream.upper()]
    first, end = arguments.first_experiment, arguments.first_experiment + arguments.experiments
    per_block = max(1, ROWS_PER_GROUP // (arguments.frames * arguments.particles))
    with DatasetWriter(arguments.output, parameters) as writer:
        for begin in range(first, end, per_block):
            experiments = np.arange(begin, min(begin + per_block, end))
            block = simulate(experiments, **model, half_width=half_width, stream=stream)
            writer.write(experiments, block.positions, block.measurements, block.detection)


if __name__ == "__main__":
    run(main)
