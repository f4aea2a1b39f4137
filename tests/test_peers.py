"""Trackers of others link as they say, and what they leave out stays left out."""

import importlib
import re
import sys
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.stats import multivariate_normal

from mpt.motion import Stream, simulate
from mpt.tables.dataset import read_scenes
from mpt.tables.tracks import read_tracks
from workflow import jobs, snakemake

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


# The candidates of trackers/search_range.py, as docs/recordings.md has them.
MULTIPLES = (2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 8.0)
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


def told(q, r, v):
    """Return the flags of a Stone Soup tracker: the noises and the spread of the velocity."""
    return ("--process-noise", q, "--measurement-noise", r, "--velocity-spread", v)


# A Kalman filter of its own, written out for one axis: the states (2, N, 2) share their covariance P (2, 2).
def predicted(state, P, q):
    step = np.array([[1.0, 1.0], [0.0, 1.0]])
    return np.einsum("ij,jnk->ink", step, state), step @ P @ step.T + np.diag([q**2, 0.0])


def updated(state, P, z, r):
    gain = P[:, 0] / (P[0, 0] + r**2)
    return state + gain[:, None, None] * (z - state[0]), P - np.outer(gain, P[0])


def test_stone_soup_takes_the_permutation_of_least_mahalanobis_distances(dataset, tracked):
    q, r, v = 1.5, 2.0, 0.1
    directory = dataset(experiments=4, frames=8, particles=3, initial_spread=2.0)
    tracks, scenes = tracked("stonesoup_nearest", directory, *told(q, r, v))
    crossed = 0
    for b in range(4):
        state = np.stack([scenes.initial[b], np.zeros((3, 2))])
        P = np.diag([0.0, v**2])
        for t in range(1, 8):
            state, P = predicted(state, P, q)
            z = scenes.measurements[b, t]
            # All tracks have one innovation covariance, so that it doesn't matter to the order.
            apart = np.linalg.norm(z[None] - state[0][:, None], axis=-1)
            best = min(ORDERS, key=lambda order, apart=apart: apart[range(3), order].sum())
            assert tracks.detection[b, t].tolist() == best
            crossed += best != apart.argmin(axis=1).tolist()
            state, P = updated(state, P, z[best], r)
            np.testing.assert_allclose(tracks.positions[b, t], state[0], atol=1e-9)
    # In some frames the nearest detections alone would not be a permutation.
    assert crossed


def test_joint_probabilistic_association_weighs_both_permutations(dataset, tracked):
    # Two particles: the updates of a track by either detection, mixed by the permutations' probabilities.
    q, r, v = 1.5, 2.0, 0.1
    directory = dataset(experiments=3, frames=4, particles=2, initial_spread=2.0)
    tracks, scenes = tracked("stonesoup_jpda", directory, *told(q, r, v))
    step = np.kron([[1.0, 1.0], [0.0, 1.0]], np.eye(2))
    Q = np.kron(np.diag([q**2, 0.0]), np.eye(2))
    undecided = 0
    for b in range(3):
        x = [np.concatenate([start, [0.0, 0.0]]) for start in scenes.initial[b]]
        P = [np.kron(np.diag([0.0, v**2]), np.eye(2))] * 2
        for t in range(1, 4):
            z = scenes.measurements[b, t]
            x, P = [step @ each for each in x], [step @ each @ step.T + Q for each in P]
            S = [each[:2, :2] + r**2 * np.eye(2) for each in P]
            likely = [[multivariate_normal.pdf(z[j], x[n][:2], S[n]) for j in range(2)] for n in range(2)]
            straight, crossed = likely[0][0] * likely[1][1], likely[0][1] * likely[1][0]
            own = straight / (straight + crossed)
            undecided += 0.1 < own < 0.9
            weights = [[own, 1 - own], [1 - own, own]]
            assert tracks.detection[b, t].tolist() == ([0, 1] if own > 0.5 else [1, 0])
            for n in range(2):
                gain = P[n][:, :2] @ np.linalg.inv(S[n])
                updates = np.array([x[n] + gain @ (each - x[n][:2]) for each in z])
                mean = weights[n] @ updates
                apart = updates - mean
                P[n] = P[n] - gain @ S[n] @ gain.T + (apart.T * weights[n]) @ apart
                x[n] = mean
                np.testing.assert_allclose(tracks.positions[b, t, n], mean[:2], rtol=1e-5, atol=1e-6)
    assert undecided


