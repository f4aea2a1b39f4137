"""Stone Soup's global nearest neighbour with the Kalman filter of eq. 4; no link is too far."""

import numpy as np
from following import parser, track_dataset
from stonesoup.dataassociator.neighbour import GNNWith2DAssignment
from stonesoup.hypothesiser.distance import DistanceHypothesiser
from stonesoup.measures import Mahalanobis
from stonesoup.types.state import GaussianState
from stonesoup.types.track import Track
from stonesoup_model import BEGIN, Filter, add_flags, detections_at, told

# Never reached: every frame has a detection for each track.
MISSED_DISTANCE = 1e9


def link(points: np.ndarray, kalman: Filter) -> tuple[np.ndarray, np.ndarray]:
    """Return which track takes each of the points (T, N, 2), and the tracks' filtered positions (T, N, 2)."""
    T, N, _ = points.shape
    hypothesiser = DistanceHypothesiser(
        kalman.predictor, kalman.updater, Mahalanobis(), missed_distance=MISSED_DISTANCE
    )
    associator = GNNWith2DAssignment(hypothesiser)
    tracks = [Track([GaussianState([*start, 0.0, 0.0], kalman.covariance, BEGIN)]) for start in points[0]]
    labels = np.full((T, N), -1)
    labels[0] = np.arange(N)
    positions = points.copy()
    for t in range(1, T):
        now, detections = detections_at(t, points[t])
        number = {detection: j for j, detection in enumerate(detections)}
        for track, hypothesis in associator.associate(tracks, detections, now).items():
            track.append(kalman.updater.update(hypothesis))
            n = tracks.index(track)
            labels[t, number[hypothesis.measurement]] = n
            positions[t, n] = track.state_vector[:2].ravel()
    return labels, positions


def main() -> None:
    """Read the flags, link every experiment."""
    flags = parser(__doc__)
    add_flags(flags)
    values = flags.parse_args()
    values.script = __file__
    kalman = told(values)
    track_dataset(values, lambda points: link(points, kalman))


if __name__ == "__main__":
    main()
