"""Stone Soup's global nearest neighbour with the Kalman filter of eq. 4; no link is too far."""

from collections.abc import Iterator
from functools import partial

import numpy as np
from following import track_by_flags
from stonesoup.dataassociator.neighbour import GNNWith2DAssignment
from stonesoup.hypothesiser.distance import DistanceHypothesiser
from stonesoup.measures import Mahalanobis
from stonesoup.types.track import Track
from stonesoup_frames import link_by_frame
from stonesoup_model import Filter, add_flags, told

# Never reached: every frame has a detection for each track.
MISSED_DISTANCE = 1e9


def link(points: np.ndarray, kalman: Filter) -> tuple[np.ndarray, np.ndarray]:
    """Return which track takes each of the points (T, N, 2), and the tracks' filtered positions (T, N, 2)."""
    hypothesiser = DistanceHypothesiser(
        kalman.predictor, kalman.updater, Mahalanobis(), missed_distance=MISSED_DISTANCE
    )

    def update(associated: dict, number: dict) -> Iterator[tuple[Track, int]]:
        for track, hypothesis in associated.items():
            track.append(kalman.updater.update(hypothesis))
            yield track, number[hypothesis.measurement]

    return link_by_frame(points, kalman, GNNWith2DAssignment(hypothesiser), update)


def main() -> None:
    """Read the flags, link every experiment."""
    track_by_flags(__file__, __doc__, add_flags, lambda values: partial(link, kalman=told(values)))


if __name__ == "__main__":
    main()
