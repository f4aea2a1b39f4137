"""The Multiple Hypothesis Tracker without clutter and without misses, with N-scan pruning.

Every permutation of detections over tracks in each of the last K frames is a hypothesis. It costs the sum
of the squared Mahalanobis distances of its innovations (Section II-B). Before another frame enters a full
window, the best hypothesis decides the oldest one, and those that decide it otherwise are dropped; after
the last frame it decides all that is left. K = 1 is global nearest neighbour, K ≥ T − 1 the most likely
association of the whole sequence. Ties go to the lexicographically first hypothesis, oldest frame first.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from mpt.errors import InputError
from mpt.kalman import Model, filter_states, smooth_positions
from mpt.trackers import enumeration, limits, sparse
from mpt.trackers.limits import SOLVERS

__all__ = [
    "ESTIMATES",
    "NODE_LIMIT",
    "SOLVERS",
    "Decisions",
    "Kernel",
    "estimate",
    "holds_every_history",
    "track",
]

ESTIMATES = ("filtered", "online", "smoothed", "detection")
NODE_LIMIT = 10_000_000
# Their squares, and differences of these, are still numbers.
LARGEST_POSITION = 1e100
# The most tracks, and histories of all of them in a window, of which the assignment solver holds every
# history: that is then faster than to list those that matter, and finds the same.
DENSE_TRACKS = 6
DENSE_HISTORIES = 2**16


class Decisions(NamedTuple):
    """What the tracker decided in B sequences of T frames.

    detection (B, T, N) int16: the detection of each track; -1 at frame 0, the start, where none is
    assigned. cost (B,): the sum of squared Mahalanobis distances along the decided paths, dimensionless.
    margin (B, T, N), if asked for: how much more the best hypothesis costs that gives the track another
        detection in this frame, in the window that decided the frame: twice the log likelihood ratio. inf
        where there is no other detection and at frame 0. The least of a frame's margins is that of deciding
        the frame otherwise at all.
    gap (B, T): by how much a better hypothesis might have existed in the window that decided the frame, or,
        with windows, in the one that ends there: 0 where none does, as after enumeration; more where the
        assignment solver was stopped by its limit. A margin may be too small by as much as the search for it
        was stopped.
    windows (B, T, K, N) int16, if asked for: the best hypothesis at frame t, what the tracker would decide if
        t were the last frame: its detections in the frames t − K + 1 … t, or 1 … t where these are fewer.
    """

    detection: np.ndarray
    cost: np.ndarray
    margin: np.ndarray | None
    gap: np.ndarray
    windows: np.ndarray | None = None

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
    windows: bool = False,
    experiments: np.ndarray | None = None,
    kept: np.ndarray | None = None,
) -> Decisions:
    """Track N particles through B sequences.

    measurements (B, T, N, 2), lengths, in any order within a frame; frame 0 is not used.
    initial (B, N, 2), lengths: the positions at frame 0, exact or measured as the model says.
    lookback: K ≥ 1; more than T − 1 is the same as T − 1.
    solver: "enumerate" looks at every hypothesis of the window; "refilter" too, and filters each anew in
        every frame, which only takes longer; "assignment" finds the same by bounds, for many tracks.
    margins: whether to find the margins, which multiplies the work of the assignment solver and has it hold
        every history of the window.
    node_limit: how many nodes the assignment solver searches in a window at most.
    threads: how many sequences are tracked at a time.
    windows: whether to keep the best hypothesis of every frame, for the online estimate.
    experiments (B,): the numbers by which errors name the sequences; 0 … B − 1 if not given.
    kept (B, T, N, N) bool: which detections (last) each track may have; all if not given. Some permutation
        must be among them in every frame from 1 on. Without margins, and not for refilter.

    Raises InputError if a number is not finite, naming experiment and frame, or if there are too many
    hypotheses for the solver; ValueError if shapes do not fit.
    """
    kernel = Kernel(
        measurements,
        initial,
        lookback,
        model,
        solver=solver,
        margins=margins,
        node_limit=node_limit,
        windows=windows,
        experiments=experiments,
        kept=kept,
    )
    edges = np.linspace(0, len(measurements), min(threads, len(measurements)) + 1).astype(int)
    parts = [slice(begin, end) for begin, end in pairwise(edges)]
    if threads == 1:
        # Where a profiler of this thread sees it.
        for part in parts:
            kernel.decide(part)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(kernel.decide, parts))
    return kernel.decisions()


class Kernel:
    """A solver set up for B sequences: what is compiled, apart from the checks before and after.

    decide(part) decides the sequences of a slice of 0 … B − 1; decisions() checks and returns all. Takes the
    arguments of `track`, whose errors it raises.
    """

    def __init__(
        self,
        measurements: np.ndarray,
        initial: np.ndarray,
        lookback: int,
        model: Model,
        *,
        solver: str,
        margins: bool = True,
        node_limit: int = NODE_LIMIT,
        windows: bool = False,
        experiments: np.ndarray | None = None,
        kept: np.ndarray | None = None,
    ):
        """Check the arguments and make room for the decisions."""
        # The kernels are compiled for one kind of array only.
        measurements, initial = (np.require(a, np.float64, ["C", "W"]) for a in (measurements, initial))
        self._scenes = measurements, initial
        self._experiments = np.arange(len(measurements)) if experiments is None else experiments
        _check(*self._scenes, self._experiments)
        B, T, N, _ = self._scenes[0].shape
        settings, scene = {"lookback": lookback, "solver": solver}, {"particles": N, "frames": T}
        fault = limits.hypotheses(settings, scene)
        if fault is None and margins and solver == "assignment":
            fault = limits.histories(settings, scene)
        if fault is not None:
            raise InputError(fault)
        if kept is not None and (margins or solver == "refilter" or kept.shape != (B, T, N, N)):
            raise ValueError(
                f"pairs {kept.shape} are kept without margins, not for refilter, of {(B, T, N, N)}"
            )
        self._kept = None if kept is None else np.require(kept, bool, ["C", "W"])
        K = min(lookback, T - 1)
        self._margins, self._windows = margins, windows
        self._decisions = Decisions(
            detection=np.full((B, T, N), -1, np.int16),
            cost=np.zeros(B),
            margin=np.full((B, T, N), np.inf) if margins or solver != "assignment" else None,
            gap=np.zeros((B, T)),
            windows=np.full((B if windows else 0, T, K, N), -1, np.int16),
        )
        self._solve: Callable | None = None
        if T > 1:
            riccati = model.riccati(T)
            weights = 1 / riccati.innovation_variance, riccati.gain.copy()
            self._solve = _solver(solver, N, K, weights, node_limit)

    def decide(self, part: slice = slice(None)) -> np.ndarray:
        """Decide these sequences; return their detections (b, T, N)."""
        detection, cost, margin, gap, windows = (None if a is None else a[part] for a in self._decisions)
        if self._solve is not None:
            scenes = (a[part] for a in self._scenes)
            T, N = self._scenes[0].shape[1:3]
            kept = np.empty((0, T, N, N), bool) if self._kept is None else self._kept[part]
            self._solve(*scenes, detection, margin, cost, windows, gap, kept)
        assert detection is not None
        return detection

    def decisions(self) -> Decisions:
        """Return all decisions. Raises InputError if a cost overflows."""
        decisions = self._decisions
        overflown = np.flatnonzero(~np.isfinite(decisions.cost))
        if len(overflown):
            raise InputError(
                f"experiment {self._experiments[overflown[0]]}: its positions are too far apart for so "
                "little noise: squared Mahalanobis distances overflow"
            )
        if not self._margins:
            decisions = decisions._replace(margin=None)
        return decisions if self._windows else decisions._replace(windows=None)


def holds_every_history(particles: int, lookback: int) -> bool:
    """Say whether the assignment solver holds every history of a window although no margins are asked for."""
    return particles <= DENSE_TRACKS and particles ** (lookback + 1) <= DENSE_HISTORIES


def _solver(solver: str, particles: int, lookback: int, weights: tuple, node_limit: int) -> Callable:
    """Return solve(measurements, initial, detection, margin, cost, windows, gap, kept)."""
    if solver == "assignment":
        # Here, for it imports scipy.optimize: a quarter of a second that enumeration can do without.
        from mpt.trackers import assignment

        few = holds_every_history(particles, lookback)
        capacity = limits.LARGEST_ASSIGNMENT // (lookback + 2)

        def solve(measurements, initial, detection, margin, cost, windows, gap, kept):
            given = measurements, initial, lookback, *weights
            if few or margin is not None:
                assignment.decide(*given, detection, margin, cost, windows, gap, kept, node_limit)
            else:
                sparse.decide(*given, detection, cost, windows, gap, kept, node_limit, capacity)

    else:
        tables = enumeration.window_tables(particles, lookback)

        def solve(measurements, initial, detection, margin, cost, windows, gap, kept):
            scene = measurements, initial, *tables, *weights
            if solver == "refilter":
                enumeration.decide_refiltered(*scene, detection, margin, cost, windows)
            else:
                enumeration.decide(*scene, detection, margin, cost, windows, kept)

    return solve


def estimate(
    kind: str, decisions: Decisions, measurements: np.ndarray, initial: np.ndarray, model: Model
) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions (B, T, N, 2) that the tracker reports, as lengths, and the detections (B, T, N).

    kind: "filtered" along the decided path, whose associations are decided K − 1 frames later and so look
        ahead; "online": the state at t of the best hypothesis at t, which no later frame can change;
        "smoothed" along the decided path, given all measurements; "detection": the decided detections.
    decisions: with windows for "online".
    measurements (B, T, N, 2), initial (B, N, 2) and model as for `track`.
    """
    path = decisions.path(measurements, initial)
    if kind == "online":
        return _online(decisions, measurements, path, model)
    if kind == "filtered":
        return filter_states(model, path, initial)[0], decisions.detection
    if kind == "smoothed":
        return smooth_positions(model, path, initial), decisions.detection
    if kind == "detection":
        return path, decisions.detection
    raise ValueError(f"estimate {kind!r} is not one of {ESTIMATES}")


