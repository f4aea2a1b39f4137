"""Tracks are matched to particles by the least sum of distances, as scipy finds it."""

from time import process_time

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from mpt.errors import InputError
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


@pytest.mark.parametrize("particles", [3, 4, 5, 8])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tracks_at_one_point_are_parted_by_their_numbers_and_not_by_rounding(particles, dtype):
    rng = np.random.default_rng(particles)
    for _ in range(200):
        # All permutations cost the same, but for the order in which their terms are added.
        true = (rng.normal(size=(1, 1, particles, 2)) * 10 ** rng.uniform(-3, 6)).astype(dtype)
        estimated = np.repeat(rng.normal(size=(1, 1, 1, 2)), particles, axis=2).astype(dtype)
        assert match(estimated, true)[0, 0].tolist() == list(range(particles))


def test_two_of_many_tracks_at_one_point_take_their_particles_in_order():
    estimated, true = np.random.default_rng(5).normal(size=(2, 1, 300, 9, 2))
    estimated[:, :, 6] = estimated[:, :, 2]
    matching = match(estimated, true)
    assert (matching[..., 2] < matching[..., 6]).all()
    for frame in range(300):
        distances = cdist(estimated[0, frame], true[0, frame])
        rows, columns = linear_sum_assignment(distances)
        assert distances[rows, matching[0, frame]].sum() == pytest.approx(distances[rows, columns].sum())


@pytest.mark.parametrize("particles", [1, 2, 4, 6])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_costs_that_are_no_number_are_refused_by_their_place(particles, value):
    cost = np.ones((3, particles, particles))
    cost[1, 0, particles - 1] = value
    with pytest.raises(InputError, match=rf"\(1, 0, {particles - 1}\) is not finite"):
        assign(cost)
    positions = np.ones((1, 2, particles, 2))
    positions[0, 1, 0] = np.nan
    for pair in ((positions, np.ones_like(positions)), (np.ones_like(positions), positions)):
        with pytest.raises(InputError, match="not finite"):
            match(*pair)


def test_a_hundred_tracks_are_matched_in_a_thousand_frames_in_seconds():
    estimated, true = np.random.default_rng(1).normal(size=(2, 1, 1000, 100, 2))
    match(estimated[:, :1], true[:, :1])  # imports the solver
    begin = process_time()
    matching = match(estimated, true)
    assert process_time() - begin < 5
    assert (np.sort(matching, axis=-1) == np.arange(100)).all()
