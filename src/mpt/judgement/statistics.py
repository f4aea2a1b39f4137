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
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import optimize, special

LEVEL = 0.95
# Quantiles further out, of few replicates, say nothing about real trainings.
LEAST_P = 1e-20


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
    """Squared standard errors of a mean or contrast, and their degrees of freedom."""

    sequences: float
    sequence_freedom: float
    replicates: float
    replicate_freedom: float

    def sequence_half_width(self, p: float) -> float:
        """Half-width due to the sequences of the interval that leaves out the mean with probability p."""
        return _quantile(p, self.sequence_freedom) * math.sqrt(self.sequences)

    def half_width(self, p: float) -> float:
        """Half-width of the interval that leaves out the mean with probability p."""
        if not self.replicates:
            return self.sequence_half_width(p)
        of_replicates = _quantile(p, self.replicate_freedom) * math.sqrt(self.replicates)
        return math.hypot(self.sequence_half_width(p), of_replicates)

    def p_value(self, effect: float) -> float:
        """Find the p whose interval about the effect just reaches 0; below LEAST_P it is LEAST_P."""
        if effect == 0:
            return 1.0
        if self.half_width(LEAST_P) <= abs(effect):
            return LEAST_P
        return math.exp(
            optimize.brentq(
                lambda log_p: self.half_width(math.exp(log_p)) - abs(effect), math.log(LEAST_P), 0
            )
        )


def _quantile(p: float, freedom: float) -> float:
    # scipy.stats.t.isf(p / 2, freedom), two hundred times faster.
    return -float(special.stdtrit(freedom, p / 2))


def interval(scores: np.ndarray) -> Interval:
    """Estimate the mean of scores (R, B) over trainings and sequences."""
    mean, spread = _weigh([1.0], [scores])
    half_width = spread.half_width(1 - LEVEL)
    return Interval(mean, mean - half_width, mean + half_width, spread.sequence_half_width(1 - LEVEL))


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
    half_width = spread.half_width(1 - LEVEL)
    return Effect(effect, effect - half_width, effect + half_width, spread.p_value(effect))


def _weigh(weights, scores, far_tails: bool = False) -> tuple[float, _Spread]:
    scores = [np.asarray(s, float) for s in scores]
    sequences = _count_sequences(scores)
    by_sequence = sum(w * s.mean(axis=0) for w, s in zip(weights, scores, strict=True))
    # What is left of equal scores when means of different numbers of them are subtracted is no effect.
    largest = max(abs(w) * np.abs(s).max() for w, s in zip(weights, scores, strict=True))
    by_sequence[np.abs(by_sequence) <= 1e-12 * largest] = 0
    variance, freedom = 0.0, 0.0
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
        variance += float(of_training)
        freedom += float(of_training) ** 2 / (replicates - 1)
    return float(by_sequence.mean()), _Spread(
        sequences=float(by_sequence.var(ddof=1)) / sequences,
        sequence_freedom=sequences - 1,
        replicates=variance,
        # Satterthwaite's, for a sum of variances.
        replicate_freedom=variance**2 / freedom if freedom else np.inf,
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


def holm(p: Sequence[float]) -> np.ndarray:
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
    generator = np.random.default_rng(seed)
    sequence_weights = generator.multinomial(sequences, np.full(sequences, 1 / sequences), size=resamples)
    means = np.empty((resamples, len(scores)))
    for k, s in enumerate(scores):
        drawn = max(1, len(s) - 1)
        replicate_weights = generator.multinomial(drawn, np.full(len(s), 1 / len(s)), size=resamples)
        by_replicate = sequence_weights @ s.T / sequences
        means[:, k] = np.sum(replicate_weights * by_replicate, axis=1) / drawn
    return means
