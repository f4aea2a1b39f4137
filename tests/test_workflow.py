"""The workflow, run for real: every rule and every study of the small config, by its command line."""

import os
import re
import sys
from pathlib import Path
from textwrap import dedent

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
import yaml

from planning.studies import plan
from workflow import PROJECT, SMALL, jobs, snakemake, written

# Trains three models and runs each kind of tracker.
SMALLER = "studies: {figure_2a: null, figure_2b: null, figure_2c: null, figure_3: null, figure_4: null}\n"
FORMATS = ("png", "pdf", "parquet", "csv")


@pytest.fixture(scope="module")
def config(finished) -> dict:
    return yaml.safe_load((finished / "results/config.yaml").read_text())


def test_the_merged_config_lies_beside_the_results(config):
    assert config["replicates"] == 2
    assert config["studies"]["figure_2a"]["datasets"] == {"frames": 12, "measurement_noise": [1, 7]}
    assert config["studies"]["figure_2a"]["x"] == "measurement_noise"
    assert config["simulation"] == yaml.safe_load((PROJECT / "config.yaml").read_text())["simulation"]


def test_every_study_has_its_pictures_and_its_table(finished, config):
    for figure in [*config["studies"], *config["operation_counts"]]:
        files = {suffix: finished / f"results/figures/{figure}.{suffix}" for suffix in FORMATS}
        picture = matplotlib.image.imread(files["png"])
        assert picture.shape[1] > 300
        assert picture[..., :3].std() > 0.05
        assert files["pdf"].read_bytes().startswith(b"%PDF")
        table, text = pd.read_parquet(files["parquet"]), pd.read_csv(files["csv"], keep_default_na=False)
        assert len(table) > 0
        assert list(table.columns) == list(text.columns)
        assert len(table) == len(text)


def test_a_figure_shows_the_mean_of_the_scores(finished, config):
    for study in config["studies"]:
        table = pd.read_parquet(finished / f"results/figures/{study}.parquet")
        assert set(table.score) == {"jaccard", "position_error"}
        for row in table[table.method != "fit"].itertuples():
            scores = pd.read_parquet(finished / f"results/scores/{study}/{row.dataset}.parquet")
            scores = scores[scores.tracker == row.tracker]
            assert row.mean == pytest.approx(scores[row.score].mean(), abs=1e-12)
            assert row.low <= row.mean <= row.high
            assert (
                row.replicates
                == scores.replicate.nunique()
                == (2 if row.method.partition(",")[0] in ("plain", "geometric") else 1)
            )
            assert row.experiments == scores.experiment.nunique()


def test_a_figure_has_every_curve_at_every_x(finished, config):
    for study, curves in plan(config).curves.items():
        table = pd.read_parquet(finished / f"results/figures/{study}.parquet")
        for curve in curves:
            found = table[(table.label == curve.label) & (table.score == "jaccard")]
            assert sorted(zip(found.x, found.dataset, found.tracker, strict=True)) == sorted(curve.points)
    labels = set(pd.read_parquet(finished / "results/figures/figure_4.parquet").label)
    assert labels == {
        "frozen", "random", "oracle", "Bayes", "MHT", "transformer_{6,i}", "fit to transformer_{6,i}"
    }  # fmt: skip


def test_scores_follow_from_their_links(finished):
    for path in (finished / "results/scores").glob("*/*.parquet"):
        frames = int(re.match(r"T(\d+)_", path.name)[1])
        scores = pd.read_parquet(path)
        links = scores.true_positives + scores.false_negatives
        assert (links == 2 * (frames - 1)).all()
        union = scores.true_positives + scores.false_positives + scores.false_negatives
        np.testing.assert_allclose(scores.jaccard, scores.true_positives / union)


def test_trackers_meet_the_same_motion_under_every_noise(finished):
    truths = [
        pd.read_parquet(finished / f"results/data/test/{name}/truth.parquet")
        for name in ("T6_sigma1", "T6_sigma7")
    ]
    pd.testing.assert_frame_equal(*(truth[["experiment", "frame", "particle", "x", "y"]] for truth in truths))
    longer = pd.read_parquet(finished / "results/data/test/T12_sigma7/truth.parquet")
    shared = longer[(longer.frame < 6)].merge(truths[1], on=["experiment", "frame", "particle"])
    assert len(shared)
    assert (shared.x_x == shared.x_y).all()


