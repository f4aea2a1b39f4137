"""The measures of the ISBI particle tracking challenge (Chenouard et al., Nature Methods 11, 281, 2014)."""

from typing import NamedTuple

import numpy as np

from mpt.matching import pairwise_distances

CHALLENGE_GATE = 5.0


class IsbiScore(NamedTuple):
    """The challenge's α, β, JSC and JSC_θ, each (B,)."""

    alpha: np.ndarray
    beta: np.ndarray
    jsc: np.ndarray
    jsc_theta: np.ndarray


def isbi_scores(estimated: np.ndarray, true: np.ndarray, gate: float = CHALLENGE_GATE) -> IsbiScore:
    """Score tracks, paired with the true ones as wholes, by distance, by position and by track.

    estimated (B, T, M, 2) and true (B, T, N, 2): positions, NaN where a track has none. Two tracks are
    apart by the sum over frames of min(distance, gate), where a position that only one of them has costs
    the gate; a true track may be paired with a dummy track that has no position. With X the true tracks, Y
    the optimally paired ones, Ȳ the estimated tracks that are left and Φ dummies only:

        α = 1 − d(X, Y) / d(X, Φ)                           1 at best, 0 if all pairs are dummies
        β = (d(X, Φ) − d(X, Y)) / (d(X, Φ) + d(Ȳ, Φ))       α with a penalty for tracks that are left
        JSC = TP / (TP + FN + FP)                           of positions; true if nearer than the gate
        JSC_θ = TP / (TP + FN + FP)                         of tracks; true if in a pair

    A pair with no position nearer than the gate is no pair: it costs as much as a dummy.
    """
    from scipy.optimize import linear_sum_assignment

    true_present, estimated_present = ~np.isnan(true[..., 0]), ~np.isnan(estimated[..., 0])
    distance = pairwise_distances(true, estimated)
    either = true_present[..., :, None] | estimated_present[..., None, :]
    # A comparison with NaN is false, so a position without a counterpart costs the gate.
    near = distance < gate
    pair_distance = np.where(near, distance, gate * either).sum(axis=1)
    pair_hits = np.count_nonzero(near, axis=1)

    true_points = np.count_nonzero(true_present, axis=1)
    estimated_points = np.count_nonzero(estimated_present, axis=1)
    experiments, particles = true_points.shape
    dummies = np.repeat(gate * true_points[:, :, None], particles, axis=2)

    apart = np.empty(experiments)
    hits = np.empty(experiments)
    pairs = np.empty(experiments)
    spurious_points = np.empty(experiments)
    for b in range(experiments):
        rows, columns = linear_sum_assignment(np.concatenate([pair_distance[b], dummies[b]], axis=1))
        paired = columns < estimated_points.shape[1]
        rows, columns = rows[paired], columns[paired]
        paired = pair_hits[b, rows, columns] > 0
        rows, columns = rows[paired], columns[paired]
        unpaired_points = true_points[b].sum() - true_points[b, rows].sum()
        apart[b] = pair_distance[b, rows, columns].sum() + gate * unpaired_points
        hits[b] = pair_hits[b, rows, columns].sum()
        pairs[b] = len(rows)
        spurious_points[b] = estimated_points[b].sum() - estimated_points[b, columns].sum()

    worst = gate * true_points.sum(axis=1)
    tracks = particles + np.count_nonzero(estimated_points, axis=1)
    return IsbiScore(
        alpha=1 - apart / worst,
        beta=(worst - apart) / (worst + gate * spurious_points),
        jsc=hits / (true_points.sum(axis=1) + estimated_points.sum(axis=1) - hits),
        jsc_theta=pairs / (tracks - pairs),
    )