def _online(
    decisions: Decisions, measurements: np.ndarray, path: np.ndarray, model: Model
) -> tuple[np.ndarray, np.ndarray]:
    """Filter every frame's best hypothesis on from the state in which its window begins."""
    windows = decisions.windows
    assert windows is not None
    T, K = windows.shape[1:3]
    gain = model.riccati(T).gain
    # The frames before a window are decided already, in the same way by all its hypotheses.
    decided = filter_states(model, path, path[:, 0])
    positions, detection = decided[0].copy(), decisions.detection.copy()
    for t in range(1, T):
        begin = max(t - K + 1, 1)
        position, velocity = (states[:, begin - 1] for states in decided)
        for s in range(begin, t + 1):
            detection[:, t] = windows[:, t, s - begin]
            measured = np.take_along_axis(measurements[:, s], detection[:, t, :, None], axis=1)
            predicted = position + velocity
            innovation = measured - predicted
            position = predicted + gain[s, 0] * innovation
            velocity = velocity + gain[s, 1] * innovation
        positions[:, t] = position
    return positions, detection


def _check(measurements: np.ndarray, initial: np.ndarray, experiments: np.ndarray) -> None:
    if measurements.ndim != 4 or measurements.shape[3] != 2 or 0 in measurements.shape[1:]:
        raise ValueError(f"measurements have the shape {measurements.shape}, not (B, T, N, 2)")
    B, _, N, _ = measurements.shape
    if initial.shape != (B, N, 2):
        raise ValueError(f"initial positions have the shape {initial.shape}, not {(B, N, 2)}")
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
