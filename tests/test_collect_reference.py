"""The reference is what a run made, file by file, and other targets' results beside it stay."""

import csv
import filecmp
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

PROJECT = Path(__file__).parents[1]
COLLECT = PROJECT / "docs/collect_reference.py"


@pytest.fixture(scope="module")
def collected(finished, tmp_path_factory) -> tuple[Path, Path]:
    """Return the results of a run, and a reference that was another run's before."""
    run, reference = finished / "results", tmp_path_factory.mktemp("reference")
    (reference / "peers").mkdir()
    (reference / "peers/claims.csv").write_text("of another target")
    (reference / "figures").mkdir()
    (reference / "figures/dropped.png").write_text("of a study that is no more")
    subprocess.run([sys.executable, COLLECT, run, "--reference", reference], check=True)
    return run, reference


def test_files_are_those_of_the_run(collected):
    run, reference = collected
    made = {path.relative_to(run) for path in run.glob("figures/*")} | {Path("claims.md"), Path("run.csv")}
    made |= {path.relative_to(run) for path in run.glob("sequences/*")}
    assert len(made) > 20
    assert all(filecmp.cmp(run / path, reference / path, shallow=False) for path in made)
    assert not (reference / "figures/dropped.png").exists()
    assert (reference / "peers/claims.csv").read_text() == "of another target"
    of_the_project = {path.name for path in (PROJECT / "results/reference").iterdir()}
    assert {path.name for path in reference.iterdir()} <= of_the_project


def test_learning_curves_are_means_over_the_trainings(collected):
    run, reference = collected
    with (reference / "learning_curves.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    models = sorted(path.parent.name for path in run.glob("models/*/model.pt"))
    assert sorted({row["model"] for row in rows}) == models
    curve = pq.read_table(run / f"models/{models[0]}/learning_curve.parquet").to_pylist()
    last = [row for row in rows if row["model"] == models[0]][-1]
    of_last = [row["loss"] for row in curve if row["epoch"] == int(last["epoch"])]
    assert len(of_last) == 2
    assert float(last["loss"]) == pytest.approx(sum(of_last) / 2, abs=5e-5)
    assert rows[0]["loss"] == ""


def test_what_is_not_a_finished_run_is_refused_and_nothing_is_lost(finished, tmp_path):
    reference = tmp_path / "reference"
    (reference / "figures").mkdir(parents=True)
    (tmp_path / "claims.csv").touch()
    for run, into, said in (
        (tmp_path, reference, f"{tmp_path}: lacks claims.csv, run.csv or models/"),
        (finished / "results", tmp_path / "none", f"{tmp_path / 'none'}: must be the directory"),
        (reference, reference, f"{reference}: must be the directory"),
    ):
        command = [sys.executable, COLLECT, run, "--reference", into]
        told = subprocess.run(command, capture_output=True, text=True, check=False)
        assert told.returncode == 2
        assert said in told.stderr
    assert [path.name for path in reference.iterdir()] == ["figures"]
