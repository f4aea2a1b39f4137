"""Whether links are true as often as their probabilities say: the reliability of the Bayes reference."""

from typing import NamedTuple

import numpy as np
from scipy.stats import binomtest

from mpt.judgement.statistics import LEVEL


class Reliability(NamedTuple):
    """How often what has a probability happened: by the K bins of it that are not empty, and in all.

    bin: its number, from 0. links: how many are in it. probability: their mean. frequency: the fraction
    that happened, with the ends low and high of its 95 % interval (Wilson 1927). error: the expected
    calibration error, the mean over links of |probability − frequency| of their bin.
    """

    bin: np.ndarray
    links: np.ndarray
    probability: np.ndarray
    frequency: np.ndarray
    low: np.ndarray
    high: np.ndarray
    error: float


def true_links(detection: np.ndarray) -> np.ndarray:
    """Return which links (B, T − 1, N, N) are true of detection (B, T, N), as bayes.link_probabilities does.

    Element [b, t, i, j] is of detection i of frame t, in frame 0 the start of particle i, and detection j of
    frame t + 1.
    """
    particle = np.argsort(detection, axis=2)
    particle[:, 0] = np.arange(detection.shape[2])
    return particle[:, :-1, :, None] == particle[:, 1:, None, :]


def reliability(probabilities: np.ndarray, happened: np.ndarray, bins: int) -> Reliability:
    """Compare probabilities (n,) with whether it happened (n,), by bins of equal width over 0…1."""
    owner = np.digitize(probabilities, np.linspace(0, 1, bins + 1)[1:-1])
    links = np.bincount(owner, minlength=bins)
    filled = np.flatnonzero(links)
    links = links[filled]
    count = np.bincount(owner, happened, minlength=bins)[filled].astype(int)
    probability = np.bincount(owner, probabilities, minlength=bins)[filled] / links
    frequency = count / links
    low, high = zip(
        *(
            binomtest(int(k), int(n)).proportion_ci(LEVEL, "wilson")
            for k, n in zip(count, links, strict=True)
        ),
        strict=True,
    )
    error = float(links @ np.abs(probability - frequency) / links.sum())
    return Reliability(filled, links, probability, frequency, np.array(low), np.array(high), error)
