"""Fits find the law that made the data, agree with scipy's, and say how sure they are."""

import numpy as np
import pytest
from scipy.optimize import curve_fit

from mpt.judgement import fits

EXPERIMENTS = np.array([1, 2, 5, 10, 20, 50, 100])


def law(x, c, a, alpha):
    return c - a * np.asarray(x, float) ** -alpha


@pytest.mark.parametrize("parameters", [(0.88, 0.06, 0.7), (0.9, 0.3, 0.1), (0.8, -0.05, 2.0)])
def test_exact_curve_gives_its_parameters(parameters):
    np.testing.assert_allclose(
        fits.fit_scaling_law(EXPERIMENTS, law(EXPERIMENTS, *parameters))[0], parameters, rtol=1e-3
    )


def test_fit_to_noisy_curves_is_scipys():
    curves = law(EXPERIMENTS, 0.88, 0.06, 0.7) + 0.004 * np.random.default_rng(0).normal(
        size=(50, len(EXPERIMENTS))
    )
    found = fits.fit_scaling_law(EXPERIMENTS, curves)
    for curve, parameters in zip(curves, found, strict=True):
        if not 0.06 < parameters[2] < 4.9:
            continue
        expected, _ = curve_fit(law, EXPERIMENTS, curve, p0=[0.88, 0.06, 0.7], maxfev=20_000)
        np.testing.assert_allclose(parameters, expected, rtol=1e-3)
    assert np.mean((found[:, 2] > 0.06) & (found[:, 2] < 4.9)) > 0.9


def test_intervals_of_the_law_cover_its_parameters():
    rng = np.random.default_rng(1)
    trials, covered = 200, np.zeros(4)
    for trial in range(trials):
        motion = 0.15 * rng.normal(size=(1, 300))
        scores = [
            mean + 0.005 * rng.normal(size=(3, 1)) + motion + 0.05 * rng.normal(size=(3, 300))
            for mean in law(EXPERIMENTS, 0.88, 0.06, 0.7)
        ]
        reference = 0.9 + motion + 0.05 * rng.normal(size=(1, 300))
        found = fits.scaling_law(EXPERIMENTS, scores, reference, resamples=300, seed=trial)
        true = (0.88, 0.06, 0.7, 0.88 - 0.9)
        covered += [estimate[1] <= value <= estimate[2] for estimate, value in zip(found, true, strict=True)]
    # 0.95 less three standard errors of a fraction of 200.
    assert (covered / trials >= 0.90).all()


def test_gap_to_the_reference_is_as_sure_as_its_interval():
    rng = np.random.default_rng(2)
    scores = [mean + 0.01 * rng.normal(size=(3, 100)) for mean in law(EXPERIMENTS, 0.8, 0.1, 1.0)]
    above = fits.scaling_law(EXPERIMENTS, scores, 0.9 + 0.01 * rng.normal(size=(1, 100)))
    assert above.gap.high < 0
    assert above.gap.p < 0.01
    level = fits.scaling_law(EXPERIMENTS, scores, 0.8 + 0.01 * rng.normal(size=(1, 100)))
    assert level.gap.low < 0 < level.gap.high
    assert level.gap.p > 0.05
    assert fits.scaling_law(EXPERIMENTS, scores).gap is None


def test_too_few_points_are_refused():
    with pytest.raises(ValueError, match="four"):
        fits.scaling_law([1, 2, 5], [np.ones((1, 9))] * 3)
    with pytest.raises(ValueError, match="positive"):
        fits.scaling_law([0, 1, 2, 5], [np.ones((1, 9))] * 4)


def test_growth_tells_exponential_from_power_law():
    k = np.arange(1, 11)
    wobble = 1 + 0.01 * np.sin(7.0 * k)
    exponential = fits.growth(k, 300 * 2.0**k * wobble)
    assert exponential.aic_exponential < exponential.aic_power
    assert exponential.base.low < 2 < exponential.base.high
    power = fits.growth(k, 300 * k**1.1 * wobble)
    assert power.aic_power < power.aic_exponential
    assert power.exponent.low < 1.1 < power.exponent.high


def test_growth_intervals_cover():
    rng = np.random.default_rng(3)
    k = np.arange(1, 9)
    covered = np.mean(
        [
            (g.base.low < 2 < g.base.high)
            for g in (fits.growth(k, 5 * 2.0**k * np.exp(0.1 * rng.normal(size=8))) for _ in range(1000))
        ]
    )
    # 0.95 plus and minus three standard errors of a fraction of 1000.
    assert 0.929 <= covered <= 0.971


def test_crossing_lies_where_the_straight_lines_meet():
    k = np.arange(1, 11)
    # 2^k = 8 √2 at k = 3.5.
    assert fits.crossing(k, 2.0**k, np.full(10, 8 * np.sqrt(2))) == pytest.approx((3.5, 3, 4))
    assert fits.crossing(k, 2.0**k, np.ones(10)) is None
    assert fits.crossing(k, np.ones(10), 2.0**k) is None
