"""What a change makes the workflow do again, by a dry run over the finished results of the small config.

The small config has 14 models, 12 of them plain, on 21 pairs of model and test set, 9 pairs of MHT and test
set, 4 test sets, 6 studies, one figure of three of them, one of a sequence and one of operation counts.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from workflow import PROJECT, SMALL, clone, jobs, snakemake, written

CLOSENESS = {"tabulate_closeness": 1, "draw_closeness": 1}
LEARNT = {"train": 14, "track_trained": 21, "draw_sequence": 1, **CLOSENESS}
PLAIN_LEARNT = {"train": 12, "track_trained": 19, "draw_sequence": 1, **CLOSENESS}
SCORED = {
    "score_tracks": 11,
    "tabulate_scores": 6,
    "draw_scores": 6,
    "draw_together": 1,
    "judge_claims": 1,
    "summarise_run": 1,
    "write_pages": 1,
}
DRAWN = {
    "draw_scores": 6,
    "draw_together": 1,
    "draw_sequence": 1,
    "draw_closeness": 1,
    "draw_operations": 1,
    "summarise_run": 1,
    "write_pages": 1,
}
CALIBRATED = {"calibrate": 1, "draw_calibration": 1}
# A config that differs is written beside the results, and is a page of the report.
OTHER_CONFIG = {"write_config": 1, "write_pages": 1}

CHANGES_OF_THE_CONFIG = {
    "nothing": ("", {}),
    "defaults said again, in another order": (
        "replicates: 2\nclaims: {5b: {direction: worse}, 2a: {direction: worse}}\nseed: 2024",
        {},
    ),
    "a noise added to one study": (
        "studies: {figure_2a: {datasets: {measurement_noise: [1, 5, 7]}}}",
        {
            "simulate_test_set": 1,
            "simulate_training_set": 1,
            "train": 2,
            "track_trained": 2,
            "track": 4,
            "draw_together": 1,
            "score_tracks": 1,
            "tabulate_scores": 1,
            "draw_scores": 1,
            "judge_claims": 1,
            "summarise_run": 1,
        },
    ),
    # Its studies are drawn without it, and the Bayes reference is calibrated without its test set. Claims on
    # how a curve rises with the noise are left with one point.
    "a noise removed from all studies": (
        "studies: {figure_2a: &seven {datasets: {measurement_noise: [7]}}, figure_2b: *seven,"
        " figure_2c: *seven, figure_3: *seven}\nclaims: {1b: null, 6a: null}\n"
        "figures: {sequences: {tracks: null}}",
        {
            **CALIBRATED,
            "draw_together": 1,
            "tabulate_scores": 4,
            "draw_scores": 4,
            "judge_claims": 1,
            "summarise_run": 1,
        },
    ),
    "the learning rate": (
        "methods: {plain: {training: {options: {learning_rate: 0.002}}}}",
        PLAIN_LEARNT | SCORED,
    ),
    # heads 2, decoder_layers 1 become heads 1, decoder_layers 2: the same set of values.
    "two parameters that swap values": (
        "methods: {plain: {training: {options: {heads: 1, decoder_layers: 2}}}}",
        {**PLAIN_LEARNT, **SCORED, **DRAWN, "count_operations": 1, "tabulate_operations": 1},
    ),
    # Tracks with the prior 2 are new on both test sets of figure_2b, and no other study scores them.
    "the prior of the MHT in one study": (
        "studies: {figure_2b: {trackers: [{method: control, control: [frozen, random, oracle]}, {method: mht,"
        " lookback: 1, measurement_noise: 2}, {method: plain, frames: 12, experiments_per_batch: 1,"
        " measurement_noise: 1, encoder_lookback: frames, decoder_lookback: 1}]}}",
        {"track": 2, **SCORED, "score_tracks": 2, "tabulate_scores": 1, "draw_scores": 1},
    ),
    "the number of long test sequences": (
        "test_experiments: [{frames: 6, experiments: 12}, {frames: 12, experiments: 10}]",
        {
            "simulate_test_set": 2,
            "track_trained": 11,
            "draw_sequence": 1,
            **CLOSENESS,
            "track": 12,
            **SCORED,
            "score_tracks": 7,
            "tabulate_scores": 4,
            "draw_scores": 4,
        },
    ),
    "the colours of the MHT": ("methods: {mht: {style: {palette: rocket}}}", DRAWN | {"draw_calibration": 1}),
    "the direction of a claim": ("claims: {1a: {direction: worse}}", {"judge_claims": 1, "summarise_run": 1}),
}


@pytest.mark.parametrize("change", CHANGES_OF_THE_CONFIG)
def test_a_change_of_the_config_reruns(change, finished, tmp_path):
    text, expected = CHANGES_OF_THE_CONFIG[change]
    configs = (SMALL, written(tmp_path, text)) if text else (SMALL,)
    found = jobs(snakemake(finished, "--dry-run", configs=configs))
    assert found == (expected | OTHER_CONFIG if expected else {})


def test_a_figure_makes_what_it_shows_and_no_more(tmp_path):
    # Of figure_2b, on two test sets: three controls, an MHT and one model, which is trained on one data set.
    assert jobs(snakemake(tmp_path, "--dry-run", "results/figures/figure_2b.png")) == {
        "simulate_test_set": 2,
        "simulate_training_set": 1,
        "train": 1,
        "track": 2 * 4,
        "track_trained": 2,
        "score_tracks": 2,
        "tabulate_scores": 1,
        "draw_scores": 1,
    }


def append(name: str, text: str) -> Callable[[Path, Path], None]:
    """Return what adds a line to a file of the checkout."""

    def change(project: Path, results: Path) -> None:
        path = project / name
        path.write_text(f"{path.read_text()}{text}\n")

    return change


def touch(project: Path, results: Path) -> None:
    """Make a source, a config and a table of the results look new."""
    for path in (
        project / "src/mpt/kalman.py",
        project / "config.yaml",
        results / "results/data/test/T6_sigma7/truth.parquet",
    ):
        os.utime(path)


def clone_anew(project: Path, results: Path) -> None:
    """Give all files of the checkout the time of a fresh clone."""
    for path in project.rglob("*"):
        os.utime(path)


CHANGES_OF_FILES = {
    "nothing but the place of project and results": (lambda project, results: None, {}),
    "a fresh clone": (clone_anew, {}),
    "files touched": (touch, {}),
    "a comment in config.yaml": (append("config.yaml", "# A comment."), {}),
    "how tracks are scored": (
        append("src/mpt/scoring/links.py", "PERFECT = 1"),
        SCORED | {"draw_sequence": 1},
    ),
    "the MHT": (
        append("src/mpt/trackers/mht.py", "CUTOFF = None"),
        {"track": 9, "count_operations": 1, "tabulate_operations": 1, **SCORED, **DRAWN, **CLOSENESS},
    ),
    "how transformers are trained": (
        append("src/mpt/transformer/training.py", "PATIENCE = None"),
        LEARNT | SCORED,
    ),
    "how scores are drawn": (
        append("src/draw_scores.py", "INCH = 25.4"),
        {"draw_scores": 6, "draw_together": 1, "summarise_run": 1, "write_pages": 1},
    ),
}


@pytest.mark.parametrize("change", CHANGES_OF_FILES)
def test_a_change_of_a_file_reruns(change, finished, tmp_path):
    edit, expected = CHANGES_OF_FILES[change]
    # Below another root, copies are found from each other by the paths that the results remember.
    project, results = (tmp_path / place.relative_to("/") for place in (PROJECT, finished))
    clone(project)
    shutil.copytree(finished, results)
    edit(project, results)
    assert jobs(snakemake(results, "--dry-run", project=project)) == expected


def test_a_checkout_is_the_same_through_a_link(finished, tmp_path):
    project, results = (tmp_path / place.relative_to("/") for place in (PROJECT, finished))
    clone(project)
    shutil.copytree(finished, results)
    link = tmp_path / "link"
    link.symlink_to(project)
    assert jobs(snakemake(results, "--dry-run", project=link)) == {}


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("verdicts", {"judge_claims": 1, "summarise_run": 1}),
        ("curves", {"tabulate_scores": 6, "draw_scores": 6, "draw_together": 1, "summarise_run": 1}),
        ("operations", {"count_operations": 3, "tabulate_operations": 1, "draw_operations": 1}),
        ("scores", SCORED),
    ],
)
def test_a_column_added_to_a_table_reruns_what_makes_or_reads_it(table, expected, finished, tmp_path):
    project, results = (tmp_path / place.relative_to("/") for place in (PROJECT, finished))
    clone(project)
    shutil.copytree(finished, results)
    path = project / f"src/mpt/tables/{table}.py"
    # Any edit: whether a column or a comment, the scanner sees that the file differs.
    path.write_text(f"{path.read_text()}ADDED = 'a column'\n")
    found = jobs(snakemake(results, "--dry-run", project=project))
    assert found.keys() <= expected.keys() | {"judge_claims", "summarise_run", "write_pages"}
    assert {rule: found.get(rule) for rule in expected} == expected
    assert not found.keys() & {"simulate_test_set", "train", "track", "track_trained"}
