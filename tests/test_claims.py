"""Claims of known truth get the verdict they deserve, at the stated rate; the ledger by command line."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mpt.judgement import claims, verdicts
from mpt.judgement.claims import CONTRADICTED, SUPPORTED, UNDECIDED, Claim, judge, verdict
from mpt.judgement.statistics import Effect
from mpt.tables.files import TableWriter
from mpt.tables.operations import OPERATIONS
from mpt.tables.scores import TRACKER_SCORES


def draw_curves(rng, means, replicates=5, sequences=60, training=0.02):
    """Draw a curve per row of means (C, K), x = 1…K; sequences are shared, trainings are each curve's own.

    A curve of one replicate is not trained.
    """
    shared = 0.1 * rng.normal(size=(1, sequences))
    trainings = [1, *[replicates] * (len(means) - 1)]
    return [
        {
            x: mean
            + shared
            + training * (count > 1) * rng.normal(size=(count, 1))
            + 0.05 * rng.normal(size=(count, sequences))
            for x, mean in enumerate(row, start=1)
        }
        for row, count in zip(means, trainings, strict=True)
    ]


def judged(claim, curves, reference=None):
    judgement = judge(claim, curves, reference)
    return verdict(judgement, judgement.effect.p)


CASES = {
    "above": ("difference", [[0.5] * 4, [0.7] * 4]),
    "rising": ("trend", [[0.5] * 4, [0.5, 0.6, 0.7, 0.8]]),
    "rising with i": ("rise", [[0.5] * 4, [0.5] * 4, [0.7] * 4, [0.9] * 4]),
    "diminishing": ("returns", [[0.5] * 4, [0.5, 0.7, 0.8, 0.8]]),
    "below in the limit": ("limit", [[0.5] * 5, [0.9 - 0.3 / x for x in range(1, 6)]]),
}


@pytest.mark.parametrize("case", CASES)
def test_a_true_claim_is_supported_and_its_opposite_contradicted(case):
    test, means = CASES[case]
    reference, *curves = draw_curves(np.random.default_rng(1), means)
    sign = -1 if test == "returns" else 1
    compared = reference if test in ("difference", "trend", "limit") else None
    assert judged(Claim(test, sign), curves, compared) == SUPPORTED
    assert judged(Claim(test, -sign), curves, compared) == CONTRADICTED


@pytest.mark.parametrize("everywhere", [False, True])
@pytest.mark.parametrize("test", ["difference", "trend", "rise", "returns", "variation"])
def test_where_there_is_no_effect_the_verdict_is_undecided_19_times_in_20(test, everywhere):
    rng = np.random.default_rng(2)
    curves_needed = 3 if test in ("rise", "variation") else 1
    verdicts = []
    for _ in range(400):
        reference, *curves = draw_curves(rng, [[0.5] * 4] * (1 + curves_needed))
        compared = reference if test in ("difference", "trend") else None
        verdicts.append(judged(Claim(test, 1, everywhere=everywhere), curves, compared))
    undecided = np.mean([found == UNDECIDED for found in verdicts])
    # Three standard errors of a fraction of 400. Points are a second look, half of which can contradict.
    looks = 1.5 if everywhere else 1
    assert undecided >= 1 - looks * 0.05 - 3 * np.sqrt(0.05 * 0.95 / 400)


def test_one_point_on_the_other_side_contradicts_only_what_is_claimed_everywhere():
    reference, curve = draw_curves(np.random.default_rng(3), [[0.5] * 5, [0.3, 0.3, 0.3, 0.3, 0.6]])
    assert judged(Claim("difference", -1), [curve], reference) == SUPPORTED
    assert judged(Claim("difference", -1, everywhere=True), [curve], reference) == CONTRADICTED
    judgement = judge(Claim("difference", -1), [curve], reference)
    assert (judgement.count(-1), judgement.count(1), len(judgement.points)) == (4, 1, 5)


def test_what_varies_over_x_is_supported_and_what_does_not_is_never_contradicted():
    rng = np.random.default_rng(4)
    _, *same = draw_curves(rng, [[0.5] * 4, [0.5] * 4, [0.7] * 4])
    _, *varied = draw_curves(rng, [[0.5] * 4, [0.5] * 4, [0.5, 0.5, 0.5, 0.9]])
    assert judged(Claim("variation", 0), varied) == SUPPORTED
    assert judged(Claim("variation", 0), same) == UNDECIDED
    assert judge(Claim("variation", 0), varied).points[3].effect.effect == pytest.approx(0.3, abs=0.1)


@pytest.mark.parametrize(("mean", "expected"), [(0.97, SUPPORTED), (0.93, CONTRADICTED)])
def test_a_margin_moves_the_reference_to_the_worse(mean, expected):
    rng = np.random.default_rng(5)
    reference = {1: np.ones((1, 40))}
    curve = {1: mean + 0.01 * rng.normal(size=(5, 40))}
    assert judged(Claim("difference", 1, margin=0.05), [curve], reference) == expected
    # An error of 1.03 or 1.07 where up to 1.05 is allowed.
    error = {1: 2 - curve[1]}
    assert judged(Claim("difference", -1, margin=0.05), [error], reference) == expected


def test_one_point_of_untrained_trackers_is_the_paired_t_test():
    rng = np.random.default_rng(6)
    a, b = rng.normal(0.2, 1, size=(2, 1, 30))
    found = judge(Claim("difference", 1), [{7: a}], {7: b}).effect
    assert found.p == pytest.approx(stats.ttest_rel(a[0], b[0]).pvalue, rel=1e-6)


def test_a_trend_of_untrained_trackers_is_the_t_test_of_the_slopes_of_the_sequences():
    rng = np.random.default_rng(7)
    x, scores = [8, 25, 50, 150], rng.normal(size=(4, 30))
    slopes = [stats.linregress(x, scores[:, b]).slope * (150 - 8) for b in range(30)]
    expected = stats.ttest_1samp(slopes, 0)
    found = judge(Claim("trend", 1), [dict(zip(x, scores[:, None], strict=True))]).effect
    assert found.effect == pytest.approx(np.mean(slopes))
    assert found.p == pytest.approx(expected.pvalue, rel=1e-6)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))


def test_models_that_run_at_every_x_are_one_sample_of_trainings_not_many():
    # A training is as much better at one x as at all: the mean over x is no surer than a single x.
    rng = np.random.default_rng(8)
    rejected = 0
    for _ in range(400):
        training = 0.1 * rng.normal(size=(5, 1))
        curve = {x: 0.5 + training + 0.01 * rng.normal(size=(5, 40)) for x in range(11)}
        judgement = judge(Claim("difference", 1), [curve], {x: np.full((1, 40), 0.5) for x in range(11)})
        rejected += judgement.effect.p < 0.05
    assert rejected / 400 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


def test_lengths_are_compared_by_the_sequences_that_all_have():
    rng = np.random.default_rng(9)
    long = rng.normal(size=(1, 20))
    short = np.concatenate([long - 1, rng.normal(50, 1, size=(1, 100))], axis=1)
    effect = claims.estimate([(1.0, long), (-1.0, short)])
    assert effect.effect == pytest.approx(1)


def test_equal_scores_are_no_effect_however_they_are_weighed():
    scores = np.random.default_rng(10).random((3, 50))
    judgement = judge(Claim("trend", 1), [dict.fromkeys([1, 3, 10, 31], scores)])
    assert judgement.effect == Effect(0, 0, 0, 1)
    assert judged(Claim("trend", 1), [dict.fromkeys([1, 3, 10, 31], scores)]) == UNDECIDED


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        (lambda K: 7 * 2.0**K, SUPPORTED),
        (lambda K: 7 * K * 2.0**K, SUPPORTED),
        (lambda K: 7 * K**3.0, CONTRADICTED),
        (lambda K: 5 * np.exp(0.2 * np.log(K) + 0.3 * np.sin(9 * K)), UNDECIDED),
    ],
)
def test_exponential_growth_is_told_from_powers(operations, expected):
    K = np.arange(1, 11)
    judgement = claims.judge_exponential(K, operations(K), 2)
    assert verdict(judgement, np.nan) == expected


def test_a_straight_line_with_an_offset_is_linear_and_a_square_is_not():
    K = np.arange(1, 11)
    line = claims.judge_linear(K, 1e6 + 3.0 * K, 0.05)
    assert verdict(line, np.nan) == SUPPORTED
    assert line.effect.effect == pytest.approx(0, abs=1e-9)
    square = claims.judge_linear(K, K**2.0, 0.05)
    assert verdict(square, np.nan) == CONTRADICTED
    fit = stats.linregress(K, K**2.0)
    assert square.effect.effect == pytest.approx(np.abs(K**2 - fit.intercept - fit.slope * K).max() / 99)


def test_operations_that_do_not_change_are_a_straight_line_that_does_not_grow_and_crosses_nothing():
    K, level = np.arange(1, 6), np.full(5, 7e6)
    line = claims.judge_linear(K, level, 0.05)
    assert (verdict(line, np.nan), line.effect[:3]) == (SUPPORTED, (0, 0, 0))
    growth = claims.judge_exponential(K, level, 2)
    assert (verdict(growth, np.nan), growth.effect[:3]) == (CONTRADICTED, (1, 1, 1))
    same = claims.judge_crossing(K, level, level)
    assert verdict(same, np.nan) == UNDECIDED
    assert np.isnan(same.effect.effect)


def test_a_crossing_is_supported_where_seen_and_undecided_beyond():
    K = np.array([1, 2, 3, 4])
    seen = claims.judge_crossing(K, 2.0**K, [5.0] * 4)
    assert verdict(seen, np.nan) == SUPPORTED
    assert seen.effect[:3] == pytest.approx((np.log2(5), 2, 3))
    beyond = claims.judge_crossing(K, 2.0**K, [64.0] * 4)
    assert verdict(beyond, np.nan) == UNDECIDED
    assert "K = 6.0" in beyond.detail
    assert verdict(claims.judge_crossing(K, [9.0] * 4, [5.0] * 4), np.nan) == CONTRADICTED


def test_counts_are_compared_where_both_were_counted():
    counted = {"f": {"a": (np.arange(1, 5), 2.0 ** np.arange(1, 5)), "b": (np.arange(2, 5), np.full(3, 5.0))}}
    claim = CLAIM | {"test": "crossing", "curves": ["a"], "reference": "b", "x": [2, 3, 4]}
    (row,) = verdicts.judge_ledger({"claims": {"1": claim}, "figures": {}}, {}, counted)
    # 2^K = 5 between the second and the third lookback.
    assert (row["verdict"], row["effect"]) == (SUPPORTED, pytest.approx(np.log2(5)))
    with pytest.raises(LookupError, match="not counted at the same lookbacks"):
        verdicts.judge_ledger({"claims": {"1": claim | {"x": [1, 2, 3]}}, "figures": {}}, {}, counted)


def test_the_markdown_fits_80_columns_keeps_the_order_and_needs_no_docstring(
    run_script, tmp_path, scores, outputs, monkeypatch
):
    ledger = json.loads(ledger_of(failed={"score": "jaccard", "below_median_by": 0.02, "unseen_rate": 0.4}))
    within = {"jaccard": 0.005, "position_error": {"relative": 0.02}}
    first = ledger["claims"].pop("1") | {"equal_within": within}
    ledger["claims"] = {"b": first, "a": first | {"statement": "The same | again."}}
    output = tmp_path / "claims.parquet"
    flags = ["--scores", *scores, "--ledger", json.dumps(ledger), "--output", output, *outputs]
    monkeypatch.setenv("PYTHONOPTIMIZE", "2")
    result = run_script("judge_claims.py", *flags)
    assert (result.returncode, result.stderr) == (0, "")
    text = (tmp_path / "claims.md").read_text()
    assert max(map(len, text.splitlines())) <= 80
    assert text.index("| b ") < text.index("| a ")
    assert text.index("### b. The transformer is better.") < text.index("### a. The same | again.")
    words = " ".join(text.split())
    assert "JC 0.005, position error 2 % of the reference" in words
    assert "worse than that of the median training of its model by more than 0.02" in words
    assert "fewer than 6 trainings" in words
    assert "There are 2 families here." in words
    # Three trainings each at two noises of one model; the verdict in its favour needs six.
    assert "too few trainings" in words
    assert "Failed: 0 of 3 trainings" in words


def test_an_interval_that_excludes_0_where_the_corrected_p_does_not_is_explained(
    run_script, tmp_path, outputs
):
    # One claim that holds by a little, among so many that it is lost in the correction.
    paths = [
        write_scores(tmp_path / f"sigma{noise}.parquet", {"net": 0.7056, "mht": 0.7, "frozen": 0.6})
        for noise in NOISES
    ]
    told = {}
    for many in (1, 60):
        ledger = json.loads(ledger_of(scores=["jaccard"]))
        ledger["claims"] = {str(number): ledger["claims"]["1"] for number in range(many)}
        output = tmp_path / "claims.parquet"
        flags = ["--scores", *paths, "--ledger", json.dumps(ledger), "--output", output, *outputs]
        run_script("judge_claims.py", *flags)
        row = pd.read_parquet(output).iloc[0]
        assert row.low > 0
        told[many] = (
            row.verdict,
            "alone and excludes 0" in " ".join((tmp_path / "claims.md").read_text().split()),
        )
    assert told == {1: (SUPPORTED, False), 60: (UNDECIDED, True)}


# The ledger by its command line.

CLAIM = {
    "statement": "The transformer is better.",
    "figure": "f",
    "reference_figure": "f",
    "test": "difference",
    "curves": ["transformer"],
    "reference": "MHT",
    "direction": "better",
    "scores": ["jaccard", "position_error"],
    "x": [1, 7],
}
NOISES = (1, 7)


def write_scores(path, means, sequences=40, first=0):
    """Write scores of trackers, whose means of jaccard are given; the position error is 2 − jaccard."""
    rng = np.random.default_rng(11)
    rows = []
    for tracker, mean in sorted(means.items()):
        for replicate in range(3 if tracker == "net" else 1):
            for experiment in range(first, first + sequences):
                jaccard = mean + 0.01 * rng.normal()
                rows.append((tracker, replicate, experiment, jaccard))
    table = pd.DataFrame(rows, columns=["tracker", "replicate", "experiment", "jaccard"])
    columns = {name: np.zeros(len(table)) for name in TRACKER_SCORES.schema.names}
    columns |= {name: table[name].to_numpy() for name in table}
    columns |= {"position_error": 2 - columns["jaccard"], "gated_jaccard": columns["jaccard"]}
    for name in ("true_positives", "false_positives", "false_negatives", "swaps"):
        columns[name] = columns[name].astype(int)
    with TableWriter(path, TRACKER_SCORES, {}) as writer:
        writer.write(columns)
    return path


def ledger_of(**changes):
    """Return the JSON of a ledger with the claim 1, changed, about figure f."""
    labels = {"transformer": "net", "MHT": "mht", "frozen": "frozen"}
    curves = {
        label: [[noise, f"sigma{noise}", tracker] for noise in NOISES] for label, tracker in labels.items()
    }
    figure = {"log_x": False, "controls": {"frozen": "frozen"}, "curves": curves}
    return json.dumps({"claims": {"1": CLAIM | changes}, "figures": {"f": figure}})


@pytest.fixture
def scores(tmp_path):
    means = {"net": 0.8, "mht": 0.7, "frozen": 0.6}
    return [write_scores(tmp_path / f"sigma{noise}.parquet", means) for noise in NOISES]


@pytest.fixture
def outputs(tmp_path):
    return ["--csv", tmp_path / "claims.csv", "--markdown", tmp_path / "claims.md"]


def test_each_score_gets_a_verdict_and_each_control_shows_what_it_is_worth(
    run_script, tmp_path, scores, outputs
):
    output = tmp_path / "claims.parquet"
    result = run_script(
        "judge_claims.py", "--scores", *scores, "--ledger", ledger_of(), "--output", output, *outputs
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    table = pd.read_parquet(output).set_index("score")
    assert list(table.index) == ["jaccard", "position_error"]
    assert list(table.verdict) == [SUPPORTED] * 2
    assert list(table.frozen_verdict) == [CONTRADICTED] * 2
    assert "random_verdict" not in table
    assert table.effect.to_numpy() == pytest.approx([0.1, -0.1], abs=0.01)
    assert table["mean"].to_numpy() == pytest.approx([0.8, 1.2], abs=0.01)
    assert table.frozen_mean.to_numpy() == pytest.approx([0.6, 1.4], abs=0.01)
    assert (table.low < table.effect).all()
    assert (table.effect < table.high).all()
    assert list(table.points_as_claimed) == [2, 2]
    assert len(pd.read_csv(tmp_path / "claims.csv")) == 2
    text = (tmp_path / "claims.md").read_text()
    assert "| 1     | supported | supported      |" in text
    assert "### 1. The transformer is better.\n" in text


def test_a_claim_is_judged_at_its_own_x_only(run_script, tmp_path, outputs):
    paths = [
        write_scores(tmp_path / f"sigma{noise}.parquet", {"net": net, "mht": 0.7, "frozen": 0.6})
        for noise, net in zip(NOISES, (0.8, 0.5), strict=True)
    ]
    found = {}
    for name, changes in {"all": {}, "one": {"x": [1]}, "last": {"at": "last"}}.items():
        output = tmp_path / f"{name}.parquet"
        flags = ["--scores", *paths, "--ledger", ledger_of(**changes), "--output", output, *outputs]
        run_script("judge_claims.py", *flags)
        found[name] = pd.read_parquet(output).set_index("score").loc["jaccard"]
    effects = {name: row.effect for name, row in found.items()}
    assert effects == pytest.approx({"all": -0.05, "one": 0.1, "last": -0.2}, abs=0.01)
    assert {name: row.points for name, row in found.items()} == {"all": 2, "one": 1, "last": 1}
    assert found["one"].frozen_mean == pytest.approx(0.6, abs=0.01)


def test_an_effect_is_of_the_experiments_that_all_points_have_and_a_mean_of_all(
    run_script, tmp_path, outputs
):
    means, output = {"net": 0.8, "mht": 0.7, "frozen": 0.6}, tmp_path / "claims.parquet"
    paths = [
        write_scores(tmp_path / f"sigma{noise}.parquet", means, count)
        for noise, count in zip(NOISES, (40, 10), strict=True)
    ]
    run_script("judge_claims.py", "--scores", *paths, "--ledger", ledger_of(), "--output", output, *outputs)
    found = pd.read_parquet(output).set_index("score").loc["jaccard"]
    tables_of = [pd.read_parquet(path) for path in paths]
    paired = [table[table.experiment < 10].groupby("tracker").jaccard.mean() for table in tables_of]
    assert found.effect == pytest.approx(np.mean([means.net - means.mht for means in paired]), rel=1e-9)
    everything = [table.groupby("tracker").jaccard.mean() for table in tables_of]
    assert found["mean"] == pytest.approx(np.mean([means.net for means in everything]), rel=1e-9)
    assert found.reference_mean == pytest.approx(np.mean([means.mht for means in everything]), rel=1e-9)
    assert abs(found.effect - (found["mean"] - found.reference_mean)) > 1e-4


def test_p_values_are_corrected_for_the_claims_about_a_figure(run_script, tmp_path, scores, outputs):
    ledger = json.loads(ledger_of())
    ledger["claims"]["2"] = CLAIM | {"curves": ["MHT"], "reference": "MHT"}
    ledger["claims"]["3"] = CLAIM | {"curves": ["frozen"], "direction": "worse"}
    output = tmp_path / "claims.parquet"
    run_script(
        "judge_claims.py", "--scores", *scores, "--ledger", json.dumps(ledger), "--output", output, *outputs
    )
    table = pd.read_parquet(output)
    for _, rows in table.groupby("score"):
        expected = np.minimum(1, np.sort(rows.p) * [3, 2, 1])
        assert np.sort(rows.corrected_p) == pytest.approx(np.maximum.accumulate(expected), rel=1e-9)
    assert list(table[table.claim == "2"].verdict) == [UNDECIDED] * 2
    assert list(table[table.claim == "3"].verdict) == [SUPPORTED] * 2


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda paths: paths.pop(), "no table of scores has frozen on sigma7, mht on sigma7, net on sigma7"),
        (
            lambda paths: write_scores(paths[1], {"net": 0.8, "frozen": 0.6}),
            "no table of scores has mht on sigma7",
        ),
        (
            lambda paths: write_scores(paths[1], {"net": 0.8, "mht": 0.7, "frozen": 0.6}, first=5),
            "sigma7.parquet: its experiments are not those of",
        ),
        (lambda paths: paths[0].write_bytes(b"no table"), "sigma1.parquet: not a sound Parquet file"),
    ],
)
def test_scores_that_do_not_serve_are_refused(refusal, tmp_path, scores, outputs, spoil, told):
    spoil(scores)
    output = tmp_path / "claims.parquet"
    line = refusal("judge_claims.py", "--scores", *scores, "--ledger", ledger_of(), *outputs, output=output)
    assert told in line


@pytest.mark.parametrize(
    ("flops", "missing"),
    [(np.array([2, 4, 8]), "transformer, incremental"), (np.ma.masked_all(3, int), "mht, enumerate")],
)
def test_operations_that_were_not_counted_are_refused(refusal, tmp_path, outputs, flops, missing):
    path = tmp_path / "f.parquet"
    with TableWriter(path, OPERATIONS, {}) as writer:
        writer.write(
            {
                "tracker": np.array(["mht"] * 3),
                "variant": np.array(["enumerate"] * 3),
                "K": np.array([1, 2, 3]),
                "flops": flops,
                "macs": None,
                "source": np.array(["model"] * 3),
                "seconds": np.ones(3),
                "seconds_together": None,
                "gpu_seconds_together": None,
            }
        )
    claim = CLAIM | {
        "test": "crossing",
        "curves": ["mht, enumerate"],
        "reference": "transformer, incremental",
    }
    ledger = json.dumps({"claims": {"1": claim}, "figures": {}})
    output = tmp_path / "claims.parquet"
    line = refusal("judge_claims.py", "--operations", path, "--ledger", ledger, *outputs, output=output)
    assert f"no table of operations f has {missing}" in line


def test_a_ledger_may_be_longer_than_an_argument(run_script, tmp_path, outputs):
    noises = [noise / 1000 for noise in range(1, 2001)]
    path = write_scores(tmp_path / "one.parquet", {"net": 0.8, "mht": 0.7, "frozen": 0.6})
    ledger = json.loads(ledger_of(x=noises))
    curves = ledger["figures"]["f"]["curves"]
    for label, points in curves.items():
        curves[label] = [[noise, "one", points[0][2]] for noise in noises]
    text = json.dumps(ledger)
    # Linux: 32 pages, and no longer with more memory.
    assert len(text) > 128 * 1024
    output = tmp_path / "claims.parquet"
    flags = ["--scores", path, "--ledger", "-", "--output", output, *outputs]
    result = run_script("judge_claims.py", *flags, input=text)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    table = pd.read_parquet(output)
    assert list(table.points) == [2000] * 2
    assert list(table.verdict) == [SUPPORTED] * 2


def test_a_ledger_that_is_not_json_is_refused(refusal, tmp_path, outputs):
    line = refusal("judge_claims.py", "--ledger", "{", *outputs, output=tmp_path / "claims.parquet")
    assert "--ledger" in line
