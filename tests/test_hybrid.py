"""What the hybrid keeps, against sorting and counting by hand, and what the tracker decides among it."""

import itertools
import math

import numpy as np
import pytest
import torch

from mpt.kalman import Model
from mpt.motion import simulate
from mpt.trackers import hybrid, mht
from networks import FRAMES, architecture, make_scene, scattered

MODEL = Model(
    process_noise=1.5,
    measurement_noise=3.0,
    velocity_spread=0.1,
    process_noise_model="position",
    start="known",
)


def scenes(particles, experiments=6, frames=7, spread=5.0):
    found = simulate(
        np.arange(experiments),
        frames=frames,
        particles=particles,
        process_noise=1.5,
        measurement_noise=3.0,
        initial_spread=spread,
        drift_spread=0.1,
        confinement=None,
        seed=3,
    )
    return found.measurements, found.positions[:, 0]


def probabilities(*shape, seed=0, concentration=0.3):
    """Return probabilities (..., N, N) of which some are next to nothing."""
    return np.random.default_rng(seed).dirichlet(np.full(shape[-1], concentration), shape[:-1])


def fewest(probability, epsilon):
    """Return the smallest set of detections that leaves out less than ε, by trying all."""
    detections = range(len(probability))
    for count in range(len(probability) + 1):
        sets = itertools.combinations(detections, count)
        best = max(sets, key=lambda chosen: sum(probability[list(chosen)]))
        if math.fsum(np.delete(probability, list(best))) < epsilon:
            return set(best)
    return set(detections)


def admitted(pairs):
    """Return the permutations with these pairs only, by trying all."""
    tracks = np.arange(len(pairs))
    return [p for p in itertools.permutations(range(len(pairs))) if pairs[tracks, p].all()]


@pytest.mark.parametrize("epsilon", [1e-6, 0.01, 0.2, 0.95])
def test_the_fewest_detections_are_kept_and_as_few_added_as_make_a_permutation(epsilon):
    probability = probabilities(5, 4, 4, 4)
    pairs, added = hybrid.keep(probability, epsilon)
    assert pairs[:, 0].all()
    short = 0
    for b, t in itertools.product(range(5), range(1, 4)):
        wanted = np.zeros((4, 4), bool)
        for p in range(4):
            wanted[p, list(fewest(probability[b, t, p], epsilon))] = True
        assert (pairs[b, t] | ~wanted).all()
        more = pairs[b, t] & ~wanted
        assert added[b, t] == more.sum()
        if admitted(wanted):
            assert not more.any()
            continue
        short += 1
        # Of the permutations with the fewest pairs that were left out, the most probable.
        tracks = np.arange(4)
        best = min(
            itertools.permutations(range(4)),
            key=lambda p: ((~wanted[tracks, p]).sum(), -np.log(probability[b, t, tracks, p]).sum()),
        )
        expected = np.zeros((4, 4), bool)
        expected[tracks, best] = ~wanted[tracks, best]
        assert np.array_equal(more, expected)
    assert short > 0 or epsilon < 0.2


def test_of_equally_probable_detections_the_first_are_kept():
    # One quarter is left out of each; somebody needs the last detection.
    pairs, added = hybrid.keep(np.full((1, 2, 4, 4), 0.25), 0.26)
    assert pairs[0, 1, :, :3].all()
    assert pairs[0, 1, :, 3].sum() == added[0, 1] == 1


def test_without_epsilon_even_the_impossible_is_kept():
    probability = np.broadcast_to(np.eye(3), (2, 4, 3, 3))
    pairs, added = hybrid.keep(probability, 0.0)
    assert pairs.all()
    assert not added.any()


@pytest.mark.parametrize("particles", [1, 3, 5])
def test_permutations_are_counted(particles):
    random = np.random.default_rng(1)
    for share in (0.3, 0.6, 1.0):
        for _ in range(10):
            pairs = random.random((particles, particles)) < share
            assert hybrid.permutations(pairs) == len(admitted(pairs))


def test_permutations_of_many_are_counted_where_few_are_kept():
    # Each has its own detection and the next one: all stay, or all move on by one.
    pairs = np.eye(100, dtype=bool)
    pairs |= np.roll(pairs, 1, axis=1)
    assert hybrid.permutations(pairs) == 2
    assert hybrid.permutations(np.ones((40, 40), bool)) is None


@pytest.fixture(params=["enumerate", "all histories", "histories that matter"])
def solver(request, monkeypatch):
    """Return the solver's name; the assignment solver holds all histories of few tracks, and lists others."""
    if request.param == "enumerate":
        return "enumerate"
    if request.param == "histories that matter":
        monkeypatch.setattr(mht, "DENSE_TRACKS", 0)
    return "assignment"


@pytest.mark.parametrize(("particles", "lookback"), [(2, 3), (3, 2), (4, 1)])
def test_the_best_of_what_is_kept_is_decided(solver, particles, lookback):
    """Of the whole sequence the tracker finds the best hypothesis, by trying all that are kept."""
    z, start = scenes(particles, experiments=4, frames=lookback + 1)
    pairs = hybrid.keep(probabilities(4, lookback + 1, particles, particles, concentration=1.0), 0.3).pairs
    decisions = mht.track(z, start, lookback, MODEL, solver=solver, margins=False, kept=pairs)
    variance = MODEL.riccati(lookback + 1).innovation_variance
    gain = MODEL.riccati(lookback + 1).gain

    def cost(b, hypothesis):
        total = 0.0
        for p in range(particles):
            position, velocity = start[b, p], np.zeros(2)
            for t, permutation in enumerate(hypothesis, 1):
                position = position + velocity
                innovation = z[b, t, permutation[p]] - position
                total += innovation @ innovation / variance[t]
                position, velocity = position + gain[t, 0] * innovation, velocity + gain[t, 1] * innovation
        return total

    changed = 0
    for b in range(4):
        among = itertools.product(*(admitted(pairs[b, t]) for t in range(1, lookback + 1)))
        best = min(among, key=lambda hypothesis: cost(b, hypothesis))
        assert decisions.detection[b, 1:].tolist() == [list(p) for p in best]
        assert decisions.cost[b] == pytest.approx(cost(b, best))
        assert decisions.gap[b].max() == 0
        free = mht.track(z[b : b + 1], start[b : b + 1], lookback, MODEL, solver=solver, margins=False)
        changed += free.cost[0] < decisions.cost[b] * (1 - 1e-9)
    assert changed


