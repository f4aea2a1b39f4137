"""Count the floating-point operations of the Multiple Hypothesis Tracker per sequence, over lookbacks K.

Each solver of track_mht.py is timed, and counted by the best source that this machine has: `papi`, counters
of the processor; `emulated`, counters of an emulated processor, for which it takes QEMU and a C compiler;
`model`, a closed formula. What takes long to emulate is left to the formula. Enumeration takes the same
operations for every sequence; branch and bound, of which there is no formula, is averaged over the sequences.
"""

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from command_line import (
    ArgumentParser,
    int_at_least,
    non_negative_float,
    output_file,
    positive_float,
    positive_int,
    run,
)
from mpt.operations import emulation, known_work
from mpt.operations.hardware_counters import HardwareCounters
from mpt.operations.known_work import CannotCount
from mpt.operations.mht_formulas import FORMULAS
from mpt.operations.mht_workload import Workload
from mpt.operations.timing import processor_seconds
from mpt.tables.files import TableWriter
from mpt.tables.operations import OPERATIONS
from mpt.trackers import mht

# Some seconds; and of what there is no formula, a minute or two, being a hundred times as slow.
MOST_EMULATED = 10**8
MOST_SECONDS_EMULATED = 1.0
# Kernels for any x86-64: emulators know fewer instructions than this machine may have. And one thread.
EMULATED_ENVIRONMENT = {
    "NUMBA_CPU_NAME": "x86-64",
    "NUMBA_CPU_FEATURES": "",
    "NUMBA_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}

Run = tuple[str, int]


def main() -> None:
    """Read the flags, count and time each solver at each lookback, write the table."""
    parser = ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--particles", type=positive_int, required=True, metavar="N", help="particles, and so tracks")
    add("--frames", type=int_at_least(2), required=True, metavar="T", help="frames of a sequence")
    add("--lookbacks", type=positive_int, nargs="+", required=True, metavar="K", help="in frames")
    add(
        "--solvers",
        choices=mht.SOLVERS,
        nargs="+",
        default=["enumerate", "refilter"],
        help="as of track_mht.py",
    )
    add("--process-noise", type=non_negative_float, required=True, metavar="mu", help="length per frame")
    add("--measurement-noise", type=positive_float, required=True, metavar="sigma", help="length")
    add("--initial-spread", type=non_negative_float, required=True, metavar="s0", help="length")
    add("--drift-spread", type=non_negative_float, required=True, metavar="sd", help="length per frame")
    add(
        "--sequences",
        type=positive_int,
        default=10,
        metavar="B",
        help="timed and counted at once; default 10",
    )
    add("--output", type=output_file, required=True, metavar="F", help="the table of operations")
    flags = parser.parse_args()

    names = ("particles", "frames", "process_noise", "measurement_noise", "initial_spread", "drift_spread")
    scene = {name: getattr(flags, name) for name in names}
    runs = [(solver, K) for solver in sorted(set(flags.solvers)) for K in sorted(set(flags.lookbacks))]
    workload = Workload(sequences=flags.sequences, **scene)
    seconds = {each: time_per_sequence(workload, *each, flags.sequences) for each in runs}
    counted, refused = count(seconds, workload, scene, flags.sequences)
    rows = []
    for each in runs:
        operations, source = counted.get(each, (None, "none"))
        rows.append(("mht", *each, operations, None, source, seconds[each], None, None))
        print(
            f"{each[0]}, K = {each[1]}: {operations} operations ({source}), {seconds[each]:.2g} s", flush=True
        )
    parameters = {"tracker": "mht", **scene, "sequences": flags.sequences, "refused_sources": refused}
    columns = dict(zip(OPERATIONS.schema.names, zip(*rows, strict=True), strict=True))
    with TableWriter(flags.output, OPERATIONS, parameters) as writer:
        writer.write({name: nullable(column) for name, column in columns.items()})


def nullable(values: Sequence) -> np.ma.MaskedArray:
    """Return an array in which None is masked."""
    missing = [value is None for value in values]
    return np.ma.array([0 if value is None else value for value in values], mask=missing)


def time_per_sequence(workload: Workload, solver: str, lookback: int, sequences: int) -> float:
    """Return the processor time that tracking takes, in seconds a sequence, on one thread."""
    # Compiles, if that was not done before.
    workload.prepare(solver, 1)()
    return processor_seconds(workload.prepare(solver, lookback)) / sequences


def count(
    seconds: Mapping[Run, float], workload: Workload, scene: Mapping, sequences: int
) -> tuple[dict[Run, tuple[int, str]], dict[str, str]]:
    """Return the operations of each run and their source, and why better sources were refused.

    seconds are what each run takes per sequence. A run that no source can count is missing: branch and bound
    on machines with neither counter.
    """
    runs = list(seconds)
    modelled = {
        (solver, K): FORMULAS[solver](scene["particles"], K, scene["frames"])
        for solver, K in runs
        if solver in FORMULAS
    }
    counted = {each: (operations, "model") for each, operations in modelled.items()}
    refused = {}
    try:
        found = count_by_hardware(runs, workload, sequences)
        return counted | {each: (operations, "papi") for each, operations in found.items()}, refused
    except CannotCount as reason:
        refused["papi"] = str(reason)
        print(f"profile_mht.py: no hardware counters: {reason}", file=sys.stderr)
    cheap = [
        each
        for each in runs
        if (
            modelled[each] <= MOST_EMULATED
            if each in modelled
            else seconds[each] * sequences <= MOST_SECONDS_EMULATED
        )
    ]
    try:
        found = count_by_emulation(cheap, scene, sequences)
        counted |= {each: (operations, "emulated") for each, operations in found.items()}
    except CannotCount as reason:
        refused["emulated"] = str(reason)
        print(f"profile_mht.py: no emulation: {reason}", file=sys.stderr)
    return counted, refused


def count_by_hardware(runs: Iterable[Run], workload: Workload, sequences: int) -> dict[Run, int]:
    """Return the operations per sequence of each run, counted by the processor; raises CannotCount."""
    counters = HardwareCounters()
    counted = {}
    for each in runs:
        counted[each] = round(counters.count(workload.prepare(*each)) / sequences)
    return counted


def count_by_emulation(runs: list[Run], scene: Mapping, sequences: int) -> dict[Run, int]:
    """Return the operations per sequence of each run, counted under emulation; raises CannotCount."""
    script = Path(__file__).with_name("track_marked.py")
    # One sequence tells where all take the same.
    tracked = [1 if solver in FORMULAS else sequences for solver, _ in runs]
    command = [
        sys.executable,
        script,
        "--workload",
        json.dumps({**scene, "sequences": sequences}),
        "--runs",
        json.dumps([(*each, number) for each, number in zip(runs, tracked, strict=True)]),
    ]
    with TemporaryDirectory() as directory:
        emulator = emulation.Emulator(Path(directory))
        environment = {**os.environ, **EMULATED_ENVIRONMENT, "NUMBA_CACHE_DIR": directory}
        # Compiles, which an emulated processor is too slow for.
        emulation.run(command, environment)
        operations = emulator.counts(command, environment).sum(axis=1)
    loops = known_work.loops()
    between_marks = np.diff(operations)[::2].tolist()
    known_work.check(dict(zip(loops, between_marks, strict=False)))
    counted = zip(runs, between_marks[len(loops) :], tracked, strict=True)
    return {each: round(operations / number) for each, operations, number in counted}


if __name__ == "__main__":
    run(main)
