"""How many floating-point operations the Multiple Hypothesis Tracker takes per sequence, in closed form.

A sum, a product, a quotient and the lesser of two numbers are an operation each, as hardware counts; other
comparisons are none. The terms are named after the functions of mpt.trackers.enumeration that they count. N
is the number of particles, P = N! that of permutations, and K the lookback. For N = 1 compilers leave out a
part.
"""

from collections.abc import Callable
from math import factorial

# Prediction, innovation, squared distance and its sum, update: of a track by a detection, in the plane.
_PREDICTION, _DISTANCE, _UPDATE = 2, 7, 10


def enumerated(particles: int, lookback: int, frames: int) -> int:
    """Count enumeration with shared prefixes: every track is updated once by every history of its own."""
    N, P, K = particles, factorial(particles), min(lookback, frames - 1)
    operations = 0
    for t in range(1, frames):
        undecided = min(t, K) - 1
        histories = N**undecided
        operations += N * histories * (_PREDICTION + N * _DISTANCE)
        operations += (N - 1) * P ** (undecided + 1)
        if t == frames - 1:
            operations += _decide_window(N, K)
        elif t >= K:
            operations += _decide_oldest(N, K)
        if t < min(K, frames - 1):
            operations += N * histories * N * _UPDATE
        elif t < frames - 1:
            operations += N * max(histories, 1) * _UPDATE
    return operations


def refiltered(particles: int, lookback: int, frames: int) -> int:
    """Count enumeration that filters every hypothesis of the window anew in every frame."""
    N, P, K = particles, factorial(particles), min(lookback, frames - 1)
    # Prediction and innovation are not taken twice.
    step = _PREDICTION + _DISTANCE + _UPDATE - 2
    operations = 0
    for t in range(1, frames):
        window = min(t, K)
        operations += P**window * (N * window * step + N - 1)
        if t == frames - 1:
            operations += _decide_window(N, K)
        elif t >= K:
            operations += _decide_oldest(N, K) + N * step
    return operations


def _decide_oldest(N: int, K: int) -> int:
    P = factorial(N)
    fold = P**K - P
    threshold = P + 1
    return fold + threshold + _decide_frame(N)


def _decide_frame(N: int) -> int:
    # The least cost of the permutations that give the track another detection; the margin, at least 0.
    return N * (factorial(N) - factorial(N - 1) + 2)


def _decide_window(N: int, K: int) -> int:
    P = factorial(N)
    threshold = P + 1
    return threshold + K * (P**K + _decide_frame(N))


FORMULAS: dict[str, Callable[[int, int, int], int]] = {"enumerate": enumerated, "refilter": refiltered}
