"""A tracker of the user's own: a script and an entry in a config, in a directory apart from the project."""

import shutil
import stat
from pathlib import Path
from textwrap import dedent

import pandas as pd
import pytest

from test_refusals import ONE_STUDY
from workflow import PROJECT, snakemake

EXAMPLE = PROJECT / "examples/nearest_neighbour.py"
HEAD = """\
import argparse, sys, time
import numpy as np
from mpt.tables.dataset import read_scenes
from mpt.tables.tracks import TrackWriter

parser = argparse.ArgumentParser()
for name in ("measurements", "initial", "output"):
    parser.add_argument(f"--{name}")
flags = parser.parse_args()
scenes = next(iter(read_scenes(flags.measurements, flags.initial)))
still = np.repeat(scenes.initial[:, None], scenes.measurements.shape[1], axis=1)
"""
WRITE = "with TrackWriter(flags.output) as writer:\n    writer.write({experiments}, {positions}, None)\n"
TABLE = """
import pyarrow.parquet as pq
rows = pq.read_table(flags.output).to_pandas()
rows.loc[3, "x"] = float("nan")
rows.to_parquet(flags.output, index=False)
"""
WRONG = {
    "crashes": ("sys.exit('no luck')", "ended with status 1"),
    "writes nothing": ("", "ended without writing its --output"),
    "writes too few rows": (
        WRITE.format(experiments="scenes.experiments[:5]", positions="still[:5]"),
        "experiment 5 is in only one of them",
    ),
    "writes other experiments": (
        WRITE.format(experiments="scenes.experiments + 7", positions="still"),
        "experiment 0 is in only one of them",
    ),
    "writes too few frames": (
        WRITE.format(experiments="scenes.experiments", positions="still[:, :4]"),
        "frame 4",
    ),
    "writes NaN": (
        WRITE.format(experiments="scenes.experiments", positions="still") + TABLE,
        "column",
    ),
    "runs too long": ("time.sleep(60)", "ran longer than 8 s"),
}


def config_with(directory: Path, script: str, options: str, tracker: str) -> Path:
    path = directory / "mine.yaml"
    methods = f"methods: {{mine: {{script: {script}, seconds: 8{options}}}}}\n"
    study = ONE_STUDY.replace("{method: mht, lookback: 2, measurement_noise: known}", tracker)
    assert study != ONE_STUDY
    path.write_text(methods + dedent(study))
    return path


def test_one_script_and_one_entry_make_a_curve_for_each_value(tmp_path):
    shutil.copy(EXAMPLE, tmp_path / "nearest_neighbour.py")
    assert len(EXAMPLE.read_text().splitlines()) <= 40
    config = config_with(
        tmp_path, "nearest_neighbour.py", ", options: {radius: 10}", "{method: mine, radius: [5, 10]}"
    )
    result = snakemake(tmp_path, "--cores", "2", "results/figures/s.png", configs=(config,))
    assert result.returncode == 0, result.stdout + result.stderr
    curves = pd.read_parquet(tmp_path / "results/figures/s.parquet")
    assert set(curves.label) == {"frozen", "mine, radius = 5", "mine, radius = 10"}
    assert set(curves.tracker) == {"frozen", "mine_radius-5", "mine"}
    # At noise 1 two particles five apart are seldom swapped by a tracker that takes the nearest detection.
    of_mine = curves[(curves.method == "mine") & (curves.x == 1)].set_index(["score", "label"])["mean"]
    frozen = curves[(curves.label == "frozen") & (curves.x == 1)].set_index("score")["mean"]
    assert of_mine["position_error", "mine, radius = 10"] < frozen["position_error"] / 1.5


def test_a_program_that_is_not_python_tracks_too(tmp_path):
    shutil.copy(EXAMPLE, tmp_path / "nearest_neighbour.py")
    program = tmp_path / "tracker"
    program.write_text(f'#!/bin/sh\nexec python {tmp_path}/nearest_neighbour.py --radius 10 "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    config = config_with(tmp_path, "tracker", "", "{method: mine}")
    target = "results/tracks/mine/T6_sigma1/0.parquet"
    result = snakemake(tmp_path, "--cores", "2", target, configs=(config,))
    assert result.returncode == 0, result.stdout + result.stderr
    assert len(pd.read_parquet(tmp_path / target)) == 20 * 6 * 2


@pytest.mark.parametrize("fault", WRONG)
def test_a_tracker_that_fails_is_told_so_in_a_line(fault, tmp_path):
    body, told = WRONG[fault]
    (tmp_path / "mine.py").write_text(HEAD + body)
    config = config_with(tmp_path, "mine.py", "", "{method: mine}")
    target = "results/tracks/mine/T6_sigma1/0.parquet"
    result = snakemake(tmp_path, "--cores", "1", target, configs=(config,))
    assert result.returncode == 1
    log = (tmp_path / "results/logs/track/mine/T6_sigma1.log").read_text()
    (line,) = [line for line in log.splitlines() if line.startswith("supervise.py: ")]
    assert line.startswith("supervise.py: tracker mine: ")
    assert told in line
    assert not (tmp_path / target).exists()


def test_a_script_that_is_not_there_is_refused_before_any_job(tmp_path):
    config = config_with(tmp_path, "nowhere.py", "", "{method: mine}")
    result = snakemake(tmp_path, "--cores", "1", configs=(config,))
    output = result.stdout + result.stderr
    assert result.returncode == 1
    assert f"methods.mine.script: nowhere.py: there is no file {tmp_path / 'nowhere.py'}" in output
    assert "Traceback" not in output
