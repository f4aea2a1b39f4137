"""Track simulated sequences with marks where operations are to be counted; count_mht.py emulates it.

First come the loops of known work, then the runs of the Multiple Hypothesis Tracker, each between two marks.
Without an emulator it leaves nothing behind but compiled kernels.
"""

import json

from command_line import ArgumentParser, run
from mpt.operations.emulation import mark
from mpt.operations.known_work import loops
from mpt.operations.mht_workload import Workload


def main() -> None:
    """Read the flags, run everything."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument(
        "--workload", type=json.loads, required=True, metavar="JSON", help="arguments of Workload"
    )
    parser.add_argument(
        "--runs", type=json.loads, required=True, metavar="JSON", help="[[solver, K, sequences], ...]"
    )
    flags = parser.parse_args()
    workload = Workload(**flags.workload)

    works = [loop for loop, _ in loops().values()]
    # What is compiled, or loaded, is so on first use; a window of one frame uses less than longer ones.
    for solver, lookback in sorted({(solver, min(lookback, 2)) for solver, lookback, _ in flags.runs}):
        workload.prepare(solver, lookback, 1)()
    works += [workload.prepare(*each) for each in flags.runs]
    for work in works:
        mark()
        work()
        mark()


if __name__ == "__main__":
    run(main)
