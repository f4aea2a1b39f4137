"""The most likely association of a sequence as an integer program, which chooses a history for each track."""

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array


def history_costs(measurements, initial, process_noise, measurement_noise, velocity_spread) -> np.ndarray:
    """Return the squared Mahalanobis distances (N, N^(T - 1)); the first frame's digit counts most."""
    F, Q = np.array([[1, 1], [0, 1]]), np.diag([process_noise**2, 0])
    P = np.diag([0, velocity_spread**2])
    N = len(initial)
    position, velocity, cost = initial[:, None], np.zeros((N, 1, 2)), np.zeros((N, 1))
    for detections in measurements[1:]:
        position = position + velocity
        P = F @ P @ F.T + Q
        S = P[0, 0] + measurement_noise**2
        gain = P[:, 0] / S
        P = P - np.outer(gain, P[0])
        innovation = detections - position[:, :, None]
        cost = (cost[:, :, None] + (innovation**2).sum(-1) / S).reshape(N, -1)
        position = (position[:, :, None] + gain[0] * innovation).reshape(N, -1, 2)
        velocity = (velocity[:, :, None] + gain[1] * innovation).reshape(N, -1, 2)
    return cost


def solve(cost: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the least cost at which each detection belongs to one track, and the detections (T - 1, N)."""
    N, histories = cost.shape
    frames = round(np.log(histories) / np.log(N))
    digits = np.stack(np.unravel_index(np.arange(histories), (N,) * frames))
    variable = np.arange(N * histories)
    track, history = np.divmod(variable, histories)
    # Each track has one history; each detection of each frame is in one of those chosen.
    rows = [track, *(N * (1 + k) + digits[k, history] for k in range(frames))]
    entries = np.concatenate(rows), np.tile(variable, 1 + frames)
    once = csr_array((np.ones(len(entries[0])), entries))
    found = milp(
        cost.ravel(),
        integrality=np.ones(len(variable)),
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(once, 1, 1),
        options={"mip_rel_gap": 0},
    )
    assert found.success, found.message
    chosen = np.flatnonzero(found.x > 0.5)
    return found.fun, digits[:, history[chosen]]
