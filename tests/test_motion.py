"""The simulator against eqs. 2–3, closed-form distributions and a walk that bounces step by step."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mpt.errors import InputError
from mpt.motion import Stream, reflect, simulate

MODEL = {
    "frames": 12,
    "particles": 2,
    "process_noise": 1.5,
    "measurement_noise": 2.0,
    "initial_spread": 5.0,
    "drift_spread": 0.1,
    "seed": 1,
}
MANY_PARTICLES = {**MODEL, "frames": 2, "particles": 40}
# A fixed seed makes each p-value one number; a wrong law in so many draws gives far less than this.
SIGNIFICANCE = 1e-3


def detections_of_particles(simulation):
    """Return (B, T, N, 2) the detections in the order of the particles."""
    return np.take_along_axis(simulation.measurements, simulation.detection[..., None], axis=2)


def assert_normal(samples, deviation):
    """Samples (n, k) are independent draws of N(0, deviation² I_k): mean, covariance and shape."""
    n, k = samples.shape
    assert stats.chi2.sf(n * np.sum(samples.mean(axis=0) ** 2) / deviation**2, k) > SIGNIFICANCE
    covariance = samples.T @ samples / n / deviation**2
    # Wishart: var(S_ij) = (1 + δ_ij)/n for unit covariance.
    z = (covariance - np.eye(k)) * np.sqrt(n / (1 + np.eye(k)))
    assert 2 * stats.norm.sf(np.abs(z).max()) * k * (k + 1) / 2 > SIGNIFICANCE
    assert stats.kstest(samples.ravel() / deviation, "norm").pvalue > SIGNIFICANCE


def test_steps_are_independent_brownian_increments():
    simulation = simulate(np.arange(1000), **{**MODEL, "frames": 101, "drift_spread": 0.0})
    steps = np.diff(simulation.positions, axis=1)
    assert steps[..., 0, 0].size == 100_000
    # Two particles and two axes, this step and the next.
    assert_normal(steps.reshape(-1, 4), 1.5)
    assert_normal(np.concatenate([steps[:, :-1:2], steps[:, 1::2]], axis=2).reshape(-1, 8), 1.5)


def test_drift_is_constant_and_normal_over_particles():
    simulation = simulate(np.arange(1000), **{**MANY_PARTICLES, "frames": 3, "process_noise": 0.0})
    first, second = np.moveaxis(np.diff(simulation.positions, axis=1), 1, 0)
    np.testing.assert_allclose(first, second, atol=1e-13)
    assert_normal(first.reshape(-1, 4), 0.1)


def test_starts_are_normal_about_the_origin():
    simulation = simulate(np.arange(1000), **MANY_PARTICLES)
    assert_normal(simulation.positions[:, 0].reshape(-1, 4), 5.0)


def test_detections_are_normal_about_their_particles():
    simulation = simulate(np.arange(1000), **{**MODEL, "frames": 100})
    residuals = detections_of_particles(simulation) - simulation.positions
    assert_normal(residuals.reshape(-1, 4), 2.0)


def test_motion_drift_start_and_noise_are_uncorrelated():
    simulation = simulate(np.arange(1000), **{**MANY_PARTICLES, "drift_spread": 0.0})
    start, step = simulation.positions[:, 0], np.diff(simulation.positions, axis=1)[:, 0]
    noise = (detections_of_particles(simulation) - simulation.positions)[:, 0]
    drifting = simulate(np.arange(1000), **{**MANY_PARTICLES, "process_noise": 0.0})
    drift = np.diff(drifting.positions, axis=1)[:, 0]
    draws = np.concatenate([start / 5.0, step / 1.5, noise / 2.0, drift / 0.1], axis=2)
    # Each particle's draws, and those of its neighbour.
    assert_normal(draws.reshape(-1, 16), 1.0)


@pytest.mark.parametrize(("particles", "permutations"), [(2, 2), (3, 6), (4, 24)])
def test_every_permutation_of_detections_is_equally_likely_whatever_the_last_one(particles, permutations):
    simulation = simulate(np.arange(1000), **{**MODEL, "frames": 100, "particles": particles})
    codes = simulation.detection @ particles ** np.arange(particles)
    numbers = np.unique(codes, return_inverse=True)[1].reshape(codes.shape)
    assert numbers.max() + 1 == permutations
    assert stats.chisquare(np.bincount(numbers.ravel())).pvalue > SIGNIFICANCE
    pairs = numbers[:, :-1:2] * permutations + numbers[:, 1::2]
    assert stats.chisquare(np.bincount(pairs.ravel(), minlength=permutations**2)).pvalue > SIGNIFICANCE


def test_detections_are_a_permutation_of_the_noisy_positions():
    # Without noise each detection lies on its particle.
    simulation = simulate(np.arange(50), **{**MODEL, "particles": 5, "measurement_noise": 0.0})
    np.testing.assert_array_equal(detections_of_particles(simulation), simulation.positions)
    np.testing.assert_array_equal(np.sort(simulation.detection), np.broadcast_to(np.arange(5), (50, 12, 5)))


FIELDS = ("positions", "measurements", "detection")
confinements = st.sampled_from([None, 4.0])


@given(st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=6, unique=True), confinements)
def test_an_experiment_does_not_depend_on_the_others_nor_on_their_order(numbers, confinement):
    together = simulate(np.array(numbers), **MODEL, confinement=confinement)
    for b, number in enumerate(numbers):
        alone = simulate(np.array([number]), **MODEL, confinement=confinement)
        for field in FIELDS:
            np.testing.assert_array_equal(getattr(together, field)[b], getattr(alone, field)[0])


@given(st.integers(2, 40), st.integers(2, 40), st.integers(1, 5), confinements)
def test_fewer_frames_are_a_prefix_of_more(frames, more_frames, particles, confinement):
    frames, more_frames = sorted((frames, more_frames))
    model = {**MODEL, "particles": particles, "confinement": confinement}
    short = simulate(np.arange(3), **{**model, "frames": frames})
    long = simulate(np.arange(3), **{**model, "frames": more_frames})
    for field in FIELDS:
        np.testing.assert_array_equal(getattr(short, field), getattr(long, field)[:, :frames])


def test_measurement_noises_share_motion_shuffle_and_unit_noise():
    one = simulate(np.arange(20), **{**MODEL, "measurement_noise": 1.0})
    seven = simulate(np.arange(20), **{**MODEL, "measurement_noise": 7.0})
    np.testing.assert_array_equal(one.positions, seven.positions)
    np.testing.assert_array_equal(one.detection, seven.detection)
    noise = [detections_of_particles(simulation) - simulation.positions for simulation in (one, seven)]
    np.testing.assert_allclose(7 * noise[0], noise[1], atol=1e-12)


@pytest.mark.parametrize("scale", ["process_noise", "initial_spread", "drift_spread"])
def test_motion_is_linear_in_each_scale(scale):
    zero, one, three = (simulate(np.arange(5), **{**MODEL, scale: k}).positions for k in (0.0, 1.0, 3.0))
    np.testing.assert_allclose(three - zero, 3 * (one - zero), atol=1e-12)
    assert not np.allclose(one, zero)


def test_test_and_training_experiments_of_one_seed_share_no_number():
    sets = [simulate(np.arange(500), **MODEL, stream=stream) for stream in (Stream.TEST, Stream.TRAINING)]
    for field in ("positions", "measurements"):
        values = np.concatenate([getattr(simulation, field).ravel() for simulation in sets])
        assert len(np.unique(values)) == len(values)
    unit_noises = [detections_of_particles(simulation) - simulation.positions for simulation in sets]
    correlation = np.corrcoef(unit_noises[0].ravel(), unit_noises[1].ravel())[0, 1]
    assert abs(correlation) * np.sqrt(unit_noises[0].size) < stats.norm.isf(SIGNIFICANCE)


def test_another_seed_gives_other_experiments():
    one, two = (simulate(np.arange(50), **{**MODEL, "seed": seed}) for seed in (1, 2))
    assert not np.intersect1d(one.positions, two.positions).size
    assert not np.intersect1d(one.measurements, two.measurements).size


def bounce(start, steps, confinement):
    """Walk along one axis, turning back at each wall that a step meets, and with it later steps."""
    path, orientation = [], 1.0
    position = start
    for step in [0.0, *steps]:
        left = orientation * step
        position += left
        while abs(position) > confinement:
            wall = np.copysign(confinement, position)
            position = 2 * wall - position
            orientation = -orientation
        path.append(position)
    return path


@pytest.mark.parametrize("confinement", [0.7, 3.0, 10.0])
def test_the_box_reflects_paths_with_their_drift(confinement):
    model = {**MODEL, "frames": 40, "drift_spread": 1.0}
    free = simulate(np.arange(20), **model).positions
    confined = simulate(np.arange(20), **model, confinement=confinement).positions
    assert np.abs(confined).max() <= confinement
    for b, particle, axis in np.ndindex(20, 2, 2):
        path = free[b, :, particle, axis]
        expected = bounce(path[0], np.diff(path), confinement)
        np.testing.assert_allclose(confined[b, :, particle, axis], expected, atol=1e-10)


def test_positions_in_the_box_spread_uniformly():
    model = {**MODEL, "frames": 200, "initial_spread": 0.0, "drift_spread": 0.0}
    last = simulate(np.arange(2000), **model, confinement=4.0).positions[:, -1]
    assert stats.kstest(last.ravel(), "uniform", args=(-4.0, 8.0)).pvalue > SIGNIFICANCE


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_reflection_keeps_what_is_inside_and_lands_inside(position, confinement):
    reflected = reflect(np.array(position), confinement)
    assert abs(reflected) <= confinement
    if abs(position) <= confinement:
        assert reflected == position


def test_a_box_that_is_never_reached_changes_nothing():
    free, boxed = (simulate(np.arange(5), **MODEL, confinement=confinement) for confinement in (None, 1e9))
    for field in FIELDS:
        np.testing.assert_array_equal(getattr(free, field), getattr(boxed, field))


@pytest.mark.parametrize("scale", ["process_noise", "measurement_noise", "initial_spread", "drift_spread"])
def test_overflow_is_refused(scale):
    with pytest.raises(InputError, match="too large"):
        simulate(np.arange(50), **{**MODEL, scale: 1.7e308})
