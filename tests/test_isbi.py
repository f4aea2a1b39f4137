"""The measures of the ISBI challenge have their published meaning."""

from itertools import permutations

import numpy as np
import pytest

from mpt.scoring.isbi import isbi_scores


def at(y, frames=6):
    """Return the positions (t, y), t = 0 … 5, of a track that ends after that many frames."""
    positions = np.stack([np.arange(6.0), np.full(6, float(y))], axis=1)
    positions[frames:] = np.nan
    return positions


A, B = at(0), at(20)


@pytest.mark.parametrize(
    ("tracks", "expected"),
    [
        ([A, B], (1, 1, 1, 1)),
        ([B, A], (1, 1, 1, 1)),
        ([at(1), at(22)], (0.7, 0.7, 1, 1)),
        ([A, at(100, frames=3), B], (1, 0.8, 0.8, 2 / 3)),
        ([at(0, frames=4), at(0, frames=0)], (1 / 3, 1 / 3, 1 / 3, 0.5)),
        ([at(0, frames=4)], (1 / 3, 1 / 3, 1 / 3, 0.5)),
        # Nowhere near: both true tracks are missed, both estimated ones spurious.
        ([at(5), at(25)], (0, 0, 0, 0)),
    ],
)
def test_golden_values(tracks, expected):
    true = np.stack([A, B], axis=1)[None]
    score = isbi_scores(np.stack(tracks, axis=1)[None], true)
    np.testing.assert_allclose(np.ravel(score), expected, rtol=1e-12, atol=1e-12)


def test_tracks_are_paired_as_a_trial_of_all_pairings_does():
    rng = np.random.default_rng(0)
    true = rng.normal(scale=4, size=(30, 8, 2, 2))
    estimated = rng.normal(scale=4, size=(30, 8, 3, 2))
    estimated[rng.random(estimated.shape[:-1]) < 0.2] = np.nan
    true[rng.random(true.shape[:-1]) < 0.2] = np.nan
    alpha = isbi_scores(estimated, true, gate=3.0).alpha

    def distance(one, other):
        total = 0.0
        for p, q in zip(one, other, strict=True):
            if not (np.isnan(p[0]) and np.isnan(q[0])):
                total += min(np.nan_to_num(np.linalg.norm(p - q), nan=3.0), 3.0)
        return total

    dummy = np.full((8, 2), np.nan)
    for b in range(30):
        truth, tracks = true[b].swapaxes(0, 1), [*estimated[b].swapaxes(0, 1), dummy, dummy]
        least = min(
            sum(distance(one, tracks[k]) for one, k in zip(truth, chosen, strict=True))
            for chosen in permutations(range(5), 2)
        )
        worst = sum(distance(one, dummy) for one in truth)
        assert alpha[b] == pytest.approx(1 - least / worst, abs=1e-12)
