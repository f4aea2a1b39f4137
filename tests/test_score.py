"""src/score.py by its command line: what it writes, and what it refuses."""

import math

import numpy as np
import pytest

from damage import DAMAGES
from mpt.scoring.scores import score_tracks
from mpt.tables.dataset import dataset_parameters, read_measurements, read_truth
from mpt.tables.files import TableReader
from mpt.tables.scores import SCORES, TRACKER_SCORES
from mpt.tables.tracks import TrackWriter, read_tracks


def truth_of(directory):
    """Return the whole truth of a dataset."""
    blocks = list(read_truth(directory / "truth.parquet"))
    names = ("experiments", "positions", "detection")
    return [np.concatenate([getattr(block, name) for block in blocks]) for name in names]


def measurements_of(directory):
    return np.concatenate([m for _, m in read_measurements(directory / "measurements.parquet")])


def write_tracks(directory, name, positions, detection):
    """Write tracks of a dataset; returns their path."""
    experiments, _, _ = truth_of(directory)
    path = directory / f"{name}.parquet"
    parameters = {"tracker": name, "dataset": dataset_parameters(directory / "measurements.parquet")}
    with TrackWriter(path, parameters) as writer:
        writer.write(experiments, positions, detection)
    return path


def tracks_with_errors(directory, name, seed):
    """Write tracks that follow the truth with errors of position and association."""
    rng = np.random.default_rng(seed)
    _, positions, detection = truth_of(directory)
    estimated = positions + rng.normal(scale=4, size=positions.shape)
    assigned = np.where(rng.random((*detection.shape[:2], 1)) < 0.8, detection, detection[..., ::-1])
    return write_tracks(directory, name, estimated, assigned)


@pytest.fixture
def score(run_script, tmp_path):
    """Return score(directory, *flags, table): the columns and parameters that the script wrote."""

    def run(directory, *flags, table=SCORES):
        output = tmp_path / "scores.parquet"
        result = run_script("score.py", "--truth", directory / "truth.parquet", *flags, "--output", output)
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
        with TableReader(output, table) as reader:
            return reader.read(), reader.parameters

    return run


def test_exact_tracks_have_perfect_scores(dataset, score):
    directory = dataset()
    _, positions, detection = truth_of(directory)
    scores, _ = score(directory, "--tracks", write_tracks(directory, "exact", positions, detection))
    perfect = ["jaccard", "association_jaccard", "within_tolerance", "gated_jaccard"]
    perfect += ["isbi_alpha", "isbi_beta", "isbi_jsc", "isbi_jsc_theta", "own_particle", "idf1"]
    assert scores["experiment"].tolist() == [0, 1, 2, 3]
    assert scores["true_positives"].tolist() == [10] * 4
    for name in perfect:
        assert scores[name].tolist() == [1] * 4, name
    for name in [
        "false_positives",
        "false_negatives",
        "swaps",
        "position_error",
        "gospa",
        "identity_position_error",
    ]:
        assert scores[name].tolist() == [0] * 4, name


def test_one_exchange_of_the_particles_is_one_swap_of_two_links(dataset, score):
    directory = dataset(measurement_noise=0.0)
    _, positions, detection = truth_of(directory)
    positions[:, 3:] = positions[:, 3:, ::-1]
    detection[:, 3:] = detection[:, 3:, ::-1]
    scores, _ = score(directory, "--tracks", write_tracks(directory, "exchanged", positions, detection))
    assert scores["swaps"].tolist() == [1] * 4
    assert scores["true_positives"].tolist() == [8] * 4
    assert scores["false_positives"].tolist() == scores["false_negatives"].tolist() == [2] * 4
    for name in ["jaccard", "association_jaccard", "gated_jaccard"]:
        assert scores[name] == pytest.approx([8 / 12] * 4), name
    assert scores["position_error"].tolist() == [0] * 4


