"""A tracker of a user's own: the example is right, and what such a script wrote wrongly is refused by row."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import damage
from conftest import SOURCES
from mpt.errors import InputError
from mpt.tables.dataset import dataset_parameters, read_scenes
from mpt.tables.files import TableReader
from mpt.tables.tracks import TRACKS, TrackWriter, check_tracks, read_tracks

EXAMPLE = SOURCES.parent / "examples/nearest_neighbour.py"


@pytest.fixture
def nearest(tmp_path):
    """Return nearest(directory, radius): the tracks that the example wrote, run from a scratch directory."""

    def run(directory: Path, radius: float) -> Path:
        output = tmp_path / f"nearest_{radius}.parquet"
        files = [f"--{name}={directory / name}.parquet" for name in ("measurements", "initial")]
        command = [sys.executable, EXAMPLE, *files, "--radius", str(radius), "--output", output]
        environment = {**os.environ, "PYTHONPATH": str(SOURCES)}
        result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
        return output

    return run


def closest_pairs(measurements, initial, radius):
    """Track one experiment, pair by pair from the closest on, by a sorted list."""
    position, found = [tuple(p) for p in initial], [[-1] * len(initial)]
    for frame in measurements[1:]:
        pairs = sorted(
            (np.hypot(*(frame[j] - position[i])), i, j)
            for i in range(len(initial))
            for j in range(len(frame))
        )
        owner = {}
        for distance, i, j in pairs:
            if distance <= radius and i not in owner and j not in owner.values():
                owner[i] = j
        for i, j in owner.items():
            position[i] = tuple(frame[j])
        found.append([owner.get(i, -1) for i in range(len(initial))])
    return found


@pytest.mark.parametrize("radius", [3.0, 1e9])
def test_the_example_takes_the_closest_pairs_within_its_radius(nearest, dataset, radius):
    directory = dataset(experiments=5, frames=12, particles=3)
    output = nearest(directory, radius)
    check_tracks(output, directory / "measurements.parquet")
    (tracks,) = read_tracks(output, dataset=dataset_parameters(directory / "measurements.parquet"))
    (scenes,) = read_scenes(directory / "measurements.parquet", directory / "initial.parquet")
    for b in range(5):
        expected = closest_pairs(scenes.measurements[b], scenes.initial[b], radius)
        assert tracks.detection[b].tolist() == expected
    stayed = tracks.detection[:, 1:] == -1
    assert stayed.any() == (radius < 1e9)
    moved = tracks.positions[:, 1:] != tracks.positions[:, :-1]
    np.testing.assert_array_equal(moved.any(axis=3), ~stayed)


def test_the_example_has_at_most_40_lines():
    assert len(EXAMPLE.read_text(encoding="utf-8").splitlines()) <= 40


@pytest.fixture
def written(dataset, tmp_path):
    """Return the measurements of a dataset and good tracks of it, without parameters."""
    directory = dataset(experiments=3)
    (scenes,) = read_scenes(directory / "measurements.parquet", directory / "initial.parquet")
    path = tmp_path / "mine.parquet"
    with TrackWriter(path) as writer:
        writer.write(scenes.experiments, scenes.measurements, None)
    return directory / "measurements.parquet", path


def test_tracks_need_no_parameters(written):
    measurements, path = written
    with TableReader(path, TRACKS) as reader:
        assert not reader.has_parameters
    check_tracks(path, measurements)
    with pytest.raises(InputError, match="has no parameters"):
        next(read_tracks(path))


def shift_experiments(path: Path) -> str:
    damage.edit(
        path,
        lambda rows: damage.replace(
            rows, "experiment", pa.array(rows["experiment"].to_numpy() + 1, pa.int32())
        ),
    )
    return "experiment 0 is in only one of them"


def one_more_experiment(path: Path) -> str:
    def add(rows):
        last = rows.filter(pa.compute.equal(rows["experiment"], 2))
        more = damage.replace(last, "experiment", pa.array([3] * last.num_rows, pa.int32()))
        return pa.concat_tables([rows, more.cast(rows.schema)])

    damage.edit(path, add)
    return "more experiments than the 3"


def unknown_detection(path: Path) -> str:
    damage.edit(path, lambda rows: damage.set_value(rows, "detection", 2))
    return "experiment 0, frame 1: track 1 has detection 2, which is not in 0…1"


def last_experiment_missing(path: Path) -> str:
    damage.edit(path, lambda rows: rows.filter(pa.compute.less(rows["experiment"], 2)))
    return "experiment 2 is in only one of them"


OWN = {name: how for name, how in damage.DAMAGES.items() if name != "no_parameters"} | {
    how.__name__: how
    for how in (shift_experiments, one_more_experiment, unknown_detection, last_experiment_missing)
}


@pytest.mark.parametrize("how", OWN)
def test_tracks_that_are_wrong_are_refused_by_file_and_place(written, how):
    measurements, path = written
    words = OWN[how](path)
    with pytest.raises(InputError) as refused:
        check_tracks(path, measurements)
    assert str(path) in str(refused.value)
    assert words in str(refused.value)


def test_missing_experiments_are_counted_where_blocks_end(written):
    measurements, path = written
    last_experiment_missing(path)
    with pytest.raises(InputError, match="2 experiments where its dataset has 3"):
        list(read_tracks(path, 1, dataset_parameters(measurements)))


def test_tracks_of_another_dataset_are_refused(written, dataset, tmp_path):
    measurements, _ = written
    other = dataset("other", experiments=3, seed=2)
    (scenes,) = read_scenes(other / "measurements.parquet", other / "initial.parquet")
    path = tmp_path / "other.parquet"
    with TrackWriter(path, {"dataset": dataset_parameters(other / "measurements.parquet")}) as writer:
        writer.write(scenes.experiments, scenes.measurements, None)
    check_tracks(path, other / "measurements.parquet")
    with pytest.raises(InputError, match="seed is 2, not 1"):
        check_tracks(path, measurements)
