"""Laws fitted to curves: diminishing returns, and exponential against polynomial growth."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from mpt.judgement.statistics import LEVEL, Effect, resampled_means

# Below this range x^(−α) is a straight line in log x, above it a step after the first point, whatever α is.
ALPHA_RANGE = (0.05, 5.0)


class Estimate(NamedTuple):
    """An estimate with its 95 % interval."""

    value: float
    low: float
    high: float


class ScalingLaw(NamedTuple):
    """c − a x^(−α) fitted to a curve of mean scores; gap is c less a reference's mean."""

    c: Estimate
    a: Estimate
    alpha: Estimate
    gap: Effect | None


class Growth(NamedTuple):
    """Growth as base^x and as x^exponent, with Akaike's criterion of either; the lesser one fits better."""

    base: Estimate
    exponent: Estimate
    aic_exponential: float
    aic_power: float


def fit_scaling_law(x: Sequence[float], curves: np.ndarray) -> np.ndarray:
    """Fit c − a x^(−α) to curves (n, K) over x (K,) by least squares; returns (n, 3): c, a, α.

    α is sought in ALPHA_RANGE, on a grid that is refined about its best point; given α, the law is a
    straight line in x^(−α). (Hoffmann et al. 2022, as cited in the paper, for the form.)
    """
    log_x = np.log(np.asarray(x, float))
    curves = np.atleast_2d(curves)
    centred = curves - curves.mean(axis=1, keepdims=True)

    def shape(log_alpha):
        powers = np.exp(-np.exp(log_alpha)[..., None] * log_x)
        return powers, powers - powers.mean(axis=-1, keepdims=True)

    low, high = np.log(ALPHA_RANGE)
    grid = np.tile(np.linspace(low, high, 100), (len(curves), 1))
    for _ in range(4):
        _, deviation = shape(grid)
        explained = np.einsum("ngk,nk->ng", deviation, centred) ** 2 / np.sum(deviation**2, axis=-1)
        best = np.take_along_axis(grid, explained.argmax(axis=1)[:, None], axis=1)
        step = grid[:, 1:2] - grid[:, :1]
        grid = np.clip(best + step * np.linspace(-1, 1, 21), low, high)
    powers, deviation = shape(best[:, 0])
    a = -np.sum(deviation * centred, axis=1) / np.sum(deviation**2, axis=1)
    c = curves.mean(axis=1) + a * powers.mean(axis=1)
    return np.stack([c, a, np.exp(best[:, 0])], axis=1)


def scaling_law(
    x: Sequence[float],
    scores: Sequence[np.ndarray],
    reference: np.ndarray | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> ScalingLaw:
    """Fit c − a x^(−α) to the mean scores at x (K,), with 95 % intervals by the hierarchical bootstrap.

    scores[k] (R_k, B) are those at x[k], of independent trainings, paired by sequence. With a reference (R,
    B) on the same sequences, gap is c less the reference's mean. Raises ValueError as statistics.contrast
    does, and if fewer than four x are given or one is not positive.
    """
    if len(x) < 4 or min(x) <= 0:
        raise ValueError("three parameters need at least four x, all positive")
    trackers = [*scores, *([] if reference is None else [reference])]
    drawn = resampled_means(trackers, resamples, seed)
    estimate = fit_scaling_law(x, np.array([[np.mean(s) for s in scores]]))[0]
    draws = fit_scaling_law(x, drawn[:, : len(x)])
    gap = None
    if reference is not None:
        gap_draws = draws[:, 0] - drawn[:, -1]
        below = (1 + np.count_nonzero(gap_draws <= 0)) / (1 + resamples)
        above = (1 + np.count_nonzero(gap_draws >= 0)) / (1 + resamples)
        gap = Effect(
            estimate[0] - float(np.mean(reference)), *_percentiles(gap_draws), min(1.0, 2 * min(below, above))
        )
    c, a, alpha = (Estimate(float(v), *_percentiles(d)) for v, d in zip(estimate, draws.T, strict=True))
    return ScalingLaw(c, a, alpha, gap)


def growth(x: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray) -> Growth:
    """Fit log y by a straight line in x, and by one in log x; x and y (K,) positive, K ≥ 3."""
    fits = [stats.linregress(at, np.log(y)) for at in (np.asarray(x, float), np.log(x))]
    quantile = stats.t.isf((1 - LEVEL) / 2, len(x) - 2)
    exponential, power = (
        [fit.slope, fit.slope - quantile * fit.stderr, fit.slope + quantile * fit.stderr] for fit in fits
    )
    return Growth(
        Estimate(*np.exp(exponential).tolist()),
        Estimate(*map(float, power)),
        *(_aic(at, np.log(y), fit) for at, fit in zip((np.asarray(x, float), np.log(x)), fits, strict=True)),
    )


def crossing(
    x: Sequence[float] | np.ndarray, first: Sequence[float] | np.ndarray, second: Sequence[float] | np.ndarray
) -> Estimate | None:
    """Find where the first of two curves, positive over increasing x (K,), rises above the second.

    Between the points the curves go straight in log y. The interval is the pair of x around the last such
    crossing, since nothing is known in between; None if there is none.
    """
    lead = np.log(first) - np.log(second)
    rises = np.flatnonzero((lead[:-1] <= 0) & (lead[1:] > 0))
    if not len(rises):
        return None
    k = rises[-1]
    at = x[k] + (x[k + 1] - x[k]) * lead[k] / (lead[k] - lead[k + 1])
    return Estimate(float(at), float(x[k]), float(x[k + 1]))


def _percentiles(draws: np.ndarray) -> tuple[float, float]:
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return float(low), float(high)


def _aic(x: np.ndarray, y: np.ndarray, line) -> float:
    residual = np.sum((y - line.intercept - line.slope * x) ** 2)
    # Three parameters: slope, intercept and variance. Data on the line would make the criterion −∞.
    return float(len(x) * np.log(max(residual / len(x), np.finfo(float).tiny)) + 2 * 3)
