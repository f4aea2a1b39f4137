"""What tabulate_scores.py says of trainings: the median one, those that failed, intervals within bounds."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mpt.tables.files import TableWriter
from mpt.tables.scores import TRACKER_SCORES

MEANS = [0.95, 0.96, 0.955, 0.80, 0.94]


@pytest.fixture
def table(tmp_path):
    """Return the path of scores of five trainings, whose JC is MEANS on each sequence but for noise."""
    rng = np.random.default_rng(0)
    keys = [("mht", 0, e) for e in range(20)] + [("net", r, e) for r in range(5) for e in range(20)]
    tracker, replicate, experiment = map(np.array, zip(*keys, strict=True))
    columns = {name: np.zeros(len(keys)) for name in TRACKER_SCORES.schema.names}
    jaccard = np.where(tracker == "net", np.array(MEANS)[replicate], 0.9)
    columns |= {"tracker": tracker, "replicate": replicate, "experiment": experiment}
    columns |= {"jaccard": np.minimum(jaccard + 0.01 * rng.normal(size=len(keys)), 1)}
    columns |= {"position_error": 5 - columns["jaccard"]}
    for name in ("true_positives", "false_positives", "false_negatives", "swaps"):
        columns[name] = columns[name].astype(int)
    path = tmp_path / "d.parquet"
    with TableWriter(path, TRACKER_SCORES, {}) as writer:
        writer.write(columns)
    return path


@pytest.fixture
def flags(table, tmp_path):
    curves = [
        {"label": name, "method": name, "fit": None, "points": [[1, "d", name]]} for name in ("mht", "net")
    ]
    return [
        *("--scores", table, "--curves", json.dumps(curves), "--columns", "jaccard", "position_error"),
        *("--output", tmp_path / "t.parquet", "--csv", tmp_path / "t.csv"),
    ]


def test_the_median_training_stands_beside_the_mean_and_failures_are_counted(
    run_script, tmp_path, table, flags
):
    result = run_script(
        "tabulate_scores.py", *flags, "--failed-score", "jaccard", "--below-median-by", "0.02"
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    found = pd.read_parquet(tmp_path / "t.parquet").set_index(["score", "tracker"])
    scores = pd.read_parquet(table)
    by_training = scores[scores.tracker == "net"].groupby("replicate")
    for score in ("jaccard", "position_error"):
        row = found.loc[score, "net"]
        assert row["mean"] == pytest.approx(by_training[score].mean().mean())
        assert row["median"] == pytest.approx(by_training[score].mean().median())
        # By the Jaccard coefficient, whatever score is tabulated.
        assert row.failed == 1
        limits = stats.binomtest(1, 5).proportion_ci(0.95, "exact")
        assert (row.failed_low, row.failed_high) == pytest.approx(tuple(limits))
    untrained = found.loc["jaccard", "mht"]
    assert untrained["median"] == pytest.approx(untrained["mean"])
    assert np.isnan(untrained.failed)


def test_an_interval_of_a_score_that_ends_at_one_does_not_pass_it(run_script, tmp_path, table, flags):
    assert run_script("tabulate_scores.py", *flags).returncode == 0
    found = pd.read_parquet(tmp_path / "t.parquet").set_index(["score", "tracker"])
    row = found.loc["jaccard", "net"]
    scores = pd.read_parquet(table)
    means = scores[scores.tracker == "net"].groupby("replicate").jaccard.mean()
    # By the trainings alone the interval passes 1, as a t interval does.
    assert stats.ttest_1samp(means, 0).confidence_interval(0.95).high > 1
    assert row["mean"] < row.high < 1
    assert found.failed.isna().all()


def test_what_counts_as_failed_is_told_as_a_whole(run_script, flags):
    result = run_script("tabulate_scores.py", *flags, "--failed-score", "jaccard")
    assert result.returncode == 2
    assert "--failed-score and --below-median-by are given together" in result.stderr
