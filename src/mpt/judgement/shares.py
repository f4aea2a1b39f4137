"""Shares of things that come in clusters, such as the links of one experiment, with 95 % intervals."""

import numpy as np

from mpt.judgement.statistics import Interval, interval


def share(hits: np.ndarray, places: np.ndarray) -> Interval:
    """Estimate the share of places that are hits, over all experiments and trainings, with its 95 % interval.

    hits (R, B): in each training and experiment. places (B,): of each experiment, the same in all trainings.
    A ratio of means is as uncertain as the mean of its linearisation, p + (hits − p places) / mean(places)
    (Cochran 1977, Sampling Techniques, 6.3): so places of one experiment need not be independent. Without a
    miss, or without a hit, the interval is a point.
    """
    p = hits.sum() / (len(hits) * places.sum())
    return interval(p + (hits - p * places) / places.mean(), (0.0, 1.0))


def jaccard(links: Interval) -> tuple[float, float, float]:
    """Return mean, low and high of JC = TP / (TP + FP + FN) from the share p of true links: p / (2 − p).

    Each wrong link is one false positive and one false negative.
    """
    mean, low, high = (p / (2 - p) for p in links[:3])
    return mean, low, high
