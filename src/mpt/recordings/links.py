"""Tracks as other programs take them: one row for each track in each frame."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Links:
    """The n points of all tracks, sorted by track, then frame.

    frame (n,) int64 and position (n, 2) float64: in the movie's own numbers and unit. particle (n,) int64:
    the track. margin (n,) float64: how sure the link from the track's point before is, as twice the log
    likelihood ratio to the best other choice; nan where there is none; None if margins aren't known.
    """

    frame: np.ndarray
    position: np.ndarray
    particle: np.ndarray
    margin: np.ndarray | None

    def by(self, numbers: np.ndarray) -> list[tuple[int, np.ndarray]]:
        """Return each number of frame (n,) or particle (n,) with the points that have it, both in order."""
        order = np.argsort(numbers, kind="stable")
        found, first = np.unique(numbers[order], return_index=True)
        return list(zip(found.tolist(), np.split(order, first[1:]), strict=True))
