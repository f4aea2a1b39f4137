"""The tables between the rules: round trips, independence of how they were cut, and each kind of damage."""

import os
import shutil
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from conftest import SOURCES
from damage import DAMAGES, edit, set_value
from mpt.errors import InputError
from mpt.tables import dataset, files
from mpt.tables.dataset import TRUTH, DatasetWriter, dataset_parameters, read_scenes, read_truth
from mpt.tables.files import TableReader, TableWriter
from mpt.tables.scores import SCORES, TRACKER_SCORES
from mpt.tables.tracks import TrackWriter, read_tracks

# Writes and reads a table with numbers, counts and what is null, and nothing that needs pandas.
WITHOUT_PANDAS = """
import sys
import numpy as np
from mpt.tables.files import TableReader
from mpt.tables.tracks import TRACKS, TrackWriter

positions, detection = np.zeros((1, 3, 2, 2)), np.zeros((1, 3, 2), int)
with TrackWriter(sys.argv[1], {}) as writer:
    writer.write(np.arange(1), positions, detection)
with TableReader(sys.argv[1], TRACKS) as reader:
    assert len(reader.read()["x"]) == 6
assert "pandas" not in sys.modules
"""
few_files = settings(max_examples=40)
PARAMETERS = {"seed": 1, "confinement": None}
finite = st.floats(allow_nan=False, allow_infinity=False, width=64)


@st.composite
def scenes(draw):
    """Draw experiment numbers (B,), positions and measurements (B, T, N, 2), detections (B, T, N)."""
    B, T, N = draw(st.integers(1, 6)), draw(st.integers(2, 5)), draw(st.integers(1, 4))
    experiments = np.array(sorted(draw(st.sets(st.integers(0, 2**31 - 1), min_size=B, max_size=B))))
    positions, measurements = (draw(hnp.arrays(float, (B, T, N, 2), elements=finite)) for _ in range(2))
    rank = draw(hnp.arrays(int, (B, T, N), elements=st.integers(0, 9)))
    return experiments, positions, measurements, np.argsort(rank, axis=2)


def write_dataset(directory, experiments, positions, measurements, detection, blocks=1):
    B, T, N = detection.shape
    parameters = {**PARAMETERS, "experiments": B, "frames": T, "particles": N}
    with DatasetWriter(directory, parameters) as writer:
        for block in np.array_split(np.arange(B), min(blocks, B)):
            writer.write(experiments[block], positions[block], measurements[block], detection[block])
    return directory / "measurements.parquet", directory / "initial.parquet", directory / "truth.parquet"


def joined(blocks, field):
    return np.concatenate([getattr(block, field) for block in blocks])


@pytest.fixture
def small_row_groups(monkeypatch):
    """Cut files into many row groups."""
    for module in (files, dataset):
        monkeypatch.setattr(module, "ROWS_PER_GROUP", 7)


@pytest.mark.usefixtures("small_row_groups")
@few_files
@given(scenes(), st.integers(1, 7))
def test_a_dataset_is_read_as_it_was_written(tmp_path_factory, scene, per_block):
    directory = tmp_path_factory.mktemp("scene")
    measurements_path, initial_path, truth_path = write_dataset(directory, *scene)
    experiments, positions, measurements, detection = scene

    read = list(read_scenes(measurements_path, initial_path, per_block))
    assert [len(block.experiments) for block in read[:-1]] == [per_block] * (len(read) - 1)
    np.testing.assert_array_equal(joined(read, "experiments"), experiments)
    np.testing.assert_array_equal(joined(read, "measurements"), measurements)
    np.testing.assert_array_equal(joined(read, "initial"), positions[:, 0])

    truth = list(read_truth(truth_path, per_block))
    np.testing.assert_array_equal(joined(truth, "experiments"), experiments)
    np.testing.assert_array_equal(joined(truth, "positions"), positions)
    np.testing.assert_array_equal(joined(truth, "detection"), detection)


@pytest.mark.usefixtures("small_row_groups")
@few_files
@given(scenes(), st.integers(1, 7), st.data())
def test_tracks_are_read_as_they_were_written(tmp_path_factory, scene, per_block, data):
    experiments, positions, _, detection = scene
    B, T, N = detection.shape
    assigned = data.draw(hnp.arrays(bool, (B, T, N)))
    detection = np.where(assigned, detection, -1)
    path = tmp_path_factory.mktemp("tracks") / "tracks.parquet"
    shape = {"experiments": B, "frames": T, "particles": N}
    with TrackWriter(path, {"tracker": "test", "dataset": shape}) as writer:
        writer.write(experiments, positions, detection)
    read = list(read_tracks(path, per_block))
    np.testing.assert_array_equal(joined(read, "experiments"), experiments)
    np.testing.assert_array_equal(joined(read, "positions"), positions)
    np.testing.assert_array_equal(joined(read, "detection"), detection)
    assert pd.read_parquet(path)["detection"].isna().to_numpy().tolist() == (~assigned).ravel().tolist()


