"""Stone Soup's joint probabilistic data association (JPDA), Kalman filter of eq. 4; no link is too far.

A track's state is the mean of its updates by all detections, weighted by their probabilities; it has no
detection of its own. Its link is what the most probable permutation of the detections gives it.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np
from following import track_by_flags
from scipy.optimize import linear_sum_assignment
from stonesoup.dataassociator.probability import JPDA
from stonesoup.functions import gm_reduce_single
from stonesoup.types.array import StateVectors
from stonesoup.types.state import GaussianState
from stonesoup.types.track import Track
from stonesoup_frames import link_by_frame
from stonesoup_model import Filter, add_flags, told


def link(points: np.ndarray, kalman: Filter) -> tuple[np.ndarray, np.ndarray]:
    """Return which track takes each of the points (T, N, 2), and the tracks' mean positions (T, N, 2)."""

    def update(associated: dict, number: dict) -> Iterator[tuple[Track, int]]:
        tracks = list(associated)
        probability = np.zeros((len(tracks), len(number)))
        for n, (track, hypotheses) in enumerate(associated.items()):
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
            track.append(GaussianState(mean, covariance, updates[0].timestamp))
        owners, taken = linear_sum_assignment(probability, maximize=True)
        return zip((tracks[n] for n in owners), taken, strict=True)

    return link_by_frame(points, kalman, JPDA(kalman.hypothesiser), update)


def main() -> None:
    """Read the flags, link every experiment."""
    track_by_flags(__file__, __doc__, add_flags, lambda values: partial(link, kalman=told(values)))


if __name__ == "__main__":
    main()
