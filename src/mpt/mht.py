"""The Multiple Hypothesis Tracker without clutter and without misses, with N-scan pruning.

Every permutation of detections over tracks in each of the last K frames is a hypothesis. It costs the sum of
the squared Mahalanobis distances of its innovations (Section II-B). Before another frame enters a full
window, the best hypothesis decides the oldest one, and those that decide it otherwise are dropped; after
the last frame it decides all that is left. K = 1 is global nearest neighbour, K ≥ T − 1 the most likely
association of the whole sequence. Ties go to the lexicographically first hypothesis, oldest frame first.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from math import lgamma, log

import numpy as np

from mpt import enumeration
from mpt.errors import InputError
from mpt.kalman import Model

SOLVERS = ("enumerate", "refilter")

LARGEST_ENUMERATION = 2**26


@dataclass(frozen=True)
class Decisions:
    """What the tracker decided in B sequences of T frames.

    detection (B, T, N) int16: the detection of each track; -1 at frame 0, the start, where none is assigned.
    cost (B,): the sum of squared Mahalanobis distances along the decided paths, dimensionless.
    margin (B, T, N): how much more the best hypothesis costs that gives the track another detection in this
        frame, in the window that decided the frame: twice the log likelihood ratio. inf where there is no
        other detection and at frame 0. The least of a frame's margins is that of deciding the frame
        otherwise at all.
    """

    detection: np.ndarray
    cost: np.ndarray
    margin: np.ndarray

    def path(self, measurements: np.ndarray, initial: np.ndarray) -> np.ndarray:
        """Return each track's own measurements (B, T, N, 2), pixels, with its start at frame 0."""
        order = np.maximum(self.detection, 0)[..., None]
        path = np.take_along_axis(measurements, order, axis=2)
        path[:, 0] = initial
        return path


def track(
    measurements: np.ndarray,
    initial: np.ndarray,
    lookback: int,
    model: Model,
    solver: str = "enumerate",
    threads: int = 1,
    experiments: np.ndarray | None = None,
) -> Decisions:
    """Track N particles through B sequences.

    measurements (B, T, N, 2), pixels, in any order within a frame; frame 0 is not used.
    initial (B, N, 2), pixels: the positions at frame 0, known exactly.
    lookback: K ≥ 1; more than T − 1 is the same as T − 1.
    solver: "enumerate" looks at every hypothesis of the window; "refilter" too, and filters each anew in
        every frame, which only takes longer.
    threads: how many sequences are tracked at a time.
    experiments (B,): the numbers by which errors name the sequences; 0 … B − 1 if not given.

    Raises InputError if a number is not finite, naming experiment and frame, or if there are more hypotheses
    than can be enumerated; ValueError if shapes do not fit.
    """
    # Copies, for they are writable and contiguous: the kernels are compiled for one kind of array only.
    measurements = np.array(measurements, dtype=np.float64, order="C")
    initial = np.array(initial, dtype=np.float64, order="C")
    experiments = np.arange(len(measurements)) if experiments is None else experiments
    _check(measurements, initial, lookback, experiments)
    if solver not in SOLVERS:
        raise InputError(f"solver {solver!r} is not one of {SOLVERS}")
    B, T, N, _ = measurements.shape
    lookback = min(lookback, T - 1)
    decisions = Decisions(
        detection=np.full((B, T, N), -1, np.int16), cost=np.zeros(B), margin=np.full((B, T, N), np.inf)
    )
    if T == 1:
        return decisions
    kernel = enumeration.decide_refiltered if solver == "refilter" else enumeration.decide
    decide = _enumerator(kernel, N, lookback)
    riccati = model.riccati(T)
    precision, gain = 1 / riccati.innovation_variance, riccati.gain.copy()

    def decide_part(part: slice) -> None:
        decide(
            measurements[part],
            initial[part],
            precision,
            gain,
            decisions.detection[part],
            decisions.margin[part],
            decisions.cost[part],
        )

    edges = np.linspace(0, B, min(threads, B) + 1).astype(int)
    parts = [slice(begin, end) for begin, end in pairwise(edges)]
    if len(parts) == 1:
        decide_part(parts[0])
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(decide_part, parts))
    overflown = np.flatnonzero(~np.isfinite(decisions.cost))
    if len(overflown):
        raise InputError(
            f"experiment {experiments[overflown[0]]}: its positions are too far apart for so little noise: "
            "squared Mahalanobis distances overflow"
        )
    return decisions


def _check(measurements: np.ndarray, initial: np.ndarray, lookback: int, experiments) -> None:
    if measurements.ndim != 4 or measurements.shape[3] != 2 or 0 in measurements.shape[1:]:
        raise ValueError(f"measurements have the shape {measurements.shape}, not (B, T, N, 2)")
    B, _, N, _ = measurements.shape
    if initial.shape != (B, N, 2):
        raise ValueError(f"initial positions have the shape {initial.shape}, not {(B, N, 2)}")
    if lookback < 1:
        raise InputError(f"lookback {lookback} is not at least 1")
    if not np.isfinite(initial).all():
        unknown = np.argwhere(~np.isfinite(initial))
        raise InputError(
            f"experiment {experiments[unknown[0, 0]]}: the start of track {unknown[0, 1]} is not finite"
        )
    if not np.isfinite(measurements).all():
        unknown = np.argwhere(~np.isfinite(measurements))
        b, frame, detection, _ = unknown[0]
        raise InputError(f"experiment {experiments[b]}, frame {frame}: detection {detection} is not finite")


def _enumerator(decide: Callable, particles: int, lookback: int) -> Callable:
    if lookback * lgamma(particles + 1) > log(LARGEST_ENUMERATION):
        raise InputError(
            f"{particles} particles and lookback {lookback} make {particles}!^{lookback} hypotheses, more "
            f"than the {LARGEST_ENUMERATION} that can be enumerated"
        )
    window = enumeration.window_tables(particles, lookback)

    def decide_window(measurements, initial, *others) -> None:
        decide(measurements, initial, *window, *others)

    return decide_window
