"""Error rates of verdicts by simulation: failing trainings, effects that count as none, families, bounds."""

import numpy as np
import pytest
from scipy import stats

from mpt.judgement import trainings, verdicts
from mpt.judgement.claims import (
    CONTRADICTED,
    EQUAL,
    SUPPORTED,
    TOO_FEW,
    UNDECIDED,
    Claim,
    judge,
    verdict,
)
from mpt.judgement.statistics import interval

TOLD = {"score": "jaccard", "below_median_by": 0.02, "unseen_rate": 0.1}
# Sound trainings, the rate of failures, and by how much a failed one is worse, as seen of transformer_{8,1}.
SOUND, SPREAD, RATE, LOSS = 0.958, 0.003, 0.1, (0.04, 0.16)
MEAN = SOUND - RATE * np.mean(LOSS)


def draw_failing(rng, replicates, sequences=200):
    """Draw scores (R, B) of trainings of which one in ten fails; their mean is MEAN."""
    of_training = SOUND + SPREAD * rng.normal(size=replicates)
    bad = rng.random(replicates) < RATE
    of_training[bad] = SOUND - rng.uniform(*LOSS, size=bad.sum())
    shared = 0.02 * rng.normal(size=sequences)
    return of_training[:, None] + shared + 0.02 * rng.normal(size=(replicates, sequences)), shared


def verdict_on(scores, reference, **changes):
    """Return the row of the one claim that scores are better than a reference's, by the ledger."""
    claim = {
        "statement": "", "figure": "f", "reference_figure": "f", "test": "difference", "curves": ["net"],
        "reference": "MHT", "direction": "better", "scores": ["jaccard"], "x": [1], "failed": TOLD,
        **changes,
    }  # fmt: skip
    curves = {"net": [[1, "d", "net"]], "MHT": [[1, "d", "mht"]]}
    ledger = {"claims": {"1": claim}, "figures": {"f": {"log_x": False, "controls": {}, "curves": curves}}}
    found = {("jaccard", "d", "net"): scores, ("jaccard", "d", "mht"): reference}
    (row,) = verdicts.judge_ledger(ledger, found, {})
    return row


@pytest.mark.parametrize("replicates", [29, 60])
def test_trainings_of_which_one_in_ten_fails_cover_their_mean_and_are_judged_rightly(replicates):
    rng = np.random.default_rng(0)
    covered, wrong, by_t, judged, trials = 0, 0, 0, 0, 400
    for _ in range(trials):
        scores, shared = draw_failing(rng, replicates)
        # The truth: on average exactly as good as a tracker that is not trained.
        reference = (MEAN + shared + 0.02 * rng.normal(size=200))[None]
        row = verdict_on(scores, reference)
        covered += row["low"] <= 0 <= row["high"]
        wrong += row["verdict"] in (SUPPORTED, CONTRADICTED)
        judged += row["verdict"] != TOO_FEW
        means = scores.mean(axis=1) - reference.mean()
        by_t += stats.ttest_1samp(means, 0).pvalue >= 0.05
    assert judged == trials
    assert covered / trials >= 0.92
    assert wrong / trials <= 0.07
    # What it is measured against: the t interval covers less.
    assert by_t < covered


@pytest.mark.parametrize("replicates", [5, 10])
def test_too_few_trainings_to_see_a_failure_are_called_so_rather_than_judged_wrongly(replicates):
    rng = np.random.default_rng(1)
    found = []
    for _ in range(400):
        scores, shared = draw_failing(rng, replicates)
        reference = (MEAN + shared + 0.02 * rng.normal(size=200))[None]
        found.append(verdict_on(scores, reference)["verdict"])
    found = np.array(found)
    assert np.mean((found == SUPPORTED) | (found == CONTRADICTED)) <= 0.07
    # By the means alone these would be wrong verdicts: no failure was seen in most of them.
    assert np.mean(found == TOO_FEW) >= 0.3


def test_failures_that_were_not_seen_take_back_only_what_is_in_favour_of_the_curve():
    rng = np.random.default_rng(2)
    few, many = 0.9 + 0.003 * rng.normal(size=(2, 30, 60))
    worse, better = (level + 0.003 * rng.normal(size=(1, 60)) for level in (0.8, 0.95))
    assert verdict_on(few[:5], worse)["verdict"] == TOO_FEW
    assert verdict_on(few[:5], better)["verdict"] == CONTRADICTED
    assert verdict_on(many, worse)["verdict"] == SUPPORTED
    row = verdict_on(few[:5], worse)
    assert (row["trainings"], row["failed"]) == (5, 0)
    # Clopper & Pearson for none of n: the limit is 1 − (α/2)^(1/n).
    assert row["failed_high"] == pytest.approx(1 - 0.025 ** (1 / 5))


