"""Means of scores, their differences and trends, with 95 % intervals and tests.

The scores of a tracker are an array (R, B): R replicate trainings, each run on the same B test sequences.
Both are samples: the mean that is estimated is that over all trainings and all sequences. A tracker that is
not trained has R = 1, and only its sequences are a sample. Sequence b is the same for all trackers (same
motion, same unit noise), so comparisons are paired by sequence; replicates of different trackers are
independent.

Intervals rest on variance components, not on percentiles of a hierarchical bootstrap: resampling three or
five replicates cannot reach beyond the worst and the best of them, and where replicates differ more than
sequences do, those percentiles cover the mean 77 % (R = 3) and 85 % (R = 5) of the time instead of 95 %.
Here the part of the sequences and the part of the replicates each have their own t quantile, and the
half-widths add in quadrature (Banerjee 1960, Sankhyā 22, 357), which keeps 95 %.

Trainings that fail now and then make the distribution of trainings skewed, and t quantiles too short on the
side of the failures: where one training in ten fails, 60 trainings cover their mean 91 % of the time. From
SKEWED_FROM trainings on, the quantiles of the part of the replicates are therefore corrected for skewness
(Hall 1992, JRSS B 54, 221): they cover 97 %. Fewer trainings say nothing about skewness; whether there are
enough is for `trainings` to say.
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import optimize, special

LEVEL = 0.95
# Quantiles further out, of few replicates, say nothing about real trainings.
LEAST_P = 1e-20
# Fewer replicates do not show how skewed their distribution is.
SKEWED_FROM = 20


class Interval(NamedTuple):
    """Mean of scores with its 95 % interval, and the half-width it would have if all trainings were known."""

    mean: float
    low: float
    high: float
    sequence_half_width: float


class Effect(NamedTuple):
    """Estimated effect with its 95 % interval, and the two-sided p-value of there being none."""

    effect: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class _Spread:
    """Squared standard errors of a mean or contrast, and their degrees of freedom.

    skewness: of the part of the replicates, the third standardised moment of its distribution about the mean.
    """

    sequences: float
    sequence_freedom: float
    replicates: float
    replicate_freedom: float
    skewness: float = 0.0

    def sequence_half_width(self, p: float) -> float:
        """Half-width due to the sequences of the interval that leaves out the mean with probability p."""
        return _quantile(p, self.sequence_freedom) * math.sqrt(self.sequences)

    def half_width(self, p: float, side: int) -> float:
        """Reach below (side −1) or above (+1) of the interval that leaves out the mean with probability p."""
        if not self.replicates:
            return self.sequence_half_width(p)
        quantile = _without_skewness(-side * _quantile(p, self.replicate_freedom), self.skewness)
        of_replicates = max(0.0, -side * quantile) * math.sqrt(self.replicates)
        return math.hypot(self.sequence_half_width(p), of_replicates)

    def interval(self, mean: float) -> tuple[float, float]:
        """Ends of the 95 % interval about the mean."""
        return mean - self.half_width(1 - LEVEL, -1), mean + self.half_width(1 - LEVEL, 1)

    def p_value(self, effect: float) -> float:
        """Find the p whose interval about the effect just reaches 0; below LEAST_P it is LEAST_P."""
        side = -1 if effect > 0 else 1
        if self.half_width(1.0, side) >= abs(effect):
            return 1.0
        if self.half_width(LEAST_P, side) <= abs(effect):
            return LEAST_P
        return math.exp(
            optimize.brentq(
                lambda log_p: self.half_width(math.exp(log_p), side) - abs(effect), math.log(LEAST_P), 0
            )
        )


def _quantile(p: float, freedom: float) -> float:
    # scipy.stats.t.isf(p / 2, freedom), two hundred times faster.
    return -float(special.stdtrit(freedom, p / 2))


def _without_skewness(quantile: float, skewness: float) -> float:
    """Return u with u + γ u² / 3 + γ² u³ / 27 + γ / 6 = quantile, γ the skewness of a mean (Hall 1992)."""
    if abs(skewness) < 1e-6:
        return quantile
    return 3 / skewness * (float(np.cbrt(1 + skewness * (quantile - skewness / 6))) - 1)


def interval(scores: np.ndarray, bounds: tuple[float, float] = (-math.inf, math.inf)) -> Interval:
    """Estimate the mean of scores (R, B) over trainings and sequences.

    bounds: the least and the greatest score there can be. Where both are finite, the interval is that of the
    mean's logit, by the delta method, so that it stays within them.
    """
    mean, spread = _weigh([1.0], [scores])
    low, high = within_bounds(mean, *spread.interval(mean), bounds)
    return Interval(mean, low, high, spread.sequence_half_width(1 - LEVEL))


def within_bounds(mean: float, low: float, high: float, bounds: tuple[float, float]) -> tuple[float, float]:
    """Return the ends low and high of a mean's interval, carried over to its logit between finite bounds.

    Cutting the ends off at the bounds would leave out the mean too often on the other side: where five
    trainings spread as far as the bound, 88 % instead of 93 % of such intervals cover.
    """
    least, greatest = bounds
    if not (math.isfinite(least) and math.isfinite(greatest)):
        return low, high
    span = greatest - least
    fraction = (mean - least) / span
    if not 0 < fraction < 1:
        return max(low, least), min(high, greatest)
    slope = fraction * (1 - fraction) * span
    ends = special.expit(special.logit(fraction) + np.array([low - mean, high - mean]) / slope)
    return least + span * float(ends[0]), least + span * float(ends[1])


def difference(scores: np.ndarray, others: np.ndarray) -> Effect:
    """Estimate the mean of scores (R, B) less that of others (R', B), paired by sequence."""
    return contrast([1.0, -1.0], [scores, others])


def slope(x: Sequence[float], scores: Sequence[np.ndarray]) -> Effect:
    """Estimate the least-squares slope of mean scores over x; scores[k] (R_k, B) are those at x[k].

    Scores at different x are taken for independent trainings. Where the same models run at every x, their
    replicates are not: combine them first, replicate by replicate, and call `interval`.
    """
    centred = np.asarray(x, float) - np.mean(x)
    return contrast(centred / np.sum(centred**2), scores)


def contrast(weights: Sequence[float], scores: Sequence[np.ndarray], far_tails: bool = False) -> Effect:
    """Estimate Σ_k weights[k] · mean of scores[k] (R_k, B), paired by sequence, replicates independent.

    far_tails: p-values far below 0.05 hold too, as corrections for many tests need, and the interval is wider
    where trainings differ little. Otherwise chance is taken from the variance of the trainings, which leaves
    none of it in one case of a hundred: too often for such p-values.

    Raises ValueError if the numbers of sequences differ, if there are fewer than 2, or if a score is not
    finite.
    """
    effect, spread = _weigh(weights, scores, far_tails)
    return Effect(effect, *spread.interval(effect), spread.p_value(effect))


def equality(
    weights: Sequence[float], scores: Sequence[np.ndarray], within: float, far_tails: bool = False
) -> float:
    """Return the p-value of a contrast's being at least so far from 0, by two one-sided tests.

    Arguments as those of `contrast`. A small p says that −within < effect < within (Schuirmann 1987).
    """
    effect, spread = _weigh(weights, scores, far_tails)
    if abs(effect) >= within:
        return 1.0
    return max(spread.p_value(effect + within), spread.p_value(effect - within)) / 2


def _weigh(weights, scores, far_tails: bool = False) -> tuple[float, _Spread]:
    scores = [np.asarray(s, float) for s in scores]
    sequences = _count_sequences(scores)
    by_sequence = sum(w * s.mean(axis=0) for w, s in zip(weights, scores, strict=True))
    # Where means of different numbers of equal scores are subtracted, what rounding leaves is no effect.
    largest = max(abs(w) * np.abs(s).max() for w, s in zip(weights, scores, strict=True))
    by_sequence[np.abs(by_sequence) <= 1e-12 * largest] = 0
    variance, freedom, raw_variance, third_moment = 0.0, 0.0, 0.0, 0.0
    for weight, s in zip(weights, scores, strict=True):
        replicates = len(s)
        if replicates == 1:
            continue
        by_replicate = s.mean(axis=1)
        residual = s - by_replicate[:, None] - s.mean(axis=0) + s.mean()
        chance = np.sum(residual**2) / ((replicates - 1) * (sequences - 1)) / sequences
        if far_tails:
            chance = 0.0
        # Means over finitely many sequences differ even if all trainings are equally good.
        of_training = max(0.0, by_replicate.var(ddof=1) - chance) * weight**2 / replicates
        raw_variance += float(by_replicate.var(ddof=1)) * weight**2 / replicates
        if replicates >= SKEWED_FROM:
            third_moment += (
                float(np.mean((by_replicate - by_replicate.mean()) ** 3)) * weight**3 / replicates**2
            )
        variance += float(of_training)
        freedom += float(of_training) ** 2 / (replicates - 1)
    return float(by_sequence.mean()), _Spread(
        sequences=float(by_sequence.var(ddof=1)) / sequences,
        sequence_freedom=sequences - 1,
        replicates=variance,
        # Satterthwaite's, for a sum of variances.
        replicate_freedom=variance**2 / freedom if freedom else np.inf,
        skewness=third_moment / raw_variance**1.5 if raw_variance and third_moment else 0.0,
    )


def _count_sequences(scores: Sequence[np.ndarray]) -> int:
    counts = {s.shape[1] for s in scores}
    if len(counts) != 1:
        raise ValueError(f"scores to be paired have different numbers of sequences: {sorted(counts)}")
    (sequences,) = counts
    if sequences < 2:
        raise ValueError("one sequence has no interval")
    if not all(np.isfinite(s).all() for s in scores):
        raise ValueError("a score is not finite")
    return sequences


def holm(p: Sequence[float] | np.ndarray) -> np.ndarray:
    """Adjust p-values for being so many, by Holm's step-down procedure; scipy.stats has only Benjamini's."""
    p = np.asarray(p, float)
    order = np.argsort(p)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1)
    return adjusted


