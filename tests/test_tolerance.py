"""The gate's length against filterpy's covariance, a closed form, and the oracle's own tracks."""

import math

import filterpy.kalman
import numpy as np
import pytest

from mpt import motion
from mpt.kalman import Model, filter_states
from mpt.scoring.tolerance import oracle_error, tolerance

SCENE = {"frames": 8, "process_noise": 1.5, "measurement_noise": 7.0, "drift_spread": 0.4}


@pytest.mark.parametrize("start", ["known", "measured"])
def test_the_oracles_error_is_of_filterpys_covariance(start):
    reference = filterpy.kalman.KalmanFilter(dim_x=2, dim_z=1)
    reference.F, reference.H = np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([[1.0, 0.0]])
    reference.Q, reference.R = np.diag([1.5**2, 0.0]), np.array([[7.0**2]])
    reference.P = np.diag([7.0**2 if start == "measured" else 0.0, 0.4**2])
    variances = []
    for _ in range(1, SCENE["frames"]):
        reference.predict()
        reference.update(np.zeros(1))
        variances.append(reference.P[0, 0])
    # Two axes.
    expected = math.sqrt(2 * np.mean(variances))
    assert oracle_error(SCENE | {"start": start}) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("process", "measurement"), [(1.5, 0.5), (1.5, 7.0), (0.2, 3.0)])
def test_after_long_it_is_that_of_exponential_smoothing(process, measurement):
    # Muth (1960): of a random walk in noise, p² + q² p − q² r² = 0 for the variance p.
    q2, r2 = process**2, measurement**2
    variance = (-q2 + math.sqrt(q2**2 + 4 * q2 * r2)) / 2
    scene = {"frames": 100_000, "process_noise": process, "measurement_noise": measurement, "drift_spread": 0}
    assert oracle_error(scene) == pytest.approx(math.sqrt(2 * variance), rel=1e-3)


def test_it_is_what_the_oracle_has_on_simulations():
    made = motion.simulate(np.arange(4000), particles=1, initial_spread=5, seed=3, **SCENE)
    model = Model(SCENE["process_noise"], SCENE["measurement_noise"], SCENE["drift_spread"])
    positions, _ = filter_states(model, made.measurements, made.positions[:, 0])
    errors = np.sum((positions - made.positions)[:, 1:] ** 2, axis=-1).mean(axis=(1, 2))
    # Five standard errors.
    margin = 5 * errors.std() / math.sqrt(len(errors))
    assert errors.mean() == pytest.approx(oracle_error(SCENE) ** 2, abs=margin)


def test_a_recording_need_not_say_its_drift():
    told = {name: value for name, value in SCENE.items() if name != "drift_spread"}
    assert oracle_error(told) == oracle_error(SCENE | {"drift_spread": 0})


def test_without_noise_only_rounding_is_allowed():
    exact = SCENE | {"measurement_noise": 0}
    assert oracle_error(exact) == 0
    assert 0 < tolerance(2, exact) < 1e-8


def test_the_tolerance_is_a_multiple():
    assert tolerance(2, SCENE) == 2 * oracle_error(SCENE)
