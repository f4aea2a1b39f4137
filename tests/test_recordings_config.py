"""A movie that the config names is a test dataset of a study like a simulated one."""

import json
from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
import yaml

from mpt.motion import simulate
from planning.methods import StudyError
from planning.studies import plan
from workflow import MOVIE, PROJECT, jobs, snakemake, written

PIXEL = MOVIE["pixel_size"]
# Of the study: the recording's, and a look at two windows of the MHT.
OVERLAY = {
    "recordings": {"movie": {**MOVIE, "columns": {"frame": "t"}, "frames": 10, "truth": True}},
    "studies": {
        **dict.fromkeys(["figure_2a", "figure_2b", "figure_2c", "figure_3", "figure_4", "figure_6"]),
        "of_movie": {
            "title": "A movie, T = {T}",
            "datasets": {"recording": "movie"},
            "x": "lookback",
            "trackers": [{"method": "mht", "lookback": [1, 3], "measurement_noise": "known"}],
        },
    },
    "operation_counts": {"figure_5": None},
}


@pytest.fixture
def directory(tmp_path):
    """Return a directory with movie.csv: two particles in 32 frames, of which frame 11 lacks one."""
    model = {"process_noise": 1.5, "measurement_noise": 1.0, "initial_spread": 20.0, "drift_spread": 0.1}
    data = simulate(np.arange(1), 32, 2, **model, seed=4)
    z = np.take_along_axis(data.measurements, data.detection[..., None], axis=2)[0] / PIXEL
    rows = {"t": np.repeat(np.arange(32), 2), "x": z[..., 0].ravel(), "y": z[..., 1].ravel()}
    movie = pd.DataFrame(rows | {"particle": np.tile([5, 9], 32)}).drop(index=22)
    movie.sample(frac=1, random_state=1).to_csv(tmp_path / "movie.csv", index=False)
    return tmp_path


@pytest.fixture
def config():
    merged = yaml.safe_load((PROJECT / "config.yaml").read_text())
    for section, part in deepcopy(OVERLAY).items():
        merged[section] |= part
    return merged


def test_a_movie_is_imported_tracked_and_scored(directory):
    overlay = written(directory, json.dumps(OVERLAY))
    target = "results/figures/of_movie.csv"
    assert jobs(snakemake(directory, "--dry-run", target, configs=[overlay])) == {
        "import_recording": 1,
        "track": 2,
        "score_tracks": 1,
        "tabulate_scores": 1,
    }
    result = snakemake(directory, "--cores", 1, target, configs=[overlay])
    assert result.returncode == 0, result.stderr
    table = pd.read_csv(directory / target)
    of_links = table[table.score == "jaccard"]
    assert of_links.x.tolist() == [1, 3]
    # 32 frames without frame 11 hold three times 10 complete ones; particles so far apart are not confused.
    assert of_links.experiments.tolist() == [3, 3]
    assert of_links["mean"].tolist() == [1, 1]
    truth = pd.read_parquet(directory / "results/data/test/recording_movie/truth.parquet")
    movie = pd.read_csv(directory / "movie.csv")
    first = movie[(movie.t == 0) & (movie.particle == 5)]
    np.testing.assert_allclose(truth.loc[0, ["x", "y"]], first[["x", "y"]].to_numpy()[0] * PIXEL)


def test_known_is_what_the_recording_says(config):
    told = plan(config).told
    assert {settings["process_noise"] for settings in told.values()} == {1.5}
    assert {settings["measurement_noise"] for settings in told.values()} == {1}
    assert {settings["velocity_spread"] for settings in told.values()} == {0.1}
    del config["recordings"]["movie"]["drift_spread"]
    with pytest.raises(StudyError, match=r"of_movie\.trackers\[0\]\.velocity_spread: .* no drift_spread"):
        plan(config)


def test_a_network_is_trained_on_what_the_study_gives(config):
    network = {
        "method": "geometric",
        "frames": "known",
        "experiments_per_batch": [1, 3],
        "measurement_noise": "known",
        "encoder_lookback": "frames",
        "decoder_lookback": 1,
        "initial_spread": 20,
    }
    config["studies"]["of_movie"] |= {"x": "experiments_per_batch", "trackers": [network]}
    (first, second) = plan(config).training_sets.values()
    assert (first["frames"], first["measurement_noise"], first["particles"]) == (10, 1, 2)
    assert (first["process_noise"], first["initial_spread"]) == (1.5, 20)
    assert first["start"] == second["start"] == "measured"
    del network["initial_spread"]
    with pytest.raises(StudyError, match=r"initial_spread: a test dataset has no initial_spread to be known"):
        plan(config)


REFUSED = {
    "another": ({"truth": True}, "other", r"'other' is none of the recordings; there are movie"),
    "without truth": ({"truth": False}, "movie", r"recordings\.movie has no truth .* docs/recordings\.md"),
    "without noise": (
        {"measurement_noise": None},
        "movie",
        r"recordings\.movie does not say its measurement_noise.*estimate_noise",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_recording_that_cannot_be_scored_is_refused(config, case):
    changes, recording, words = REFUSED[case]
    movie = config["recordings"]["movie"] | changes
    config["recordings"]["movie"] = {key: value for key, value in movie.items() if value is not None}
    config["studies"]["of_movie"]["datasets"] = {"recording": recording}
    with pytest.raises(StudyError, match=rf"^studies\.of_movie\.datasets\.recording: {words}"):
        plan(config)


def test_a_file_that_is_not_there_is_refused_by_its_key(directory):
    (directory / "movie.csv").unlink()
    overlay = written(directory, json.dumps(OVERLAY))
    result = snakemake(directory, "--dry-run", configs=[overlay])
    assert result.returncode != 0
    assert "recordings.movie.path: movie.csv: there is no file" in result.stdout + result.stderr
