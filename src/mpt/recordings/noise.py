"""The noises that tracks show: maximum likelihood under eqs. 2–4, with profile-likelihood intervals.

With z_t = y_t + ω_t and y_t = y_{t−1} + ε_t + δ, the steps d_t = z_t − z_{t−1} of one track along one axis
are Gaussian with mean 0 and covariance

    q² I + r² L + v² 1 1ᵀ,

where q, r and v are the standard deviations of ε (process), ω (measurement) and δ (drift), and L is
tridiagonal: 2 on its diagonal, −1 beside it. Where the start is known instead of measured, it adds no noise
to the first step, and the first entry of L is 1. Steps leave out the unknown start without loss: this is the
likelihood with a flat prior of the start. L is diagonal in the sine basis, so that a likelihood costs as much
as its data.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.fft import dst
from scipy.optimize import brentq, minimize

from mpt.errors import InputError

CONFIDENCE = 0.95
# Half of the 95 % quantile of χ² with one degree of freedom: how far the log likelihood falls at an end.
_FALL = 1.9207294103470762
# Three steps tell the three parameters apart.
SHORTEST = 4
# Of the steps' variance: below it, the process noise is called 0. Two noises of 0 have no likelihood.
_SMALLEST = 1e-12


class Noise(NamedTuple):
    """A standard deviation [length, or length per frame] and the ends of its interval."""

    estimate: float
    lower: float
    upper: float


@dataclass(frozen=True)
class NoiseEstimate:
    """The noises of a set of tracks.

    process_noise q, measurement_noise r, velocity_spread v: the last with an interval of no width if it was
    given. log_likelihood: of the steps, at the estimate.
    """

    process_noise: Noise
    measurement_noise: Noise
    velocity_spread: Noise
    log_likelihood: float


class StepLikelihood:
    """The likelihood of the steps of tracks as a function of the variances (q², r², v²)."""

    def __init__(self, paths: np.ndarray, start_measured: bool):
        """Take paths (B, T, N, 2), lengths: the start and then each track's detections."""
        steps = np.diff(paths, axis=1)
        m = steps.shape[1]
        series = steps.transpose(0, 2, 3, 1).reshape(-1, m)
        self.scale = float(np.sqrt(np.mean(series**2)))
        if not 0 < self.scale < np.inf:
            raise InputError("the tracks do not move: no noise can be told from them")
        series = series / self.scale
        self.count = len(series)
        self.eigenvalues, amplitudes = _sine_basis(np.vstack([series, np.ones(m)]), start_measured)
        amplitudes, self.ones = amplitudes[:-1], amplitudes[-1]
        # Only the products of amplitudes matter: as many rows as there are frequencies hold them.
        self.amplitudes = np.asarray(np.linalg.qr(amplitudes, mode="r")) if self.count > m else amplitudes
        self.power = (self.amplitudes**2).sum(axis=0)

    def __call__(self, variances: np.ndarray) -> tuple[float, np.ndarray]:
        """Return minus the log likelihood, but for a constant, and its gradient by (q², r², v²) in scale²."""
        q2, r2, v2 = variances
        spectrum = q2 + r2 * self.eigenvalues
        along = self.ones / spectrum
        shared = float(self.ones @ along)
        ratio = v2 / (1 + v2 * shared)
        projected = self.amplitudes @ along
        squares = float(projected @ projected)
        value = 0.5 * (
            self.count * (np.log(spectrum).sum() + np.log1p(v2 * shared))
            + (self.power / spectrum).sum()
            - ratio * squares
        )
        by_spectrum = 0.5 * (
            self.count / spectrum
            - self.power / spectrum**2
            - self.count * ratio * along**2
            - ratio**2 * along**2 * squares
            + 2 * ratio * along / spectrum * (projected @ self.amplitudes)
        )
        by_drift = 0.5 * (self.count * shared / (1 + v2 * shared) - squares / (1 + v2 * shared) ** 2)
        return value, np.array([by_spectrum.sum(), by_spectrum @ self.eigenvalues, by_drift])

    def log_likelihood(self, variances: np.ndarray) -> float:
        """Return the log likelihood of the steps in their own unit of length."""
        steps = self.count * len(self.eigenvalues)
        return -self(variances)[0] - steps * (0.5 * np.log(2 * np.pi) + np.log(self.scale))


