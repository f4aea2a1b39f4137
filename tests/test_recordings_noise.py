"""Noises along tracks: the likelihood against dense Gaussians, the estimates against what was simulated."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import chi2, multivariate_normal

from mpt.motion import simulate
from mpt.recordings.association import associate
from mpt.recordings.noise import StepLikelihood, displacement_start, estimate_noise

TRUE = {"process_noise": 1.5, "measurement_noise": 2.0, "drift_spread": 0.3}


def true_paths(experiments, frames, start_measured, **changes):
    """Return each particle's detections (B, T, N, 2), from its true position on unless that is measured."""
    model = {**TRUE, "initial_spread": 5.0, "seed": 11, "particles": 2, **changes}
    simulation = simulate(experiments, frames, **model)
    paths = np.take_along_axis(simulation.measurements, simulation.detection[..., None], axis=2)
    if not start_measured:
        paths[:, 0] = simulation.positions[:, 0]
    return paths


def dense_log_likelihood(paths, start_measured, q, r, v):
    """Return the log likelihood of z_1 … given z_0 by integrating eqs. 2 and 3 directly.

    z_t − y_0 has the covariance q² min(s, t) + v² s t + r² [s = t]. A measured start with a flat prior leaves
    the contrasts z_t − z_0, which adds r² to each entry.
    """
    t = np.arange(1, paths.shape[1])
    covariance = q**2 * np.minimum.outer(t, t) + v**2 * np.outer(t, t) + r**2 * np.eye(len(t))
    if start_measured:
        covariance = covariance + r**2
    contrasts = (paths[:, 1:] - paths[:, :1]).transpose(0, 2, 3, 1).reshape(-1, len(t))
    return multivariate_normal(np.zeros(len(t)), covariance).logpdf(contrasts).sum()


@pytest.mark.parametrize("start_measured", [True, False])
@pytest.mark.parametrize("frames", [4, 9, 30])
def test_the_likelihood_is_the_dense_gaussian_of_the_positions(start_measured, frames):
    paths = true_paths(np.arange(3), frames, start_measured)
    likelihood = StepLikelihood(paths, start_measured)
    for q, r, v in ((1.5, 2.0, 0.3), (0.1, 1.0, 0.0), (2.0, 0.0, 1.0)):
        found = likelihood.log_likelihood(np.square([q, r, v]) / likelihood.scale**2)
        assert found == pytest.approx(dense_log_likelihood(paths, start_measured, q, r, v), rel=1e-10)


@pytest.mark.parametrize("start_measured", [True, False])
def test_the_gradient_is_that_of_the_likelihood(start_measured):
    likelihood = StepLikelihood(true_paths(np.arange(20), 12, start_measured), start_measured)
    at = np.array([0.3, 0.2, 0.05])
    steps = 1e-6 * np.eye(3)
    differences = [(likelihood(at + step)[0] - likelihood(at - step)[0]) / 2e-6 for step in steps]
    np.testing.assert_allclose(likelihood(at)[1], differences, rtol=1e-5)


@pytest.mark.parametrize("start_measured", [True, False])
def test_the_estimate_and_the_ends_of_its_intervals_are_those_of_the_dense_likelihood(start_measured):
    paths = true_paths(np.arange(30), 12, start_measured)
    found = estimate_noise(paths, start_measured)

    def best(fixed):
        """Return the most that the dense likelihood is, and where, with one parameter fixed or none."""
        free = [i for i in range(3) if i not in fixed]

        def objective(values):
            at = np.array([fixed.get(i, 0.0) for i in range(3)])
            at[free] = np.abs(values)
            return -dense_log_likelihood(paths, start_measured, *at)

        start = np.array([1.5, 2.0, 0.3])[free]
        result = minimize(objective, start, method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-9})
        return -result.fun, np.abs(result.x)

    most, at = best({})
    noises = (found.process_noise, found.measurement_noise, found.velocity_spread)
    np.testing.assert_allclose([noise.estimate for noise in noises], at, rtol=1e-4)
    assert found.log_likelihood == pytest.approx(most, abs=1e-6)
    fall = chi2(1).ppf(0.95) / 2
    for i, noise in enumerate(noises):
        for end in noise[1:]:
            assert most - best({i: end})[0] == pytest.approx(fall, abs=1e-3)


def test_the_mean_squared_displacement_gives_slope_and_offset():
    # An expectation: the mean over many particles of what the estimate starts from.
    paths = true_paths(np.arange(4000), 12, True)
    np.testing.assert_allclose(displacement_start(paths), [1.5**2, 2.0**2, 0.3**2], rtol=0.1)


def test_estimates_are_unbiased_and_intervals_hold_the_truth_as_often_as_they_say():
    datasets = 100
    truth = np.array([TRUE["process_noise"], TRUE["measurement_noise"], TRUE["drift_spread"]])
    found = np.array(
        [
            [noise[:3] for noise in (found.process_noise, found.measurement_noise, found.velocity_spread)]
            for d in range(datasets)
            for found in [estimate_noise(true_paths(np.arange(10 * d, 10 * d + 10), 25, True), True)]
        ]
    )
    estimate, lower, upper = found.transpose(2, 0, 1)
    covered = ((lower <= truth) & (truth <= upper)).mean(axis=0)
    # Four standard errors of a binomial fraction; an interval that ends at 0 may hold the truth more often.
    slack = 4 * np.sqrt(0.95 * 0.05 / datasets)
    assert (covered[:2] > 0.95 - slack).all()
    assert (covered[:2] < min(0.95 + slack, 1.0)).all()
    assert covered[2] > 0.95 - slack
    # Variances are what eqs. 2 and 3 are linear in; four standard errors of their mean.
    squares = estimate[:, :2] ** 2
    error = squares.std(axis=0, ddof=1) / np.sqrt(datasets)
    assert (np.abs(squares.mean(axis=0) - truth[:2] ** 2) < 4 * error).all()


def test_a_known_drift_is_kept_and_a_noise_of_zero_is_within_its_interval():
    found = estimate_noise(true_paths(np.arange(10), 25, True, drift_spread=0.0), True, velocity_spread=0.0)
    assert found.velocity_spread == (0.0, 0.0, 0.0)
    still = estimate_noise(true_paths(np.arange(10), 25, True, process_noise=0.0), True)
    assert still.process_noise.lower == 0.0
    exact = estimate_noise(true_paths(np.arange(10), 25, True, measurement_noise=0.0), True)
    assert exact.measurement_noise.lower == 0.0
    assert exact.process_noise.lower < 1.5 < exact.process_noise.upper


@pytest.mark.parametrize(
    ("paths", "fault"),
    [
        (np.zeros((1, 9, 2, 2)), "the tracks do not move"),
        (np.ones((1, 3, 2, 2)).cumsum(axis=1), "3 frames are too few to tell noises apart: 4 are needed"),
    ],
)
def test_what_shows_no_noise_is_refused(paths, fault):
    with pytest.raises(ValueError, match=fault):
        estimate_noise(paths, True)


def test_noises_of_particles_apart_need_no_tracks():
    simulation = simulate(np.arange(5), 30, 3, 1.0, 0.5, 200.0, 0.1, seed=2)
    found = associate(simulation.measurements, simulation.measurements[:, 0], 1, True)
    paths = np.take_along_axis(simulation.measurements, simulation.detection[..., None], axis=2)
    # Track n starts at detection n of frame 0.
    own = np.argsort(simulation.detection[:, 0], axis=1)
    paths = np.take_along_axis(paths, own[:, None, :, None], axis=2)
    assert found.settled
    assert found.noise == estimate_noise(paths, True)