def test_a_position_error_larger_than_the_tolerance_loses_the_gated_links_only(dataset, score):
    # Twice the error of filterpy's filter; tests/test_tolerance.py has it.
    directory = dataset(initial_spread=1000.0)
    _, positions, detection = truth_of(directory)
    path = write_tracks(directory, "shifted", positions + np.array([4.0, 0.0]), detection)
    scores, parameters = score(directory, "--tracks", path)
    assert parameters["tolerance"] == pytest.approx(3.916, abs=5e-4)
    assert scores["jaccard"].tolist() == [1] * 4
    assert scores["gated_jaccard"].tolist() == [0] * 4
    assert scores["within_tolerance"].tolist() == [0] * 4
    assert scores["position_error"] == pytest.approx([4.0] * 4)
    scores, parameters = score(directory, "--tracks", path, "--tolerance", "3")
    assert parameters["tolerance"] == pytest.approx(5.874, abs=1e-3)
    assert scores["gated_jaccard"].tolist() == [1] * 4
    # Two particles per frame, each 4 from its track.
    assert scores["gospa"] == pytest.approx([4.0 * math.sqrt(2)] * 4)


def test_tracks_without_detections_are_given_the_nearest(dataset, score):
    directory = dataset(experiments=20)
    _, _, detection = truth_of(directory)
    measurements = measurements_of(directory)
    # Tracks at the detections of the other particle, for the second half.
    others = detection.copy()
    others[:, 3:] = others[:, 3:, ::-1]
    at_detections = np.take_along_axis(measurements, others[..., None].astype(int), axis=2)
    path = write_tracks(directory, "positions", at_detections, None)
    scores, _ = score(directory, "--tracks", path)
    assert scores["association_jaccard"] == pytest.approx([8 / 12] * 20)


def test_many_experiments_are_scored_as_one_by_one(dataset, score):
    # More than a block of 65,536 rows.
    directory = dataset(experiments=1200, frames=30)
    path = tracks_with_errors(directory, "wrong", seed=0)
    scores, parameters = score(directory, "--tracks", path)
    _, positions, detection = truth_of(directory)
    tracks = list(read_tracks(path))
    assert len(tracks) > 1
    assert scores["experiment"].tolist() == list(range(1200))
    for b in [0, 1, 1091, 1092, 1199]:
        block, offset = divmod(b, len(tracks[0].experiments))
        one = slice(offset, offset + 1)
        expected = score_tracks(
            tracks[block].positions[one],
            tracks[block].detection[one],
            positions[b : b + 1],
            detection[b : b + 1],
            measurements_of(directory)[b : b + 1],
            parameters["tolerance"],
        )
        for name, value in expected.items():
            assert scores[name][b] == value[0], name


def test_several_trackers_make_one_table_sorted_by_tracker_and_replicate(dataset, score):
    directory = dataset()
    paths = {name: tracks_with_errors(directory, name, seed) for seed, name in enumerate("abc")}
    flags = ["--tracks", paths["a"], paths["b"], "--tracks", paths["c"]]
    flags += ["--tracker", "z", "mht", "z", "--replicate", "1", "0", "0"]
    scores, parameters = score(directory, *flags, table=TRACKER_SCORES)
    assert scores["tracker"].tolist() == ["mht"] * 4 + ["z"] * 8
    assert scores["replicate"].tolist() == [0] * 8 + [1] * 4
    assert scores["experiment"].tolist() == [0, 1, 2, 3] * 3
    for name, rows in [("b", slice(0, 4)), ("c", slice(4, 8)), ("a", slice(8, 12))]:
        alone, _ = score(directory, "--tracks", paths[name])
        for column, values in alone.items():
            np.testing.assert_array_equal(scores[column][rows], values)
    assert parameters["tracks"][0] == {"tracker": "z", "replicate": 1, "parameters": {"tracker": "a"}}


# Tracks need not say what made them.
@pytest.mark.parametrize("damage", [name for name in DAMAGES if name != "no_parameters"])
def test_damaged_tracks_are_refused(dataset, refusal, tmp_path, damage):
    directory = dataset()
    path = tracks_with_errors(directory, "tracks", seed=0)
    words = DAMAGES[damage](path)
    line = refusal(
        "score.py",
        *("--truth", directory / "truth.parquet", "--tracks", path),
        output=tmp_path / "scores.parquet",
    )
    assert str(path) in line
    assert words in line