def test_tracks_without_any_assignment_have_null_detections(tmp_path):
    path = tmp_path / "tracks.parquet"
    shape = {"experiments": 1, "frames": 3, "particles": 2}
    with TrackWriter(path, {"tracker": "test", "dataset": shape}) as writer:
        writer.write(np.array([0]), np.zeros((1, 3, 2, 2)), None)
    (read,) = read_tracks(path)
    assert read.detection.tolist() == [[[-1, -1]] * 3]
    assert pd.read_parquet(path)["detection"].isna().all()


@pytest.mark.usefixtures("small_row_groups")
@few_files
@given(scenes(), st.integers(2, 6))
def test_bytes_do_not_depend_on_the_blocks_they_were_written_in(tmp_path_factory, scene, blocks):
    whole = write_dataset(tmp_path_factory.mktemp("whole"), *scene)
    pieces = write_dataset(tmp_path_factory.mktemp("pieces"), *scene, blocks=blocks)
    for one, other in zip(whole, pieces, strict=True):
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.usefixtures("small_row_groups")
@few_files
@given(scenes())
def test_row_groups_hold_whole_experiments(tmp_path_factory, scene):
    path, *_ = write_dataset(tmp_path_factory.mktemp("scene"), *scene)
    file = pq.ParquetFile(path)
    groups = [file.read_row_group(i)["experiment"].to_pylist() for i in range(file.num_row_groups)]
    for group in groups:
        assert len(group) <= 7 or len(set(group)) == 1
    for group, following in pairwise(groups):
        assert group[-1] < following[0]


def test_columns_are_those_that_other_libraries_see(dataset):
    directory = dataset(frames=3, particles=2)
    truth = pd.read_parquet(directory / "truth.parquet").astype({"x": float})
    assert list(truth.columns) == ["experiment", "frame", "particle", "x", "y", "detection"]
    assert truth[["experiment", "frame", "particle"]].to_numpy()[:8].tolist() == [
        [0, 0, 0],
        [0, 0, 1],
        [0, 1, 0],
        [0, 1, 1],
        [0, 2, 0],
        [0, 2, 1],
        [1, 0, 0],
        [1, 0, 1],
    ]
    initial = pd.read_parquet(directory / "initial.parquet")
    start = truth[truth["frame"] == 0].drop(columns=["frame", "detection"]).reset_index(drop=True)
    pd.testing.assert_frame_equal(initial, start)
    # The truth's detection column joins each particle with a measurement near it: σ = 2.
    measurements = pd.read_parquet(directory / "measurements.parquet")
    both = truth.merge(measurements, on=["experiment", "frame", "detection"], validate="one_to_one")
    assert len(both) == len(truth)
    assert np.hypot(both["x_x"] - both["x_y"], both["y_x"] - both["y_y"]).max() < 5 * 2.0


def read_all(name, directory):
    if name == "truth":
        return list(read_truth(directory / "truth.parquet"))
    return list(read_scenes(directory / "measurements.parquet", directory / "initial.parquet"))


@pytest.mark.parametrize("name", ["measurements", "truth"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_refused_by_the_name_of_the_file(dataset, name, damage):
    directory = dataset()
    path = directory / f"{name}.parquet"
    words = DAMAGES[damage](path)
    with pytest.raises(InputError) as refusal:
        read_all(name, directory)
    assert str(path) in str(refusal.value)
    assert words in str(refusal.value)


def test_no_flipped_bit_goes_unnoticed(dataset, tmp_path):
    directory = dataset(experiments=2, frames=2)
    path = directory / "truth.parquet"
    (expected,), parameters = read_all("truth", directory), dataset_parameters(path, TRUTH)
    content = path.read_bytes()
    refused = 0
    # A step of 3 with a bit that changes each time meets every bit of a byte.
    places = range(0, len(content), 3)
    for at in places:
        flipped = bytearray(content)
        flipped[at] ^= 1 << at % 8
        path.write_bytes(flipped)
        try:
            (read,) = read_all("truth", directory)
            found = dataset_parameters(path, TRUTH)
        except InputError:
            refused += 1
            continue
        # Some bytes carry nothing that is read, such as statistics.
        assert found == parameters
        for field in ("experiments", "positions", "detection"):
            np.testing.assert_array_equal(getattr(read, field), getattr(expected, field))
    assert refused > len(places) / 2


def test_damaged_parameters_are_refused(dataset):
    path = dataset() / "measurements.parquet"
    content = path.read_bytes()
    assert content.count(b'"frames": 6') == 1
    path.write_bytes(content.replace(b'"frames": 6', b'"frames": 7'))
    with pytest.raises(InputError, match=r"parameters .* are damaged"):
        dataset_parameters(path)


@pytest.mark.parametrize("change", [{"seed": 2}, {"measurement_noise": 3.0}, {"confinement": 10.0}])
def test_tables_of_different_datasets_do_not_mix(dataset, change):
    one, other = dataset("one"), dataset("other", **change)
    (name,) = change
    with pytest.raises(InputError) as refusal:
        list(read_scenes(one / "measurements.parquet", other / "initial.parquet"))
    message = str(refusal.value)
    assert str(one / "measurements.parquet") in message
    assert str(other / "initial.parquet") in message
    assert name in message


def test_another_table_is_refused(dataset):
    directory = dataset()
    with pytest.raises(InputError, match=r"measurements\.parquet: unknown column 'frame'; initial has"):
        list(read_scenes(directory / "measurements.parquet", directory / "measurements.parquet"))


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("frame", 9, r"experiment 3: frame 9 is not in 0…5"),
        ("detection", 7, r"experiment 3, frame 5: detection 7 is not in 0…1"),
    ],
)
def test_an_index_out_of_range_is_refused(dataset, column, value, words):
    directory = dataset()
    path = directory / "measurements.parquet"
    edit(path, lambda table: set_value(table, column, value, row=table.num_rows - 1))
    with pytest.raises(InputError, match=words):
        read_all("measurements", directory)


