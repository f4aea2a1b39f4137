"""The Multiple Hypothesis Tracker without clutter and without misses, with N-scan pruning.

Every permutation of detections over tracks in each of the last K frames is a hypothesis. It costs the sum
of the squared Mahalanobis distances of its innovations (Section II-B). Before another frame enters a full
window, the best hypothesis decides the oldest one, and those that decide it otherwise are dropped; after
the last frame it decides all that is left. K = 1 is global nearest neighbour, K ≥ T − 1 the most likely
association of the whole sequence. Ties go to the lexicographically first hypothesis, oldest frame first.
"""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from math import lgamma, log
from typing import NamedTuple

import numpy as np

from mpt.errors import InputError
from mpt.kalman import Model
from mpt.trackers import assignment, enumeration

SOLVERS = ("enumerate", "refilter", "assignment")
NODE_LIMIT = 10_000_000
# Their squares, and differences of these, are still numbers.
LARGEST_POSITION = 1e100
LARGEST_ENUMERATION = 2**26
LARGEST_ASSIGNMENT = 2**25


class Decisions(NamedTuple):
    """What the tracker decided in B sequences of T frames.

    detection (B, T, N) int16: the detection of each track; -1 at frame 0, the start, where none is
    assigned. cost (B,): the sum of squared Mahalanobis distances along the decided paths, dimensionless.
    margin (B, T, N), if asked for: how much more the best hypothesis costs that gives the track another
        detection in this frame, in the window that decided the frame: twice the log likelihood ratio. inf
        where there is no other detection and at frame 0. The least of a frame's margins is that of deciding
        the frame otherwise at all.
    gap (B, T): by how much a better hypothesis might have existed in the window that decided the frame: 0
    where
        none does, as after enumeration; more where the assignment solver was stopped by its limit. A margin
        may be too small by as much as the search for it was stopped.
    """

    detection: np.ndarray
    cost: np.ndarray
    margin: np.ndarray | None
    gap: np.ndarray

    def path(self, measurements: np.ndarray, initial: np.ndarray) -> np.ndarray:
        """Return each track's own measurements (B, T, N, 2), lengths, with its start at frame 0."""
        order = np.maximum(self.detection, 0)[..., None]
        path = np.take_along_axis(measurements, order, axis=2)
        path[:, 0] = initial
        return path


def track(
    measurements: np.ndarray,
    initial: np.ndarray,
    lookback: int,
    model: Model,
    *,
    solver: str = "enumerate",
    margins: bool = True,
    node_limit: int = NODE_LIMIT,
    threads: int = 1,
    experiments: np.ndarray | None = None,
) -> Decisions:
    """Track N particles through B sequences.

    measurements (B, T, N, 2), lengths, in any order within a frame; frame 0 is not used.
    initial (B, N, 2), lengths: the positions at frame 0, known exactly.
    lookback: K ≥ 1; more than T − 1 is the same as T − 1.
    solver: "enumerate" looks at every hypothesis of the window; "refilter" too, and filters each anew in
        every frame, which only takes longer; "assignment" finds the same by branch and bound.
    margins: whether to find the margins, which multiplies the work of the assignment solver.
    node_limit: how many nodes the assignment solver searches in a window at most.
    threads: how many sequences are tracked at a time.
    experiments (B,): the numbers by which errors name the sequences; 0 … B − 1 if not given.

    Raises InputError if a number is not finite, naming experiment and frame, or if there are too many
    hypotheses for the solver; ValueError if shapes do not fit.
    """
    # The kernels are compiled for one kind of array only.
    measurements = np.require(measurements, np.float64, ["C", "W"])
    initial = np.require(initial, np.float64, ["C", "W"])
    experiments = np.arange(len(measurements)) if experiments is None else experiments
    _check(measurements, initial, lookback, experiments)
    B, T, N, _ = measurements.shape
    lookback = min(lookback, T - 1)
    decisions = Decisions(
        detection=np.full((B, T, N), -1, np.int16),
        cost=np.zeros(B),
        margin=np.full((B, T, N), np.inf) if margins or solver != "assignment" else None,
        gap=np.zeros((B, T)),
    )
    if T > 1:
        _check_size(solver, N, lookback)
        riccati = model.riccati(T)
        weights = 1 / riccati.innovation_variance, riccati.gain.copy()
        window = enumeration.window_tables(N, lookback) if solver != "assignment" else ()

        def decide(part: slice) -> None:
            scenes = measurements[part], initial[part]
            detection, cost, margin, gap = (None if a is None else a[part] for a in decisions)
            if solver == "enumerate":
                enumeration.decide(*scenes, *window, *weights, detection, margin, cost)
            elif solver == "refilter":
                enumeration.decide_refiltered(*scenes, *window, *weights, detection, margin, cost)
            else:
                assignment.decide(*scenes, lookback, *weights, detection, margin, cost, gap, node_limit)

        edges = np.linspace(0, B, min(threads, B) + 1).astype(int)
        parts = [slice(begin, end) for begin, end in pairwise(edges)]
        if threads == 1:
            # Where a profiler of this thread sees it.
            for part in parts:
                decide(part)
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(decide, parts))
    overflown = np.flatnonzero(~np.isfinite(decisions.cost))
    if len(overflown):
        raise InputError(
            f"experiment {experiments[overflown[0]]}: its positions are too far apart for so little noise: "
            "squared Mahalanobis distances overflow"
        )
    return decisions if margins else decisions._replace(margin=None)


