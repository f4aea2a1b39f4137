"""Trackers of others link as they say, and what they leave out stays left out."""

import importlib
import sys
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from mpt.tables.dataset import read_scenes
from mpt.tables.tracks import read_tracks

TRACKERS = Path(__file__).parents[1] / "trackers"


@pytest.fixture
def tracked(monkeypatch, tmp_path):
    """Return tracked(script, directory, *options): the tracks and the scenes of a dataset."""
    monkeypatch.syspath_prepend(TRACKERS)

    def track(script, directory, *options):
        files = [directory / "measurements.parquet", directory / "initial.parquet"]
        output = tmp_path / "tracks.parquet"
        flags = ["--measurements", files[0], "--initial", files[1], "--output", output, *options]
        monkeypatch.setattr(sys, "argv", [script, *map(str, flags)])
        importlib.import_module(script).main()
        (tracks,) = read_tracks(output)
        (scenes,) = read_scenes(*files)
        return tracks, scenes

    return track


ORDERS = [list(order) for order in permutations(range(3))]
LINKERS = ["trackpy_linker", "laptrack_linker"]


@pytest.mark.parametrize("script", LINKERS)
def test_within_a_wide_range_links_have_the_least_sum_of_squares(dataset, tracked, script):
    directory = dataset(experiments=6, frames=8, particles=3)
    tracks, scenes = tracked(script, directory, "--search-range", 1000)
    for b in range(6):
        last = scenes.initial[b]
        for t in range(1, 8):
            z = scenes.measurements[b, t]
            best = min(ORDERS, key=lambda order, z=z, last=last: np.sum((z[order] - last) ** 2))
            assert tracks.detection[b, t].tolist() == best
            last = z[best]
            np.testing.assert_array_equal(tracks.positions[b, t], last)


@pytest.mark.parametrize("script", LINKERS)
def test_a_link_out_of_range_is_left_out_and_the_track_stays(dataset, tracked, script):
    directory = dataset(experiments=6, frames=8, particles=1, process_noise=2.0)
    reach = 3.0
    tracks, scenes = tracked(script, directory, "--search-range", reach)
    lost = 0
    for b in range(6):
        points = np.concatenate([scenes.initial[b][None], scenes.measurements[b, 1:]])[:, 0]
        steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
        kept = int(np.argmax(np.r_[steps > reach, True]))
        lost += kept < 7
        assert tracks.detection[b, 1:, 0].tolist() == [0] * kept + [-1] * (7 - kept)
        np.testing.assert_array_equal(tracks.positions[b, kept:, 0], np.tile(points[kept], (8 - kept, 1)))
    assert lost


def test_stone_soup_takes_the_permutation_of_least_mahalanobis_distances(dataset, tracked):
    # A Kalman filter of its own, written out for one axis.
    q, r, v = 1.5, 2.0, 0.1
    directory = dataset(experiments=4, frames=8, particles=3, initial_spread=2.0)
    noises = ("--process-noise", q, "--measurement-noise", r, "--velocity-spread", v)
    tracks, scenes = tracked("stonesoup_nearest", directory, *noises)
    step = np.array([[1.0, 1.0], [0.0, 1.0]])
    crossed = 0
    for b in range(4):
        state = np.stack([scenes.initial[b], np.zeros((3, 2))])
        P = np.diag([0.0, v**2])
        for t in range(1, 8):
            P = step @ P @ step.T + np.diag([q**2, 0.0])
            state = np.einsum("ij,jnk->ink", step, state)
            gain = P[:, 0] / (P[0, 0] + r**2)
            z = scenes.measurements[b, t]
            # All tracks have one innovation covariance, so that it doesn't matter to the order.
            apart = np.linalg.norm(z[None] - state[0][:, None], axis=-1)
            best = min(ORDERS, key=lambda order, apart=apart: apart[range(3), order].sum())
            assert tracks.detection[b, t].tolist() == best
            crossed += best != apart.argmin(axis=1).tolist()
            state = state + gain[:, None, None] * (z[best] - state[0])
            P = P - np.outer(gain, P[0])
            np.testing.assert_allclose(tracks.positions[b, t], state[0], atol=1e-9)
    # In some frames the nearest detections alone would not be a permutation.
    assert crossed
