"""The tracker of many particles against brute force, integer programs, linear assignment and enumeration."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

import integer_program
from mpt.errors import InputError
from mpt.kalman import Model
from mpt.motion import simulate
from mpt.trackers import mht
from test_mht import BruteForce, scenes

MOTION = {"process_noise": 1.5, "drift_spread": 0.1, "seed": 4242}


def solved(measurements, initial, lookback, model, **options):
    return mht.track(
        measurements, initial, lookback, model, solver="assignment", margins=False, windows=True, **options
    )


@pytest.fixture
def no_scene_is_small(monkeypatch):
    monkeypatch.setattr(mht, "DENSE_TRACKS", 0)


def many(sequences, frames, particles, spread, noise=3.0):
    """Return measurements, starts and the model of simulated particles."""
    made = simulate(
        np.arange(sequences), frames, particles, measurement_noise=noise, initial_spread=spread, **MOTION
    )
    return made.measurements, made.positions[:, 0], Model(1.5, noise, 0.1)


@pytest.mark.usefixtures("no_scene_is_small")
@pytest.mark.parametrize("prior", [(1.5, 2.0, 0.3), (0.4, 5.0, 0.0), (6.0, 0.0, 2.0), (0.0, 1.0, 0.1)])
@pytest.mark.parametrize(("particles", "frames"), [(1, 4), (2, 6), (3, 4)])
@pytest.mark.parametrize("tied", [False, True])
def test_every_lookback_decides_as_brute_force_does(prior, particles, frames, tied):
    measurements, initial = scenes(particles, 2, frames, particles)
    if tied:
        initial[0] = initial[0, 0]
        measurements[1, 2] = measurements[1, 2, 0]
    for b in range(2):
        reference = BruteForce("position", *prior, measurements[b], initial[b])
        for lookback in range(1, frames + 1):
            found = solved(measurements, initial, lookback, Model(*prior))
            detection, cost, _ = reference.decide(lookback)
            np.testing.assert_array_equal(found.detection[b, 1:], detection)
            np.testing.assert_allclose(found.cost[b], cost, rtol=1e-9)
            for t in range(1, frames):
                last = reference.decide(lookback, t + 1)[0][max(t - lookback, 0) :]
                np.testing.assert_array_equal(found.windows[b, t, : len(last)], last)
            assert (found.gap == 0).all()


@pytest.mark.usefixtures("no_scene_is_small")
@pytest.mark.parametrize(("particles", "lookback"), [(2, 1), (2, 9), (3, 4), (4, 3), (5, 2)])
@pytest.mark.parametrize("spread", [0.0, 4.0])
def test_where_all_hypotheses_can_be_enumerated_the_same_is_decided(particles, lookback, spread):
    measurements, initial, model = many(20, 15, particles, spread, 5.0)
    enumerated = mht.track(measurements, initial, lookback, model, windows=True)
    found = solved(measurements, initial, lookback, model)
    np.testing.assert_array_equal(found.detection, enumerated.detection)
    np.testing.assert_array_equal(found.windows, enumerated.windows)
    np.testing.assert_allclose(found.cost, enumerated.cost, rtol=1e-12)
    assert (found.gap == 0).all()


@pytest.mark.parametrize(("particles", "lookback", "spread"), [(6, 5, 5.0), (10, 3, 8.0), (12, 3, 6.0)])
def test_all_histories_and_those_that_matter_lead_to_the_same_hypotheses(
    monkeypatch, particles, lookback, spread
):
    scene = many(2, 20, particles, spread)
    decided = []
    monkeypatch.setattr(mht, "DENSE_HISTORIES", 2**62)
    for most in (0, 100):
        monkeypatch.setattr(mht, "DENSE_TRACKS", most)
        decided.append(solved(scene[0], scene[1], lookback, scene[2]))
    for ours, theirs in zip(*(d._replace(margin=d.gap) for d in decided), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert (decided[0].gap == 0).all()


@pytest.mark.usefixtures("no_scene_is_small")
def test_windows_of_ten_tracks_have_the_optimum_of_the_integer_program():
    measurements, initial, model = many(50, 4, 10, 8.0)
    found = solved(measurements, initial, 3, model)
    for b in range(50):
        costs = integer_program.history_costs(measurements[b], initial[b], 1.5, 3.0, 0.1)
        cost, detection = integer_program.solve(costs)
        np.testing.assert_allclose(found.cost[b], cost, rtol=1e-9)
        np.testing.assert_array_equal(found.detection[b, 1:], detection)
    assert (found.gap == 0).all()


@pytest.mark.parametrize("spread", [10.0, 40.0])
def test_one_frame_at_a_time_is_a_linear_assignment(spread):
    measurements, initial, model = many(50, 30, 50, spread)
    found = solved(measurements, initial, 1, model)
    riccati = model.riccati(30)
    for b in range(50):
        position, velocity = initial[b], np.zeros((50, 2))
        for t in range(1, 30):
            innovation = measurements[b, t] - (position + velocity)[:, None]
            column = linear_sum_assignment((innovation**2).sum(-1) / riccati.innovation_variance[t])[1]
            np.testing.assert_array_equal(found.detection[b, t], column)
            own = innovation[np.arange(50), column]
            position = position + velocity + riccati.gain[t, 0] * own
            velocity = velocity + riccati.gain[t, 1] * own
    assert (found.gap == 0).all()


@pytest.mark.parametrize("limit", [1, 1000, 10_000])
def test_a_search_that_is_cut_short_says_how_far_the_best_hypothesis_may_be(limit):
    measurements, initial, model = many(5, 5, 20, 12.0)
    whole = solved(measurements, initial, 4, model)
    cut = solved(measurements, initial, 4, model, node_limit=limit)
    assert (whole.gap == 0).all()
    assert (cut.gap[:, -1] > 0).any()
    assert (np.sort(cut.detection[:, 1:], axis=2) == np.arange(20)).all()
    assert (whole.cost <= cut.cost * (1 + 1e-12)).all()
    assert (whole.cost >= (cut.cost - cut.gap[:, -1]) * (1 - 1e-12)).all()


def test_many_tracks_have_no_margins():
    measurements, initial, model = many(1, 10, 100, 40.0)
    with pytest.raises(InputError, match=r"100\^5 histories .* ask for no margins"):
        mht.track(measurements, initial, 5, model, solver="assignment")


@pytest.mark.usefixtures("no_scene_is_small")
def test_distances_that_overflow_are_refused():
    measurements, initial, _ = many(2, 5, 3, 8.0)
    for lookback in (1, 3):
        with pytest.raises(InputError, match=r"experiment 0: .* too far apart"):
            solved(measurements * 1e90, initial, lookback, Model(1e-70, 1e-70, 0.0))
