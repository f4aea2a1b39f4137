"""GOSPA with switching is that of Stone Soup."""

from datetime import datetime, timedelta

import numpy as np
import pytest
from stonesoup.metricgenerator.ospametric import GOSPAMetric
from stonesoup.types.groundtruth import GroundTruthPath, GroundTruthState
from stonesoup.types.state import State
from stonesoup.types.track import Track

from mpt.scoring.gospa import gospa


def gospa_by_stone_soup(estimated, true, cutoff, switching_penalty):
    """Score one experiment, positions (T, N, 2), in every frame."""
    start = datetime(2024, 1, 1)
    times = [start + timedelta(seconds=t) for t in range(len(true))]

    def paths(kind, state, positions):
        return [
            kind([state(position, timestamp=time) for position, time in zip(path, times, strict=True)])
            for path in positions.swapaxes(0, 1)
        ]

    metric = GOSPAMetric(p=2, c=cutoff, switching_penalty=switching_penalty)
    found = metric.compute_over_time(
        *metric.extract_states(paths(Track, State, estimated), True),
        *metric.extract_states(paths(GroundTruthPath, GroundTruthState, true), True),
    )
    return [single.value["distance"] for single in found.value]


@pytest.mark.parametrize("particles", [1, 2, 3, 6])
def test_random_tracks_score_as_in_stone_soup(particles):
    rng = np.random.default_rng(particles)
    true = np.cumsum(rng.normal(size=(8, 25, particles, 2)), axis=1)
    # Errors about as large as the cutoff: tracks are lost, found again and exchanged.
    estimated = true + 1.5 * rng.normal(size=true.shape)
    found = gospa(estimated, true, cutoff=2.0, switching_penalty=1.3)
    assert found.shape == (8, 25)
    for b in range(8):
        np.testing.assert_allclose(found[b], gospa_by_stone_soup(estimated[b], true[b], 2.0, 1.3), rtol=1e-9)


def test_one_exchange_of_two_exact_tracks_costs_two_switches_once():
    true = np.tile([[0.0, 0.0], [50.0, 0.0]], (1, 5, 1, 1))
    estimated = true.copy()
    estimated[0, 3:] = true[0, 3:, ::-1]
    expected = [0, 0, 0, 7 * np.sqrt(2), 0]
    np.testing.assert_allclose(gospa(estimated, true, cutoff=5.0, switching_penalty=7.0)[0], expected)