def _check(measurements: np.ndarray, initial: np.ndarray, lookback: int, experiments: np.ndarray) -> None:
    if measurements.ndim != 4 or measurements.shape[3] != 2 or 0 in measurements.shape[1:]:
        raise ValueError(f"measurements have the shape {measurements.shape}, not (B, T, N, 2)")
    B, _, N, _ = measurements.shape
    if initial.shape != (B, N, 2):
        raise ValueError(f"initial positions have the shape {initial.shape}, not {(B, N, 2)}")
    if lookback < 1:
        raise InputError(f"lookback {lookback} is not at least 1")
    if (place := _first_unusable(initial)) is not None:
        b, i, axis = place
        raise InputError(
            f"experiment {experiments[b]}: track {i} starts at {'xy'[axis]} = {initial[b, i, axis]}, "
            f"which is not a number of at most {LARGEST_POSITION:g}"
        )
    if (place := _first_unusable(measurements)) is not None:
        b, t, j, axis = place
        raise InputError(
            f"experiment {experiments[b]}, frame {t}: detection {j} is at {'xy'[axis]} = "
            f"{measurements[b, t, j, axis]}, which is not a number of at most {LARGEST_POSITION:g}"
        )


def _first_unusable(positions: np.ndarray) -> np.ndarray | None:
    # nan is both the least and the greatest.
    if positions.min(initial=0) >= -LARGEST_POSITION and positions.max(initial=0) <= LARGEST_POSITION:
        return None
    return np.argwhere(~(np.abs(positions) <= LARGEST_POSITION))[0]


def _check_size(solver: str, particles: int, lookback: int) -> None:
    if solver not in SOLVERS:
        raise InputError(f"solver {solver!r} is not one of {SOLVERS}")
    if solver == "assignment":
        if (lookback + 1) * log(particles) > log(LARGEST_ASSIGNMENT):
            raise InputError(
                f"{particles} particles and lookback {lookback} make {particles}^{lookback} histories of "
                f"each track, more than the {LARGEST_ASSIGNMENT} in all that the assignment solver can hold"
            )
    elif lookback * lgamma(particles + 1) > log(LARGEST_ENUMERATION):
        raise InputError(
            f"{particles} particles and lookback {lookback} make {particles}!^{lookback} hypotheses, more "
            f"than the {LARGEST_ENUMERATION} that can be enumerated: the assignment solver takes more"
        )
