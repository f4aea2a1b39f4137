"""The filter and the smoother against filterpy, scipy and conditioning of a joint Gaussian."""

import numpy as np
import pytest
from filterpy.kalman import KalmanFilter
from scipy.linalg import solve_discrete_are

from mpt.errors import InputError
from mpt.kalman import Model, filter_states, smooth_positions

MODELS = [
    Model(1.5, 7.0, 0.1),
    Model(1.5, 2.0, 0.4, "literal"),
    Model(0.3, 0.0, 1.0),
    Model(0.0, 2.0, 0.5),
    Model(1.0, 1.0, 0.0),
    Model(0.4, 3.0, 0.2, "velocity"),
    Model(1.5, 7.0, 0.1, start="measured"),
    Model(0.5, 2.0, 0.3, "velocity", "measured"),
]


def paths(sequences=3, frames=12, particles=2):
    rng = np.random.default_rng(5)
    measurements = rng.normal(0, 10, (sequences, frames, particles, 2))
    return measurements, rng.normal(0, 5, (sequences, particles, 2))


def filterpy_filter(model: Model, start):
    filter = KalmanFilter(dim_x=4, dim_z=2)
    filter.x = np.array([*start, 0, 0])
    filter.P, filter.F, filter.H, filter.Q, filter.R = model.P0, model.F, model.H, model.Q, model.R
    return filter


def test_the_matrices_are_those_of_equation_4():
    model = Model(1.5, 7.0, 0.1)
    state = np.array([3.0, -2.0, 0.5, 0.25])
    np.testing.assert_array_equal(model.F @ state, [3.5, -1.75, 0.5, 0.25])
    np.testing.assert_array_equal(model.H @ state, [3.0, -2.0])
    np.testing.assert_array_equal(model.Q, np.diag([2.25, 2.25, 0, 0]))
    np.testing.assert_array_equal(model.R, np.diag([49.0, 49.0]))
    np.testing.assert_array_equal(model.P0, np.diag([0, 0, 0.1**2, 0.1**2]))
    np.testing.assert_array_equal(Model(1.5, 7.0, 0.1, "literal").Q, 2.25 * np.eye(4))
    np.testing.assert_array_equal(Model(1.5, 7.0, 0.1, "velocity").Q, np.diag([0, 0, 2.25, 2.25]))
    measured = Model(1.5, 7.0, 0.1, start="measured")
    np.testing.assert_array_equal(measured.P0, np.diag([49.0, 49.0, 0.1**2, 0.1**2]))


@pytest.mark.parametrize("model", MODELS)
def test_the_filter_agrees_with_filterpy(model):
    measurements, initial = paths()
    positions, velocities = filter_states(model, measurements, initial)
    riccati = model.riccati(12)
    for b in range(3):
        for n in range(2):
            reference = filterpy_filter(model, initial[b, n])
            np.testing.assert_array_equal(positions[b, 0, n], initial[b, n])
            for t in range(1, 12):
                reference.predict()
                reference.update(measurements[b, t, n])
                np.testing.assert_allclose(positions[b, t, n], reference.x[:2], rtol=1e-9, atol=1e-9)
                np.testing.assert_allclose(velocities[b, t, n], reference.x[2:], rtol=1e-9, atol=1e-9)
                np.testing.assert_allclose(
                    riccati.innovation_variance[t] * np.eye(2), reference.S, rtol=1e-9, atol=1e-12
                )
                np.testing.assert_allclose(
                    np.kron(riccati.covariance[t], np.eye(2)), reference.P, rtol=1e-9, atol=1e-9
                )


