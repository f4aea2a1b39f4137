"""Tracks as other programs take them: one row for each track in each frame."""

from dataclasses import dataclass

import numpy as np

# Every float64 is told apart from its neighbours by 17 digits, every decimal of 15 digits by its float64.
DIGITS = (15, 16, 17)


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


def in_pixels(lengths: np.ndarray, pixel_size: float) -> np.ndarray:
    """Return lengths, of any shape, in pixels: of the numbers that give the lengths again, the shortest.

    A quotient of float64 is off by its last digit often enough: 21.996 pixels of 0.1 µm would come back as
    21.995999999999995. What was imported in up to 15 digits comes back as it was.
    """
    quotient = lengths / pixel_size
    found = quotient.ravel().copy()
    left = np.arange(found.size)
    for digits in DIGITS:
        rounded = np.array([float(f"{value:.{digits}g}") for value in found[left].tolist()])
        same = rounded * pixel_size == lengths.ravel()[left]
        found[left[same]] = rounded[same]
        left = left[~same]
    return found.reshape(lengths.shape)
