"""src/track_mht.py by its command line: the tracks and margins it writes, and what it refuses."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

import damage
import track_mht
from conftest import SOURCES
from mpt import kalman
from mpt.tables.dataset import dataset_parameters, read_scenes
from mpt.tables.files import TableReader, table_parameters
from mpt.tables.tracks import MARGINS, TRACKS, read_tracks
from mpt.trackers import mht

PRIOR = {"--process-noise": 1.5, "--measurement-noise": 2, "--velocity-spread": 0.1}


def arguments(directory, **changes):
    flags = {
        "--measurements": directory / "measurements.parquet",
        "--initial": directory / "initial.parquet",
        "--lookback": 3,
        **PRIOR,
        "--solver": "enumerate",
        "--estimate": "filtered",
        **{f"--{name.replace('_', '-')}": value for name, value in changes.items()},
    }
    return [x for flag in flags.items() for x in flag]


@pytest.fixture
def track(monkeypatch, tmp_path):
    """Return track(directory, **flags): the tracks, in this process."""

    def run(directory, output=tmp_path / "tracks.parquet", **flags):
        command = ["track_mht.py", *arguments(directory, **flags), "--output", output]
        monkeypatch.setattr(sys, "argv", list(map(str, command)))
        track_mht.main()
        (tracks,) = read_tracks(output)
        return tracks

    return run


def expected(directory, lookback=3):
    """Return the scenes, what the library decides, and each track's own measurements."""
    (scenes,) = read_scenes(directory / "measurements.parquet", directory / "initial.parquet")
    model = kalman.Model(*PRIOR.values())
    decisions = mht.track(scenes.measurements, scenes.initial, lookback, model)
    return scenes, model, decisions, decisions.path(scenes.measurements, scenes.initial)


def test_filtered_positions_along_the_decided_path_are_written_with_their_parameters(
    run_script, dataset, tmp_path
):
    directory, output = dataset(experiments=3, frames=9), tmp_path / "tracks.parquet"
    result = run_script("track_mht.py", *arguments(directory), "--output", output)
    # Where it takes seconds, it says on the standard output how far it is.
    assert (result.returncode, result.stderr) == (0, "")
    (tracks,) = read_tracks(output)
    scenes, model, decisions, path = expected(directory)
    np.testing.assert_array_equal(tracks.experiments, scenes.experiments)
    np.testing.assert_array_equal(tracks.detection, decisions.detection)
    np.testing.assert_array_equal(tracks.positions, kalman.filter_states(model, path, scenes.initial)[0])
    np.testing.assert_array_equal(tracks.positions[:, 0], scenes.initial)
    assert table_parameters(output, TRACKS) == {
        "tracker": "mht",
        "lookback": 3,
        "process_noise": 1.5,
        "measurement_noise": 2.0,
        "velocity_spread": 0.1,
        "process_noise_model": "position",
        "solver": "enumerate",
        "node_limit": mht.NODE_LIMIT,
        "estimate": "filtered",
        "dataset": dataset_parameters(directory / "measurements.parquet"),
    }


def test_smoothed_positions_or_the_detections_can_be_asked_for(track, dataset):
    directory = dataset(frames=9)
    scenes, model, decisions, path = expected(directory)
    smoothed = track(directory, estimate="smoothed")
    np.testing.assert_array_equal(smoothed.positions, kalman.smooth_positions(model, path, scenes.initial))
    raw = track(directory, estimate="detection")
    np.testing.assert_array_equal(raw.positions, path)
    for tracks in (smoothed, raw):
        np.testing.assert_array_equal(tracks.detection, decisions.detection)


@pytest.mark.parametrize("solver", mht.SOLVERS)
@pytest.mark.parametrize("start", [{}, {"start": "measured"}])
def test_online_positions_can_be_asked_for_and_starts_may_be_measured(track, dataset, solver, start):
    directory = dataset(frames=9, **start)
    tracks = track(directory, estimate="online", solver=solver)
    (scenes,) = read_scenes(directory / "measurements.parquet", directory / "initial.parquet")
    model = kalman.Model(*PRIOR.values(), **start)
    # Each frame as the last of a shorter sequence.
    for t in range(1, 9):
        cut = scenes.measurements[:, : t + 1]
        decisions = mht.track(cut, scenes.initial, 3, model)
        filtered = kalman.filter_states(model, decisions.path(cut, scenes.initial), scenes.initial)[0]
        np.testing.assert_allclose(tracks.positions[:, t], filtered[:, -1], rtol=1e-12, atol=1e-12)
        np.testing.assert_array_equal(tracks.detection[:, t], decisions.detection[:, -1])


def test_margins_of_decisions_that_online_does_not_report_are_refused(refusal_here, dataset, tmp_path):
    flags = [*arguments(dataset(), estimate="online"), "--margin", tmp_path / "margins.parquet"]
    line = refusal_here(track_mht, *flags, output=tmp_path / "tracks.parquet")
    assert "--margin" in line
    assert "--estimate online" in line


@pytest.mark.parametrize("flag", ["--solver", "--estimate"])
def test_what_belongs_to_the_science_must_be_said(refusal_here, dataset, tmp_path, flag):
    flags = arguments(dataset())
    at = flags.index(flag)
    line = refusal_here(track_mht, *flags[:at], *flags[at + 2 :], output=tmp_path / "tracks.parquet")
    assert f"required: {flag}" in line


def test_a_start_that_is_neither_known_nor_measured_is_refused(refusal_here, dataset, tmp_path):
    directory = dataset(start="guessed")
    line = refusal_here(track_mht, *arguments(directory), output=tmp_path / "tracks.parquet")
    assert "measurements.parquet" in line
    assert "'guessed'" in line


