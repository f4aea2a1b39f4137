"""The law by which a network's error falls with its parameters P and its training experiments D.

L(P, D) = E + A P^(−α) + B D^(−β) (Hoffmann et al. 2022, eq. 2, the paper's reference [16]), where L is the
squared position error less that of a reference on the same sequences. Taking off a constant changes E alone,
and the squared error itself is never negative: so the law is fitted to the squared error, whose logarithm
exists however close to the reference a network comes, and the reference is taken off the E that is found.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import optimize

from mpt.judgement.fits import ALPHA_RANGE, Estimate
from mpt.judgement.statistics import LEVEL, resampled_means

# Residuals of log L beyond which the loss is linear, as Hoffmann et al. have it.
HUBER = 1e-3
# Exponents α and β to start from.
STARTS = ((0.3, 0.3), (0.3, 1.5), (1.5, 0.3), (1.5, 1.5))
# E, A, B, α, β. Four more points than that say something about how well the law fits.
LEAST_POINTS = 9


class Law(NamedTuple):
    """L(P, D) = E + A P^(−α) + B D^(−β); E, A and B in squared length, each with its 95 % interval.

    reference: the reference's mean squared error, which L is counted from.
    """

    E: Estimate
    A: Estimate
    B: Estimate
    alpha: Estimate
    beta: Estimate
    reference: float


def law(
    parameters: np.ndarray,
    experiments: np.ndarray,
    errors: Sequence[np.ndarray],
    reference: np.ndarray,
    resamples: int = 500,
    seed: int = 0,
) -> Law:
    """Fit the law to a grid of G networks, with 95 % intervals by the hierarchical bootstrap.

    parameters, experiments (G,): P and D. errors[g] (R_g, B): mean squared position errors of independent
    trainings; reference (1, B): those of the reference; all paired by sequence. Raises ValueError if the grid
    has fewer than LEAST_POINTS networks, or P or D fewer than three values.
    """
    if len(errors) < LEAST_POINTS or min(len(np.unique(x)) for x in (parameters, experiments)) < 3:
        raise ValueError(
            f"a law of two exponents needs at least {LEAST_POINTS} networks, of three sizes and three "
            "numbers of experiments"
        )
    means = np.array([np.mean(each) for each in [*errors, reference]])
    draws = resampled_means([*errors, reference], resamples, seed)
    fitted = fit(parameters, experiments, means[:-1])
    # A resample's law is sought from that of the data: from all starts it would take four times as long.
    start = [(float(fitted[3]), float(fitted[4]))]
    spread = np.array([fit(parameters, experiments, draw[:-1], start) for draw in draws])
    fitted[0] -= means[-1]
    spread[:, 0] -= draws[:, -1]
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(spread, [tail, 1 - tail], axis=0)
    estimates = [Estimate(*map(float, ends)) for ends in zip(fitted, low, high, strict=True)]
    E, A, B, alpha, beta = estimates
    return Law(E, A, B, alpha, beta, float(means[-1]))


def predicted(found: Law, parameters: np.ndarray, experiments: np.ndarray) -> np.ndarray:
    """Return L(P, D) of a law, in squared length, for parameters and experiments that broadcast together."""
    E, A, B, alpha, beta = (estimate.value for estimate in found[:5])
    return E + A * np.asarray(parameters, float) ** -alpha + B * np.asarray(experiments, float) ** -beta


def fit(
    parameters: np.ndarray,
    experiments: np.ndarray,
    errors: np.ndarray,
    starts: Sequence[tuple[float, float]] = STARTS,
) -> np.ndarray:
    """Return E, A, B, α, β (5,) of the law through positive errors (G,) at P and D (G,).

    It minimises the Huber loss of the residuals of log L, the best of the minima reached from the
    starts, pairs of α and β. These are sought in ALPHA_RANGE: outside of it a term is a constant or a step.
    """
    log_p, log_d, log_errors = np.log(parameters), np.log(experiments), np.log(errors)
    # About the middle of the grid the sizes of the terms depend least on their exponents.
    middle_p, middle_d = log_p.mean(), log_d.mean()
    log_p, log_d = log_p - middle_p, log_d - middle_d
    slopes = np.zeros((len(errors), 5))

    def loss(point: np.ndarray) -> tuple[float, np.ndarray]:
        e, a, b, alpha, beta = point
        terms = np.stack([np.full_like(log_p, e), a - alpha * log_p, b - beta * log_d])
        largest = terms.max(axis=0)
        shares = np.exp(terms - largest)
        total = shares.sum(axis=0)
        residual = largest + np.log(total) - log_errors
        shares /= total
        slopes[:, :3] = shares.T
        slopes[:, 3], slopes[:, 4] = -shares[1] * log_p, -shares[2] * log_d
        within = np.abs(residual) <= HUBER
        huber = np.where(within, residual**2 / 2, HUBER * (np.abs(residual) - HUBER / 2))
        # In units of HUBER², so that the minimiser's tolerances are small against it.
        return float(huber.sum() / HUBER**2), np.clip(residual, -HUBER, HUBER) @ slopes / HUBER**2

    least, most = log_errors.min(), log_errors.max()
    height = np.log(np.ptp(errors) / 2 + 1e-6 * np.exp(most))
    bounds = [(least - 10, most), (least - 20, most + 5), (least - 20, most + 5), ALPHA_RANGE, ALPHA_RANGE]
    reached = [
        optimize.minimize(
            loss,
            [least - 0.1, height, height, alpha, beta],
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": 200, "maxcor": 20},
        )
        for alpha, beta in starts
    ]
    e, a, b, alpha, beta = min(reached, key=lambda result: result.fun).x
    return np.array([np.exp(e), np.exp(a + alpha * middle_p), np.exp(b + beta * middle_d), alpha, beta])
