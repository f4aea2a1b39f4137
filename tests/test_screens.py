"""What a person reads on the screen: before a run what it will make, while it runs, and after it."""

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml

from planning import forecast, last_screen
from planning.configuration import canonical
from planning.studies import plan
from workflow import PROJECT, jobs, snakemake

SCENE = {"frames": 10, "measurement_noise": 2, "experiments": 7, "particles": 3}
NETWORK = {
    "method": "plain",
    "frames": 10,
    "experiments_per_batch": 3,
    "encoder_lookback": 10,
    "decoder_lookback": 1,
}


@pytest.fixture
def small():
    """Return a config of 7 sequences of 10 frames, an MHT, and a network that is trained 4 times."""
    config = canonical(yaml.safe_load((PROJECT / "config.yaml").read_text(encoding="utf-8")))
    trackers = [
        {"method": "mht", "lookback": 1, "measurement_noise": "known"},
        NETWORK | {"measurement_noise": "known", "epochs": 5, "batches": 2},
    ]
    study = {"title": "One", "datasets": SCENE, "x": "frames", "trackers": trackers}
    return config | {"replicates": 4, "studies": {"s": study}, "operation_counts": {}, "claims": {}}


def run_of(seconds: float, work: dict) -> forecast.Measured:
    """Return a run of 10 jobs by each rule, with a second of start-up each."""
    rules = ("train", "track", "draw_scores")
    every = dict.fromkeys(rules, seconds)
    return forecast.Measured(dict.fromkeys(rules, 10), every, dict.fromkeys(rules, 10.0), work)


def test_work_is_the_number_of_positions(small):
    found = forecast.work(plan(small))
    # Sequences times frames times particles; of the network once for each training.
    assert found["simulate_test_set"] == found["track"] == 7 * 10 * 3
    assert found["track_trained"] == 4 * 7 * 10 * 3
    assert found["score_tracks"] == (1 + 4) * 7 * 10 * 3
    assert found["simulate_training_set"] == 2 * 3 * 4 * 10 * 3
    # Each of 4 trainings sees 2 batches of 3 experiments in each of 5 epochs.
    assert found["train"] == 4 * 2 * 3 * 5 * 10 * 3


def test_time_is_that_of_before_in_proportion_to_the_work():
    run = run_of(110, {"train": 1000})
    planned = {"train": 10}

    def seconds(number, work):
        return forecast.expected_seconds({"train": number}, planned, {"train": work}, run)["train"]

    # The same again, half of the jobs, jobs of twice the work.
    assert seconds(10, 1000) == pytest.approx(110)
    assert seconds(5, 1000) == pytest.approx(55)
    assert seconds(10, 2000) == pytest.approx(10 + 200)


def test_what_no_run_knows_is_said_so():
    counts = {"train": 10, "draw_scores": 10, "track_trained": 3, "all": 1}
    text = forecast.in_words(counts, counts, {}, {"a run": run_of(600, {})}, 2)
    made, time = text.replace("\n", " ").split(". ")
    assert made == "To be made: 10 models, 3 tracker runs, 10 figures"
    assert time == "At least 10 minutes on 2 cores, by the times of a run, which have none of track_trained."
    text = forecast.in_words({"train": 1}, {"train": 1}, {}, {"a run": run_of(600, {})}, None)
    assert text.splitlines() == ["To be made: 1 model.", "About 1 minute of one core, by the times of a run."]
    assert forecast.in_words({"train": 1}, {}, {}, {}, 2).endswith("Nothing is known of how long that takes.")
    assert forecast.in_words({"all": 1}, {}, {}, {}, 2) == ""


@pytest.mark.parametrize("name", ["run.csv", "config.yaml"])
def test_a_run_that_says_nothing_sound_does_no_harm(name, tmp_path):
    (tmp_path / "run.csv").write_text("rule,jobs,seconds,start_up_seconds\ntrain,2,30,4\n")
    (tmp_path / name).write_text("what: [\n" if name == "config.yaml" else "rule,jobs\ntrain,two\n")
    found = forecast.measured(tmp_path)
    assert found is None if name == "run.csv" else found.work == {} and found.seconds == {"train": 30}