def test_training_and_test_share_no_start(finished):
    starts = {
        kind: {
            tuple(start)
            for path in (finished / "results/data" / kind).glob("*/initial.parquet")
            for start in pd.read_parquet(path)[["x", "y"]].to_numpy()
        }
        for kind in ("test", "training")
    }
    assert starts["test"]
    assert starts["training"]
    assert not starts["test"] & starts["training"]


def test_operations_are_counted_for_both_trackers_at_each_lookback(finished):
    table = pd.read_parquet(finished / "results/figures/figure_5.parquet")
    for tracker in ("mht", "plain", "geometric"):
        for _, rows in table[table.tracker == tracker].groupby("variant"):
            assert list(rows.K) == [1, 2, 3]
            assert (rows.flops.diff().dropna() > 0).all()


def test_each_claim_has_a_verdict_by_each_score(finished, config):
    verdicts = pd.read_parquet(finished / "results/claims.parquet")
    kept = {name: claim for name, claim in config["claims"].items() if claim is not None}
    counted = {name for name, claim in kept.items() if claim["figure"] == "figure_5"}
    # Figure 2a is drawn with the geometric network too: claims about a network are judged of both.
    assert set(verdicts.claim) == {*kept, "1a_geometric", "1b_geometric"}
    assert set(verdicts.verdict) <= {"supported", "contradicted", "undecided", "equal", "too few trainings"}
    for name, rows in verdicts.groupby("claim"):
        assert set(rows.score) == ({"flops"} if name in counted else set(config["judgement"]["scores"])), name
    assert len(pd.read_csv(finished / "results/claims.csv")) == len(verdicts)
    text = (finished / "results/claims.md").read_text()
    words = " ".join(text.split())
    assert all(statement in words for statement in verdicts.statement)
    assert not verdicts.statement.str.contains("[{][KTi][}]").any()


def test_a_claim_compares_the_means_that_its_figure_draws(finished):
    verdicts = pd.read_parquet(finished / "results/claims.parquet").set_index(["claim", "score"])
    figure = pd.read_parquet(finished / "results/figures/figure_2a.parquet")
    for score in ("jaccard", "position_error"):
        means = figure[figure.score == score].groupby("label")["mean"].mean()
        row = verdicts.loc["1a", score]
        assert row["mean"] == pytest.approx(means["transformer_{12,1}"], abs=1e-12)
        assert row["reference_mean"] == pytest.approx(means["MHT"], abs=1e-12)
        assert row["effect"] == pytest.approx(means["transformer_{12,1}"] - means["MHT"], abs=1e-12)
        assert row["frozen_mean"] == pytest.approx(means["frozen"], abs=1e-12)


def test_links_of_the_bayes_reference_are_counted_on_each_of_its_datasets(finished):
    table = pd.read_parquet(finished / "results/calibration.parquet")
    # Twelve experiments of six frames.
    assert table.groupby("dataset").links.sum().to_dict() == {"T6_sigma1": 60, "T6_sigma7": 60}
    assert matplotlib.image.imread(finished / "results/calibration.png")[..., :3].std() > 0.05
    assert (finished / "results/calibration.pdf").read_bytes().startswith(b"%PDF")
    assert len(pd.read_csv(finished / "results/calibration.csv")) == len(table)


@pytest.fixture(scope="module")
def readings(finished) -> pd.DataFrame:
    result = snakemake(finished, "--cores", "2", "readings")
    assert result.returncode == 0, result.stdout + result.stderr
    return pd.read_parquet(finished / "results/readings/verdicts.parquet")


def test_the_study_of_readings_is_few_jobs_beside_all(finished):
    assert jobs(snakemake(finished, "--dry-run", "--forceall", "readings")) == {
        # Two initial spreads over the grid; along the axes the other one, and the other prior; two trainings.
        "judge_choices": 2 + 2 + 2,
        "tabulate_choices": 1,
        "draw_choices": 1,
        "summarise_readings": 1,
        "draw_readings": 1,
        "readings": 1,
    }


