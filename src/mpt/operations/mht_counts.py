"""The operations and the seconds of the Multiple Hypothesis Tracker, counted by the best source there is.

The sources: `papi`, counters of the processor; `emulated`, counters of an emulated processor; `model`, a
closed formula. What takes long to emulate is left to the formula. Enumeration takes the same operations for
every sequence; branch and bound, of which there is no formula, is averaged over the sequences.
"""

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from mpt.operations import emulation, known_work
from mpt.operations.hardware_counters import HardwareCounters
from mpt.operations.known_work import CannotCount
from mpt.operations.mht_formulas import FORMULAS
from mpt.operations.mht_workload import Workload
from mpt.operations.timing import processor_seconds
from mpt.progress import Progress
from mpt.trackers import mht

# Some seconds, an emulated processor being a hundred times as slow.
MOST_EMULATED = 10**8
# Of branch and bound, for which there is no formula, usually a minute or two: the costs that are evaluated in
# all windows of all sequences, and the nodes that are searched in a window. Unlike seconds they do not depend
# on the machine's speed, so that every machine counts the same lookbacks.
MOST_COSTS_EMULATED = 2**28
MOST_NODES_EMULATED = 100_000
# Kernels for any x86-64: emulators know fewer instructions than this machine may have. And one thread.
EMULATED_ENVIRONMENT = {
    "NUMBA_CPU_NAME": "x86-64",
    "NUMBA_CPU_FEATURES": "",
    "NUMBA_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}

# A solver and a lookback.
Run = tuple[str, int]


class Measured(NamedTuple):
    """What runs take per sequence.

    seconds: processor time of each run. counted: operations and their source of each run; one that no source
    can count is missing. refused: why better sources were refused, by source.
    """

    seconds: dict[Run, float]
    counted: dict[Run, tuple[int, str]]
    refused: dict[str, str]


def measure(runs: Sequence[Run], scene: Mapping, sequences: int, marked: Path) -> Measured:
    """Time and count solvers and lookbacks on simulated sequences.

    scene: particles, frames, noises and spreads as of motion.simulate. sequences: how many are timed and
    counted at once. marked: the script to emulate, track_marked.py.
    """
    workload = Workload(sequences=sequences, **scene)
    progress, seconds = Progress(len(runs), "runs timed"), {}
    for done, each in enumerate(runs, 1):
        seconds[each] = time_per_sequence(workload, *each, sequences)
        progress.at(done)
    return Measured(seconds, *count(runs, workload, scene, sequences, marked))


def time_per_sequence(workload: Workload, solver: str, lookback: int, sequences: int) -> float:
    """Return the processor time that tracking takes, in seconds a sequence, on one thread."""
    # Compiles, if that was not done before.
    workload.prepare(solver, 1)()
    return processor_seconds(workload.prepare(solver, lookback)) / sequences


def count(
    runs: Sequence[Run], workload: Workload, scene: Mapping, sequences: int, marked: Path
) -> tuple[dict[Run, tuple[int, str]], dict[str, str]]:
    """Return the operations of each run and their source, and why better sources were refused.

    A run that no source can count is missing: branch and bound on machines with neither counter, or where it
    takes long to emulate.
    """
    modelled = {
        (solver, K): FORMULAS[solver](scene["particles"], K, scene["frames"])
        for solver, K in runs
        if solver in FORMULAS
    }
    counted = {each: (operations, "model") for each, operations in modelled.items()}
    refused: dict[str, str] = {}
    try:
        found = count_by_hardware(runs, workload, sequences)
        return counted | {each: (operations, "papi") for each, operations in found.items()}, refused
    except CannotCount as reason:
        refused["papi"] = str(reason)
    cheap = [
        (solver, K)
        for solver, K in runs
        if (
            modelled[solver, K] <= MOST_EMULATED
            if (solver, K) in modelled
            else is_soon_searched(workload, K, scene, sequences)
        )
    ]
    try:
        found = count_by_emulation(cheap, scene, sequences, marked)
        counted |= {each: (operations, "emulated") for each, operations in found.items()}
    except CannotCount as reason:
        refused["emulated"] = str(reason)
    return counted, refused


def is_soon_searched(workload: Workload, lookback: int, scene: Mapping, sequences: int) -> bool:
    """Say whether branch and bound is soon done with all sequences, even emulated."""
    N, T = scene["particles"], scene["frames"]
    K, windows = min(lookback, T - 1), (T - 1) * sequences
    nodes = MOST_NODES_EMULATED
    if mht.holds_every_history(N, K):
        if N ** (K + 1) * windows > MOST_COSTS_EMULATED:
            return False
    else:
        # Each node of a list of histories is one of N detections, all of whose costs are looked at.
        nodes = min(nodes, MOST_COSTS_EMULATED // (N * windows))
    return workload.is_proven_within(nodes, lookback)


def count_by_hardware(runs: Iterable[Run], workload: Workload, sequences: int) -> dict[Run, int]:
    """Return the operations per sequence of each run, counted by the processor; raises CannotCount."""
    counters = HardwareCounters()
    counted = {}
    for each in runs:
        counted[each] = round(counters.count(workload.prepare(*each)) / sequences)
    return counted


def count_by_emulation(runs: list[Run], scene: Mapping, sequences: int, marked: Path) -> dict[Run, int]:
    """Return the operations per sequence of each run, counted under emulation; raises CannotCount."""
    # One sequence tells where all take the same.
    tracked = [1 if solver in FORMULAS else sequences for solver, _ in runs]
    workload = {**scene, "sequences": sequences}
    counted = emulate([(workload, *each, number) for each, number in zip(runs, tracked, strict=True)], marked)
    return {
        each: round(operations / number)
        for each, operations, number in zip(runs, counted, tracked, strict=True)
    }


def emulate(runs: Sequence[tuple[Mapping, str, int, int]], marked: Path) -> list[int]:
    """Return the operations of each run, counted under emulation; raises CannotCount.

    runs: arguments of a Workload, a solver, a lookback, and how many of the workload's sequences are tracked.
    """
    command: list[str | Path] = [sys.executable, marked, "--runs", json.dumps(runs)]
    with TemporaryDirectory() as directory:
        emulator = emulation.Emulator(Path(directory))
        environment = {**os.environ, **EMULATED_ENVIRONMENT, "NUMBA_CACHE_DIR": directory}
        print(f"counting {len(runs)} runs on an emulated processor", flush=True)
        # Compiles, which an emulated processor is too slow for.
        emulation.run(command, environment)
        operations = emulator.counts(command, environment).sum(axis=1)
    loops = known_work.loops()
    between_marks = np.diff(operations)[::2].tolist()
    known_work.check(dict(zip(loops, between_marks, strict=False)))
    return between_marks[len(loops) :]
