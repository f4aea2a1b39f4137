"""The pictures of tracks: which experiment is drawn, where swaps are marked, and that the picture moves."""

import json

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

import draw_tracks as script
from mpt.drawing.style import Styles
from mpt.drawing.tracks import Scene, Track, draw_tracks, swapped
from mpt.tables.dataset import DatasetWriter
from mpt.tables.tracks import TrackWriter

STYLES = {"mht": {"palette": "flare"}, "control": {"role": "reference"}}
FRAMES = 6
# Two particles side by side, ten apart.
TRUTH = np.stack([np.stack([np.arange(FRAMES), np.full(FRAMES, 10.0 * p)], axis=-1) for p in (0, 1)], axis=1)


def exchanged(*frames: int) -> np.ndarray:
    """Return tracks that exchange their particles at each of these frames."""
    tracks = TRUTH.copy()
    for frame in frames:
        tracks[frame:] = tracks[frame:, ::-1]
    return tracks


@pytest.fixture
def dataset(tmp_path):
    """Three experiments of the same motion, whose tracks swap at frames 2; 1, 3 and 4; and 2 and 3."""
    parameters = {"experiments": 3, "frames": FRAMES, "particles": 2}
    experiments = np.arange(3)
    truth = np.stack([TRUTH] * 3)
    with DatasetWriter(tmp_path, parameters) as writer:
        writer.write(experiments, truth, truth + 0.1, np.broadcast_to([0, 1], (3, FRAMES, 2)))
    tracks = np.stack([exchanged(2), exchanged(1, 3, 4), exchanged(2, 3)])
    with TrackWriter(tmp_path / "tracks.parquet", {"tracker": "mht", "dataset": parameters}) as writer:
        writer.write(experiments, tracks, None)
    return tmp_path


def flags(dataset, *more, styles=STYLES) -> list:
    return [
        "draw_tracks.py", "--truth", dataset / "truth.parquet", "--measurements",
        dataset / "measurements.parquet", "--scene-title", "σ = 0", "--tracker", "mine_{", "mht",
        dataset / "tracks.parquet", "--title", "A title", "--styles", json.dumps(styles),
        "--dots-per-inch", 60, *more,
    ]  # fmt: skip


def test_swaps_are_marked_on_both_tracks_at_the_frames_where_they_happen():
    changed = swapped(exchanged(1, 3, 4), TRUTH)
    np.testing.assert_array_equal(np.flatnonzero(changed[:, 0]), [1, 3, 4])
    np.testing.assert_array_equal(changed[:, 0], changed[:, 1])
    scene = Scene("σ = 0", TRUTH, TRUTH, [Track("_mine", "mht", exchanged(1, 3, 4))])
    (axis,) = draw_tracks([scene], "", Styles(STYLES)).axes
    (marks,) = [line.get_xydata() for line in axis.lines if line.get_marker() == "X"]
    assert sorted(map(tuple, marks)) == [(f, y) for f in (1, 3, 4) for y in (0, 10)]
    assert axis.get_title() == "_mine: 3 swaps"


def test_swaps_of_tracks_that_stand_still_are_marked_where_the_particles_are():
    # The first particle stays between the tracks, the second walks past all of them.
    truth = np.zeros((FRAMES, 2, 2))
    truth[:, 0, 0] = 1
    truth[:, 1, 0] = -5 + 2.5 * np.arange(FRAMES)
    still = np.broadcast_to([[0.0, 0.0], [2.0, 0.0]], truth.shape)
    scene = Scene("", truth, truth, [Track("still", "control", still)])
    (axis,) = draw_tracks([scene], "", Styles(STYLES)).axes
    (marks,) = [line.get_xydata() for line in axis.lines if line.get_marker() == "X"]
    # At 0 it is nearer to the first track, at 2.5 to the second.
    assert sorted(map(tuple, marks)) == [(1, 0), (2.5, 0)]


def test_truth_detections_and_tracks_are_told_apart_by_more_than_their_colour():
    scene = Scene("", TRUTH, TRUTH, [Track("MHT", "mht", TRUTH), Track("frozen", "control", TRUTH)])
    figure = draw_tracks([scene], "", Styles(STYLES))
    truth, track, detection = (
        next(line for line in figure.axes[0].lines if line.get_zorder() == order) for order in (1, 3, 2)
    )
    assert truth.get_linewidth() > 2 * track.get_linewidth()
    assert detection.get_linestyle() == "None"
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "truth",
        "detection",
        "track and its end",
        "swap",
    ]
    FigureCanvasAgg(figure).draw()
    box = legend.get_window_extent()
    assert 0 <= box.x0 < box.x1 <= figure.bbox.x1


def test_the_hardest_experiment_is_the_one_with_most_swaps(dataset):
    assert script.hardest(dataset / "truth.parquet", dataset / "tracks.parquet") == 1


def test_a_still_and_a_moving_picture_are_drawn_twice_the_same(run_script, dataset):
    for name in ("first", "second"):
        result = run_script(
            *flags(dataset, "--hardest-for", "mine_{"), "--output", dataset / f"{name}.png",
            "--animation", dataset / f"{name}.gif", "--trail", 2, "--frames-per-second", 5,
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
    for suffix in ("png", "gif"):
        pictures = [(dataset / f"{name}.{suffix}").read_bytes() for name in ("first", "second")]
        assert pictures[0] == pictures[1]
    with Image.open(dataset / "first.gif") as moving:
        assert moving.n_frames == FRAMES
        assert moving.info["duration"] == 200
        assert moving.info["loop"] == 0


def test_the_frames_that_are_shown_may_be_chosen(dataset):
    paths = [[dataset / f"{name}.parquet"] for name in ("truth", "measurements", "tracks")]
    (scene,) = script.read_scenes_of(
        paths[0], paths[1], ["a"], [("mine", "mht", paths[2])], experiment=2, frames=(1, 4)
    )
    truth = pd.read_parquet(paths[0][0]).query("experiment == 2 and 1 <= frame <= 4")
    np.testing.assert_array_equal(scene.truth.reshape(-1, 2), truth[["x", "y"]])
    assert scene.first_frame == 1
    assert len(scene.tracks[0].positions) == 4


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--experiment", "7"), "has no experiment 7"),
        (("--hardest-for", "nobody"), "no tracker is labelled 'nobody'"),
        (("--experiment", "0", "--frames", "3", "6"), "has frames 0 to 5"),
        (("--experiment", "0", "--animation", "moving.avi"), "moving.avi"),
        (("--experiment", "0", "--scene-title", "a", "b"), "each needs one per dataset"),
        (("--experiment", "0", "--tracker", "other", "mht"), "needs a label, a method and 1 tables"),
        (("--experiment", "0", "--styles", '{"control": {"role": "reference"}}'), "the method 'mht'"),
        ((), "--hardest-for"),
    ],
)
def test_what_cannot_be_drawn_is_refused(refusal, dataset, more, words):
    assert words in refusal(*flags(dataset, *more), output=dataset / "picture.png")