def test_each_choice_has_a_verdict_on_each_claim(finished, config, readings):
    axes = ["initial_spread", "estimate", "prior", "transformer"]
    assert list(readings.columns[:7]) == ["part", *axes, "claim", "score"]
    claims = {
        name: str(claim["curve"]) + claim.get("reference", "")
        for name, claim in config["claims"].items()
        if claim is not None
        and claim["figure"] != "figure_5"
        and name not in config["readings"]["not_judged"]
    }
    untrained = {name for name, curves in claims.items() if "transformer" not in curves}
    scores = set(config["judgement"]["scores"])
    # One other value of each axis that is not crossed; all combinations without training; those of two axes.
    for part, judged, choices in (
        ("axes", set(claims), 2),
        ("grid", untrained, 2**3),
        ("crossed", set(claims), 2 * 2),
    ):
        rows = readings[readings.part == part].groupby(axes)
        assert len(rows) == choices
        for _, of_choice in rows:
            assert set(zip(of_choice.claim, of_choice.score, strict=True)) == {
                (claim, score) for claim in judged for score in scores
            }
    assert set(readings[readings.part == "grid"].transformer) == {"teacher_forcing"}
    text = pd.read_csv(finished / "results/readings/verdicts.csv", keep_default_na=False)
    assert list(text.columns) == list(readings.columns)
    assert len(text) == len(readings)
    for name in ("readings", "readings/verdicts"):
        picture = matplotlib.image.imread(finished / f"results/{name}.png")
        assert picture[..., :3].std() > 0.05
        assert (finished / f"results/{name}.pdf").read_bytes().startswith(b"%PDF")


def test_a_reading_has_the_claims_that_are_supported_under_it(finished, readings):
    table = pd.read_parquet(finished / "results/readings.parquet")
    assert len(table) == 2 * 2
    for _, row in table.iterrows():
        same = (readings.estimate == row.estimate) & (readings.transformer == row.transformer)
        rows = readings[(readings.part == "crossed") & same & (readings.score == "jaccard")]
        held = set(rows[rows.verdict == "supported"].claim)
        assert set(row.jaccard_claims.split()) == held
        assert row.judged == len(rows)
        (shown,) = rows[rows.claim == "9b"].itertuples()
        assert row.jaccard_of_curve == shown.mean
        assert row.jaccard_of_frozen == shown.frozen_mean
    assert "# Which reading gives the paper's figures" in (finished / "results/readings.md").read_text()


def test_a_cell_of_the_map_is_what_judging_that_choice_alone_says(config, readings, tmp_path):
    alone = """
        simulation: {initial_spread: 20}
        test_experiments: [{frames: 6, experiments: 6}, {frames: 12, experiments: 5}]
        training: {validation_experiments: 2}
        methods: {plain: {training: {options: {epochs: 1}}}}
        operation_counts: {figure_5: null}
        judgement: {failed: {unseen_rate: 0.8}}
        """
    # A verdict is corrected for all claims of its figure that are judged.
    judged = yaml.safe_dump({"claims": dict.fromkeys(config["readings"]["not_judged"])})
    overlay = written(tmp_path, dedent(alone) + SMALLER + judged)
    result = snakemake(tmp_path, "--cores", "2", "results/claims.parquet", configs=(SMALL, overlay))
    assert result.returncode == 0, result.stdout + result.stderr
    expected = pd.read_parquet(tmp_path / "results/claims.parquet").set_index(["claim", "score"])
    expected = expected[expected.figure == "figure_6"]
    rows = readings[(readings.part == "axes") & (readings.initial_spread == "20")]
    rows = rows.set_index(["claim", "score"]).loc[expected.index]
    assert len(rows) == 3 * 11
    shared = [name for name in expected.columns if name in rows.columns]
    assert {"verdict", "effect", "corrected_p", "frozen_verdict"} <= set(shared)
    pd.testing.assert_frame_equal(rows[shared], expected[shared], rtol=1e-9)


