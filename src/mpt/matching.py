"""Matching: which track follows which particle, by the least total distance.

Apart from the scores in metrics.py: training depends on who follows whom, not on how that is scored.
Distances are in the unit of the positions.
"""

from itertools import permutations

import numpy as np

from mpt.errors import InputError

# Above 4! permutations, scipy's assignment solver called frame by frame is faster than trying all of them.
_LARGEST_ENUMERATED = 4
# Costs that are equal by symmetry differ by rounding: within this fraction of the largest they are tied.
TIE = 2.0**-40


def pairwise_distances(positions: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Euclidean distances (..., N, M) between positions (..., N, 2) and others (..., M, 2)."""
    apart = positions[..., :, None, :] - others[..., None, :, :]
    return np.hypot(apart[..., 0], apart[..., 1])


def assign(cost: np.ndarray) -> np.ndarray:
    """Find the permutation with the least total cost.

    cost (..., N, N): rows are to be given distinct columns. Returns (..., N), the column of each row.

    Ties are broken by numbers, not by what is rounded: totals are tied, and rows alike, within TIE of the
    largest cost. For N ≤ 4 ties go to the lexicographically first permutation. For larger N rows that are
    alike, such as those of two tracks at one point, get their columns in increasing order; other ties go to
    whichever permutation scipy's solver finds.

    Raises InputError if a cost is not finite.
    """
    # In single precision sums that are equal by symmetry would differ by more than TIE.
    cost = np.asarray(cost, np.float64)
    if not np.isfinite(cost).all():
        place = tuple(np.argwhere(~np.isfinite(cost))[0].tolist())
        raise InputError(f"cost {cost[place]} at {place} is not finite: nothing can be assigned by it")
    size = cost.shape[-1]
    if size > _LARGEST_ENUMERATED:
        flat = cost.reshape(-1, size, size)
        return np.array([_solve(each) for each in flat], np.intp).reshape(cost.shape[:-1])
    ordered = np.array(list(permutations(range(size))))
    # Permutations and places go first: numpy is slow to reduce over a last axis that is short.
    totals = np.stack([sum(cost[..., row, column] for row, column in enumerate(each)) for each in ordered])
    places = np.moveaxis(cost, (-2, -1), (0, 1)).reshape(size * size, *cost.shape[:-2])
    tie = TIE * np.abs(places).max(axis=0, initial=0)
    return ordered[np.argmax(totals <= totals.min(axis=0) + tie, axis=0)]


def _solve(cost: np.ndarray) -> np.ndarray:
    """Return the columns (N,) of one assignment; rows that are alike get theirs in increasing order."""
    from scipy.optimize import linear_sum_assignment

    columns = linear_sum_assignment(cost)[1]
    tie = TIE * np.abs(cost).max()
    # Rows that are alike stand together when sorted by their first costs; most often there are none.
    order = np.argsort(cost[:, 0], kind="stable")
    close = np.diff(cost[order, 0]) <= tie
    if close.any():
        for run in np.split(order, np.flatnonzero(~close) + 1):
            while len(run):
                alike = (np.abs(cost[run] - cost[run[0]]) <= tie).all(axis=1)
                twins = np.sort(run[alike])
                columns[twins] = np.sort(columns[twins])
                run = run[~alike]
    return columns


def match(estimated: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Match tracks to particles, in every frame by the permutation with the least sum of distances.

    estimated and true: positions (B, T, N, 2). Returns (B, T, N), the particle each track is matched to.
    Ties go as in `assign`. Raises InputError if a position is not finite. (Section III-D of the paper.)
    """
    return assign(pairwise_distances(estimated, true))


def matched_distances(estimated: np.ndarray, true: np.ndarray, matching: np.ndarray) -> np.ndarray:
    """Distance (B, T, N) of each track to the particle it is matched to in that frame."""
    apart = estimated - np.take_along_axis(true, matching[..., None], axis=2)
    return np.hypot(apart[..., 0], apart[..., 1])
