"""Tracks are matched to particles by the least sum of distances, as scipy finds it."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from mpt.matching import assign, match, matched_distances


@pytest.mark.parametrize("particles", [1, 2, 3, 4, 5, 7])
def test_a_frame_is_matched_with_the_least_sum_of_distances(particles):
    estimated, true = np.random.default_rng(particles).normal(size=(2, 10, 8, particles, 2))
    matching = match(estimated, true)
    matched = matched_distances(estimated, true, matching)
    for frame in np.ndindex(10, 8):
        distances = cdist(estimated[frame], true[frame])
        rows, columns = linear_sum_assignment(distances)
        np.testing.assert_array_equal(matching[frame], columns)
        np.testing.assert_allclose(matched[frame], distances[rows, columns], rtol=1e-12)


@pytest.mark.parametrize("particles", [2, 3, 4])
def test_ties_go_to_the_lexicographically_first_permutation(particles):
    cost = np.ones((particles, particles))
    assert assign(cost).tolist() == list(range(particles))
    cost[0, 0] = 2
    # All permutations that do not pair row 0 with column 0 cost the same.
    assert assign(cost).tolist() == [1, 0, *range(2, particles)]
