"""Trackers that bound the others: two that do not track, and one that is told every association.

Each returns positions (B, T, N, 2) and the detection (B, T, N) assigned to each track, −1 for none. Like
every tracker they start from the given positions at frame 0, where no detection is assigned.
"""

import numpy as np

from mpt.kalman import Model, filter_states, smooth_positions

ESTIMATES = ("filtered", "smoothed")


def frozen(measurements: np.ndarray, initial: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Stay at the starting positions (B, N, 2) whatever is measured (B, T, N, 2); assign no detection."""
    positions = np.repeat(initial[:, None], measurements.shape[1], axis=1)
    return positions, np.full(positions.shape[:-1], -1)


def random(
    measurements: np.ndarray, initial: np.ndarray, experiments: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Assign the detections (B, T, N, 2) in a random order in every frame and report them as the positions.

    All orders are equally likely. They are drawn from a stream of the seed and the experiment's number
    (B,), so that they are the same whatever other experiments there are.
    """
    detection = np.empty(measurements.shape[:-1], dtype=np.intp)
    for b, experiment in enumerate(experiments):
        generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(int(experiment),)))
        detection[b] = np.argsort(generator.random(detection[b].shape), axis=1)
    return _along(detection, measurements, initial)


def oracle(
    measurements: np.ndarray,
    initial: np.ndarray,
    detection: np.ndarray,
    model: Model,
    estimate: str = "filtered",
) -> tuple[np.ndarray, np.ndarray]:
    """Estimate each particle along its own detections (B, T, N), told the true associations.

    estimate: "filtered", by the Kalman filter, or "smoothed", by the smoother, which knows all measurements.
    """
    own, assigned = _along(detection, measurements, initial)
    if estimate == "smoothed":
        return smooth_positions(model, own, initial), assigned
    if estimate != "filtered":
        raise ValueError(f"estimate {estimate!r} is not one of {ESTIMATES}")
    return filter_states(model, own, initial)[0], assigned


def _along(detection, measurements, initial):
    positions = np.take_along_axis(measurements, detection[..., None].astype(np.intp), axis=2)
    positions[:, 0] = initial
    assigned = detection.copy()
    assigned[:, 0] = -1
    return positions, assigned
