"""Scores apart by how close particles are: strata by brute force, intervals and distances by closed form."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import yaml

from mpt.judgement.shares import jaccard, share
from mpt.judgement.statistics import Interval
from mpt.kalman import Model
from mpt.matching import match
from mpt.scoring.closeness import count, scaled_distances
from mpt.scoring.identity import own_particle
from mpt.scoring.links import link_jaccard
from mpt.tables.dataset import DatasetWriter
from mpt.tables.tracks import TrackWriter
from planning.methods import StudyError
from planning.pictures import closeness
from planning.studies import plan
from workflow import PROJECT

EDGES = [0.5, 1.0, 2.0]
MODEL = Model(1.5, 2.0, 0.1)
STYLES = {"mht": {"palette": "flare"}, "control": {"role": "reference"}}


def scene(rng, experiments=6, frames=7, particles=3) -> tuple[np.ndarray, np.ndarray]:
    """Return truth and tracks that often confuse particles, (B, T, N, 2) each."""
    true = rng.normal(0, 3, size=(experiments, frames, particles, 2))
    return true, true + rng.normal(0, 2, size=true.shape)


@pytest.mark.parametrize("particles", [2, 3, 5])
def test_strata_are_counted_as_by_hand(particles):
    true, tracks = scene(np.random.default_rng(particles), particles=particles)
    matching = match(tracks, true)
    counts = count(scaled_distances(true, MODEL), matching, EDGES)
    expected = np.zeros((4, *counts.places.shape))
    # The covariance of the state, in the plane, without the filter's own recursion.
    P = MODEL.P0
    for t in range(1, true.shape[1]):
        P = MODEL.F @ P @ MODEL.F.T + MODEL.Q
        S = MODEL.H @ P @ MODEL.H.T + MODEL.R
        P = P - P @ MODEL.H.T @ np.linalg.inv(S) @ MODEL.H @ P
        for b in range(len(true)):
            for p in range(particles):
                others = [math.dist(true[b, t, p], true[b, t, q]) for q in range(particles) if q != p]
                distance = min(others) / math.sqrt(S[0, 0])
                k = sum(distance >= edge for edge in EDGES)
                (track,) = [n for n in range(particles) if matching[b, t, n] == p]
                expected[:, b, k] += [1, distance, matching[b, t - 1, track] == p, track == p]
    np.testing.assert_allclose(np.stack(counts), expected, rtol=1e-12)


def test_all_strata_together_are_the_scores_without_strata():
    true, tracks = scene(np.random.default_rng(1))
    matching = match(tracks, true)
    counts = count(scaled_distances(true, MODEL), matching, EDGES)
    links = link_jaccard(matching)
    np.testing.assert_array_equal(counts.true_links.sum(axis=1), links.true_positives)
    np.testing.assert_allclose(
        counts.own_tracks.sum(axis=1) / counts.places.sum(axis=1), own_particle(matching)
    )
    p = counts.true_links.sum() / counts.places.sum()
    pooled = links.true_positives.sum() / (links.true_positives + 2 * links.false_positives).sum()
    assert jaccard(Interval(p, p, p, 0.0))[0] == pytest.approx(pooled)


def test_the_unit_is_the_innovations_standard_deviation():
    """After one frame it is √(μ² + v² + σ²); after many that of the stationary filter without velocity."""
    true = np.zeros((1, 400, 2, 2))
    true[:, :, 1, 0] = 1
    q, r = 1.5, 7.0
    first = scaled_distances(true, Model(q, r, 0.3))[0, 0, 0]
    assert first == pytest.approx(1 / math.sqrt(q**2 + 0.3**2 + r**2))
    last = scaled_distances(true, Model(q, r, 0.0))[0, -1, 0]
    predicted = (q**2 + math.sqrt(q**4 + 4 * q**2 * r**2)) / 2
    assert last == pytest.approx(1 / math.sqrt(predicted + r**2))


def test_the_interval_of_a_share_is_that_of_a_ratio():
    """Half-width by Cochran's variance of a ratio, from sums, on the logit's scale."""
    rng = np.random.default_rng(3)
    places = rng.integers(0, 9, size=40).astype(float)
    hits = rng.binomial(places.astype(int), 0.8)[None].astype(float)
    found = share(hits, places)
    ratio = hits.sum() / places.sum()
    residual = hits[0] - ratio * places
    error = math.sqrt(len(places) * residual @ residual / (len(places) - 1)) / places.sum()
    t = 2.0226909  # of 39 degrees of freedom, from a table
    centre, half = math.log(ratio / (1 - ratio)), t * error / (ratio * (1 - ratio))
    assert found.mean == pytest.approx(ratio)
    assert found.low == pytest.approx(1 / (1 + math.exp(half - centre)), rel=1e-5)
    assert found.high == pytest.approx(1 / (1 + math.exp(-half - centre)), rel=1e-5)


def test_intervals_cover_where_links_of_an_experiment_depend_on_each_other():
    rng = np.random.default_rng(4)
    covered = []
    for _ in range(400):
        places = rng.poisson(5, size=60).astype(float)
        of_experiment = rng.beta(8, 2, size=60)
        training = rng.normal(0, 0.02, size=(5, 1))
        hits = rng.binomial(places.astype(int), np.clip(of_experiment + training, 0, 1)).astype(float)
        found = share(hits, places)
        covered.append(found.low <= 0.8 <= found.high)
    assert np.mean(covered) >= 0.92


@pytest.fixture
def dataset(tmp_path):
    """A dataset of ten experiments, and tracks of two trainings, the second of which is the truth."""
    true, tracks = scene(np.random.default_rng(5), experiments=10, particles=2)
    parameters = {
        "experiments": 10, "frames": 7, "particles": 2,
        "process_noise": 1.5, "measurement_noise": 2.0, "drift_spread": 0.1,
    }  # fmt: skip
    experiments = np.arange(10)
    with DatasetWriter(tmp_path, parameters) as writer:
        writer.write(experiments, true, true, np.broadcast_to([0, 1], (10, 7, 2)))
    for number, positions in enumerate((tracks, true)):
        with TrackWriter(tmp_path / f"{number}.parquet", {"tracker": "mht", "dataset": parameters}) as writer:
            writer.write(experiments, positions, None)
    return tmp_path


def flags(dataset, *more) -> list:
    tracks = [dataset / "0.parquet", dataset / "1.parquet"]
    return [
        "tabulate_closeness.py", "--truth", dataset / "truth.parquet", "--tracker", "mine_{", "mht", *tracks,
        "--tracker", "oracle", "control", tracks[1], "--csv", dataset / "closeness.csv", *more,
    ]  # fmt: skip


def test_the_table_and_the_picture_are_made_of_all_trainings(run_script, dataset):
    table = dataset / "closeness.parquet"
    result = run_script(*flags(dataset, "--edges", 1), "--output", table)
    assert result.returncode == 0, result.stderr
    rows = pd.read_parquet(table)
    pd.testing.assert_frame_equal(rows, pd.read_csv(dataset / "closeness.csv"), check_dtype=False)
    assert (rows[rows["label"] == "oracle"]["mean"] == 1).all()
    assert (rows["low"] <= rows["mean"]).all()
    assert (rows["mean"] <= rows["high"]).all()
    mine = rows[(rows["label"] == "mine_{") & (rows["score"] == "own_particle")]
    assert mine["places"].sum() == 10 * 6 * 2
    true, tracks = scene(np.random.default_rng(5), experiments=10, particles=2)
    own = own_particle(match(tracks, true)).mean()
    assert (mine["mean"] * mine["places"]).sum() / mine["places"].sum() == pytest.approx((own + 1) / 2)
    for name in ("first", "second"):
        picture = [
            "--table",
            table,
            "--title",
            "A title",
            "--styles",
            json.dumps(STYLES),
            "--dots-per-inch",
            60,
        ]
        result = run_script("draw_closeness.py", *picture, "--output", dataset / f"{name}.png")
        assert result.returncode == 0, result.stderr
    assert (dataset / "first.png").read_bytes() == (dataset / "second.png").read_bytes()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--edges", 2, 1), "not in increasing order"),
        (("--edges", 1, "--tracker", "other", "mht"), "other mht: needs a label, a method and tables"),
        (("--edges", 1, "--tracker", "other"), "other: needs a label, a method and tables of tracks"),
    ],
)
def test_what_cannot_be_tabulated_is_refused(refusal, dataset, more, words):
    assert words in refusal(*flags(dataset, *more), output=dataset / "closeness.parquet")


def test_a_picture_shows_every_tracker_of_its_study_on_one_dataset():
    config = yaml.safe_load((PROJECT / "config.yaml").read_text(encoding="utf-8"))
    jobs = plan(config)
    found = closeness(config, jobs)["closeness"]
    assert found.dataset == "T150_sigma7"
    assert set(found.trackers) == {curve.label for curve in jobs.curves["figure_2a"]}
    changes = [
        ({"x": 7.5}, r"figures\.closeness\.mine\.x: no curve of the study has a point at 7\.5"),
        ({"edges": [2, 1]}, "edges: they are not in increasing order"),
        ({"study": "figure_9"}, "'figure_9' is none of the studies"),
        ({"study": "figure_4", "x": 10}, None),
    ]
    for change, words in changes:
        picture = config["figures"]["closeness"]["closeness"] | change
        changed = config | {"figures": config["figures"] | {"closeness": {"mine": picture, "dropped": None}}}
        if words is None:
            assert set(closeness(changed, jobs)) == {"mine"}
            continue
        with pytest.raises(StudyError, match=words):
            closeness(changed, jobs)
