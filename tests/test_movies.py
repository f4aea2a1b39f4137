"""A recording without truth: its trackers run, and a picture and a table show tracks and margins."""

import json
from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
import yaml
from matplotlib import colormaps
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba

from mpt.drawing.margins import MarkedTracks, draw_margins
from mpt.drawing.style import Styles
from mpt.motion import simulate
from planning.configuration import problems
from workflow import MOVIE, PROJECT, jobs, snakemake, written

FRAMES = 12
FIRST_FRAME = 7
PIXEL = MOVIE["pixel_size"]
OVERLAY = {
    "recordings": {"movie": {**MOVIE, "frames": FRAMES, "truth": False}},
    "figures": {
        "recordings": {
            "seen": {
                "recording": "movie",
                "trackers": [
                    {"method": "mht", "lookback": [1, 3], "measurement_noise": "known"},
                    {"method": "bayes"},
                ],
            }
        }
    },
}
STYLES = Styles({"mht": {"palette": "flare"}, "bayes": {"role": "reference"}})


@pytest.fixture
def directory(tmp_path):
    """Return a directory with movie.csv: two particles close to each other, and nothing of whose they are."""
    model = {"process_noise": 1.5, "measurement_noise": 1.0, "initial_spread": 1.0, "drift_spread": 0.1}
    positions = simulate(np.arange(1), FRAMES, 2, **model, seed=4).measurements[0].reshape(-1, 2) / PIXEL
    movie = pd.DataFrame(positions, columns=["x", "y"])
    movie["frame"] = FIRST_FRAME + np.repeat(np.arange(FRAMES), 2)
    movie.to_csv(tmp_path / "movie.csv", index=False)
    return tmp_path


def test_a_recording_without_truth_is_tracked_exported_and_drawn(directory):
    overlay = written(directory, json.dumps(OVERLAY))
    trackers = ("mht_K1_r1", "mht_K3_r1", "bayes")
    targets = [f"results/recordings/seen_{name}.csv" for name in trackers]
    targets += [f"results/recordings/seen.{suffix}" for suffix in ("png", "pdf")]
    result = snakemake(directory, "--cores", 1, "recordings", configs=[overlay])
    assert result.returncode == 0, result.stderr
    assert all((directory / target).stat().st_size for target in targets)
    assert not list((directory / "results").rglob("truth.parquet"))
    # A run of all targets leaves these as they are, and a tracker that knows no margins has none.
    planned = jobs(snakemake(directory, "--dry-run", configs=[overlay]))
    assert not {"import_movie", "track_movie", "export_movie", "draw_movie"} & planned.keys()
    assert "margin" not in pd.read_csv(directory / targets[2])

    movie = pd.read_csv(directory / "movie.csv")
    for name, target in zip(trackers[:2], targets, strict=False):
        exported = pd.read_csv(directory / target)
        margins = pd.read_parquet(directory / f"results/recordings/margins/movie/{name}.parquet")
        by_link = margins.set_index(["track", "frame"]).margin
        first = exported.frame == FIRST_FRAME
        assert exported.margin[first].isna().all()
        links = exported[~first]
        keys = zip(links.particle, links.frame - FIRST_FRAME, strict=True)
        np.testing.assert_allclose(links.margin, [by_link[key] for key in keys])
        # Which detections there are, whoever owns them, is what came in.
        order = ["frame", "x", "y"]
        np.testing.assert_allclose(exported.sort_values(order)[order], movie.sort_values(order)[order])


def test_without_a_picture_there_is_nothing_to_make_of_recordings(tmp_path):
    refused = snakemake(tmp_path, "--dry-run", "recordings", configs=[])
    assert refused.returncode == 1
    assert "figures: recordings: no picture is asked for" in refused.stdout + refused.stderr


def test_links_have_the_colours_of_their_margins():
    margin = np.array([[np.nan, np.nan], [0, 5], [10, 300], [np.nan, 2.5]])
    positions = np.arange(16.0).reshape(4, 2, 2)
    tracker = MarkedTracks("MHT", "mht", positions, margin)
    figure = draw_margins(positions, [tracker], FIRST_FRAME, "movie", STYLES)
    of_tracks, of_margins, _ = figure.axes
    (links,) = (artist for artist in of_tracks.collections if isinstance(artist, LineCollection))
    scale = colormaps["flare_r"]
    # From 0 to 10; above all are alike, and what had no other choice is grey.
    expected = [scale(0.0), scale(0.5), scale(1.0), scale(1.0), to_rgba("0.55"), scale(0.25)]
    np.testing.assert_allclose(links.get_colors(), expected)
    np.testing.assert_array_equal(
        links.get_segments(),
        [[positions[t, n], positions[t + 1, n]] for t in range(3) for n in range(2)],
    )
    (points,) = of_margins.collections
    np.testing.assert_array_equal(points.get_offsets(), [[8, 0], [8, 5], [9, 10], [9, 300], [10, 2.5]])
    np.testing.assert_allclose(points.get_facecolors(), [expected[i] for i in (0, 1, 2, 3, 5)])


