"""The columns of a scores table: every score of B experiments, from the tracks and the truth."""

import numpy as np

from mpt.matching import assign, match, pairwise_distances
from mpt.scoring import identity, links
from mpt.scoring.gospa import gospa
from mpt.scoring.isbi import isbi_scores


def score_tracks(
    estimated: np.ndarray,
    assigned: np.ndarray,
    true: np.ndarray,
    detection: np.ndarray,
    measurements: np.ndarray,
    tolerance: float,
) -> dict[str, np.ndarray]:
    """Score tracks; returns one array (B,) per column of a scores table, in its order, without the key.

    estimated, true, measurements: positions (B, T, N, 2). assigned (B, T, N): the detection assigned to
    each track, −1 for none. detection (B, T, N): each particle's detection. tolerance: largest distance of
    a position that follows its particle, for the gated Jaccard, the fraction within, and GOSPA, whose
    cutoff and switching penalty it is, so that a switch costs as much as a particle lost for a frame.

    Frame 0, where the positions are known, is the start of the first link and enters no other score. In an
    experiment whose tracks are assigned no detection at all, the least-distance permutation of the
    detections to the tracks' positions stands in for the association.
    """
    # Of particles (rows) and tracks, once for all scores: they take more time than what is made of them.
    apart = pairwise_distances(true, estimated)
    from_tracks = apart.swapaxes(2, 3)
    matching = assign(from_tracks)
    distances = np.ascontiguousarray(np.take_along_axis(from_tracks, matching[..., None], axis=3)[..., 0])
    kept = links.link_jaccard(matching)
    isbi = isbi_scores(estimated[:, 1:], true[:, 1:], distance=apart[:, 1:])
    unassigned = (assigned[:, 1:] < 0).all(axis=(1, 2))
    if unassigned.any():
        nearest = match(estimated[unassigned], measurements[unassigned])
        assigned = assigned.astype(np.intp)
        assigned[unassigned] = nearest
    owners = links.detection_owners(assigned, detection)
    return {
        **kept._asdict(),
        "association_jaccard": links.association_jaccard(owners).jaccard,
        "position_error": links.position_error(distances),
        "swaps": links.swaps(matching),
        "within_tolerance": links.within_tolerance(distances, tolerance),
        "gated_jaccard": links.link_jaccard(matching, distances <= tolerance).jaccard,
        "isbi_alpha": isbi.alpha,
        "isbi_beta": isbi.beta,
        "isbi_jsc": isbi.jsc,
        "isbi_jsc_theta": isbi.jsc_theta,
        "gospa": gospa(estimated, true, tolerance, tolerance, apart)[:, 1:].mean(axis=1),
        "identity_position_error": identity.identity_position_error(estimated, true),
        "own_particle": identity.own_particle(matching),
        "idf1": identity.idf1(matching),
    }