@pytest.mark.parametrize("model", [*MODELS[:2], *MODELS[-3:]])
def test_the_smoother_agrees_with_filterpy(model):
    measurements, initial = paths()
    smoothed = smooth_positions(model, measurements, initial)
    for b in range(3):
        for n in range(2):
            reference = filterpy_filter(model, initial[b, n])
            means, covariances = [reference.x], [reference.P]
            for t in range(1, 12):
                reference.predict()
                reference.update(measurements[b, t, n])
                means.append(reference.x)
                covariances.append(reference.P)
            expected, *_ = reference.rts_smoother(np.array(means), np.array(covariances))
            np.testing.assert_allclose(smoothed[b, :, n], expected[:, :2], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("model", MODELS)
def test_the_smoother_is_the_mean_of_the_joint_gaussian_given_all_measurements(model):
    """Also where a predicted covariance is singular, as filterpy's smoother cannot."""
    measurements, initial = paths(frames=6)
    # Positions of one axis, start at 0, as linear functions of the velocity and all noises.
    frames = 6
    sources = np.diag([model.velocity_spread**2, *np.tile([model.process_noise**2] * 2, frames - 1), 0.0])
    if model.process_noise_model == "position":
        sources[2:-1:2] = 0
    if model.process_noise_model == "velocity":
        sources[1:-1:2] = 0
    if model.start == "measured":
        # The last source is by how much the particle is not at the start that was measured.
        sources[-1, -1] = model.measurement_noise**2
    effect = np.zeros((frames, 2, len(sources)))
    effect[0, 1, 0] = effect[0, 0, -1] = 1
    for t in range(1, frames):
        effect[t, 0] = effect[t - 1, 0] + effect[t - 1, 1]
        effect[t, 1] = effect[t - 1, 1]
        effect[t, 0, 2 * t - 1] += 1
        effect[t, 1, 2 * t] += 1
    position = effect[:, 0]
    joint = position @ sources @ position.T
    measured = joint[1:, 1:] + model.measurement_noise**2 * np.eye(frames - 1)
    deviations = measurements[:, 1:] - initial[:, None]
    expected = initial[:, None] + np.einsum(
        "ts,bsnc->btnc", joint[:, 1:] @ np.linalg.inv(measured), deviations
    )
    np.testing.assert_allclose(smooth_positions(model, measurements, initial), expected, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("noise_model", ["literal", "position", "velocity"])
def test_the_covariances_settle_where_the_riccati_equation_says(noise_model):
    model = Model(1.5, 4.0, 0.0, noise_model)
    if noise_model != "position":
        predicted = solve_discrete_are(model.F.T, model.H.T, model.Q, model.R)
    else:
        # The velocity is known: a random walk of each axis.
        predicted = solve_discrete_are(np.eye(2), np.eye(2), model.Q[:2, :2], model.R)
    riccati = model.riccati(400)
    np.testing.assert_allclose(riccati.innovation_variance[-1], predicted[0, 0] + 16, rtol=1e-9)


def test_the_last_smoothed_position_is_the_filtered_one():
    measurements, initial = paths()
    filtered, _ = filter_states(MODELS[0], measurements, initial)
    smoothed = smooth_positions(MODELS[0], measurements, initial)
    np.testing.assert_array_equal(smoothed[:, -1], filtered[:, -1])
    np.testing.assert_allclose(smoothed[:, 0], initial, rtol=1e-12)


@pytest.mark.parametrize(
    ("numbers", "complaint"),
    [
        ((-1.0, 1.0, 1.0), "process noise -1.0"),
        ((1.0, np.nan, 1.0), "measurement noise nan"),
        ((1.0, 1.0, np.inf), "velocity spread inf"),
        ((0.0, 0.0, 1.0), "both 0"),
        ((1e-200, 1e-200, 1.0), "both 0"),
        ((1.0, 1.0, 1.0, "both"), "'both'"),
        ((1.0, 0.0, 0.0, "velocity"), "no variance"),
        ((1.0, 1.0, 1.0, "position", "guessed"), "'guessed'"),
    ],
)
def test_undefined_models_are_refused(numbers, complaint):
    with pytest.raises(InputError, match=complaint):
        Model(*numbers)