@pytest.mark.parametrize("solver", mht.SOLVERS)
def test_margins_are_written_beside_the_tracks(track, dataset, tmp_path, solver):
    directory = dataset(frames=7, particles=3)
    track(directory, solver=solver, margin=tmp_path / "margins.parquet")
    with TableReader(tmp_path / "margins.parquet", MARGINS) as reader:
        margins = reader.read()
    _, _, decisions, _ = expected(directory)
    np.testing.assert_allclose(margins["margin"], decisions.margin[:, 1:].ravel(), rtol=1e-9)
    assert (margins["gap"] == 0).all()
    assert margins["frame"].min() == 1


def test_a_track_without_an_alternative_has_no_margin(track, dataset, tmp_path):
    track(dataset(particles=1), margin=tmp_path / "margins.parquet")
    with TableReader(tmp_path / "margins.parquet", MARGINS) as reader:
        assert np.ma.getmaskarray(reader.read()["margin"]).all()


def test_decisions_without_proof_are_reported(track, dataset, capsys):
    directory = dataset(particles=6, initial_spread=0.0, measurement_noise=5.0)
    track(directory, solver="assignment", node_limit=1)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("track_mht.py: ")
    assert "without proof" in line


def test_threads_blocks_and_process_noise_models_do_what_they_say(track, dataset):
    directory = dataset(experiments=20)
    one, four = track(directory), track(directory, threads=4)
    np.testing.assert_array_equal(one.positions, four.positions)
    literal = track(directory, process_noise_model="literal")
    assert (literal.positions[:, -1] != one.positions[:, -1]).any()


def test_a_prior_without_noise_is_refused(refusal_here, dataset, tmp_path):
    flags = arguments(dataset(), process_noise=0, measurement_noise=0)
    assert "both 0" in refusal_here(track_mht, *flags, output=tmp_path / "tracks.parquet")


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--lookback", 0),
        ("--process-noise", -1),
        ("--measurement-noise", "nan"),
        ("--velocity-spread", "inf"),
        ("--process-noise-model", "both"),
        ("--estimate", "predicted"),
        ("--solver", "milp"),
        ("--threads", 0),
    ],
)
def test_flags_out_of_range_are_refused(refusal_here, dataset, tmp_path, flag, value):
    flags = arguments(dataset(), **{flag[2:].replace("-", "_"): value})
    line = refusal_here(track_mht, *flags, output=tmp_path / "tracks.parquet")
    assert flag in line
    assert str(value) in line


def test_too_many_hypotheses_are_refused_without_a_file(refusal_here, dataset, tmp_path):
    directory = dataset(particles=6, frames=12)
    line = refusal_here(track_mht, *arguments(directory, lookback=5), output=tmp_path / "tracks.parquet")
    assert "6!^5 hypotheses" in line
    assert "assignment" in line


@pytest.mark.parametrize("value", [1e200, np.nan, -np.inf])
def test_positions_that_are_no_number_or_too_large_are_refused_by_frame(
    refusal_here, dataset, tmp_path, value
):
    directory = dataset()
    table = directory / "measurements.parquet"
    # Of two detections in each of six frames.
    damage.edit(table, lambda rows: damage.set_value(rows, "x", value, row=17))
    line = refusal_here(track_mht, *arguments(directory), output=tmp_path / "tracks.parquet")
    assert "experiment 1, frame 2" in line
    assert "detection 1" in line


def test_a_frame_with_too_many_detections_is_refused(refusal_here, dataset, tmp_path):
    directory = dataset()

    def add_one(rows):
        twice = rows.take([*range(18), *range(17, rows.num_rows)])
        return damage.set_value(twice, "detection", 2, row=18)

    damage.edit(directory / "measurements.parquet", add_one)
    line = refusal_here(track_mht, *arguments(directory), output=tmp_path / "tracks.parquet")
    assert "experiment 1, frame 2: detection 2 is not in 0…1" in line


@pytest.mark.parametrize(
    ("table", "how"),
    [
        ("measurements", damage.not_a_number),
        ("measurements", damage.missing_row),
        ("measurements", damage.duplicate_key),
        ("measurements", damage.truncate),
        ("initial", damage.missing_experiment),
        ("initial", damage.remove),
    ],
)
def test_damaged_tables_are_refused(table, how, refusal_here, dataset, tmp_path):
    directory = dataset()
    words = how(directory / f"{table}.parquet")
    line = refusal_here(
        track_mht,
        *arguments(directory),
        "--margin",
        tmp_path / "m.parquet",
        output=tmp_path / "tracks.parquet",
    )
    assert f"{directory / table}.parquet" in line
    assert words in line


def test_a_track_without_a_start_is_refused(refusal_here, dataset, tmp_path):
    directory = dataset()
    damage.edit(directory / "initial.parquet", lambda rows: pa.concat_tables([rows[:3], rows[4:]]))
    line = refusal_here(track_mht, *arguments(directory), output=tmp_path / "tracks.parquet")
    assert "initial.parquet: experiment 1: particle 1 is missing" in line


def test_it_runs_where_nothing_can_be_cached(dataset, tmp_path):
    """As in a container without a home, from source that is read-only."""
    source = tmp_path / "source"
    shutil.copytree(SOURCES, source, ignore=shutil.ignore_patterns("__pycache__"))
    for place in [source, *(path for path in source.rglob("*") if path.is_dir())]:
        # In the way of a directory, also of root's.
        (place / "__pycache__").write_text("")
    environment = {k: v for k, v in os.environ.items() if k not in ("HOME", "NUMBA_CACHE_DIR")}
    environment["XDG_CACHE_HOME"] = os.devnull
    output = tmp_path / "tracks.parquet"
    command = [sys.executable, source / "track_mht.py", *arguments(dataset(), lookback=1), "--output", output]
    result = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
    assert output.exists()
