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
        "--runs",
        type=json.loads,
        required=True,
        metavar="JSON",
        help="[[arguments of Workload, solver, K, sequences], ...]",
    )
    runs = parser.parse_args().runs
    workloads: dict[str, Workload] = {}
    for scene, *_ in runs:
        key = json.dumps(scene)
        workloads[key] = workloads.get(key) or Workload(**scene)

    works = [loop for loop, _ in loops().values()]
    for scene, solver, lookback, sequences in runs:
        workload = workloads[json.dumps(scene)]
        # What is compiled, or loaded, is so on first use; a window of one frame uses less than longer ones.
        workload.prepare(solver, min(lookback, 2), 1)()
        works.append(workload.prepare(solver, lookback, sequences))
    for work in works:
        mark()
        work()
        mark()


if __name__ == "__main__":
    run(main)
