"""The Kalman filter of eq. 4 for particles that are measured in every frame, and its smoother.

The state is (x, y, dx, dy) with time step 1. F, H, Q and R are Kronecker products with the identity of the
plane: the axes are independent and alike, so that all covariances are those of one axis, with state
(position, velocity). No covariance depends on a measurement: one pass serves every track and every
hypothesis.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from mpt.errors import InputError
from mpt.trackers import limits
from mpt.trackers.limits import PROCESS_NOISE_MODELS

# The variance that the model adds to (position, velocity) in a frame, in units of q².
_NOISY = dict(zip(PROCESS_NOISE_MODELS, ((1.0, 0.0), (1.0, 1.0), (0.0, 1.0)), strict=True))

_TRANSITION = np.array([[1.0, 1.0], [0.0, 1.0]])
_OBSERVATION = np.array([[1.0, 0.0]])
_PLANE = np.eye(2)


class RiccatiPass(NamedTuple):
    """What the filter of one axis weighs by in frames 0 … T − 1; at frame 0, the start, nothing is measured.

    innovation_variance (T,): S, in squared length; nan at frame 0.
    gain (T, 2): K for position and velocity; 0 at frame 0.
    covariance (T, 2, 2): P of (position, velocity) after the frame's measurement.
    """

    innovation_variance: np.ndarray
    gain: np.ndarray
    covariance: np.ndarray


@dataclass(frozen=True)
class Model:
    """x_t = F x_{t−1} + η, z_t = H x_t + ν (eq. 4), from a position at frame 0 and a velocity of 0.

    process_noise q: standard deviation of η, length per frame.
    measurement_noise r: standard deviation of ν, length.
    velocity_spread v: standard deviation of the velocity at frame 0, length per frame.
    process_noise_model: "position" for Q = diag(q², q², 0, 0), exact for Brownian motion with a constant
        drift; "literal" for Q = q² I₄, eq. 4 as written; "velocity" for Q = diag(0, 0, q², q²), a particle
        whose velocity diffuses.
    start: "known" if the position at frame 0 is exact; "measured" if it is a detection, of covariance R.

    Raises InputError if a number is negative, too large or not finite, or if r = q = 0 or r = v = 0 leaves an
    innovation without variance, where the filter is undefined.
    """

    process_noise: float
    measurement_noise: float
    velocity_spread: float
    process_noise_model: str = "position"
    start: str = "known"

    def __post_init__(self) -> None:
        """Check the numbers."""
        if (fault := limits.filter_noise(vars(self), {})) is not None:
            raise InputError(fault)
        if self.start not in ("known", "measured"):
            raise InputError(f"start {self.start!r} is neither 'known' nor 'measured'")

    @property
    def F(self) -> np.ndarray:
        """Transition matrix (4, 4)."""
        return np.kron(_TRANSITION, _PLANE)

    @property
    def H(self) -> np.ndarray:
        """Observation matrix (2, 4)."""
        return np.kron(_OBSERVATION, _PLANE)

    @property
    def Q(self) -> np.ndarray:
        """Process noise covariance (4, 4)."""
        return np.kron(self._process_covariance, _PLANE)

    @property
    def R(self) -> np.ndarray:
        """Measurement noise covariance (2, 2)."""
        return self.measurement_noise**2 * _PLANE

    @property
    def P0(self) -> np.ndarray:
        """Covariance (4, 4) of the state at frame 0."""
        return np.kron(self._initial_covariance, _PLANE)

    @property
    def _process_covariance(self) -> np.ndarray:
        return self.process_noise**2 * np.diag(_NOISY[self.process_noise_model])

    @property
    def _initial_covariance(self) -> np.ndarray:
        position = self.measurement_noise**2 if self.start == "measured" else 0.0
        return np.diag([position, self.velocity_spread**2])

    def riccati(self, frames: int) -> RiccatiPass:
        """Run the covariance recursion of one axis over frames 0 … `frames` − 1."""
        return _riccati(self, frames)


@lru_cache(maxsize=64)
def _riccati(model: Model, frames: int) -> RiccatiPass:
    variance = np.full(frames, np.nan)
    gain = np.zeros((frames, 2))
    covariance = np.empty((frames, 2, 2))
    P = covariance[0] = model._initial_covariance
    for t in range(1, frames):
        P = _TRANSITION @ P @ _TRANSITION.T + model._process_covariance
        variance[t] = P[0, 0] + model.measurement_noise**2
        gain[t] = P[:, 0] / variance[t]
        # Joseph's form: symmetric and positive semidefinite whatever is rounded.
        kept = np.eye(2) - np.outer(gain[t], _OBSERVATION)
        P = kept @ P @ kept.T + model.measurement_noise**2 * np.outer(gain[t], gain[t])
        covariance[t] = P
    for array in (variance, gain, covariance):
        array.flags.writeable = False
    return RiccatiPass(variance, gain, covariance)


def filter_states(
    model: Model, measurements: np.ndarray, initial: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the filtered positions and velocities along tracks.

    measurements (…, T, N, 2) as lengths: each track's own in every frame; frame 0 is not used.
    initial (…, N, 2) as lengths: the positions at frame 0, exact or measured as the model says.
    Returns positions (as lengths) and velocities (length per frame), each (…, T, N, 2).
    """
    riccati = model.riccati(measurements.shape[-3])
    positions, velocities = np.empty_like(measurements), np.empty_like(measurements)
    position, velocity = initial, np.zeros_like(initial)
    positions[..., 0, :, :], velocities[..., 0, :, :] = position, velocity
    for t in range(1, measurements.shape[-3]):
        predicted = position + velocity
        innovation = measurements[..., t, :, :] - predicted
        position = predicted + riccati.gain[t, 0] * innovation
        velocity = velocity + riccati.gain[t, 1] * innovation
        positions[..., t, :, :], velocities[..., t, :, :] = position, velocity
    return positions, velocities


def smooth_positions(model: Model, measurements: np.ndarray, initial: np.ndarray) -> np.ndarray:
    """Return the positions (…, T, N, 2) given all measurements: the Rauch–Tung–Striebel smoother.

    Arguments as in filter_states. It runs in the form of Bryson and Frazier (Bierman 1973), which inverts no
    covariance: the predicted one is singular where the velocity is known exactly.
    """
    riccati = model.riccati(measurements.shape[-3])
    positions, velocities = filter_states(model, measurements, initial)
    # The adjoint state: smoothed = filtered − P · adjoint.
    adjoint_position, adjoint_velocity = np.zeros_like(initial), np.zeros_like(initial)
    smoothed = np.empty_like(positions)
    for t in range(measurements.shape[-3] - 1, -1, -1):
        P = riccati.covariance[t]
        smoothed[..., t, :, :] = (
            positions[..., t, :, :] - P[0, 0] * adjoint_position - P[0, 1] * adjoint_velocity
        )
        if t > 0:
            innovation = (
                measurements[..., t, :, :] - positions[..., t - 1, :, :] - velocities[..., t - 1, :, :]
            )
            adjoint_position = (
                adjoint_position
                - riccati.gain[t, 0] * adjoint_position
                - riccati.gain[t, 1] * adjoint_velocity
                - innovation / riccati.innovation_variance[t]
            )
            adjoint_velocity = adjoint_velocity + adjoint_position
    return smoothed