def test_a_dry_run_says_what_it_would_make(finished):
    result = snakemake(finished, "--dry-run", "--forceall", "--quiet", "rules")
    count = jobs(result)
    text = " ".join(result.stdout.split() + result.stderr.split())
    assert f" {count['train']} models, {count['track'] + count['track_trained']} tracker runs, " in text
    assert text.count(f"To be made: {count['simulate_test_set']} test sets, ") == 1
    assert text.count("Job stats:") == 1
    # By its own last run, the same again takes as long.
    took = pd.read_csv(finished / "results/run.csv", index_col="rule").seconds["all"]
    cores, minutes = re.search(
        r"About (\d+) minutes? on (\d+) cores?, by the times of your last run\.", text
    ).groups()[::-1]
    assert float(minutes) == pytest.approx(max(1, took / 60 / int(cores)), abs=0.6)


def test_a_job_says_in_words_what_it_makes(finished):
    result = snakemake(finished, "--dry-run", "--forcerun", "train")
    text = result.stdout + result.stderr
    # Of its names docs/glossary.md says T, i, σ and K. The command is shown all the same.
    assert ": Train plain_T12_i1_sigma7_KE12_KD1 (gpu=" in text
    assert ": Track the test set T12_sigma7 by plain_T12_i1_sigma7_KE12_KD1 (gpu=" in text
    assert "train.py --dataset results/data/training/T12_i1_sigma7 " in text


def test_every_rule_that_runs_says_what_it_does_with_its_wildcards():
    rules = {
        name: body
        for path in (PROJECT / "rules").glob("*.smk")
        for name, body in re.findall(r"^rule (\w+):\n((?:[ \n].*\n?)*)", path.read_text(), re.MULTILINE)
        if "    shell:" in body
    }
    assert len(rules) > 30
    for name, body in rules.items():
        (message,) = re.findall(r'^    message:\n        "(.*)"$', body, re.MULTILINE) or [""]
        # They are what the rule's log is named by.
        (log,) = re.findall(r'^    log:\n        "(.*)",$', body, re.MULTILINE)
        named = set(re.findall(r"\{(\w+)\}", log))
        assert message, name
        assert named <= set(re.findall(r"\{wildcards\.(\w+)\}", message)), name


def test_the_last_screen_has_every_claim_and_every_figure(finished):
    result = snakemake(finished, "--cores", "1", "--forcerun", "write_pages")
    assert result.returncode == 0
    screen = (result.stdout + result.stderr).partition("\nDone.\n")[2].partition("Complete log")[0]
    assert max(map(len, screen.splitlines())) <= 80
    ledger = pd.read_csv(finished / "results/claims.csv", index_col=["claim", "score"])
    own, _, copies = screen.partition("The same of the geometric network:\n")
    for claim in ledger.index.unique("claim"):
        scores = [
            score
            for score in ("jaccard", "position_error", "idf1", "flops")
            if (claim, score) in ledger.index
        ]
        marks = "".join(last_screen.MARKS[ledger.verdict[claim, score]] for score in scores)
        part = copies if claim.endswith("_geometric") else own
        assert re.search(
            rf"(^|  ){claim.removesuffix('_geometric')} {re.escape(marks)}(  |$)", part, re.MULTILINE
        )
    for path in (finished / "results/figures").glob("*.png"):
        assert path.stem in screen
    others = re.search(r"^Other pictures: (.*(?:\n.*)*?)\nThe config", screen, re.MULTILINE)[1].split()
    assert {"results/calibration.png", "results/sequences/tracks.png"} <= {name.strip(",") for name in others}
    assert all((finished / name.strip(",")).exists() for name in others)
    assert "The config is not that of the reference run" in screen


def test_the_last_screen_of_a_target_tells_no_claims_or_figures_of_an_earlier_run(finished):
    target = "results/figures/figure_6.png"
    result = snakemake(finished, "--cores", "1", "--forcerun", "draw_scores", "--", target)
    assert result.returncode == 0, result.stderr
    assert (finished / "results/claims.csv").exists()
    screen = (result.stdout + result.stderr).partition("\nDone.\n")[2]
    assert "results/figures/ (figure_6)" in screen
    assert "claims" not in screen


def test_a_run_of_the_same_config_is_held_against_the_reference(tmp_path):
    script = PROJECT / "src/compare_results.py"
    reference, mine = tmp_path / "reference", tmp_path / "mine"
    for directory in (reference, mine):
        shutil.copytree(
            PROJECT / "results/reference", directory, ignore=shutil.ignore_patterns("*.p[dn][fg]")
        )
    assert last_screen.agreement(reference, mine, script).startswith(
        "Against the reference run: The runs agree:"
    )
    assert (mine / "verification.md").is_file()
    (mine / "config.yaml").write_text("seed: 1\n")
    assert "not compared" in last_screen.agreement(reference, mine, script)
    assert last_screen.agreement(Path("nowhere"), mine, script) == ""
