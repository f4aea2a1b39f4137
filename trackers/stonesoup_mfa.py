"""Stone Soup's multi-frame assignment (MFA) with the Kalman filter of eq. 4; no link is too far.

A track is a mixture of its histories of detections over the last frames, of which the best assignment over
all tracks prunes those that disagree with it at the window's first frame. At the end the tracks follow the
most probable histories that share no detection.
"""

import argparse
from functools import partial
from itertools import product

import numpy as np
from following import track_by_flags
from stonesoup.dataassociator.mfa import MFADataAssociator
from stonesoup.hypothesiser.mfa import MFAHypothesiser
from stonesoup.types.mixture import GaussianMixture
from stonesoup.types.numeric import Probability
from stonesoup.types.state import TaggedWeightedGaussianState
from stonesoup.types.track import Track
from stonesoup.types.update import GaussianMixtureUpdate
from stonesoup_model import BEGIN, Filter, detections_at, told
from stonesoup_model import add_flags as add_filter_flags


def link(points: np.ndarray, kalman: Filter, window: int) -> tuple[np.ndarray, np.ndarray]:
    """Return which track takes each of the points (T, N, 2), and the tracks' filtered positions (T, N, 2).

    window: the frames whose assignments are still open.
    """
    T, N, _ = points.shape
    associator = MFADataAssociator(MFAHypothesiser(kalman.hypothesiser), slide_window=window)
    tracks = [Track([_start(start, kalman)]) for start in points[0]]
    # By the history of detections, of each track and frame: where that history's filter has it.
    means: list[list[dict]] = [[{}] for _ in tracks]
    for t in range(1, T):
        now, detections = detections_at(t, points[t])
        for track, hypotheses in associator.associate(tracks, detections, now).items():
            components = [
                kalman.updater.update(hypothesis) if hypothesis else hypothesis.prediction
                for hypothesis in hypotheses
            ]
            track.append(GaussianMixtureUpdate(hypothesis=hypotheses, components=components))
            at = {tuple(component.tag): component.state_vector[:2].ravel() for component in components}
            means[tracks.index(track)].append(at)
    labels = np.full((T, N), -1)
    labels[0] = np.arange(N)
    positions = points.copy()
    for n, history in enumerate(_best_histories(tracks)):
        for t in range(1, T):
            # Its numbers begin at 1; 0 is a missed detection.
            if history[t - 1]:
                labels[t, history[t - 1] - 1] = n
            positions[t, n] = means[n][t][tuple(history[:t])]
    return labels, positions


def _best_histories(tracks: list[Track]) -> list[list[int]]:
    """Return the history of each track, of the most probable combination in which none share a detection."""
    combinations = [
        combination
        for combination in product(*(track.state.components for track in tracks))
        if all(
            len(set(taken)) == len(taken)
            for numbers in zip(*(component.tag for component in combination), strict=True)
            if (taken := [number for number in numbers if number])
        )
    ]
    best = max(combinations, key=lambda each: sum(component.weight.log() for component in each))
    return [component.tag for component in best]


def _start(start: np.ndarray, kalman: Filter) -> GaussianMixture:
    state = TaggedWeightedGaussianState(
        [*start, 0.0, 0.0], kalman.covariance, timestamp=BEGIN, weight=Probability(1), tag=[]
    )
    return GaussianMixture([state])


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of what the filter is told, and --window."""
    add_filter_flags(parser)
    parser.add_argument("--window", type=int, required=True, help="frames whose assignments are still open")


def main() -> None:
    """Read the flags, link every experiment."""
    track_by_flags(
        __file__,
        __doc__,
        add_flags,
        lambda values: partial(link, kalman=told(values), window=values.window),
    )


if __name__ == "__main__":
    main()
