"""The Multiple Hypothesis Tracker among what a network holds possible.

A network says for every frame how probable it is that detection j is track p's. Of each track the most
probable detections are kept: the fewest that leave out less than ε of its probability. A hypothesis is kept
whose pairs of track and detection all are. Among these the tracker decides as it always does (mpt.mht); with
ε = 0 all are kept, and it is the tracker itself.

Where the kept pairs of a frame admit no permutation, pairs are added to them: of the permutations with the
fewest pairs that were left out, those of the most probable one.

If the best hypothesis of every window is kept, so are the tracks: the best of all is the best of some, if it
is among them.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

# The logarithm of the least probability there is, and more than the sum of any frame's.
_IMPOSSIBLE = -800.0
# Sets of detections that are held at a time while permutations are counted.
_MOST_SETS = 2**14


class Kept(NamedTuple):
    """What is kept of B sequences of T frames.

    pairs (B, T, N, N) bool: which detections (last) each track may have. added (B, T): how many of them are
    there only so that some permutation is. All is kept of frame 0, where nothing is decided.
    """

    pairs: np.ndarray
    added: np.ndarray


def keep(probability: np.ndarray, epsilon: float) -> Kept:
    """Return what is kept by probabilities (B, T, N, N) of detections (last), which sum to 1.

    epsilon: how much of a track's probability, in 0 … 1, may be left out; 0 keeps all.
    """
    # The least probable first; of equals the last.
    order = np.argsort(probability[..., ::-1], axis=-1, kind="stable")
    left_out = np.cumsum(np.take_along_axis(probability[..., ::-1], order, -1), -1, dtype=float) < epsilon
    pairs = np.empty(probability.shape, bool)
    np.put_along_axis(pairs[..., ::-1], order, ~left_out, -1)
    pairs[:, 0] = True
    added = np.zeros(pairs.shape[:2], np.int16)
    for b, t in np.ndindex(added.shape):
        added[b, t] = _admit_a_permutation(pairs[b, t], probability[b, t])
    return Kept(pairs, added)


def _admit_a_permutation(pairs: np.ndarray, probability: np.ndarray) -> int:
    """Add to pairs (N, N) the fewest and most probable so that a permutation is among them; say how many."""
    if pairs.all():
        return 0
    logarithm = np.maximum(np.log(np.maximum(probability.astype(float), np.finfo(float).tiny)), _IMPOSSIBLE)
    tracks, detections = linear_sum_assignment(np.where(pairs, 0.0, -_IMPOSSIBLE * len(pairs)) - logarithm)
    missing = ~pairs[tracks, detections]
    pairs[tracks, detections] = True
    return int(np.count_nonzero(missing))


def permutations(pairs: np.ndarray) -> int | None:
    """Return how many permutations have kept pairs (N, N) only: the permanent; None if it takes too long."""
    ways = {0: 1}
    # Tracks with few choices first make few sets.
    for choices in sorted((np.flatnonzero(row).tolist() for row in pairs), key=len):
        further: dict[int, int] = {}
        for taken, count in ways.items():
            for detection in choices:
                if not taken >> detection & 1:
                    more = taken | 1 << detection
                    further[more] = further.get(more, 0) + count
        if len(further) > _MOST_SETS:
            return None
        ways = further
    return sum(ways.values())


def lost(windows: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Return how many pairs of each window's best hypothesis were left out (B, T): 0 where it was kept.

    windows (B, T, K, N) are those of the exact tracker (mht.Decisions), pairs (B, T, N, N) what was kept. A
    window is named by its last frame; frame 0 has none.
    """
    B, T, K, _ = windows.shape
    found = np.zeros((B, T), np.int32)
    for t in range(1, T):
        begin = max(t - K + 1, 1)
        best = windows[:, t, : t - begin + 1, :, None].astype(int)
        found[:, t] = np.count_nonzero(~np.take_along_axis(pairs[:, begin : t + 1], best, -1), axis=(1, 2, 3))
    return found
