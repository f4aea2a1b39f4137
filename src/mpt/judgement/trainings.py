"""Trainings that fail now and then: how often, and how many trainings show that they do.

The mean over trainings is what a claim is about, and no method finds it from trainings of which none happened
to fail: where one in ten fails, five trainings show none in 59 % of cases, and what they show is then better
than what is true.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy import special

from mpt.judgement.statistics import LEVEL


class FailureRate(NamedTuple):
    """How many of so many trainings failed, and the ends of the rate's 95 % interval."""

    trainings: int
    failed: int
    low: float
    high: float


def failed(scores: np.ndarray, below_median_by: float, better: int) -> np.ndarray:
    """Say which trainings (R,) failed: their mean is worse than the median training's by more than this.

    scores (R, B): of R trainings on B sequences. better: +1 if a higher score is better, −1 if a lower is.
    """
    means = better * np.mean(scores, axis=1)
    return np.median(means) - means > below_median_by


def failure_rate(failures: int, trainings: int) -> FailureRate:
    """Return the rate of failures with its 95 % interval by Clopper & Pearson (1934)."""
    tail = (1 - LEVEL) / 2
    low = special.betaincinv(failures, trainings - failures + 1, tail) if failures else 0.0
    high = special.betaincinv(failures + 1, trainings - failures, 1 - tail) if failures < trainings else 1.0
    return FailureRate(trainings, failures, float(low), float(high))


def fewest_trainings(rate: float) -> int:
    """Return how many trainings show at least one failure in 95 % of cases, where they fail at this rate."""
    return math.ceil(math.log(1 - LEVEL) / math.log1p(-rate))