def test_a_frame_with_a_detection_too_few_or_too_many_is_refused(dataset):
    directory = dataset(particles=2)
    path = directory / "measurements.parquet"
    shutil.copy(path, directory / "original.parquet")
    # Row 15 is experiment 1, frame 1, detection 1.
    edit(path, lambda table: table.take([*range(15), *range(16, 48)]))
    with pytest.raises(InputError, match=r"experiment 1, frame 1: detection 1 is missing \(1 of 2 are"):
        read_all("measurements", directory)
    shutil.copy(directory / "original.parquet", path)

    def add_third(table):
        table = table.take([*range(16), 15, *range(16, 48)])
        return set_value(table, "detection", 2, row=16)

    edit(path, add_third)
    with pytest.raises(InputError, match="experiment 1, frame 1: detection 2 is not in 0…1"):
        read_all("measurements", directory)


def test_a_particle_without_a_start_is_refused(dataset):
    directory = dataset()
    edit(directory / "initial.parquet", lambda table: table.take([0, 1, 2, *range(4, 8)]))
    with pytest.raises(InputError, match=r"initial.parquet: experiment 1: particle 1 is missing"):
        read_all("measurements", directory)


def test_two_particles_with_one_detection_are_refused(dataset):
    path = dataset() / "truth.parquet"
    edit(path, lambda table: set_value(set_value(table, "detection", 1, row=14), "detection", 1, row=15))
    with pytest.raises(InputError, match=r"truth.parquet: experiment 1, frame 1: detections \[1, 1\]"):
        list(read_truth(path))


def test_an_assigned_detection_that_is_none_of_the_frame_is_refused(tmp_path):
    path = tmp_path / "tracks.parquet"
    detection = np.zeros((1, 3, 2), int)
    detection[0, 2, 1] = 2
    with TrackWriter(path, {"dataset": {"experiments": 1, "frames": 3, "particles": 2}}) as writer:
        writer.write(np.array([4]), np.zeros((1, 3, 2, 2)), detection)
    with pytest.raises(InputError, match="experiment 4, frame 2: track 1 has detection 2"):
        list(read_tracks(path))


def test_tracks_that_do_not_name_their_dataset_are_refused(tmp_path):
    path = tmp_path / "tracks.parquet"
    with TrackWriter(path, {"tracker": "test"}) as writer:
        writer.write(np.array([0]), np.zeros((1, 3, 2, 2)), None)
    with pytest.raises(InputError, match="do not say from which dataset"):
        list(read_tracks(path))


def table_of_scores(experiments, **changes):
    columns = {name: np.zeros(len(experiments)) for name in SCORES.schema.names}
    whole_numbers = ["true_positives", "false_positives", "false_negatives", "swaps"]
    columns.update({name: np.zeros(len(experiments), int) for name in whole_numbers})
    return {**columns, "experiment": np.asarray(experiments), **changes}