def estimate_noise(
    paths: np.ndarray, start_measured: bool, velocity_spread: float | None = None
) -> NoiseEstimate:
    """Estimate the noises along paths (B, T, N, 2), lengths: each track's start, then its detections.

    start_measured: whether the start is a measurement as the others; it is exact otherwise. velocity_spread:
    v if it is known, length per frame; it is estimated if None.

    An interval holds the values at which the likelihood, at its best over the others, is not less than the
    best by χ²₁'s 95 % quantile. Raises InputError if there are fewer than SHORTEST frames, or if nothing
    moves.
    """
    if paths.shape[1] < SHORTEST:
        raise InputError(f"{paths.shape[1]} frames are too few to tell noises apart: {SHORTEST} are needed")
    likelihood = StepLikelihood(paths, start_measured)
    scale = likelihood.scale
    fixed = {} if velocity_spread is None else {2: (velocity_spread / scale) ** 2}
    start = displacement_start(paths / scale)
    best, least = _minimum(likelihood, fixed, start)
    noises = []
    for i in range(3):
        if velocity_spread is not None and i in fixed:
            noises.append(Noise(velocity_spread, velocity_spread, velocity_spread))
        else:
            ends = _interval(likelihood, fixed, i, best, least)
            noises.append(Noise(*(float(scale * np.sqrt(v)) for v in (_zeroed(i, best[i]), *ends))))
    return NoiseEstimate(
        noises[0], noises[1], noises[2], log_likelihood=float(likelihood.log_likelihood(best))
    )


def displacement_start(paths: np.ndarray) -> np.ndarray:
    """Return (q², r², v²) from the mean squared displacements of paths (B, T, N, 2) at lags 1, 2 and T − 1.

    Per axis these are q² τ + 2 r² + v² τ² at lag τ: slope and offset. What comes out negative becomes small.
    """
    lags = np.array([1, 2, paths.shape[1] - 1])
    squares = np.array([np.mean((paths[:, lag:] - paths[:, :-lag]) ** 2) for lag in lags])
    variances = np.linalg.solve(np.stack([lags, np.full(3, 2), lags**2], axis=1), squares)
    return np.maximum(variances, squares[0] * np.array([1e-3, 1e-3, 1e-6]))


def _sine_basis(series: np.ndarray, start_measured: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the eigenvalues (m,) of L and the amplitudes (n, m) of series (n, m) in its eigenvectors."""
    m = series.shape[1]
    if start_measured:
        return 2 - 2 * np.cos(np.arange(1, m + 1) * np.pi / (m + 1)), dst(series, type=1, norm="ortho")
    # A known start mirrors the steps: L with 1 in its corner is the symmetric part of that of 2 m steps.
    mirrored = np.concatenate([series[:, ::-1], series], axis=1) / np.sqrt(2)
    odd = np.arange(1, 2 * m, 2)
    return 2 - 2 * np.cos(odd * np.pi / (2 * m + 1)), dst(mirrored, type=1, norm="ortho")[:, ::2]


def _minimum(
    likelihood: StepLikelihood, fixed: dict[int, float], start: np.ndarray
) -> tuple[np.ndarray, float]:
    """Return the variances (3,) that maximise the likelihood, and its minus logarithm there."""
    free = [i for i in range(3) if i not in fixed]
    variances = np.array(start, float)
    for i, value in fixed.items():
        variances[i] = value
    if not free:
        return variances, likelihood(variances)[0]

    def objective(values: np.ndarray) -> tuple[float, np.ndarray]:
        at = variances.copy()
        at[free] = values
        value, gradient = likelihood(at)
        return value / likelihood.count, gradient[free] / likelihood.count

    result = minimize(
        objective,
        np.maximum(variances[free], _SMALLEST),
        jac=True,
        method="L-BFGS-B",
        bounds=[(_SMALLEST if i == 0 else 0, None) for i in free],
        options={"ftol": 1e-13, "gtol": 1e-8, "maxiter": 1000, "maxfun": 5000},
    )
    variances[free] = result.x
    return variances, float(result.fun * likelihood.count)


def _interval(
    likelihood: StepLikelihood, fixed: dict[int, float], i: int, best: np.ndarray, least: float
) -> tuple[float, float]:
    """Return the ends of the interval of variance i."""
    smallest = _SMALLEST if i == 0 else 0.0

    near = best

    def excess(variance: float) -> float:
        nonlocal near
        near, value = _minimum(likelihood, {**fixed, i: variance}, near)
        return value - least - _FALL

    lower = smallest
    if best[i] > smallest and excess(smallest) > 0:
        lower = brentq(excess, smallest, best[i], xtol=1e-10, rtol=1e-5)
    near, far = best, max(2 * best[i], 1e-3)
    while excess(far) < 0:
        far *= 2
    return _zeroed(i, lower), brentq(excess, best[i], far, xtol=1e-10, rtol=1e-5)


def _zeroed(i: int, variance: float) -> float:
    """Return a variance, 0 for what is as small as can be looked at."""
    return 0.0 if i == 0 and variance <= _SMALLEST else float(variance)
