"""The Multiple Hypothesis Tracker against brute force, Stone Soup, closed forms and its own symmetries."""

from datetime import datetime, timedelta
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stonesoup.hypothesiser.probability import PDAHypothesiser
from stonesoup.models.measurement.linear import LinearGaussian
from stonesoup.models.transition.linear import LinearGaussianTimeInvariantTransitionModel
from stonesoup.predictor.kalman import KalmanPredictor
from stonesoup.types.detection import Detection
from stonesoup.types.state import GaussianState
from stonesoup.updater.kalman import KalmanUpdater

import integer_program
from mpt.errors import InputError
from mpt.kalman import Model
from mpt.trackers import mht

PRIOR = Model(1.5, 2.0, 0.3)


def scenes(seed, sequences, frames, particles, process_noise=1.5, measurement_noise=2.0, spread=3.0):
    """Return shuffled measurements (B, T, N, 2) and starts (B, N, 2) of particles that diffuse and drift."""
    rng = np.random.default_rng(seed)
    shape = (sequences, frames, particles)
    steps = rng.normal(0, process_noise, (*shape, 2))
    steps[:, 0] = rng.normal(0, spread, (sequences, particles, 2))
    steps[:, 1:] += rng.normal(0, 0.3, (sequences, 1, particles, 2))
    positions = np.cumsum(steps, axis=1)
    measured = positions + rng.normal(0, measurement_noise, positions.shape)
    order = rng.permuted(np.broadcast_to(np.arange(particles), shape), axis=2)
    return np.take_along_axis(measured, order[..., None], axis=2), positions[:, 0].copy()


class BruteForce:
    """N-scan pruning of one sequence that filters every path of a track from its start in four dimensions."""

    def __init__(self, process_noise_model, q, r, v, measurements, initial, start="known"):
        self.F = np.eye(4) + np.eye(4, k=2)
        self.H = np.eye(2, 4)
        diagonals = {"position": [1, 1, 0, 0], "literal": [1, 1, 1, 1], "velocity": [0, 0, 1, 1]}
        self.Q = q**2 * np.diag(diagonals[process_noise_model])
        self.R = r**2 * np.eye(2)
        self.P0 = np.diag([0, 0, v**2, v**2])
        if start == "measured":
            self.P0 = np.diag([r**2, r**2, v**2, v**2])
        self.measurements, self.initial = measurements, initial
        self.costs, self.positions = {}, {}

    def cost(self, track, path):
        """Sum the squared Mahalanobis distances of a path's innovations, by the textbook equations."""
        if (track, path) not in self.costs:
            x, P, total = np.array([*self.initial[track], 0, 0]), self.P0, 0.0
            for t, j in enumerate(path, start=1):
                x, P = self.F @ x, self.F @ P @ self.F.T + self.Q
                S = self.H @ P @ self.H.T + self.R
                innovation = self.measurements[t, j] - self.H @ x
                total += innovation @ np.linalg.solve(S, innovation)
                K = P @ self.H.T @ np.linalg.inv(S)
                x, P = x + K @ innovation, (np.eye(4) - K @ self.H) @ P
            self.costs[track, path], self.positions[track, path] = total, x[:2]
        return self.costs[track, path]

    def online(self, lookback):
        """Return positions (T, N, 2) and detections (T, N): in each frame as if it were the last."""
        positions, detections = [self.initial], [np.full(len(self.initial), -1)]
        for t in range(1, len(self.measurements)):
            permutation, _, _ = self.decide(lookback, t + 1)
            paths = [tuple(permutation[:, i]) for i in range(len(self.initial))]
            positions.append([self.positions[i, path] for i, path in enumerate(paths)])
            detections.append(permutation[-1])
        return np.array(positions), np.array(detections)

    def decide(self, lookback, frames=None):
        """Return the permutation of each frame 1 … T − 1, the cost, and the margin by frame and track.

        frames: T, if the sequence ends before its last frame.
        """
        T, N = frames or len(self.measurements), len(self.initial)
        decided, margins = (), []
        for t in range(1, T):
            window = list(product(permutations(range(N)), repeat=t - len(decided)))
            costs = np.array(
                [sum(self.cost(i, tuple(p[i] for p in decided + h)) for i in range(N)) for h in window]
            )
            # Hypotheses that are equal by symmetry differ by rounding only.
            best = int(np.flatnonzero(costs <= costs.min() * (1 + 1e-11))[0])
            ready = len(window[0]) if t == T - 1 else int(len(window[0]) == lookback)
            chosen = np.array(window)
            for k in range(ready):
                otherwise = [costs[chosen[:, k, i] != chosen[best, k, i]] for i in range(N)]
                margins.append([c.min(initial=np.inf) - costs[best] for c in otherwise])
            decided += window[best][:ready]
        return np.array(decided), costs[best], np.array(margins)


