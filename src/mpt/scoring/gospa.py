"""Generalized optimal sub-pattern assignment: a distance between sets of positions, with switching."""

import numpy as np

from mpt.matching import assign, pairwise_distances


def gospa(
    estimated: np.ndarray,
    true: np.ndarray,
    cutoff: float,
    switching_penalty: float,
    distance: np.ndarray | None = None,
) -> np.ndarray:
    """GOSPA of order 2 with α = 2 and switching, in every frame.

    estimated and true: positions (B, T, N, 2). Returns (B, T):

        GOSPA_t² = Σ_(i,j) d_ij² + c² n + γ² s_t

    over the pairs (i, j) of the assignment with the least Σ min(d, c)², where n pairs at least the cutoff c
    apart are left unassigned (one missed and one false position, c²/2 each). s_t counts the particles that
    are assigned another track than in the frame before, one half for each that lost its track or found one;
    the first track that a particle is assigned costs nothing. (Rahmathullah, García-Fernández & Svensson,
    arXiv:1601.05585; switching as in MATLAB's trackGOSPAMetric, with γ its penalty.)

    distance (B, T, N, N), optional: pairwise_distances(true, estimated), where they are known already.
    """
    if distance is None:
        distance = pairwise_distances(true, estimated)
    squared = np.minimum(distance, cutoff) ** 2
    track = assign(squared)
    pair_cost = np.take_along_axis(squared, track[..., None], axis=-1)[..., 0]
    track = np.where(pair_cost < cutoff**2, track, -1)

    before, now = track[:, :-1], track[:, 1:]
    once_tracked = np.maximum.accumulate(before >= 0, axis=1)
    changed = once_tracked & (before != now)
    switches = np.zeros(track.shape[:2])
    switches[:, 1:] = 0.5 * np.sum(changed * (1 + ((before >= 0) & (now >= 0))), axis=2)
    return np.sqrt(pair_cost.sum(axis=2) + switching_penalty**2 * switches)
