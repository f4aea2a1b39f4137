"""Scores told apart by how close particles are: at each particle and frame, the link that ends, the track.

Distances are in standard deviations of the innovation, √S_t with S_t = H (F P_{t−1} Fᵀ + Q) Hᵀ + R on one
axis (eqs. 2 to 4): what a filter that knows the noises is uncertain by when it tells detections apart. Arrays
are batched: B experiments, T frames, N particles and as many tracks. Frame 0, where no link ends, does not
enter.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mpt.kalman import Model
from mpt.matching import pairwise_distances


class Counts(NamedTuple):
    """Per experiment and stratum, (B, K): particles and frames, true links and own tracks among them.

    distance: sum of the distances, in standard deviations of the innovation.
    """

    places: np.ndarray
    distance: np.ndarray
    true_links: np.ndarray
    own_tracks: np.ndarray


def scaled_distances(true: np.ndarray, model: Model) -> np.ndarray:
    """Distance (B, T − 1, N) of each particle to the nearest other one, in standard deviations √S_t.

    true: positions (B, T, N, 2), N ≥ 2. model: of the filter whose innovations those are.
    """
    apart = pairwise_distances(true[:, 1:], true[:, 1:])
    particles = np.arange(true.shape[2])
    apart[..., particles, particles] = np.inf
    deviation = np.sqrt(model.riccati(true.shape[1]).innovation_variance[1:])
    return apart.min(axis=-1) / deviation[:, None]


def count(distances: np.ndarray, matching: np.ndarray, edges: Sequence[float]) -> Counts:
    """Count in K = len(edges) + 1 strata: below the first edge, between edges, from the last edge on.

    distances (B, T − 1, N): those of the particles. matching (B, T, N): the particle each track is matched
    to. The link that ends at a particle is true if the track there was with the same particle a frame before.
    """
    # The track that is at each particle.
    there = np.argsort(matching, axis=2)
    true_link = there[:, 1:] == there[:, :-1]
    own_track = there[:, 1:] == np.arange(matching.shape[2])
    stratum = np.searchsorted(edges, distances, side="right")
    inside = stratum[..., None] == np.arange(len(edges) + 1)

    def sums(values: np.ndarray) -> np.ndarray:
        return np.einsum("btn,btnk->bk", values.astype(float), inside)

    return Counts(inside.sum(axis=(1, 2)), sums(distances), sums(true_link), sums(own_track))
