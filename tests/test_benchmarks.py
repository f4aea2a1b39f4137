"""The benchmarks run, in sizes whose numbers mean nothing, and what they found is kept row by row."""

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from workflow import jobs, snakemake, written

BENCHMARKS = Path(__file__).parent / "benchmarks"
NAMES = [path.stem.removeprefix("benchmark_") for path in sorted(BENCHMARKS.glob("benchmark_*.py"))]
# Rows that take a program which not every machine has; in continuous integration there is none such.
OPTIONAL = set() if os.environ.get("CI") == "true" else {"formulas", "many_operations"}


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Return a function that runs all rows of a benchmark, once, and returns the process and the table."""

    @cache
    def run(name: str) -> tuple[subprocess.CompletedProcess, pd.DataFrame]:
        directory = tmp_path_factory.mktemp(name)
        command = [sys.executable, BENCHMARKS / f"benchmark_{name}.py", "--quick", "--output", directory]
        result = subprocess.run(command, capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
        assert (directory / f"{name}.md").read_text() in result.stdout
        return result, pd.read_csv(directory / f"{name}.csv")

    return run


def test_make_benchmark_runs_every_benchmark():
    recipe = re.search(
        r"^benchmark:.*\n\t(.*)", (BENCHMARKS.parents[1] / "Makefile").read_text(), re.MULTILINE
    )
    command = recipe[1].replace("$$", "$").replace("python ", "echo ")
    result = subprocess.run(command, shell=True, cwd=BENCHMARKS.parents[1], capture_output=True, text=True)
    expected = [f"tests/benchmarks/{path.name}" for path in sorted(BENCHMARKS.glob("benchmark_*.py"))]
    assert result.stdout.split() == expected


@pytest.mark.parametrize("name", NAMES)
def test_every_row_of_a_benchmark_prints_and_keeps_what_it_found(measured, name):
    result, table = measured(name)
    left_out = set(re.findall(r"^(\w+): not measured: ", result.stderr, re.MULTILINE))
    assert left_out <= OPTIONAL
    listed = subprocess.run(
        [sys.executable, BENCHMARKS / f"benchmark_{name}.py", "--help"], capture_output=True, text=True
    ).stdout
    rows = re.search(r"^  row +((?:\w+, )*\w+); default all", listed, re.MULTILINE)[1].split(", ")
    assert list(dict.fromkeys(table.row)) == [row for row in rows if row not in left_out]
    assert set(table[table.bar.notna()].reached) <= {"yes", "no"}


def test_the_mht_benchmark_compares_with_stone_soup_and_says_with_which_versions(measured):
    _, table = measured("mht")
    assert table.how.str.contains("numba").all()
    value = table[table.row == "stone_soup"].set_index("quantity").value
    theirs, ours = (value[f"{name}: a sequence of 12 frames [s]"] for name in ("Stone Soup", "this project"))
    assert value["times as fast"] == pytest.approx(theirs / ours, rel=0.01)


def test_the_mht_benchmark_compares_trackers_of_many_particles(measured):
    _, table = measured("mht")
    value = table[table.row == "many_peers"].set_index("quantity").value
    nearest, window = "Stone Soup, nearest neighbour", "Stone Soup, multi-frame, window 2"
    for theirs, K in ((nearest, 1), (window, 2), ("laptrack", 1), ("trackpy", 1)):
        seconds = [value[f"N = 12: {name}: a sequence [s]"] for name in (theirs, f"this project, K = {K}")]
        slower = value[f"N = 12: {theirs}: times as slow as K = {K}"]
        assert slower == pytest.approx(seconds[0] / seconds[1], rel=0.01)
        assert 0 <= value[f"N = 12: {theirs}: links wrong"] <= 1


def test_another_tracker_that_takes_too_long_is_ended(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import other_trackers

    def forever(points):
        while True:
            pass

    points = np.zeros((2, 1, 2))
    assert other_trackers.within(1, forever, points) is None
    _, labels = other_trackers.within(1, lambda points: points[..., 0] + 7, points)
    assert (labels == 7).all()


def test_the_transformer_benchmark_holds_both_networks_to_their_bars(measured):
    _, table = measured("transformer")
    bar = table.set_index(["row", "quantity"]).bar
    assert bar["unlimited", "plain, σ = 7: position error / MHT K = 1"] == 1.05
    assert bar["unlimited", "geometric, σ = 7: position error / MHT K = 1"] == 1.01
    # A quarter of an hour, of two cores for the plain network.
    assert bar["unlimited", "plain, σ = 7: training [s]"] == 2 * 15 * 60
    assert bar["unlimited", "geometric, σ = 7: training [s]"] == 15 * 60
    for network in ("plain", "geometric"):
        name = f"{network}, encoder sees past"
        assert bar["decoding", f"{name}: 4 sequences of 12 frames [s]"] == 0.75
        assert bar["decoding", f"{name}: times as fast as encoding anew at each step"] == 20
        assert ("epoch", f"{network}: an epoch of 5 replicates [s]") in bar.index
    assert bar["decoding", "plain, encoder sees whole: 4 sequences of 12 frames [s]"] == 0.75


def test_all_ways_to_decode_in_the_transformer_benchmark_track_alike(measured):
    _, table = measured("transformer")
    apart = table[table.quantity.str.contains(": greatest difference to ")].value
    # By torch, and where the past is seen frame by frame and encoding anew, too.
    assert len(apart) == 1 + 2 * 3
    # Of positions some ten units from their origin, in single precision.
    assert (apart < 1e-3).all()


def test_the_benchmark_against_before_divides_what_both_took(measured):
    _, table = measured("before")
    value = table.set_index("quantity").value
    quantities = value.index[value.index.str.endswith(": now / before")].str.removesuffix(" / before")
    assert len(quantities) == 9
    for quantity in quantities:
        now, before = value[f"{quantity} [s]"], value[f"{quantity.removesuffix('now')}before [s]"]
        assert value[f"{quantity} / before"] == pytest.approx(now / before, rel=0.01)
    bars = table[table.bar.notna()].set_index("quantity").bar
    assert dict(bars) == {f"{network}: an epoch: now / before": 0.5 for network in ("plain", "geometric")}


def test_the_scaling_benchmark_finds_something_of_everything(measured):
    _, table = measured("scaling")
    assert (table.value > 0).all()


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


def test_a_row_that_this_machine_cannot_measure_stays_as_it_was(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import record

    def counted(quick):
        yield "work", 1.0, None, None
        if able.pop():
            return
        raise record.CannotMeasure("no counter")

    able = [False, True]
    monkeypatch.setattr(sys, "argv", ["benchmark", "--output", str(tmp_path)])
    for _ in range(2):
        record.main("work", "", {"counted": counted}, ())
    assert list(pd.read_csv(tmp_path / "work.csv").value) == [1]
    assert capsys.readouterr().err == "counted: not measured: no counter\n"


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
