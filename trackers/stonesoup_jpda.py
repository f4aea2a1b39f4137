"""Stone Soup's joint probabilistic data association (JPDA), Kalman filter of eq. 4; no link is too far.

A track's state is the mean of its updates by all detections, weighted by their probabilities; it has no
detection of its own. Its link is what the most probable permutation of the detections gives it.
"""

import numpy as np
from following import parser, track_dataset
from scipy.optimize import linear_sum_assignment
from stonesoup.dataassociator.probability import JPDA
from stonesoup.functions import gm_reduce_single
from stonesoup.types.array import StateVectors
from stonesoup.types.state import GaussianState
from stonesoup.types.track import Track
from stonesoup_model import BEGIN, Filter, add_flags, detections_at, told


def link(points: np.ndarray, kalman: Filter) -> tuple[np.ndarray, np.ndarray]:
    """Return which track takes each of the points (T, N, 2), and the tracks' mean positions (T, N, 2)."""
    T, N, _ = points.shape
    associator = JPDA(kalman.hypothesiser)
    tracks = [Track([GaussianState([*start, 0.0, 0.0], kalman.covariance, BEGIN)]) for start in points[0]]
    labels = np.full((T, N), -1)
    labels[0] = np.arange(N)
    positions = points.copy()
    for t in range(1, T):
        now, detections = detections_at(t, points[t])
        number = {detection: j for j, detection in enumerate(detections)}
        probability = np.zeros((N, N))
        for track, hypotheses in associator.associate(tracks, detections, now).items():
            n = tracks.index(track)
            found = [hypothesis for hypothesis in hypotheses if hypothesis]
            weights = np.array([float(hypothesis.probability) for hypothesis in found])
            updates = [kalman.updater.update(hypothesis) for hypothesis in found]
            for hypothesis, weight in zip(found, weights, strict=True):
                probability[n, number[hypothesis.measurement]] = weight
            mean, covariance = gm_reduce_single(
                StateVectors([update.state_vector for update in updates]),
                np.stack([update.covar for update in updates], axis=2),
                weights / weights.sum(),
            )
            track.append(GaussianState(mean, covariance, now))
            positions[t, n] = np.asarray(mean, float)[:2].ravel()
        owners, taken = linear_sum_assignment(probability, maximize=True)
        labels[t, taken] = owners
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
