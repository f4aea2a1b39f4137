"""The Multiple Hypothesis Tracker against brute force with a plain Kalman filter."""

from itertools import permutations, product

import numpy as np
import pytest

from mpt import mht
from mpt.kalman import Model


def kalman_distances(model: str, q: float, r: float, v: float, start, path):
    """Squared Mahalanobis distances of a path's innovations, by the textbook equations in four dimensions."""
    F = np.eye(4)
    F[0, 2] = F[1, 3] = 1
    H = np.eye(2, 4)
    Q = q**2 * (np.eye(4) if model == "literal" else np.diag([1, 1, 0, 0]))
    R = r**2 * np.eye(2)
    x, P = np.array([*start, 0, 0], float), np.diag([0, 0, v**2, v**2])
    distances = []
    for z in path:
        x, P = F @ x, F @ P @ F.T + Q
        S = H @ P @ H.T + R
        innovation = z - H @ x
        distances.append(innovation @ np.linalg.solve(S, innovation))
        K = P @ H.T @ np.linalg.inv(S)
        x, P = x + K @ innovation, (np.eye(4) - K @ H) @ P
    return distances


def n_scan(model, q, r, v, measurements, initial, lookback):
    """Decide one sequence by going through all hypotheses of every window, each filtered from the start.

    Returns the permutation of each frame 1 … T − 1, the cost, and by frame and track the margin.
    """
    T, N, _ = measurements.shape
    known = {}

    def cost(i, path):
        if (i, path) not in known:
            z = [measurements[t + 1, j] for t, j in enumerate(path)]
            known[i, path] = sum(kalman_distances(model, q, r, v, initial[i], z))
        return known[i, path]

    decided, margins = (), []
    for t in range(1, T):
        window = list(product(permutations(range(N)), repeat=t - len(decided)))
        costs = np.array([sum(cost(i, tuple(p[i] for p in decided + h)) for i in range(N)) for h in window])
        # Hypotheses that are equal by symmetry differ by rounding only.
        best = int(np.flatnonzero(costs <= costs.min() * (1 + 1e-11))[0])
        ready = range(len(window[0])) if t == T - 1 else range(int(len(window[0]) == lookback))
        for k in ready:
            margins.append(
                [
                    min(
                        (c for c, h in zip(costs, window, strict=True) if h[k][i] != window[best][k][i]),
                        default=np.inf,
                    )
                    - costs[best]
                    for i in range(N)
                ]
            )
        decided += window[best][: len(ready)]
    return np.array(decided), costs[best], np.array(margins)


def scenes(rng, sequences, frames, particles, process_noise=1.5, measurement_noise=2.0, spread=3.0):
    steps = rng.normal(0, process_noise, (sequences, frames, particles, 2))
    steps[:, 0] = rng.normal(0, spread, (sequences, particles, 2))
    steps[:, 1:] += rng.normal(0, 0.3, (sequences, 1, particles, 2))
    positions = np.cumsum(steps, axis=1)
    measurements = positions + rng.normal(0, measurement_noise, positions.shape)
    return rng.permuted(measurements, axis=2), positions[:, 0].copy()


@pytest.mark.parametrize("process_noise_model", ["position", "literal"])
@pytest.mark.parametrize(("particles", "frames"), [(1, 4), (2, 6), (3, 5)])
def test_every_lookback_decides_as_brute_force_does(process_noise_model, particles, frames):
    rng = np.random.default_rng(particles)
    measurements, initial = scenes(rng, 6, frames, particles)
    priors = [(1.5, 2.0, 0.3), (0.4, 5.0, 0.0), (6.0, 0.0, 2.0)]
    for lookback in range(1, frames + 2):
        for q, r, v in priors:
            found = mht.track(measurements, initial, lookback, Model(q, r, v, process_noise_model))
            for b in range(len(measurements)):
                detection, cost, margin = n_scan(
                    process_noise_model, q, r, v, measurements[b], initial[b], lookback
                )
                np.testing.assert_array_equal(found.detection[b, 1:], detection)
                np.testing.assert_allclose(found.cost[b], cost, rtol=1e-9)
                np.testing.assert_allclose(found.margin[b, 1:], margin, rtol=1e-9, atol=1e-9)
    assert (found.detection[:, 0] == -1).all()


@pytest.mark.parametrize("lookback", [1, 2, 3, 4])
@pytest.mark.parametrize("particles", [2, 3])
def test_ties_go_to_the_lexicographically_first_hypothesis(particles, lookback):
    rng = np.random.default_rng(1)
    measurements, initial = scenes(rng, 5, 5, particles)
    initial[:] = initial[:, :1]
    measurements[2:, 2] = measurements[2:, 2, :1]
    measurements[4] = 0
    found = mht.track(measurements, initial, lookback, Model(1.5, 2.0, 0.3))
    for b in range(5):
        detection, cost, margin = n_scan("position", 1.5, 2.0, 0.3, measurements[b], initial[b], lookback)
        np.testing.assert_array_equal(found.detection[b, 1:], detection)
        np.testing.assert_allclose(found.cost[b], cost, rtol=1e-9)
        np.testing.assert_allclose(found.margin[b, 1:], margin, rtol=1e-9, atol=1e-9)
    assert (found.margin >= 0).all()


@pytest.mark.parametrize(("particles", "lookback"), [(1, 3), (2, 1), (2, 4), (3, 1), (3, 2), (3, 3)])
def test_sharing_histories_decides_as_filtering_every_hypothesis_anew_does(particles, lookback):
    measurements, initial = scenes(np.random.default_rng(lookback), 20, 12, particles)
    model = Model(1.5, 2.0, 0.3)
    shared = mht.track(measurements, initial, lookback, model, solver="enumerate")
    refiltered = mht.track(measurements, initial, lookback, model, solver="refilter")
    np.testing.assert_array_equal(shared.detection, refiltered.detection)
    np.testing.assert_array_equal(shared.cost, refiltered.cost)
    np.testing.assert_array_equal(shared.margin, refiltered.margin)