def test_with_all_kept_the_decisions_are_the_trackers_own(solver):
    z, start = scenes(3)
    everything = np.ones((*z.shape[:3], 3), bool)
    settings = {"solver": solver, "margins": False, "windows": True}
    expected = mht.track(z, start, 3, MODEL, **settings)
    found = mht.track(z, start, 3, MODEL, **settings, kept=everything)
    assert np.array_equal(found.detection, expected.detection)
    assert np.array_equal(found.windows, expected.windows)
    assert found.cost.tobytes() == expected.cost.tobytes()


def test_of_many_tracks_the_best_of_what_is_kept_is_decided(monkeypatch):
    """Histories that matter lead to what all of them lead to, also where tracks start at one point."""
    z, start = scenes(10, experiments=3, frames=12, spread=8.0)
    start[0, :4] = start[0, 0]
    pairs = hybrid.keep(probabilities(3, 12, 10, 10, concentration=1.0), 0.3).pairs
    monkeypatch.setattr(mht, "DENSE_HISTORIES", 2**62)
    decided = []
    for most in (0, 100):
        monkeypatch.setattr(mht, "DENSE_TRACKS", most)
        settings = {"solver": "assignment", "margins": False, "kept": pairs}
        decided.append(mht.track(z, start, 3, MODEL, **settings))
    ours, theirs = decided
    assert np.array_equal(ours.detection, theirs.detection)
    assert ours.cost == pytest.approx(theirs.cost)
    assert not ours.gap.any()
    used = np.take_along_axis(pairs[:, 1:], ours.detection[:, 1:, :, None].astype(int), -1)
    assert used.all()


@pytest.mark.parametrize("lookback", [1, 3])
def test_where_no_windows_best_hypothesis_is_lost_the_tracks_are_the_exact_ones(lookback):
    z, start = scenes(3, experiments=40, spread=8.0)
    # From the truth's side: detections near the start of a random walk are probable.
    distance = np.square(z[:, :, None] - start[:, None, :, None]).sum(-1)
    likelihood = np.exp(-distance / 50)
    pairs = hybrid.keep(likelihood / likelihood.sum(-1, keepdims=True), 0.05).pairs
    settings = {"solver": "enumerate", "margins": False}
    exact = mht.track(z, start, lookback, MODEL, **settings, windows=True)
    found = mht.track(z, start, lookback, MODEL, **settings, kept=pairs)
    lost = hybrid.lost(exact.windows, pairs)
    for b, t in itertools.product(range(40), range(1, 7)):
        frames = range(max(1, t - lookback + 1), t + 1)
        used = [
            pairs[b, s, p, exact.windows[b, t, s - frames[0], p]]
            for s, p in itertools.product(frames, range(3))
        ]
        assert lost[b, t] == used.count(False)
    whole = ~lost.any(axis=1)
    assert 0 < whole.sum() < 40
    assert np.array_equal(found.detection[whole], exact.detection[whole])
    assert (found.detection != exact.detection)[~whole].any()


def test_pairs_are_not_kept_where_no_solver_leaves_any_out():
    z, start = scenes(2)
    everything = np.ones((*z.shape[:3], 2), bool)
    for settings in ({"solver": "refilter", "margins": False}, {"solver": "enumerate", "margins": True}):
        with pytest.raises(ValueError, match="kept without margins"):
            mht.track(z, start, 2, MODEL, **settings, kept=everything)


@pytest.mark.parametrize(
    ("sees", "lookback"), [("past", FRAMES), ("past", 1), ("past", 3), ("whole", FRAMES)]
)
@pytest.mark.parametrize("particles", [2, 5])
def test_probabilities_are_the_pointers_weights_of_the_frame(sees, lookback, particles):
    """As the forward pass weighs detections, which sees all frames at once, on the network's own tracks."""
    network = scattered(architecture("geometric", 3, lookback, encoder_sees=sees), replicates=2).double()
    z, start = make_scene(particles, replicates=2)
    found = network.associate(z, start)
    assert found.sum(-1).numpy() == pytest.approx(1)
    assert (found[:, :, 0] == 1 / particles).all()
    frame = network.frame_of_reference(start)
    y = frame.inward(network.track(z, start))
    # A column for each detection of each frame.
    owners = torch.eye(FRAMES * particles, dtype=z.dtype).view(FRAMES, particles, -1)
    with torch.no_grad():
        _, weights = network.positions_and_owners(
            frame.inward(z), y[:, :, :-1], owners.expand(*z.shape[:2], *owners.shape)
        )
    weights = weights.unflatten(-1, (FRAMES, particles))
    for t in range(1, FRAMES):
        expected = weights[:, :, t - 1, :, t]
        expected = (expected / expected.sum(-1, keepdim=True)).numpy()
        assert found[:, :, t].numpy() == pytest.approx(expected, abs=1e-9)