def test_scores_are_read_as_they_were_written_with_text_in_the_key(tmp_path):
    path = tmp_path / "scores.parquet"
    jaccard = np.array([0.5, 0.25, 1.0, 0.125])
    columns = {
        "tracker": np.array(["mht", "mht", "mht", "transformer"], dtype=object),
        "replicate": np.array([0, 0, 1, 0]),
        **table_of_scores([3, 4, 3, 3], jaccard=jaccard),
    }
    with TableWriter(path, TRACKER_SCORES, {"of": "test"}) as writer:
        writer.write(columns)
    with TableReader(path, TRACKER_SCORES) as reader:
        assert reader.parameters == {"of": "test"}
        read = reader.read()
    for name in ("tracker", "replicate", "experiment", "jaccard"):
        assert read[name].tolist() == columns[name].tolist()


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (table_of_scores([0, 1, 1]), "row 2: experiment 1: repeats a row"),
        (table_of_scores([0, 2, 1]), "row 2: experiment 1: is not sorted by experiment"),
        (table_of_scores([0, 1, 2], jaccard=np.array([1, np.nan, 1])), "row 1: column 'jaccard' is nan"),
        (table_of_scores([0, 1, 2**31]), "column 'experiment': .*2147483648"),
        (table_of_scores([0, 1, 2], swaps=np.array([0, 0.5, 0])), "column 'swaps'"),
        (table_of_scores([]), "no rows"),
    ],
)
def test_a_table_that_would_be_refused_is_not_written(tmp_path, columns, words):
    path = tmp_path / "scores.parquet"
    with (
        pytest.raises(InputError, match=words) as refusal,
        TableWriter(path, SCORES, {}) as writer,
    ):
        writer.write(columns)
    assert str(path) in str(refusal.value)
    assert not list(tmp_path.iterdir())


def test_the_key_is_checked_across_calls(tmp_path):
    with TableWriter(tmp_path / "scores.parquet", SCORES, {}) as writer:
        writer.write(table_of_scores([0, 1]))
        with pytest.raises(InputError, match="row 2: experiment 1: repeats a row"):
            writer.write(table_of_scores([1, 2]))


@pytest.mark.usefixtures("small_row_groups")
def test_the_key_is_checked_across_row_groups(tmp_path):
    path = tmp_path / "scores.parquet"
    with TableWriter(path, SCORES, {}) as writer:
        writer.write(table_of_scores(range(20)))
    table = pq.read_table(path)
    pq.write_table(table.take([*range(14), 13, *range(14, 20)]), path, row_group_size=7)
    with pytest.raises(InputError, match="row 14: experiment 13: repeats a row"):
        TableReader(path, SCORES).read()


@pytest.mark.parametrize("interruption", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_an_interrupted_writer_leaves_what_was_there(tmp_path, interruption):
    path = tmp_path / "scores.parquet"

    def write(experiment, then):
        with TableWriter(path, SCORES, {"of": experiment}) as writer:
            writer.write(table_of_scores([experiment]))
            then()

    def interrupt():
        raise interruption

    write(0, then=list)
    content = path.read_bytes()
    with pytest.raises(interruption):
        write(5, then=interrupt)
    assert [file.name for file in tmp_path.iterdir()] == ["scores.parquet"]
    assert path.read_bytes() == content


def test_an_interrupted_dataset_leaves_nothing(tmp_path):
    directory = tmp_path / "new"
    writer = DatasetWriter(directory, PARAMETERS)
    with pytest.raises(KeyboardInterrupt), writer:
        raise KeyboardInterrupt
    assert not directory.exists()


@pytest.mark.parametrize("failing", ["truth", "initial", "measurements"])
@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), SystemExit(143)])
def test_a_dataset_is_published_whole_or_not_at_all(dataset, monkeypatch, failing, failure):
    directory = dataset(seed=1)
    rename = os.replace

    def fail(source, target):
        if failing in str(target):
            raise failure
        rename(source, target)

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(type(failure)):
        dataset(seed=2)
    assert not list(directory.iterdir())


def test_a_directory_is_no_table(tmp_path):
    with pytest.raises(InputError, match="is a directory"):
        TableWriter(tmp_path, SCORES, {})
    with pytest.raises(InputError, match="not a sound Parquet file"):
        TableReader(tmp_path, SCORES)


def test_files_of_other_kinds_are_refused(tmp_path):
    path = tmp_path / "scores.parquet"
    path.write_text("experiment,jaccard\n0,1.0\n")
    with pytest.raises(InputError, match="not a sound Parquet file"):
        TableReader(path, SCORES)


def test_a_table_is_written_and_read_without_pandas(tmp_path):
    """Which takes a quarter of a second to import, in every job."""
    command = [sys.executable, "-c", WITHOUT_PANDAS, tmp_path / "tracks.parquet"]
    subprocess.run(command, env={**os.environ, "PYTHONPATH": str(SOURCES)}, check=True)


def test_numbers_that_a_column_cannot_hold_are_refused(tmp_path):
    columns = {name: np.zeros(1) for name in TRACKER_SCORES.schema.names}
    columns |= {"tracker": np.array(["it"]), "experiment": np.array([2**40])}
    with (
        pytest.raises(InputError, match=r"scores.parquet: column 'experiment': .*1099511627776"),
        TableWriter(tmp_path / "scores.parquet", TRACKER_SCORES, {}) as writer,
    ):
        writer.write(columns)