def resampled_means(scores: Sequence[np.ndarray], resamples: int, seed: int) -> np.ndarray:
    """Return means (resamples, K) of K trackers' scores (R_k, B) by the hierarchical bootstrap.

    Every resample draws B sequences, the same for all trackers, and for each tracker R_k − 1 of its
    replicates: so few, because the variance of a mean of R resampled values falls short by (R − 1) / R (Rao
    & Wu 1988, JASA 83, 231). For functions of many means, such as fits; see the module's docstring for
    single means.
    """
    scores = [np.asarray(s, float) for s in scores]
    sequences = _count_sequences(scores)
    sequence_weights, generator = _resampled_sequences(sequences, resamples, seed)
    generator = copy.deepcopy(generator)
    means = np.empty((resamples, len(scores)))
    for k, s in enumerate(scores):
        drawn = max(1, len(s) - 1)
        replicate_weights = generator.multinomial(drawn, np.full(len(s), 1 / len(s)), size=resamples)
        by_replicate = sequence_weights @ s.T / sequences
        means[:, k] = np.sum(replicate_weights * by_replicate, axis=1) / drawn
    return means


# Claims about one figure, and their controls, are all judged on the same sequences; these draws take longer
# than all else that is resampled.
@lru_cache(maxsize=1)
def _resampled_sequences(sequences: int, resamples: int, seed: int) -> tuple[np.ndarray, np.random.Generator]:
    """Return how often each sequence is drawn (resamples, sequences), and the generator after that."""
    generator = np.random.default_rng(seed)
    weights = generator.multinomial(sequences, np.full(sequences, 1 / sequences), size=resamples)
    # As floating-point numbers, so that BLAS multiplies them.
    return weights.astype(float), generator