def test_a_training_that_is_worse_than_the_median_by_more_than_is_told_failed():
    means = np.array([0.95, 0.955, 0.96, 0.935, 0.80])
    scores = np.tile(means[:, None], 7)
    assert trainings.failed(scores, 0.02, better=1).tolist() == [False, False, False, False, True]
    assert trainings.failed(scores, 0.014, better=1).tolist() == [False, False, False, True, True]
    assert trainings.failed(-scores, 0.02, better=-1).tolist() == [False, False, False, False, True]
    assert trainings.failed(scores, 0.02, better=-1).tolist() == [False] * 5


def test_the_limits_of_the_rate_are_those_of_clopper_and_pearson():
    for failures, count in ((0, 5), (7, 60), (5, 5)):
        found = trainings.failure_rate(failures, count)
        expected = stats.binomtest(failures, count).proportion_ci(0.95, "exact")
        assert (found.low, found.high) == pytest.approx(tuple(expected), abs=1e-9)


def test_so_many_trainings_show_a_failure_and_one_less_does_not():
    for rate in (0.05, 0.1, 0.12, 0.5):
        fewest = trainings.fewest_trainings(rate)
        assert stats.binom.pmf(0, fewest, rate) <= 0.05 < stats.binom.pmf(0, fewest - 1, rate)


# Equality.

WITHIN = 0.02


def equality_verdicts(rng, effect, test, trials, everywhere=False):
    """Judge a claim whose effect is given: a curve of five trainings on 60 sequences at four x."""
    found = []
    for _ in range(trials):
        shared = 0.1 * rng.normal(size=(1, 60))
        levels = np.linspace(-0.5, 0.5, 4) * effect if test == "trend" else np.full(4, effect)
        curve = {
            x: 0.5 + level + shared + 0.01 * rng.normal(size=(5, 1)) + 0.03 * rng.normal(size=(5, 60))
            for x, level in enumerate(levels)
        }
        reference = {x: 0.5 + shared + 0.03 * rng.normal(size=(1, 60)) for x in range(4)}
        claim = Claim(test, 1, everywhere=everywhere, within=WITHIN)
        judgement = judge(claim, [curve], reference)
        found.append(verdict(judgement, judgement.effect.p, judgement.equal_p))
    return np.array(found)


@pytest.mark.parametrize("test", ["difference", "trend"])
def test_an_effect_at_the_edge_is_called_equal_one_time_in_twenty_at_most(test):
    found = equality_verdicts(np.random.default_rng(3), WITHIN, test, 400)
    # Three standard errors of a fraction of 400.
    assert np.mean(found == EQUAL) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


def test_no_effect_is_called_equal_mostly_and_a_difference_one_time_in_twenty_at_most():
    found = equality_verdicts(np.random.default_rng(4), 0.0, "difference", 400)
    assert np.mean(found == EQUAL) >= 0.8
    assert np.mean((found == SUPPORTED) | (found == CONTRADICTED)) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


def test_one_point_at_the_edge_keeps_what_holds_everywhere_from_being_equal():
    rng = np.random.default_rng(5)
    equal = 0
    for _ in range(200):
        reference = {x: 0.5 + 0.003 * rng.normal(size=(1, 60)) for x in range(4)}
        curve = {x: 0.5 + WITHIN * (x == 3) + 0.003 * rng.normal(size=(1, 60)) for x in range(4)}
        judgement = judge(Claim("difference", -1, everywhere=True, within=WITHIN), [curve], reference)
        equal += judgement.equal_p < 0.05
    assert equal / 200 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)


def test_equality_of_untrained_trackers_is_two_one_sided_paired_t_tests():
    rng = np.random.default_rng(6)
    a, b = rng.normal(0.05, 1, size=(2, 1, 40))
    found = judge(Claim("difference", 1, within=0.4), [{1: a}], {1: b}).equal_p
    apart = a[0] - b[0]
    above = stats.ttest_1samp(apart, -0.4, alternative="greater").pvalue
    below = stats.ttest_1samp(apart, 0.4, alternative="less").pvalue
    assert found == pytest.approx(max(above, below), rel=1e-6)