def test_another_value_of_an_axis_judges_only_its_own_scenes(finished, readings, tmp_path):
    config = written(tmp_path, "readings: {axes: {initial_spread: {values: [1, 5, 20]}}}\n")
    result = snakemake(finished, "--dry-run", "readings", configs=(SMALL, config))
    assert jobs(result) == {
        "judge_choices": 2,
        "tabulate_choices": 1,
        "draw_choices": 1,
        "summarise_readings": 1,
        "draw_readings": 1,
        "readings": 1,
    }


def test_the_run_is_summed_up(finished):
    run = pd.read_csv(finished / "results/run.csv", index_col="rule")
    assert run.loc["train", "jobs"] == len(list((finished / "results/models").iterdir()))
    assert run.loc["judge_claims", "jobs"] == 1
    assert (run.start_up_seconds > 0).all()
    assert (run.start_up_seconds < run.seconds).all()
    assert run.loc["all", "jobs"] == run.jobs.drop("all").sum()


def test_a_second_run_has_nothing_to_do(finished):
    result = snakemake(finished, "--cores", "2")
    assert result.returncode == 0
    assert "Nothing to be done" in result.stdout + result.stderr


def test_one_core_makes_the_same_tables_as_two(finished, tmp_path):
    result = snakemake(tmp_path, "--cores", "1", configs=(SMALL, written(tmp_path, SMALLER)))
    assert result.returncode == 0, result.stdout + result.stderr
    made = [
        path.relative_to(tmp_path)
        for folder in ("data", "tracks", "figures")
        for path in sorted((tmp_path / "results" / folder).rglob("*"))
        if path.is_file() and "figure_5" not in path.name
    ]
    assert {path.parts[1] for path in made} == {"data", "tracks", "figures"}
    assert len(made) > 30
    different = [path for path in made if (tmp_path / path).read_bytes() != (finished / path).read_bytes()]
    assert different == []


def test_only_transformers_ask_for_a_gpu(tmp_path):
    result = snakemake(tmp_path, "--dry-run", "--workflow-profile", "none", "--cores", "2")
    output = result.stdout + result.stderr
    # A job is announced by its rule's message or, where it has none, by all that is known of it.
    said = re.findall(r"^Job \d+: (.*) \(gpu=1\)$", output, re.MULTILINE)
    assert {message.split()[0] for message in said} == {"Train", "Track"}
    assert all(re.search(r"(plain|geometric)_T\d+_i", message) for message in said)
    assert "gpu=1" not in "".join(re.findall(r"^    resources: .*$", output, re.MULTILINE))


@pytest.mark.parametrize("gpus", [0, 1])
def test_the_default_profile_lets_gpu_jobs_wait_for_each_other_only_where_there_is_a_gpu(tmp_path, gpus):
    tools = tmp_path / "bin"
    tools.mkdir()
    if gpus:
        (tools / "nvidia-smi").touch(mode=0o755)
    path = f"{tools}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}/usr/bin{os.pathsep}/bin"
    result = snakemake(tmp_path, "--dry-run", PATH=path)
    output = result.stdout + result.stderr
    assert set(re.findall(r"gpu=(\d)", output)) == {str(gpus)}
    profile = yaml.safe_load((PROJECT / "profiles/default/config.yaml").read_text())
    assert profile["resources"] == {"gpu": 1}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("simulation: {process_noise: -1}\n", "simulation.process_noise: -1 is less than the minimum of 0"),
        ("training: {weight_decay: 1e-3}\n", "training.weight_decay: '1e-3' is not of type 'number'"),
        ("methods: {mht: {label: A, label: B}}\n", "line 1: the key label stands twice"),
        (
            "studies: {'a; touch /tmp/x': {}}\n",
            "studies: 'a; touch /tmp/x' is not made of letters, digits and _",
        ),
        ("- 1\n", "mine.yaml: it has no keys"),
        ("a: [1\n", "mine.yaml: line 2: "),
    ],
)
def test_a_wrong_config_stops_before_any_job_without_a_traceback(tmp_path, text, told):
    result = snakemake(tmp_path, "--cores", "1", configs=(written(tmp_path, text),))
    output = result.stdout + result.stderr
    assert result.returncode == 1
    assert told in output
    assert "Traceback" not in output
    assert not (tmp_path / "results").exists()
