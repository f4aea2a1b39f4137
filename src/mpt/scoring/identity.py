"""Scores of identity: whether a track stays with one particle, its own or any, over the whole sequence.

Track p starts at particle p's known position, so particle p is its own. Arrays are batched over experiments:
B experiments, T frames, N particles and as many tracks; frame 0, where the positions are known, does not
enter. A matching (B, T, N) is the particle that each track is matched to in each frame.
"""

import numpy as np

from mpt.matching import assign


def identity_position_error(estimated: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Root mean square (B,) over tracks and frames of the distance of track p to particle p.

    estimated and true: positions (B, T, N, 2). Unlike the position error it matches nothing anew, so that
    two tracks that exchange their particles pay for it until they exchange them back.
    """
    squared = np.sum((estimated[:, 1:] - true[:, 1:]) ** 2, axis=-1)
    return np.sqrt(np.mean(squared, axis=(1, 2)))


def own_particle(matching: np.ndarray) -> np.ndarray:
    """Fraction (B,) of tracks and frames in which the track is matched to its own particle."""
    return np.mean(matching[:, 1:] == np.arange(matching.shape[2]), axis=(1, 2))


def idf1(matching: np.ndarray) -> np.ndarray:
    """Identity F1 score (B,) of the tracks, as wholes, against the particles.

    Each track is paired with one particle for the whole sequence, so that the tracks are matched to their
    partners in as many frames as can be, IDTP. In all other frames a track has a false and its partner a
    missing identity, so that IDF1 = 2 IDTP / (2 IDTP + IDFP + IDFN) = IDTP / (N (T − 1)). (Ristani et al.,
    ECCV Workshops 2016, with the matching of the frames in the place of a gate.)
    """
    particles = matching.shape[2]
    together = matching[:, 1:, :, None] == np.arange(particles)
    frames = np.count_nonzero(together, axis=1)
    partner = assign(-frames.astype(float))
    kept = np.take_along_axis(frames, partner[..., None], axis=2)[..., 0]
    return kept.sum(axis=1) / (particles * (matching.shape[1] - 1))
