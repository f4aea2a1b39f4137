"""How near to its particle a track must be: a multiple of the error that no filter can avoid."""

import math
from collections.abc import Mapping

import numpy as np

from mpt.kalman import Model
from mpt.scoring.definitions import total_noise

# Of the total noise: below it, distances are rounding.
_ROUNDING = 1e-9


def oracle_error(parameters: Mapping) -> float:
    """Return the expected RMS position error of a Kalman filter told the true associations, as a length.

    It is √(mean over frames 1 … T − 1 of tr P_t), P_t the filter's covariance of the position in the plane:
    what `control: oracle` has for a position error, but for chance. Walls of a confinement are not known to
    the filter. parameters: the dataset's, with frames, process_noise and measurement_noise, and where it has
    them drift_spread (else 0) and start (else known).
    """
    if parameters["measurement_noise"] == 0:
        return 0.0
    model = Model(
        parameters["process_noise"],
        parameters["measurement_noise"],
        parameters.get("drift_spread", 0.0),
        start=parameters.get("start", "known"),
    )
    variance = model.riccati(parameters["frames"]).covariance[1:, 0, 0]
    return math.sqrt(2 * float(np.mean(variance)))


def tolerance(multiple: float, parameters: Mapping) -> float:
    """Return `multiple` times the oracle's error, as a length; without any error, what rounding needs.

    parameters: those of oracle_error.
    """
    return max(multiple * oracle_error(parameters), _ROUNDING * total_noise(parameters))