def test_tracks_whose_distances_are_no_numbers_are_refused(dataset, refusal, tmp_path):
    directory = dataset()
    detection = truth_of(directory)[2]
    positions = truth_of(directory)[1].copy()
    positions[2, 1] = 1e200
    path = write_tracks(directory, "far", positions, detection)
    line = refusal(
        "score.py",
        *("--truth", directory / "truth.parquet", "--tracks", path),
        output=tmp_path / "scores.parquet",
    )
    assert f"{path}: experiment 2: positions so far off that " in line


@pytest.mark.parametrize("table", ["truth", "measurements"])
@pytest.mark.parametrize("damage", ["remove", "truncate", "not_a_number", "missing_experiment"])
def test_a_damaged_dataset_is_refused(dataset, refusal, tmp_path, table, damage):
    directory = dataset()
    path = tracks_with_errors(directory, "tracks", seed=0)
    words = DAMAGES[damage](directory / f"{table}.parquet")
    line = refusal(
        "score.py",
        *("--truth", directory / "truth.parquet", "--tracks", path),
        output=tmp_path / "scores.parquet",
    )
    assert str(directory / f"{table}.parquet") in line
    assert words in line


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": 2}, "seed is 2, not 1"),
        ({"experiments": 5}, "experiments is 5, not 4"),
        ({"frames": 7}, "frames is 7, not 6"),
        ({"particles": 3}, "particles is 3, not 2"),
        ({"measurement_noise": 7.0}, "measurement_noise is 7.0, not 2.0"),
    ],
)
def test_tracks_of_another_dataset_are_refused(dataset, refusal, tmp_path, changes, words):
    directory, other = dataset(), dataset("other", **changes)
    path = tracks_with_errors(other, "tracks", seed=0)
    line = refusal(
        "score.py",
        *("--truth", directory / "truth.parquet", "--tracks", path),
        output=tmp_path / "scores.parquet",
    )
    assert f"{path}: not of the dataset of " in line
    assert words in line


def test_one_bad_tracks_file_among_good_ones_leaves_no_table(dataset, refusal, tmp_path):
    directory = dataset()
    good, bad = (tracks_with_errors(directory, name, seed=0) for name in ("good", "bad"))
    DAMAGES["not_a_number"](bad)
    line = refusal(
        "score.py",
        *("--truth", directory / "truth.parquet", "--tracks", good, bad),
        *("--tracker", "good", "zbad", "--replicate", "0", "0"),
        output=tmp_path / "scores.parquet",
    )
    assert str(bad) in line


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([], "several --tracks need as many --tracker and --replicate"),
        (["--tracker", "a"], "2 --tracks need as many --tracker, not 1"),
        (["--tracker", "a", "b"], "2 --tracks need as many --replicate, not 0"),
        (["--tracker", "a", "a", "--replicate", "0", "0"], "tracker a, replicate 0 is given twice"),
        (["--tracker", "a", "b", "--replicate", "0", "-1"], "'-1' is not an integer of at least 0"),
        (["--tolerance", "0"], "'0' is not a finite number greater than 0"),
        (["--tolerance", "nan"], "'nan' is not a finite number greater than 0"),
    ],
)
def test_wrong_flags_are_refused(dataset, refusal, tmp_path, flags, words):
    directory = dataset()
    path = tracks_with_errors(directory, "tracks", seed=0)
    line = refusal(
        "score.py",
        *("--truth", directory / "truth.parquet", "--tracks", path, path, *flags),
        output=tmp_path / "scores.parquet",
    )
    assert words in line


def test_a_scene_without_noise_gives_scores_no_length(dataset, refusal, tmp_path):
    directory = dataset(process_noise=0.0, measurement_noise=0.0, drift_spread=1.0)
    path = tracks_with_errors(directory, "tracks", seed=0)
    truth = directory / "truth.parquet"
    line = refusal("score.py", "--truth", truth, "--tracks", path, output=tmp_path / "scores.parquet")
    assert f"{truth}: process_noise and measurement_noise are both 0" in line
    assert "within_tolerance, gated_jaccard, gospa" in line


def test_a_single_frame_has_nothing_to_score(dataset, refusal, tmp_path):
    directory = dataset(frames=1)
    path = tracks_with_errors(directory, "tracks", seed=0)
    line = refusal(
        "score.py",
        *("--truth", directory / "truth.parquet", "--tracks", path),
        output=tmp_path / "scores.parquet",
    )
    assert "one frame has no links to score" in line
