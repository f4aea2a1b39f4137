"""Intervals cover, tests agree with scipy's where scipy has one."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mpt.judgement import statistics


def draw_scores(rng, replicates, sequences, training, sequence=0.05, run=0.03):
    """Draw scores (R, B) of mean 0; trainings, sequences and single runs have these standard deviations."""
    return (
        training * rng.normal(size=(replicates, 1))
        + sequence * rng.normal(size=(1, sequences))
        + run * rng.normal(size=(replicates, sequences))
    )


# 0.95 plus and minus three standard errors of a fraction of 2000, and room above for what is conservative.
TRIALS, COVERS = 2000, (0.935, 0.98)


@pytest.mark.parametrize("replicates", [1, 3, 5])
@pytest.mark.parametrize("training", [0.0, 0.005, 0.02, 0.1])
def test_interval_covers_the_known_mean(replicates, training):
    rng = np.random.default_rng(1)
    training *= replicates > 1
    intervals = [statistics.interval(draw_scores(rng, replicates, 60, training)) for _ in range(TRIALS)]
    covered = np.mean([i.low <= 0 <= i.high for i in intervals])
    assert COVERS[0] <= covered <= COVERS[1]


@pytest.mark.parametrize(("replicates", "others"), [(5, 1), (3, 5)])
@pytest.mark.parametrize("training", [0.0, 0.01, 0.1])
def test_difference_covers_and_rejects_as_stated(replicates, others, training):
    rng = np.random.default_rng(2)
    effects = []
    for _ in range(TRIALS):
        shared = 0.05 * rng.normal(size=(1, 60))
        a = shared + draw_scores(rng, replicates, 60, training, sequence=0.01)
        b = shared + draw_scores(rng, others, 60, training * (others > 1), sequence=0.01)
        effects.append(statistics.difference(a, b))
    covered = np.mean([e.low <= 0 <= e.high for e in effects])
    assert COVERS[0] <= covered <= COVERS[1]
    assert np.mean([e.p < 0.05 for e in effects]) == pytest.approx(1 - covered, abs=1e-12)


@pytest.mark.parametrize("training", [0.0, 0.01, 0.1])
def test_p_values_in_the_far_tail_hold_where_asked_to(training):
    # A hundredth of the trials, and three standard errors.
    rng = np.random.default_rng(12)
    p = [
        statistics.contrast([1.0], [draw_scores(rng, 5, 60, training, sequence=0)], far_tails=True).p
        for _ in range(TRIALS)
    ]
    assert np.mean(np.array(p) < 0.01) <= 0.01 + 3 * np.sqrt(0.01 * 0.99 / TRIALS)


def test_interval_covers_where_percentiles_of_a_hierarchical_bootstrap_do_not():
    rng = np.random.default_rng(3)
    covered = np.zeros(2)
    for _ in range(400):
        scores = draw_scores(rng, 3, 60, training=0.1)
        sequences = rng.multinomial(60, np.full(60, 1 / 60), size=300) / 60
        replicates = rng.multinomial(3, np.full(3, 1 / 3), size=300) / 3
        low, high = np.quantile(np.sum(replicates * (sequences @ scores.T), axis=1), [0.025, 0.975])
        found = statistics.interval(scores)
        covered += [found.low <= 0 <= found.high, low <= 0 <= high]
    assert covered[0] / 400 >= 0.92
    assert covered[1] / 400 <= 0.85


def test_one_replicate_gives_the_paired_t_test():
    rng = np.random.default_rng(4)
    a, b = rng.normal(0.3, 1, size=(2, 1, 40))
    expected = stats.ttest_rel(a[0], b[0])
    found = statistics.difference(a, b)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-6)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    mean = statistics.interval(a)
    one = stats.ttest_1samp(a[0], 0).confidence_interval(0.95)
    assert (mean.low, mean.high) == pytest.approx(tuple(one))
    assert mean.sequence_half_width == pytest.approx((one.high - one.low) / 2)


def test_sequences_that_do_not_matter_leave_the_t_tests_of_the_trainings():
    rng = np.random.default_rng(5)
    a, b = rng.normal(0.3, 1, size=5), rng.normal(0, 3, size=3)
    found = statistics.difference(np.tile(a[:, None], 20), np.tile(b[:, None], 20))
    expected = stats.ttest_ind(a, b, equal_var=False)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-6)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    mean = statistics.interval(np.tile(a[:, None], 20))
    assert (mean.low, mean.high) == pytest.approx(tuple(stats.ttest_1samp(a, 0).confidence_interval(0.95)))
    assert mean.sequence_half_width == pytest.approx(0, abs=1e-15)


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 4), st.floats(0, 3), st.floats(-2, 2))
def test_p_is_below_5_percent_where_the_interval_leaves_out_zero(seed, replicates, others, training, shift):
    rng = np.random.default_rng(seed)
    a = shift + draw_scores(rng, replicates, 8, training, run=1)
    b = draw_scores(rng, others, 8, training, run=1)
    found = statistics.difference(a, b)
    assert found.low <= found.effect <= found.high
    assert 0 <= found.p <= 1
    if abs(found.p - 0.05) > 1e-6:
        assert (found.p < 0.05) == (found.low > 0 or found.high < 0)
    swapped = statistics.difference(b, a)
    assert swapped == pytest.approx((-found.effect, -found.high, -found.low, found.p), rel=1e-6, abs=1e-12)


def test_constant_scores_have_an_interval_without_width():
    same = np.ones((3, 10))
    assert statistics.interval(same) == (1, 1, 1, 0)
    assert statistics.difference(same, same[:1]) == (0, 0, 0, 1)
    assert statistics.difference(same, 0 * same[:1]) == (1, 1, 1, statistics.LEAST_P)
    # The mean of three times 0.8733 is not 0.8733 to the last bit.
    scores = np.random.default_rng(0).random((1, 50))
    assert statistics.difference(np.repeat(scores, 3, axis=0), scores) == (0, 0, 0, 1)


def test_slope_is_that_of_linear_regression():
    rng = np.random.default_rng(6)
    x = [8, 20, 50, 150]
    scores = [rng.normal(k, 1, size=(replicates, 30)) for k, replicates in enumerate([3, 5, 1, 2])]
    expected = stats.linregress(x, [s.mean() for s in scores]).slope
    assert statistics.slope(x, scores).effect == pytest.approx(expected)


def test_unpaired_lengths_single_sequences_and_nan_are_refused():
    with pytest.raises(ValueError, match=r"different numbers of sequences: \[3, 4\]"):
        statistics.difference(np.zeros((1, 3)), np.zeros((1, 4)))
    with pytest.raises(ValueError, match="one sequence"):
        statistics.interval(np.zeros((3, 1)))
    with pytest.raises(ValueError, match="not finite"):
        statistics.interval(np.array([[1.0, np.nan]]))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_is_the_closed_test_with_bonferroni(p):
    # A hypothesis is rejected if Bonferroni rejects every set of hypotheses that it is in.
    subsets = [s for size in range(1, len(p) + 1) for s in combinations(range(len(p)), size)]
    expected = [
        min(1, max(len(s) * min(p[k] for k in s) for s in subsets if index in s)) for index in range(len(p))
    ]
    np.testing.assert_allclose(statistics.holm(p), expected, rtol=1e-12)


def test_resampled_means_vary_as_the_means_of_new_samples():
    # The variance of a mean: training² / R + sequence² / B + run² / (R B), here with little of the last.
    rng = np.random.default_rng(7)
    drawn = []
    for seed in range(300):
        scores = draw_scores(rng, 4, 50, training=0.02, sequence=0.1, run=0.01)
        drawn.append(statistics.resampled_means([scores], 100, seed).var())
    assert np.mean(drawn) == pytest.approx(0.02**2 / 4 + 0.1**2 / 50 + 0.01**2 / 200, rel=0.1)


def test_resampled_means_are_paired_by_sequence_and_reproducible():
    rng = np.random.default_rng(8)
    scores = draw_scores(rng, 1, 50, training=0.0)
    means = statistics.resampled_means([scores, scores + 1], 40, seed=9)
    np.testing.assert_allclose(means[:, 1] - means[:, 0], 1)
    assert means[:, 0].std() > 0
    np.testing.assert_array_equal(means, statistics.resampled_means([scores, scores + 1], 40, seed=9))
    assert not np.array_equal(means, statistics.resampled_means([scores, scores + 1], 40, seed=10))
