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


def isbi_scores(
    estimated: np.ndarray,
    true: np.ndarray,
    gate: float = CHALLENGE_GATE,
    distance: np.ndarray | None = None,
) -> IsbiScore:
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

    distance (B, T, N, M), optional: pairwise_distances(true, estimated), where they are known already.
    """
    from scipy.optimize import linear_sum_assignment

    true_present, estimated_present = ~np.isnan(true[..., 0]), ~np.isnan(estimated[..., 0])
    if distance is None:
        distance = pairwise_distances(true, estimated)
    either = true_present[..., :, None] | estimated_present[..., None, :]
    # A comparison with NaN is false, so a position without a counterpart costs the gate.
    near = distance < gate
    pair_distance = np.where(near, distance, gate * either).sum(axis=1)
    pair_hits = np.count_nonzero(near, axis=1)

    true_points = np.count_nonzero(true_present, axis=1)
    estimated_points = np.count_nonzero(estimated_present, axis=1)
    particles = true_points.shape[1]
    dummies = np.repeat(gate * true_points[:, :, None], particles, axis=2)
    costs = np.concatenate([pair_distance, dummies], axis=2)
    # There are as many dummies as true tracks, so each of these has a column.
    column = np.array([linear_sum_assignment(cost)[1] for cost in costs], np.intp).reshape(true_points.shape)
    # Any other cost and hit stand in for those of a dummy, and are left out.
    partner = np.minimum(column, estimated_points.shape[1] - 1)[..., None]
    partner_hits = np.take_along_axis(pair_hits, partner, axis=2)[..., 0]
    paired = (column < estimated_points.shape[1]) & (partner_hits > 0)
    hits = (partner_hits * paired).sum(axis=1)
    pairs = np.count_nonzero(paired, axis=1)
    paired_distance = _sums(np.take_along_axis(pair_distance, partner, axis=2)[..., 0], paired)
    apart = paired_distance + gate * (true_points * ~paired).sum(axis=1)
    partner_points = np.take_along_axis(estimated_points, partner[..., 0], axis=1)
    spurious_points = estimated_points.sum(axis=1) - (partner_points * paired).sum(axis=1)

    worst = gate * true_points.sum(axis=1)
    tracks = particles + np.count_nonzero(estimated_points, axis=1)
    return IsbiScore(
        alpha=1 - apart / worst,
        beta=(worst - apart) / (worst + gate * spurious_points),
        jsc=hits / (true_points.sum(axis=1) + estimated_points.sum(axis=1) - hits),
        jsc_theta=pairs / (tracks - pairs),
    )


def _sums(values: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Sum (B,) the values (B, N) that are counted, as if the others were not there.

    Zeros in their place would change how the sum is rounded.
    """
    numbers = np.count_nonzero(counted, axis=1)
    sums = np.empty(len(values))
    for number in np.unique(numbers):
        alike = numbers == number
        sums[alike] = values[alike][counted[alike]].reshape(np.count_nonzero(alike), number).sum(axis=1)
    return sums