def test_multi_frame_assignment_over_the_whole_sequence_finds_the_most_likely_association(dataset, tracked):
    # Every association by itself: a Kalman filter along it, and the likelihoods of its innovations.
    q, r, v = 1.5, 4.0, 0.1
    directory = dataset(experiments=40, frames=4, particles=2, initial_spread=2.0, measurement_noise=r)
    tracks, scenes = tracked("stonesoup_mfa", directory, *told(q, r, v), "--window", 4)
    revised = 0
    for b in range(40):
        costs = {}
        for orders in product([(0, 1), (1, 0)], repeat=3):
            state, P, cost = np.stack([scenes.initial[b], np.zeros((2, 2))]), np.diag([0.0, v**2]), []
            for t, order in enumerate(orders, 1):
                state, P = predicted(state, P, q)
                taken = scenes.measurements[b, t][list(order)]
                cost.append(((taken - state[0]) ** 2).sum() / (P[0, 0] + r**2))
                state, P = updated(state, P, taken, r)
            costs[orders] = cost, state[0]
        best = min(costs, key=lambda orders: sum(costs[orders][0]))
        assert tracks.detection[b, 1:].tolist() == [list(order) for order in best]
        np.testing.assert_allclose(tracks.positions[b, 3], costs[best][1], atol=1e-6)
        greedy = [()]
        for t in range(3):
            begin = [orders for orders in costs if orders[:t] == greedy[-1]]
            greedy.append(min(begin, key=lambda orders, t=t, costs=costs: costs[orders][0][t])[: t + 1])
        revised += greedy[-1] != best
    # In some experiment frames decided one by one would be decided otherwise.
    assert revised


def test_a_tuned_range_is_the_best_candidate_on_training_data(dataset, tracked, capsys):
    noises = {"process_noise": 1.5, "measurement_noise": 1.0, "initial_spread": 20.0, "drift_spread": 0.1}
    directory = dataset(experiments=2, frames=20, particles=2, **noises)
    told = [word for name, value in noises.items() for word in (f"--{name.replace('_', '-')}", value)]
    tuning = ("--search-range", "tuned", *told, "--training-experiments", 5, "--seed", 3)
    tracked("trackpy_linker", directory, *tuning)
    (reach,) = re.findall(r"^search range ([\d.]+):", capsys.readouterr().out, re.MULTILINE)
    # Particles far apart: the least range that leaves no link out, of steps of these training data.
    data = simulate(np.arange(5), 20, 2, **noises, seed=3, stream=Stream.TRAINING)
    path = np.take_along_axis(data.measurements, data.detection[..., None].astype(int), axis=2)
    path[:, 0] = data.positions[:, 0]
    longest = np.linalg.norm(np.diff(path, axis=1), axis=-1).max()
    deviation = np.sqrt(1.5**2 + 2 * 1.0**2 + 0.1**2)
    least = next(multiple for multiple in MULTIPLES if multiple * deviation > longest)
    assert float(reach) == pytest.approx(least * deviation, rel=1e-3)


def test_links_of_trajectories_that_begin_later_are_counted(monkeypatch):
    monkeypatch.syspath_prepend(TRACKERS)
    links_added = importlib.import_module("following").links_added
    # Trajectory 7 begins in frame 1 and has two links; 8 has none, nor have points without a trajectory.
    labels = np.array([[0, 1, 2], [0, 7, -1], [7, 0, -1], [7, 8, 0]])
    assert links_added(labels) == 2


def test_the_target_compares_peers_where_a_study_has_some(tmp_path):
    planned = jobs(snakemake(tmp_path, "--dry-run", "peers", configs=[TRACKERS / "peers.yaml"]))
    # Two studies of seven datasets: the MHT, five peers and a control on each.
    assert planned["track"] == 7 * 7
    assert (planned["tabulate_costs"], planned["draw_costs"], planned["judge_claims"]) == (2, 2, 1)
    refused = snakemake(tmp_path, "--dry-run", "peers", configs=[])
    assert refused.returncode != 0
    assert (
        "No study has a tracker of others: add --configfile trackers/peers.yaml"
        in refused.stdout + refused.stderr
    )


def test_versions_are_those_of_the_environments():
    environments = (TRACKERS / "environments").glob("*.yaml")
    pinned = {
        package
        for path in environments
        for part in yaml.safe_load(path.read_text())["dependencies"]
        if isinstance(part, dict)
        for package in part["pip"]
    }
    listed = (TRACKERS / "requirements.txt").read_text().splitlines()
    assert {line for line in listed if not line.startswith("#")} == pinned
