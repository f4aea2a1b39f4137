"""The scores of identity agree with py-motmetrics, scipy and closed forms."""

import warnings

import motmetrics
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from mpt.matching import match
from mpt.scoring import identity


def random_walks(rng, experiments, frames, particles):
    """Return true positions of particles that meet often, and positions that estimate them."""
    true = np.cumsum(rng.normal(size=(experiments, frames, particles, 2)), axis=1)
    return true + 1.5 * rng.normal(size=true.shape), true


def idf1_by_motmetrics(matching):
    """Return IDF1 of one experiment: matching (T, N), where only matched pairs are near enough."""
    particles = matching.shape[1]
    accumulator = motmetrics.MOTAccumulator(auto_id=True)
    for of_frame in matching[1:]:
        distances = np.full((particles, particles), np.nan)
        distances[of_frame, np.arange(particles)] = 1.0
        accumulator.update(list(range(particles)), list(range(particles)), distances)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = motmetrics.metrics.create().compute(accumulator, metrics=["idf1"])
    return found["idf1"].iloc[0]


@pytest.mark.parametrize("particles", [1, 2, 4, 6])
def test_idf1_is_that_of_motmetrics(particles):
    estimated, true = random_walks(np.random.default_rng(particles), 5, 20, particles)
    matching = match(estimated, true)
    expected = [idf1_by_motmetrics(of_experiment) for of_experiment in matching]
    np.testing.assert_allclose(identity.idf1(matching), expected, rtol=1e-12)


def test_idf1_is_the_best_assignment_of_whole_tracks():
    matching = match(*random_walks(np.random.default_rng(0), 50, 40, 5))
    for of_experiment, found in zip(matching, identity.idf1(matching), strict=True):
        together = np.zeros((5, 5))
        for frame in of_experiment[1:]:
            together[np.arange(5), frame] += 1
        rows, columns = linear_sum_assignment(together, maximize=True)
        assert found == pytest.approx(together[rows, columns].sum() / (5 * 39))


def test_an_exchange_is_paid_for_in_every_frame_that_follows():
    frames, apart = 11, 8.0
    true = np.zeros((1, frames, 2, 2))
    true[:, :, 1, 0] = apart
    estimated = true.copy()
    estimated[:, 4:] = estimated[:, 4:, ::-1]
    matching = match(estimated, true)
    # Frames 1 to 3 of 10 are each track's own, 4 to 10 the other's.
    assert identity.own_particle(matching).tolist() == [0.3]
    assert identity.idf1(matching).tolist() == [0.7]
    assert identity.identity_position_error(estimated, true) == pytest.approx([apart * np.sqrt(0.7)])


def test_a_tracker_that_guesses_is_on_its_own_particle_in_one_frame_of_n():
    rng = np.random.default_rng(1)
    matching = rng.permuted(np.tile(np.arange(3), (400, 50, 1)), axis=2)
    # Three standard errors of a mean of 400 · 49 permutations.
    bound = 3 * np.sqrt(1 / 9 / (400 * 49))
    assert identity.own_particle(matching).mean() == pytest.approx(1 / 3, abs=bound)


def test_the_known_start_does_not_count():
    matching = np.array([[[1, 0], [0, 1], [0, 1]]])
    assert identity.own_particle(matching).tolist() == [1.0]
    assert identity.idf1(matching).tolist() == [1.0]
