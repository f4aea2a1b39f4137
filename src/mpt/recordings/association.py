"""Noises and associations of a movie of which neither is known: each is found from the other in turn."""

from typing import NamedTuple

import numpy as np

from mpt.kalman import Model
from mpt.recordings.noise import NoiseEstimate, estimate_noise
from mpt.trackers import mht

MOST_ROUNDS = 20


class Association(NamedTuple):
    """What came out: the noises, the detections (B, T, N) they were estimated along, and how.

    rounds: how often detections were associated anew. settled: whether the last round changed none.
    """

    noise: NoiseEstimate
    detection: np.ndarray
    rounds: int
    settled: bool


def associate(
    measurements: np.ndarray,
    initial: np.ndarray,
    lookback: int,
    start_measured: bool,
    velocity_spread: float | None = None,
) -> Association:
    """Track with the Multiple Hypothesis Tracker, estimate the noises along its tracks, and so on.

    measurements (B, T, N, 2) and initial (B, N, 2), lengths. lookback: the tracker's K. The first round takes
    the detections that make the steps least, whatever the noise. Where particles come near each other as
    often as not, wrong links shorten steps and the noises come out too small. Raises InputError.
    """
    start = "measured" if start_measured else "known"
    model = Model(1.0, 0.0, 0.0, start=start)
    detection, rounds, settled = None, 0, False
    while rounds < MOST_ROUNDS and not settled:
        decisions = mht.track(measurements, initial, lookback, model, solver="assignment", margins=False)
        rounds += 1
        settled = detection is not None and np.array_equal(decisions.detection, detection)
        detection = decisions.detection
        noise = estimate_noise(decisions.path(measurements, initial), start_measured, velocity_spread)
        estimates = (noise.process_noise, noise.measurement_noise, noise.velocity_spread)
        process_noise, measurement_noise, spread = (each.estimate for each in estimates)
        model = Model(process_noise, measurement_noise, spread, start=start)
    assert detection is not None
    return Association(noise, detection, rounds, settled)
