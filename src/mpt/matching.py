"""Matching: which track follows which particle, by the least total distance.

Apart from the scores in metrics.py: training depends on who follows whom, not on how that is scored.
Distances are in the unit of the positions.
"""

from itertools import permutations

import numpy as np

# Above 4! permutations, scipy's assignment solver called frame by frame is faster than trying all of them.
_LARGEST_ENUMERATED = 4


def pairwise_distances(positions: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Euclidean distances (..., N, M) between positions (..., N, 2) and others (..., M, 2)."""
    apart = positions[..., :, None, :] - others[..., None, :, :]
    return np.hypot(apart[..., 0], apart[..., 1])


def assign(cost: np.ndarray) -> np.ndarray:
    """Find the permutation with the least total cost.

    cost (..., N, N): rows are to be given distinct columns. Returns (..., N), the column of each row. For N
    ≤ 4 ties go to the lexicographically first permutation, for larger N to whichever scipy's solver finds.
    """
    size = cost.shape[-1]
    if size > _LARGEST_ENUMERATED:
        from scipy.optimize import linear_sum_assignment

        flat = cost.reshape(-1, size, size)
        return np.array([linear_sum_assignment(c)[1] for c in flat]).reshape(cost.shape[:-1])
    least = np.full(cost.shape[:-2], np.inf)
    best = np.empty(cost.shape[:-1], dtype=np.intp)
    for permutation in permutations(range(size)):
        total = sum(cost[..., row, column] for row, column in enumerate(permutation))
        better = total < least
        least[better] = total[better]
        best[better] = permutation
    return best


def match(estimated: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Match tracks to particles, in every frame by the permutation with the least sum of distances.

    estimated and true: positions (B, T, N, 2). Returns (B, T, N), the particle each track is matched to.
    Ties go as in `assign`. (Section III-D of the paper.)
    """
    return assign(pairwise_distances(estimated, true))


def matched_distances(estimated: np.ndarray, true: np.ndarray, matching: np.ndarray) -> np.ndarray:
    """Distance (B, T, N) of each track to the particle it is matched to in that frame."""
    apart = estimated - np.take_along_axis(true, matching[..., None], axis=2)
    return np.hypot(apart[..., 0], apart[..., 1])