def test_without_a_difference_that_counts_as_none_nothing_is_equal():
    same = np.full((1, 20), 0.5)
    judgement = judge(Claim("difference", 1), [{1: same}], {1: same})
    assert verdict(judgement, judgement.effect.p, judgement.equal_p) == UNDECIDED


def test_a_relative_difference_is_of_the_reference():
    rng = np.random.default_rng(7)
    scores = 4.0 + 0.01 * rng.normal(size=(30, 60))
    reference = 4.05 + 0.01 * rng.normal(size=(1, 60))
    by_two_percent = {"jaccard": {"relative": 0.02}}
    row = verdict_on(scores, reference, equal_within=by_two_percent)
    assert row["equal_within"] == pytest.approx(0.02 * reference.mean())
    assert row["equal_p"] < 0.001
    # A difference that is sure is told, though it counts as none.
    assert row["verdict"] == CONTRADICTED


# Families.


def test_points_of_what_holds_everywhere_are_tests_of_their_family():
    # Nothing is true: all trackers are equally good, at twelve x. One family in twenty may be wrong.
    rng = np.random.default_rng(8)
    family_wrong, points_wrong, trials = 0, 0, 150
    for _ in range(trials):
        scores = {}
        for x in range(12):
            for tracker in ("a", "b", "mht"):
                scores["jaccard", f"d{x}", tracker] = 0.5 + 0.1 * rng.normal(size=(1, 40))
        curves = {name: [[x, f"d{x}", name] for x in range(12)] for name in ("a", "b", "mht")}
        claim = {
            "statement": "", "figure": "f", "reference_figure": "f", "test": "difference", "reference": "mht",
            "scores": ["jaccard"], "x": list(range(12)), "everywhere": True,
        }  # fmt: skip
        claims = {
            f"{name}{direction}": claim | {"curves": [name], "direction": direction}
            for name in ("a", "b")
            for direction in ("better", "worse")
        }
        figure = {"log_x": False, "controls": {}, "curves": curves}
        rows = verdicts.judge_ledger({"claims": claims, "figures": {"f": figure}}, scores, {})
        found = [row["verdict"] for row in rows]
        family_wrong += any(each != UNDECIDED for each in found)
        points_wrong += any(point.p_alone < 0.05 for row in rows for point in row["judgement"].points)
    assert family_wrong / trials <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / trials)
    assert points_wrong / trials > 0.5


# Intervals within bounds.


@pytest.mark.parametrize(("mean", "spread"), [(0.95, 0.05), (0.98, 0.02), (0.9, 0.08)])
def test_an_interval_near_one_stays_below_it_and_covers_better_than_one_that_is_cut_off(mean, spread):
    rng = np.random.default_rng(9)
    size = mean * (1 - mean) / spread**2 - 1
    trials, covered, cut = 1000, 0, 0
    for _ in range(trials):
        of_training = rng.beta(mean * size, (1 - mean) * size, size=(5, 1))
        scores = rng.binomial(14, np.broadcast_to(of_training, (5, 60))) / 14
        found, plain = interval(scores, (0.0, 1.0)), interval(scores)
        assert found.mean == plain.mean
        assert 0 < found.low <= found.mean <= found.high < 1
        covered += found.low <= mean <= found.high
        cut += plain.low <= mean <= min(plain.high, 1.0)
    # Skewed as these trainings are, 95 % is out of reach of five.
    assert covered / trials >= 0.90
    assert covered > cut


def test_an_interval_of_sequences_near_one_covers_at_its_level():
    rng = np.random.default_rng(10)
    trials, covered = 2000, 0
    # Of 14 transitions each is wrong with probability 0.03; JC = (1 − e) / (1 + e).
    wrong = np.arange(15)
    mean = np.sum(stats.binom.pmf(wrong, 14, 0.03) * (14 - wrong) / (14 + wrong))
    for _ in range(trials):
        count = rng.binomial(14, 0.03, size=(1, 40))
        found = interval((14 - count) / (14 + count), (0.0, 1.0))
        covered += found.low <= mean <= found.high
    assert covered / trials >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / trials)


def test_a_bound_that_is_far_away_changes_nothing_and_a_mean_at_the_bound_stays():
    scores = 0.5 + 1e-6 * np.random.default_rng(11).normal(size=(1, 50))
    near, plain = interval(scores, (0.0, 1.0)), interval(scores)
    np.testing.assert_allclose(near, plain, rtol=1e-10)
    assert interval(np.ones((3, 10)), (0.0, 1.0)) == (1, 1, 1, 0)
