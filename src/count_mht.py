"""Count the floating-point operations of the Multiple Hypothesis Tracker per sequence, over lookbacks K.

Each solver of track_mht.py is timed, and counted by the best source that this machine has: `papi`, counters
of the processor; `emulated`, counters of an emulated processor, for which it takes QEMU and a C compiler;
`model`, a closed formula. What takes long to emulate is left to the formula. Enumeration takes the same
operations for every sequence; branch and bound, of which there is no formula, is averaged over the sequences.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from command_line import ArgumentParser, non_negative_float, positive_float, positive_int, run
from counting_flags import add_counting_flags
from mpt.operations.mht_counts import measure
from mpt.tables.files import TableWriter, with_nulls
from mpt.tables.operations import OPERATIONS
from mpt.trackers import mht

SOURCES = {"papi": "hardware counters", "emulated": "emulation"}


def main() -> None:
    """Read the flags, count and time each solver at each lookback, write the table."""
    parser = ArgumentParser(description=__doc__)
    add = parser.add_argument
    add_counting_flags(parser)
    add("--solvers", choices=mht.SOLVERS, nargs="+", required=True, help="as of track_mht.py")
    add("--process-noise", type=non_negative_float, required=True, metavar="mu", help="length per frame")
    add("--measurement-noise", type=positive_float, required=True, metavar="sigma", help="length")
    add("--initial-spread", type=non_negative_float, required=True, metavar="s0", help="length")
    add("--drift-spread", type=non_negative_float, required=True, metavar="sd", help="length per frame")
    add(
        "--sequences",
        type=positive_int,
        default=10,
        metavar="B",
        help="timed and counted at once, default 10",
    )
    count_operations(**vars(parser.parse_args()))


def count_operations(
    *, lookbacks: Sequence[int], solvers: Sequence[str], output: Path, sequences: int = 10, **scene
) -> None:
    """Count and time each solver at each lookback, write the table; the arguments are the flags.

    scene: particles, frames, noises and spreads as of mpt.motion.simulate. Raises InputError.
    """
    runs = [(solver, K) for solver in sorted(set(solvers)) for K in sorted(set(lookbacks))]
    marked = Path(__file__).with_name("track_marked.py")
    seconds, counted, refused = measure(runs, scene, sequences, marked)
    for source, reason in refused.items():
        print(f"count_mht.py: no {SOURCES[source]}: {reason}", file=sys.stderr)
    rows = []
    for each in runs:
        operations, source = counted.get(each, (None, "none"))
        rows.append(("mht", *each, operations, None, source, seconds[each], None, None))
        print(
            f"{each[0]}, K = {each[1]}: {operations} operations ({source}), {seconds[each]:.2g} s", flush=True
        )
    parameters = {"tracker": "mht", **scene, "sequences": sequences, "refused_sources": refused}
    columns = dict(zip(OPERATIONS.schema.names, zip(*rows, strict=True), strict=True))
    with TableWriter(output, OPERATIONS, parameters) as writer:
        writer.write({name: with_nulls(column) for name, column in columns.items()})


if __name__ == "__main__":
    run(main)