def assert_decided(found, b, detection, cost, margin):
    np.testing.assert_array_equal(found.detection[b, 1:], detection)
    np.testing.assert_allclose(found.cost[b], cost, rtol=1e-9)
    np.testing.assert_allclose(found.margin[b, 1:], margin, rtol=1e-9, atol=1e-9 * max(cost, 1))
    assert (found.gap == 0).all()


@pytest.mark.parametrize("solver", ["enumerate", "assignment"])
@pytest.mark.parametrize("noise_model", ["position", "literal"])
@pytest.mark.parametrize("prior", [(1.5, 2.0, 0.3), (0.4, 5.0, 0.0), (6.0, 0.0, 2.0), (0.0, 1.0, 0.1)])
@pytest.mark.parametrize(("particles", "frames"), [(1, 4), (2, 6), (3, 4)])
def test_every_lookback_decides_as_brute_force_does(solver, noise_model, prior, particles, frames):
    measurements, initial = scenes(particles, 2, frames, particles)
    for b in range(2):
        reference = BruteForce(noise_model, *prior, measurements[b], initial[b])
        for lookback in range(1, frames + 2):
            found = mht.track(measurements, initial, lookback, Model(*prior, noise_model), solver=solver)
            assert_decided(found, b, *reference.decide(lookback))
            assert (found.detection[b, 0] == -1).all()


@pytest.mark.parametrize("solver", mht.SOLVERS)
@pytest.mark.parametrize(
    ("noise_model", "start"),
    [("position", "known"), ("literal", "known"), ("velocity", "known"), ("position", "measured")],
)
@pytest.mark.parametrize(("particles", "frames"), [(1, 4), (2, 6), (3, 4)])
def test_online_is_the_best_hypothesis_of_each_frame_as_if_it_were_the_last(
    solver, noise_model, start, particles, frames
):
    measurements, initial = scenes(10 + particles, 3, frames, particles, measurement_noise=4.0)
    model = Model(1.5, 4.0, 0.3, noise_model, start)
    for b in range(3):
        reference = BruteForce(noise_model, 1.5, 4.0, 0.3, measurements[b], initial[b], start)
        for lookback in range(1, frames + 1):
            found = mht.track(measurements, initial, lookback, model, solver=solver, windows=True)
            positions, detection = mht.estimate("online", found, measurements, initial, model)
            expected = reference.online(lookback)
            np.testing.assert_array_equal(detection[b], expected[1])
            np.testing.assert_allclose(positions[b], expected[0], rtol=1e-9, atol=1e-9)
            decided = mht.track(measurements, initial, lookback, model, solver=solver)
            np.testing.assert_array_equal(found.detection, decided.detection)


def test_online_does_not_look_ahead_and_filtered_does():
    measurements, initial = scenes(4, 40, 20, 2, measurement_noise=6.0)
    other = measurements.copy()
    other[:, 10:] = np.random.default_rng(9).normal(0, 20, other[:, 10:].shape)
    before = {}
    for name, z in (("one", measurements), ("other", other)):
        found = mht.track(z, initial, 6, PRIOR, windows=True)
        for kind in ("online", "filtered"):
            before[name, kind] = mht.estimate(kind, found, z, initial, PRIOR)[0][:, :10]
    np.testing.assert_array_equal(before["one", "online"], before["other", "online"])
    assert (before["one", "filtered"] != before["other", "filtered"]).any()


def test_online_of_one_frame_at_a_time_is_filtered_and_differs_for_more():
    measurements, initial = scenes(5, 50, 30, 2, measurement_noise=6.0)
    for lookback, same in ((1, True), (6, False)):
        found = mht.track(measurements, initial, lookback, PRIOR, windows=True)
        online, _ = mht.estimate("online", found, measurements, initial, PRIOR)
        filtered, _ = mht.estimate("filtered", found, measurements, initial, PRIOR)
        assert np.allclose(online, filtered, rtol=1e-12, atol=1e-12) == same


@pytest.mark.parametrize("solver", ["enumerate", "assignment"])
@pytest.mark.parametrize("lookback", [1, 2, 3, 4])
@pytest.mark.parametrize(("particles", "frames"), [(2, 5), (3, 4)])
def test_ties_go_to_the_lexicographically_first_hypothesis(solver, particles, frames, lookback):
    measurements, initial = scenes(1, 5, frames, particles)
    initial[:] = initial[:, :1]
    measurements[2:, 2] = measurements[2:, 2, :1]
    measurements[4] = 0
    found = mht.track(measurements, initial, lookback, PRIOR, solver=solver)
    for b in range(5):
        reference = BruteForce("position", 1.5, 2.0, 0.3, measurements[b], initial[b])
        assert_decided(found, b, *reference.decide(lookback))
    assert (found.margin >= 0).all()