def test_without_margins_there_is_no_second_row():
    positions = np.arange(16.0).reshape(4, 2, 2)
    without = MarkedTracks("Bayes", "bayes", positions, None)
    assert len(draw_margins(positions, [without], 0, "movie", STYLES).axes) == 1
    having = MarkedTracks("MHT", "mht", positions, np.ones((4, 2)))
    beside = draw_margins(positions, [having, without], 0, "movie", STYLES).axes
    assert [text.get_text() for text in beside[3].texts] == ["knows no margins"]


NETWORK = {
    "method": "plain",
    "frames": "known",
    "experiments_per_batch": 1,
    "measurement_noise": "known",
    "encoder_lookback": "frames",
    "decoder_lookback": 1,
}
MHT = {"method": "mht", "lookback": 1, "measurement_noise": "known"}
SEEN = "figures.recordings.seen"
REFUSED = {
    "another": (
        {"recording": "other"},
        {},
        f"{SEEN}.recording: 'other' is none of the recordings;",
    ),
    "method": (
        {"trackers": [MHT | {"method": "mth"}]},
        {},
        f"{SEEN}.trackers[0].method: 'mth' is none of the methods",
    ),
    "trained": ({"trackers": [NETWORK]}, {}, f"{SEEN}.trackers[0].method: plain is trained"),
    "truth": (
        {"trackers": [{"method": "control", "control": "oracle"}]},
        {},
        f"{SEEN}.trackers[0].method: control needs the truth",
    ),
    "option": ({"trackers": [MHT | {"lookback": 0}]}, {}, f"{SEEN}.trackers[0].lookback: 0 is less than"),
    "hypotheses": (
        {"trackers": [MHT | {"lookback": 40}]},
        {"frames": 50},
        f"{SEEN}.trackers[0]: 2 particles",
    ),
    "twice": ({"trackers": [MHT, MHT]}, {}, f"{SEEN}.trackers[1]: the picture has this tracker already"),
    "label": (
        {"trackers": [MHT, MHT | {"lookback": 2}]},
        {},
        f"{SEEN}.trackers[1]: another tracker is called 'MHT' too; give it a label",
    ),
    "unknown noise": (
        {},
        {"process_noise": None},
        f"{SEEN}.trackers[0].process_noise: recordings.movie does not say its process_noise; "
        "src/estimate_noise.py",
    ),
    "estimate told": (
        {"trackers": [MHT | {"process_noise": "estimate"}]},
        {},
        f"{SEEN}.trackers[0].process_noise: 'estimate' is not a number; src/estimate_noise.py",
    ),
    "estimate known": (
        {},
        {"process_noise": "estimate"},
        "recordings.movie.process_noise: 'estimate' is not a number; src/estimate_noise.py",
    ),
}


@pytest.fixture
def config():
    merged = yaml.safe_load((PROJECT / "config.yaml").read_text())
    merged["recordings"] |= deepcopy(OVERLAY["recordings"])
    merged["figures"] |= deepcopy(OVERLAY["figures"])
    # A trial of each reading would only repeat what is checked here.
    merged["readings"] |= {"axes": {}, "crossed": []}
    return merged


def test_a_picture_or_a_recording_may_be_dropped(config):
    schema = PROJECT / "schemas/config.schema.yaml"
    assert problems(config, schema) == []
    config["figures"]["recordings"]["seen"] = None
    config["recordings"]["movie"] = None
    assert problems(config, schema) == []


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_drawn_is_refused_in_one_line(config, case):
    picture, recording, words = REFUSED[case]
    config["figures"]["recordings"]["seen"] |= picture
    movie = config["recordings"]["movie"] | recording
    config["recordings"]["movie"] = {key: value for key, value in movie.items() if value is not None}
    (line,) = problems(config, PROJECT / "schemas/config.schema.yaml")
    assert line.startswith(words)
    assert "\n" not in line


def test_two_pictures_do_not_write_one_file(config):
    config["methods"]["named"] = {"script": "src/track_mht.py", "name": "b_c", "options": {"lookback": 1}}
    config["methods"]["other"] = {"script": "src/track_mht.py", "name": "c", "options": {"lookback": 1}}
    trackers = [{"method": "named"}], [{"method": "other"}]
    config["figures"]["recordings"] = {
        picture: {"recording": "movie", "trackers": chosen}
        for picture, chosen in zip(("a", "a_b"), trackers, strict=True)
    }
    (line,) = problems(config, PROJECT / "schemas/config.schema.yaml")
    assert line == "figures.recordings.a_b: another picture writes a_b_c.csv too; give it another name"
