"""The paper's motion model (eqs. 2–4) in Stone Soup's classes, with the starts that the trackers are told."""

import argparse
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
from stonesoup.hypothesiser.probability import PDAHypothesiser
from stonesoup.models.measurement.linear import LinearGaussian
from stonesoup.models.transition.linear import LinearGaussianTimeInvariantTransitionModel
from stonesoup.predictor.kalman import KalmanPredictor
from stonesoup.types.detection import Detection
from stonesoup.updater.kalman import KalmanUpdater

BEGIN = datetime(2000, 1, 1)
# Nothing is missed and nothing spurious, as far as its hypothesiser can be told: neither may be impossible.
MISSED, CLUTTER_DENSITY = 1e-9, 1e-30


class Filter(NamedTuple):
    """The Kalman filter of eq. 4: state (x, y, dx, dy), and its covariance (4, 4) at frame 0."""

    predictor: KalmanPredictor
    updater: KalmanUpdater
    covariance: np.ndarray

    @property
    def hypothesiser(self) -> PDAHypothesiser:
        """What gives each detection its likelihood, however far it is.

        Likelihoods are not normalised, so that histories that share no prediction can be compared.
        """
        return PDAHypothesiser(
            self.predictor,
            self.updater,
            clutter_spatial_density=CLUTTER_DENSITY,
            prob_detect=1 - MISSED,
            include_all=True,
            normalise=False,
        )


def kalman_filter(process_noise: float, measurement_noise: float, spread: float) -> Filter:
    """Return the filter that is told these standard deviations: of a step, a detection and the drift.

    They are those that the Multiple Hypothesis Tracker is told; the position at frame 0 is exact.
    """
    plane = np.eye(2)
    transition = LinearGaussianTimeInvariantTransitionModel(
        np.kron([[1.0, 1.0], [0.0, 1.0]], plane), np.kron(np.diag([process_noise**2, 0.0]), plane)
    )
    observation = LinearGaussian(4, (0, 1), measurement_noise**2 * plane)
    covariance = np.kron(np.diag([0.0, spread**2]), plane)
    return Filter(KalmanPredictor(transition), KalmanUpdater(observation), covariance)


def detections_at(t: int, points: np.ndarray) -> tuple[datetime, list[Detection]]:
    """Return the time of frame t and its detections (N, 2), as a list: a set has no fixed order."""
    now = BEGIN + timedelta(seconds=t)
    return now, [Detection(point, timestamp=now) for point in points]


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of what the filter is told."""
    add = parser.add_argument
    add("--process-noise", type=float, required=True, help="of a step [length per frame]")
    add("--measurement-noise", type=float, required=True, help="of a detection [length]")
    add("--velocity-spread", type=float, required=True, help="of the drift [length per frame]")


def told(flags: argparse.Namespace) -> Filter:
    """Return the filter that the flags tell."""
    return kalman_filter(flags.process_noise, flags.measurement_noise, flags.velocity_spread)
