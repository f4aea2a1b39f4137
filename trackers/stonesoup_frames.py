"""Stone Soup's tracks over the frames of a sequence, for the trackers that decide each frame by itself."""

from collections.abc import Callable

import numpy as np
from stonesoup.dataassociator.base import DataAssociator
from stonesoup.types.state import GaussianState
from stonesoup.types.track import Track
from stonesoup_model import BEGIN, Filter, detections_at


def link_by_frame(
    points: np.ndarray, kalman: Filter, associator: DataAssociator, update: Callable
) -> tuple[np.ndarray, np.ndarray]:
    """Return which track takes each of the points (T, N, 2), and the tracks' filtered positions (T, N, 2).

    update: decides a frame. It takes what the associator has for each track and the detections' numbers by
    detection, appends to each track its state, and yields pairs of a track and the number of its detection.
    """
    T, N, _ = points.shape
    tracks = [Track([GaussianState([*start, 0.0, 0.0], kalman.covariance, BEGIN)]) for start in points[0]]
    labels = np.full((T, N), -1)
    labels[0] = np.arange(N)
    positions = points.copy()
    for t in range(1, T):
        now, detections = detections_at(t, points[t])
        number = {detection: j for j, detection in enumerate(detections)}
        for track, taken in update(associator.associate(tracks, detections, now), number):
            labels[t, taken] = tracks.index(track)
        positions[t] = [np.asarray(track.state_vector, float)[:2].ravel() for track in tracks]
    return labels, positions
