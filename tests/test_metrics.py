"""The scores of links and positions agree with laptrack, sympy and closed forms."""

from itertools import pairwise

import numpy as np
import pytest
from laptrack.scores import calc_scores
from scipy.optimize import linear_sum_assignment
from sympy.combinatorics import Permutation

from mpt.matching import match, matched_distances
from mpt.scoring import links


def random_walks(rng, experiments, frames, particles, error):
    """Return true positions of particles that meet often, and positions that estimate them."""
    true = np.cumsum(rng.normal(size=(experiments, frames, particles, 2)), axis=1)
    return true + error * rng.normal(size=true.shape), true


def least_distance_matching(estimated, true):
    """Match one frame by scipy."""
    distances = np.linalg.norm(estimated[:, None] - true[None], axis=-1)
    return linear_sum_assignment(distances)[1]


def edges(nodes_by_track):
    """Return the links of tracks given by their node, or None, in each frame, as laptrack takes them."""
    return {
        ((t, start), (t + 1, end))
        for nodes in nodes_by_track
        for t, (start, end) in enumerate(pairwise(nodes))
        if start is not None and end is not None
    }


def jaccard_by_laptrack(true_edges, predicted_edges):
    return calc_scores(list(true_edges), list(predicted_edges), track_scores=False)["Jaccard_index"]


@pytest.mark.parametrize("particles", [1, 2, 3, 4, 5, 7])
def test_link_jaccard_is_that_of_laptrack(particles):
    estimated, true = random_walks(np.random.default_rng(particles), 20, 30, particles, error=1.5)
    score = links.link_jaccard(match(estimated, true))
    true_edges = edges([[p] * 30 for p in range(particles)])
    for b in range(20):
        matching = np.array(
            [least_distance_matching(*pair) for pair in zip(estimated[b], true[b], strict=True)]
        )
        assert score.jaccard[b] == jaccard_by_laptrack(true_edges, edges(matching.T.tolist()))
        assert score.true_positives[b] + score.false_negatives[b] == len(true_edges)
        assert score.false_positives[b] == score.false_negatives[b]


def test_link_jaccard_of_two_particles_follows_from_the_fraction_of_wrong_transitions():
    rng = np.random.default_rng(0)
    wrong = rng.random((50, 40)) < 0.2
    first = np.concatenate([np.zeros((50, 1), int), np.cumsum(wrong, axis=1) % 2], axis=1)
    matching = np.stack([first, 1 - first], axis=2)
    e = wrong.mean(axis=1)
    np.testing.assert_allclose(links.link_jaccard(matching).jaccard, (1 - e) / (1 + e), rtol=1e-12)


def test_gated_jaccard_takes_links_with_a_distant_end_for_wrong():
    estimated, true = random_walks(np.random.default_rng(1), 30, 25, 3, error=1.5)
    matching = match(estimated, true)
    distances = matched_distances(estimated, true, matching)
    jaccard = links.link_jaccard(matching, distances <= 2.0).jaccard
    true_edges = edges([[p] * 25 for p in range(3)])
    for b in range(30):
        # A distant position is a node that no true link has.
        nodes = [
            [
                (int(p) if np.linalg.norm(estimated[b, t, n] - true[b, t, p]) <= 2.0 else f"distant {n}")
                for t, p in enumerate(matching[b, :, n])
            ]
            for n in range(3)
        ]
        assert jaccard[b] == jaccard_by_laptrack(true_edges, edges(nodes))
    assert (jaccard < links.link_jaccard(matching).jaccard).mean() > 0.9


def test_association_jaccard_is_that_of_laptrack():
    rng = np.random.default_rng(2)
    experiments, frames, particles = 40, 20, 3
    detection = rng.permuted(np.tile(np.arange(particles), (experiments, frames, 1)), axis=2)
    # Mostly right, with mistakes, tracks that share a detection and tracks that have none.
    assigned = np.where(
        rng.random(detection.shape) < 0.6, detection, rng.integers(-1, particles, detection.shape)
    )
    assigned[:, 0] = -1
    score = links.association_jaccard(links.detection_owners(assigned, detection))
    for b in range(experiments):
        true_edges = edges(detection[b].T.tolist())
        nodes = assigned[b].T.tolist()
        for track, of_track in enumerate(nodes):
            of_track[0] = int(detection[b, 0, track])
        claimed = edges([[None if d < 0 else d for d in of_track] for of_track in nodes])
        assert score.jaccard[b] == jaccard_by_laptrack(true_edges, claimed)
        assert score.true_positives[b] + score.false_positives[b] == len(claimed)
        assert score.true_positives[b] + score.false_negatives[b] == len(true_edges)


def test_swaps_are_the_transpositions_between_successive_matchings():
    rng = np.random.default_rng(3)
    matching = rng.permuted(np.tile(np.arange(5), (30, 12, 1)), axis=2)
    expected = [
        sum(
            len((~Permutation(before) * Permutation(now)).transpositions())
            for before, now in pairwise(frames)
        )
        for frames in matching.tolist()
    ]
    np.testing.assert_array_equal(links.swaps(matching), expected)


def test_position_error_and_fraction_within_leave_out_the_known_frame():
    true = np.random.default_rng(4).normal(scale=100, size=(3, 6, 2, 2))
    estimated = true + np.array([3.0, 4.0])
    estimated[:, 0] += 1000
    distances = matched_distances(estimated, true, match(estimated, true))
    np.testing.assert_allclose(links.position_error(distances), 5)
    assert links.within_tolerance(distances, 5.001).tolist() == [1, 1, 1]
    assert links.within_tolerance(distances, 4.999).tolist() == [0, 0, 0]
    estimated[0, 3:, 0] = true[0, 3:, 0]
    distances = matched_distances(estimated, true, match(estimated, true))
    assert links.within_tolerance(distances, 4.999)[0] == pytest.approx(3 / 10)
    assert links.position_error(distances)[0] == pytest.approx(5 * np.sqrt(7 / 10))
