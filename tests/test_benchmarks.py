"""The benchmarks run, in sizes whose numbers mean nothing, and what they found is kept row by row."""

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from workflow import jobs, snakemake, written

BENCHMARKS = Path(__file__).parent / "benchmarks"


def test_make_benchmark_runs_every_benchmark():
    recipe = re.search(
        r"^benchmark:.*\n\t(.*)", (BENCHMARKS.parents[1] / "Makefile").read_text(), re.MULTILINE
    )
    command = recipe[1].replace("$$", "$").replace("python ", "echo ")
    result = subprocess.run(command, shell=True, cwd=BENCHMARKS.parents[1], capture_output=True, text=True)
    expected = [f"tests/benchmarks/{path.name}" for path in sorted(BENCHMARKS.glob("benchmark_*.py"))]
    assert result.stdout.split() == expected


def test_each_row_of_the_mht_benchmark_prints_and_keeps_what_it_found(tmp_path):
    rows = ["enumeration", "assignment", "integer_program", "warm_cache", "stone_soup", "scaling"]
    command = [sys.executable, BENCHMARKS / "benchmark_mht.py", *rows, "--quick", "--output", tmp_path]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "mht.md").read_text() in result.stdout
    table = pd.read_csv(tmp_path / "mht.csv")
    assert list(dict.fromkeys(table.row)) == rows
    assert table.how.str.contains("numba").all()
    value = table[table.row == "stone_soup"].set_index("quantity").value
    theirs, ours = (value[f"{name}: a sequence of 12 frames [s]"] for name in ("Stone Soup", "this project"))
    assert value["times as fast"] == pytest.approx(theirs / ours, rel=0.01)
    found = table[table.bar.notna()]
    assert set(found.reached) <= {"yes", "no"}


def test_a_row_measured_again_replaces_itself_alone(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import record

    def measure(*rows, value):
        functions = {name: lambda quick: [("speed", value, 2, value <= 2)] for name in ("first", "second")}
        monkeypatch.setattr(sys, "argv", ["benchmark", *rows, "--output", str(tmp_path)])
        record.main("speeds", "", functions, ())

    measure(value=1.0)
    measure("second", value=3.0)
    table = pd.read_csv(tmp_path / "speeds.csv")
    assert list(table.row) == ["first", "second"]
    assert list(table.value) == [1, 3]
    assert list(table.reached) == ["yes", "no"]


def test_each_row_of_the_scaling_benchmark_prints_and_keeps_what_it_found(tmp_path):
    command = [sys.executable, BENCHMARKS / "benchmark_scaling.py", "--quick", "--output", tmp_path]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    table = pd.read_csv(tmp_path / "scaling.csv")
    assert set(table.row) == {"jobs", "dry_run", "batch", "storage"}
    assert (table.value > 0).all()


def test_the_scaling_benchmark_counts_the_jobs_that_snakemake_would_run(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import benchmark_scaling as scaling

    changes = scaling.grid(2, 3, 4, 5)
    found = jobs(snakemake(tmp_path, "--dry-run", configs=[written(tmp_path, yaml.safe_dump(changes))]))
    counted = scaling.jobs_by_kind(scaling.plan(scaling.laid_over(changes)))
    assert counted["trackings"] == found["track_trained"] + found["track"]
    assert counted["trainings"] == found["train"]
    # jobs() leaves out `all`.
    assert sum(counted.values()) == sum(found.values()) + 1
