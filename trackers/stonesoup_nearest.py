"""Stone Soup's global nearest neighbour with the Kalman filter of eq. 4; no link is too far."""

from datetime import datetime, timedelta

import numpy as np
from following import parser, track_dataset
from stonesoup.dataassociator.neighbour import GNNWith2DAssignment
from stonesoup.hypothesiser.distance import DistanceHypothesiser
from stonesoup.measures import Mahalanobis
from stonesoup.models.measurement.linear import LinearGaussian
from stonesoup.models.transition.linear import LinearGaussianTimeInvariantTransitionModel
from stonesoup.predictor.kalman import KalmanPredictor
from stonesoup.types.detection import Detection
from stonesoup.types.state import GaussianState
from stonesoup.types.track import Track
from stonesoup.updater.kalman import KalmanUpdater

BEGIN = datetime(2000, 1, 1)
# Never reached: every frame has a detection for each track.
MISSED_DISTANCE = 1e9


def link(points: np.ndarray, process_noise: float, measurement_noise: float, spread: float):
    """Return which track takes each of the points (T, N, 2), and the tracks' filtered positions (T, N, 2).

    process_noise, measurement_noise, spread: standard deviations of a step, of a detection and of the
    velocity at frame 0, as the Multiple Hypothesis Tracker is told; the position at frame 0 is exact.
    """
    T, N, _ = points.shape
    plane = np.eye(2)
    transition = LinearGaussianTimeInvariantTransitionModel(
        np.kron([[1.0, 1.0], [0.0, 1.0]], plane), np.kron(np.diag([process_noise**2, 0.0]), plane)
    )
    observation = LinearGaussian(4, (0, 1), measurement_noise**2 * plane)
    updater = KalmanUpdater(observation)
    hypothesiser = DistanceHypothesiser(
        KalmanPredictor(transition), updater, Mahalanobis(), missed_distance=MISSED_DISTANCE
    )
    associator = GNNWith2DAssignment(hypothesiser)
    covariance = np.kron(np.diag([0.0, spread**2]), plane)
    tracks = [Track([GaussianState([*start, 0.0, 0.0], covariance, BEGIN)]) for start in points[0]]
    labels = np.full((T, N), -1)
    labels[0] = np.arange(N)
    positions = points.copy()
    for t in range(1, T):
        now = BEGIN + timedelta(seconds=t)
        detections = [Detection(point, timestamp=now) for point in points[t]]
        number = {detection: j for j, detection in enumerate(detections)}
        # Stone Soup iterates over sets; a list keeps runs alike.
        for track, hypothesis in associator.associate(tracks, detections, now).items():
            track.append(updater.update(hypothesis))
            n = tracks.index(track)
            labels[t, number[hypothesis.measurement]] = n
            positions[t, n] = track.state_vector[:2].ravel()
    return labels, positions


def main() -> None:
    """Read the flags, link every experiment."""
    flags = parser(__doc__)
    add = flags.add_argument
    add("--process-noise", type=float, required=True, help="of a step [length per frame]")
    add("--measurement-noise", type=float, required=True, help="of a detection [length]")
    add("--velocity-spread", type=float, required=True, help="of the drift [length per frame]")
    values = flags.parse_args()
    values.script = __file__
    noises = values.process_noise, values.measurement_noise, values.velocity_spread
    track_dataset(values, lambda points: link(points, *noises))


if __name__ == "__main__":
    main()
