"""The exact posterior over associations of a short sequence, and what follows from it: the Bayes reference.

All N!^(T−1) association sequences are weighed, so this is for small N and T. No tracker that links
detections and is told no more makes more true links on average than the decision here, the Multiple
Hypothesis Tracker included: that one decides for the likeliest sequence as a whole, not for the links that
are likely each.
"""

from itertools import permutations, product

import numpy as np

from mpt.errors import InputError
from mpt.kalman import Model, filter_states
from mpt.matching import assign
from mpt.trackers import limits

# Positions of hypotheses held at a time, so that memory does not grow with the number of experiments.
_POSITIONS_AT_A_TIME = 2**21


def association_sequences(frames: int, particles: int) -> np.ndarray:
    """List every association sequence: (H, T, N), the detection of each particle, H = N!^(T−1).

    Frame 0 is the start, where particle p is its own detection p. Raises InputError if there are more than
    limits.LARGEST_POSTERIOR.
    """
    fault = limits.association_sequences({}, {"particles": particles, "frames": frames})
    if fault is not None:
        raise InputError(fault)
    start = tuple(range(particles))
    later = product(permutations(start), repeat=frames - 1)
    return np.array([(start, *sequence) for sequence in later])


def posterior(measurements: np.ndarray, initial: np.ndarray, model: Model) -> np.ndarray:
    """Return the probability (B, H) of each of the association sequences, in their order.

    measurements (B, T, N, 2) and initial (B, N, 2) are positions; frame 0 is not used. All sequences are
    equally likely before anything is measured, and all have the same innovation covariances, so that they
    differ by the squared Mahalanobis distances of their innovations only: p ∝ exp(−½ Σ NIS).
    """
    frames, particles = measurements.shape[1:3]
    sequences = association_sequences(frames, particles)
    variance = model.riccati(frames).innovation_variance[1:, None, None]
    cost = np.empty((len(measurements), len(sequences)))
    at_a_time = max(1, _POSITIONS_AT_A_TIME // sequences.size)
    for begin in range(0, len(measurements), at_a_time):
        some = slice(begin, begin + at_a_time)
        # (b, H, T, N, 2): every particle's detections in every sequence.
        own = np.take_along_axis(measurements[some, None], sequences[None, ..., None], axis=3)
        positions, velocities = filter_states(model, own, initial[some, None])
        innovations = own[:, :, 1:] - positions[:, :, :-1] - velocities[:, :, :-1]
        cost[some] = np.sum(innovations**2 / variance, axis=(2, 3, 4))
    weight = np.exp((cost.min(axis=1, keepdims=True) - cost) / 2)
    return weight / weight.sum(axis=1, keepdims=True)


def link_probabilities(probabilities: np.ndarray, frames: int, particles: int) -> np.ndarray:
    """Return the probability (B, T − 1, N, N) of each link, from those (B, H) of the association sequences.

    Element [b, t, i, j] is the probability that detection i of frame t and detection j of frame t + 1 are
    of the same particle, where detection i of frame 0 is the start of particle i.
    """
    sequences = association_sequences(frames, particles)
    links = np.zeros((len(sequences), frames - 1, particles, particles))
    sequence, frame = np.ogrid[: len(sequences), : frames - 1]
    for p in range(particles):
        links[sequence, frame, sequences[:, :-1, p], sequences[:, 1:, p]] = 1
    return (probabilities @ links.reshape(len(sequences), -1)).reshape(-1, *links.shape[1:])


def most_expected_links(probabilities: np.ndarray) -> np.ndarray:
    """Return the association (B, T, N) with the most expected true links, from the probability of each link.

    probabilities (B, T − 1, N, N) as of link_probabilities. Whatever links the frames before, any
    permutation may link the next two, so each pair of frames is decided by itself. Frame 0 is −1: nothing
    is assigned there.
    """
    following = assign(-probabilities)
    experiments, steps, particles = following.shape
    detection = np.empty((experiments, steps + 1, particles), dtype=np.intp)
    detection[:, 0] = np.arange(particles)
    for t in range(steps):
        detection[:, t + 1] = np.take_along_axis(following[:, t], detection[:, t], axis=1)
    detection[:, 0] = -1
    return detection


def track(measurements: np.ndarray, initial: np.ndarray, model: Model) -> tuple[np.ndarray, np.ndarray]:
    """Decide for the most expected true links, and filter along the decision.

    measurements (B, T, N, 2), initial (B, N, 2). Returns the filtered positions (B, T, N, 2) and the
    detection (B, T, N) assigned to each track, −1 in frame 0.
    """
    frames, particles = measurements.shape[1:3]
    links = link_probabilities(posterior(measurements, initial, model), frames, particles)
    detection = most_expected_links(links)
    own = np.take_along_axis(measurements, np.maximum(detection, 0)[..., None], axis=2)
    return filter_states(model, own, initial)[0], detection
