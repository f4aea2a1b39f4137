"""Scores of tracks against the truth: over which links they follow their particles, and how closely.

Arrays are batched over experiments: B experiments, T frames, N particles and as many tracks. Positions and
distances are in the unit of the positions. Links run between successive frames, T − 1 of them per track.
"""

from typing import NamedTuple

import numpy as np


class LinkScore(NamedTuple):
    """True positives, false positives, false negatives and Jaccard coefficient, each (B,)."""

    true_positives: np.ndarray
    false_positives: np.ndarray
    false_negatives: np.ndarray
    jaccard: np.ndarray


def link_jaccard(matching: np.ndarray, counted: np.ndarray | None = None) -> LinkScore:
    """Jaccard coefficient of the links of tracks that stay with their particle.

    matching (B, T, N): the particle each track is matched to. A track's step from one frame to the next is
    a true positive if it stays with the same particle, otherwise one false positive and one false negative:
    JC = TP / (TP + FP + FN).

    counted (B, T, N), optional: whether the track's position may end a true link. The gated Jaccard
    passes the positions that lie within the tolerance of their particle.
    """
    kept = matching[:, 1:] == matching[:, :-1]
    if counted is not None:
        kept &= counted[:, 1:] & counted[:, :-1]
    true_positives = np.count_nonzero(kept, axis=(1, 2))
    wrong = kept[0].size - true_positives
    return LinkScore(true_positives, wrong, wrong, true_positives / (true_positives + 2 * wrong))


def detection_owners(assigned: np.ndarray, detection: np.ndarray) -> np.ndarray:
    """Find the particle whose detection each track was assigned.

    assigned (B, T, N): detection that each track was assigned, −1 for none. detection (B, T, N): detection
    of each particle. Returns (B, T, N) particles, −1 for none. In frame 0, where track p starts at particle
    p's known position, it is p whatever was assigned.
    """
    particle = np.argsort(detection, axis=2)
    owners = np.where(assigned >= 0, np.take_along_axis(particle, np.maximum(assigned, 0), axis=2), -1)
    owners[:, 0] = np.arange(owners.shape[2])
    return owners


def association_jaccard(owners: np.ndarray) -> LinkScore:
    """Jaccard coefficient of the links between detections.

    owners (B, T, N): the particle whose detection each track was assigned, −1 for none. A link is the pair
    of detections at the ends of a track's step and is true if both are the same particle's. A step that
    lacks a detection claims no link; two tracks that share both detections claim the same link, once.
    """
    experiments, frames, particles = owners.shape
    start, end = owners[:, :-1], owners[:, 1:]
    experiment, frame, track = np.nonzero((start >= 0) & (end >= 0))
    claimed = np.zeros((experiments, frames - 1, particles, particles), dtype=bool)
    claimed[experiment, frame, start[experiment, frame, track], end[experiment, frame, track]] = True
    true_positives = np.count_nonzero(np.diagonal(claimed, axis1=2, axis2=3), axis=(1, 2))
    false_positives = np.count_nonzero(claimed, axis=(1, 2, 3)) - true_positives
    false_negatives = (frames - 1) * particles - true_positives
    union = true_positives + false_positives + false_negatives
    return LinkScore(true_positives, false_positives, false_negatives, true_positives / union)


def swaps(matching: np.ndarray) -> np.ndarray:
    """Count the exchanges (B,) of particles between two tracks that explain a matching (B, T, N).

    From one frame to the next the matching changes by a permutation; a cycle of n tracks takes n − 1
    exchanges.
    """
    tracks = matching.shape[2]
    change = np.take_along_axis(matching[:, 1:], np.argsort(matching[:, :-1], axis=2), axis=2)
    first_of_cycle = np.broadcast_to(np.arange(tracks), change.shape)
    for _ in range(tracks - 1):
        first_of_cycle = np.minimum(first_of_cycle, np.take_along_axis(first_of_cycle, change, axis=2))
    return np.count_nonzero(first_of_cycle != np.arange(tracks), axis=(1, 2))


def position_error(distances: np.ndarray) -> np.ndarray:
    """Root mean square (B,) over tracks and frames of the distances (B, T, N) to the matched particles.

    Frame 0, where the positions are known, does not enter.
    """
    return np.sqrt(np.mean(distances[:, 1:] ** 2, axis=(1, 2)))


def within_tolerance(distances: np.ndarray, tolerance: float) -> np.ndarray:
    """Fraction (B,) of the distances (B, T, N), frame 0 left out, that are at most the tolerance."""
    return np.mean(distances[:, 1:] <= tolerance, axis=(1, 2))