@pytest.mark.parametrize(("particles", "lookback"), [(1, 3), (2, 1), (2, 4), (3, 1), (3, 2), (3, 3)])
def test_sharing_histories_decides_as_filtering_every_hypothesis_anew_does(particles, lookback):
    measurements, initial = scenes(lookback, 20, 12, particles)
    shared = mht.track(measurements, initial, lookback, PRIOR, solver="enumerate", windows=True)
    refiltered = mht.track(measurements, initial, lookback, PRIOR, solver="refilter", windows=True)
    for ours, theirs in zip(shared, refiltered, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(("particles", "lookback"), [(2, 1), (2, 9), (3, 4), (4, 3)])
@pytest.mark.parametrize("spread", [0.0, 4.0])
def test_branch_and_bound_decides_as_enumeration_does(particles, lookback, spread):
    measurements, initial = scenes(lookback, 20, 15, particles, measurement_noise=5.0, spread=spread)
    enumerated = mht.track(measurements, initial, lookback, Model(1.5, 5.0, 0.3), windows=True)
    solved = mht.track(
        measurements, initial, lookback, Model(1.5, 5.0, 0.3), solver="assignment", windows=True
    )
    for ours, theirs in zip(solved, enumerated, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-9)
    np.testing.assert_array_equal(solved.detection, enumerated.detection)
    assert (solved.gap == 0).all()


@pytest.mark.parametrize("spread", [0.5, 5.0])
def test_branch_and_bound_finds_the_optimum_of_the_integer_program(spread):
    # 6!³ = 373 million hypotheses.
    measurements, initial = scenes(12, 4, 4, 6, measurement_noise=5.0, spread=spread)
    found = mht.track(measurements, initial, 3, Model(1.5, 5.0, 0.3), solver="assignment", margins=False)
    for b in range(4):
        costs = integer_program.history_costs(measurements[b], initial[b], 1.5, 5.0, 0.3)
        cost, detection = integer_program.solve(costs)
        np.testing.assert_allclose(found.cost[b], cost, rtol=1e-9)
        np.testing.assert_array_equal(found.detection[b, 1:], detection)
    assert (found.gap == 0).all()


def test_a_search_that_is_cut_short_says_how_far_the_best_hypothesis_may_be():
    # Six tracks that start at one point: prices alone cannot tell which is which.
    measurements, initial = scenes(3, 10, 4, 6, measurement_noise=5.0, spread=0.0)
    cut = mht.track(measurements, initial, 3, PRIOR, solver="assignment", node_limit=1, margins=False)
    whole = mht.track(measurements, initial, 3, PRIOR, solver="assignment", margins=False)
    assert (whole.gap == 0).all()
    assert (cut.gap[:, -1] > 0).any()
    assert (whole.cost <= cut.cost * (1 + 1e-12)).all()
    assert (whole.cost >= (cut.cost - cut.gap[:, -1]) * (1 - 1e-12)).all()
    assert cut.margin is None


def stonesoup_optimum(measurements, initial, model):
    """Return the joint hypothesis that PDAHypothesiser finds most probable, and by frame its margin."""
    T, N, _ = measurements.shape
    start = datetime(2024, 1, 1)
    observation = LinearGaussian(ndim_state=4, mapping=(0, 1), noise_covar=model.R)
    predictor = KalmanPredictor(LinearGaussianTimeInvariantTransitionModel(model.F, model.Q))
    hypothesiser = PDAHypothesiser(
        predictor,
        KalmanUpdater(observation),
        clutter_spatial_density=1.0,
        prob_detect=0.9,
        include_all=True,
        normalise=False,
    )
    log_weights = {}
    for i in range(N):
        states = {(): (GaussianState([*initial[i], 0, 0], model.P0, timestamp=start), 0.0)}
        for t in range(1, T):
            time = start + timedelta(seconds=t)
            detections = [
                Detection(z, timestamp=time, measurement_model=observation) for z in measurements[t]
            ]
            longer = {}
            for path, (state, weight) in states.items():
                for hypothesis in hypothesiser.hypothesise(state, detections, time):
                    if hypothesis:
                        j = detections.index(hypothesis.measurement)
                        updated = hypothesiser.updater.update(hypothesis)
                        longer[(*path, j)] = updated, weight + hypothesis.probability.log_value
            states = longer
        log_weights[i] = {path: weight for path, (_, weight) in states.items()}
    joint = {
        h: sum(log_weights[i][tuple(p[i] for p in h)] for i in range(N))
        for h in product(permutations(range(N)), repeat=T - 1)
    }
    best = max(joint, key=joint.get)
    margin = [joint[best] - max(w for h, w in joint.items() if h[t] != best[t]) for t in range(T - 1)]
    return np.array(best), 2 * np.array(margin)


def test_the_optimum_of_the_sequence_is_stone_soups():
    measurements, initial = scenes(8, 100, 4, 2)
    found = mht.track(measurements, initial, 3, PRIOR)
    for b in range(100):
        best, margin = stonesoup_optimum(measurements[b], initial[b], PRIOR)
        np.testing.assert_array_equal(found.detection[b, 1:], best)
        np.testing.assert_allclose(found.margin[b, 1:].min(axis=1), margin, rtol=1e-6, atol=1e-6)


@st.composite
def problems(draw, least_frames=2):
    """Draw measurements, starts, a lookback and a prior, right or wrong."""
    N, T = draw(st.integers(1, 3)), draw(st.integers(least_frames, 8))
    deviation = st.floats(0.1, 10)
    measurements, initial = scenes(
        draw(st.integers(0, 2**32)), 3, T, N, measurement_noise=draw(deviation), spread=draw(deviation)
    )
    noise_model = draw(st.sampled_from(["position", "literal"]))
    prior = Model(draw(deviation), draw(deviation), draw(st.floats(0, 2)), noise_model)
    return measurements, initial, draw(st.integers(1, 4)), prior


several = settings(max_examples=40, deadline=None)


@several
@given(problems(), st.randoms(use_true_random=False))
def test_the_order_of_detections_changes_nothing_but_their_numbers(problem, random):
    measurements, initial, lookback, prior = problem
    B, T, N, _ = measurements.shape
    order = np.array([[random.sample(range(N), N) for _ in range(T)] for _ in range(B)])
    plain = mht.track(measurements, initial, lookback, prior)
    shuffled = mht.track(np.take_along_axis(measurements, order[..., None], 2), initial, lookback, prior)
    renumbered = np.take_along_axis(order, np.maximum(shuffled.detection, 0), 2)
    np.testing.assert_array_equal(renumbered[:, 1:], plain.detection[:, 1:])
    np.testing.assert_allclose(shuffled.margin, plain.margin, rtol=1e-9, atol=1e-9)


@several
@given(problems(), st.randoms(use_true_random=False))
def test_the_order_of_tracks_changes_nothing_but_their_numbers(problem, random):
    measurements, initial, lookback, prior = problem
    order = random.sample(range(initial.shape[1]), initial.shape[1])
    plain = mht.track(measurements, initial, lookback, prior)
    renumbered = mht.track(measurements, initial[:, order], lookback, prior)
    np.testing.assert_array_equal(renumbered.detection, plain.detection[:, :, order])
    np.testing.assert_allclose(renumbered.margin, plain.margin[:, :, order], rtol=1e-9, atol=1e-9)


@several
@given(problems(), st.floats(0, 2 * np.pi), st.floats(-100, 100), st.floats(-100, 100), st.floats(0.01, 100))
def test_a_rotated_moved_and_magnified_scene_is_tracked_alike(problem, angle, x, y, scale):
    measurements, initial, lookback, prior = problem
    rotation = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    move = scale * np.array([x, y])
    magnified = Model(
        scale * prior.process_noise,
        scale * prior.measurement_noise,
        scale * prior.velocity_spread,
        prior.process_noise_model,
    )
    plain = mht.track(measurements, initial, lookback, prior)
    moved = mht.track(measurements @ rotation.T + move, initial @ rotation.T + move, lookback, magnified)
    np.testing.assert_array_equal(moved.detection, plain.detection)
    np.testing.assert_allclose(moved.margin, plain.margin, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(moved.cost, plain.cost, rtol=1e-6)


@several
@given(problems())
def test_no_lookback_finds_less_than_the_optimum_of_the_whole_sequence(problem):
    measurements, initial, lookback, prior = problem
    T = measurements.shape[1]
    pruned = mht.track(measurements, initial, lookback, prior)
    whole = mht.track(measurements, initial, T - 1, prior)
    longer = mht.track(measurements, initial, T + 5, prior)
    assert (whole.cost <= pruned.cost * (1 + 1e-9)).all()
    for ours, theirs in zip(longer, whole, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@several
@given(problems(least_frames=3), st.data())
def test_what_left_the_window_does_not_depend_on_later_frames(problem, data):
    measurements, initial, lookback, prior = problem
    T = measurements.shape[1]
    seen = data.draw(st.integers(2, T))
    all_frames = mht.track(measurements, initial, lookback, prior)
    first_frames = mht.track(measurements[:, :seen], initial, lookback, prior)
    decided = max(seen - min(lookback, seen - 1), 1)
    np.testing.assert_array_equal(all_frames.detection[:, :decided], first_frames.detection[:, :decided])


@several
@given(problems())
def test_every_frame_is_a_permutation_and_the_margins_say_how_it_was_chosen(problem):
    measurements, initial, lookback, prior = problem
    N = initial.shape[1]
    found = mht.track(measurements, initial, lookback, prior)
    assert (np.sort(found.detection[:, 1:], axis=2) == np.arange(N)).all()
    assert (found.margin >= 0).all()
    assert (found.margin[:, 0] == np.inf).all()
    assert np.isfinite(found.margin[:, 1:]).all() == (N > 1)


@several
@given(problems(), st.integers(2, 5))
def test_sequences_are_tracked_alike_alone_together_and_in_threads(problem, threads):
    measurements, initial, lookback, prior = problem
    together = mht.track(measurements, initial, lookback, prior)
    threaded = mht.track(measurements, initial, lookback, prior, threads=threads)
    alone = [
        mht.track(measurements[b : b + 1], initial[b : b + 1], lookback, prior)
        for b in range(len(measurements))
    ]
    for name in ("detection", "cost", "margin"):
        np.testing.assert_array_equal(getattr(together, name), getattr(threaded, name))
        np.testing.assert_array_equal(
            getattr(together, name), np.concatenate([getattr(decisions, name) for decisions in alone])
        )


def test_the_path_is_each_tracks_own_measurements():
    measurements, initial = scenes(6, 4, 7, 3)
    found = mht.track(measurements, initial, 2, PRIOR)
    path = found.path(measurements, initial)
    np.testing.assert_array_equal(path[:, 0], initial)
    for b, t, n in product(range(4), range(1, 7), range(3)):
        np.testing.assert_array_equal(path[b, t, n], measurements[b, t, found.detection[b, t, n]])


def test_a_single_frame_decides_nothing():
    measurements, initial = scenes(6, 4, 1, 3)
    found = mht.track(measurements, initial, 2, PRIOR)
    assert (found.detection == -1).all()
    assert (found.cost == 0).all()


@pytest.mark.parametrize("solver", mht.SOLVERS)
def test_numbers_that_cannot_be_tracked_are_refused(solver):
    measurements, initial = scenes(6, 3, 5, 2)
    experiments = np.array([7, 8, 9])
    broken = measurements.copy()
    broken[1, 3, 1, 0] = np.nan
    with pytest.raises(InputError, match=r"experiment 8, frame 3: detection 1 .* nan"):
        mht.track(broken, initial, 2, PRIOR, solver=solver, experiments=experiments)
    start = initial.copy()
    start[2, 0, 1] = np.inf
    with pytest.raises(InputError, match=r"experiment 9: track 0 starts at y = inf"):
        mht.track(measurements, start, 2, PRIOR, solver=solver, experiments=experiments)
    with pytest.raises(InputError, match=r"experiment 7: .* too far apart"):
        mht.track(
            measurements * 1e90, initial, 2, Model(1e-70, 1e-70, 0.0), solver=solver, experiments=experiments
        )


def test_what_is_too_large_to_solve_is_refused():
    measurements, initial = scenes(6, 1, 40, 6)
    with pytest.raises(InputError, match=r"6!\^5 hypotheses"):
        mht.track(measurements, initial, 5, PRIOR)
    with pytest.raises(InputError, match=r"6\^39 histories"):
        mht.track(measurements, initial, 50, PRIOR, solver="assignment")
    with pytest.raises(InputError, match="'milp'"):
        mht.track(measurements, initial, 1, PRIOR, solver="milp")
    with pytest.raises(InputError, match="lookback 0"):
        mht.track(measurements, initial, 0, PRIOR)


def test_shapes_that_do_not_fit_are_refused():
    measurements, initial = scenes(6, 2, 5, 2)
    for wrong_measurements, wrong_initial in [
        (measurements[..., :1], initial),
        (measurements[:, :, :0], initial[:, :0]),
        (measurements, initial[:1]),
        (measurements, initial[:, :1]),
    ]:
        with pytest.raises(ValueError, match="shape"):
            mht.track(wrong_measurements, wrong_initial, 1, PRIOR)
