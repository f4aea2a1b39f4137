"""What each score is: its name, its direction, its unit, its bounds and what it needs of a dataset.

Every table, verdict, picture and check of the config takes what it knows of a score from here. Nothing is
imported that takes time.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Score:
    """What a score is.

    name: in words. short: in a sentence or a table's head. better: +1 if a higher score is better, −1 if a
    lower one is. unit: "" for a number without one. low and high: the least and the greatest value there can
    be. integer: whether it counts. spans_decades: whether it may span powers of ten from one scene to
    another. needs_length: whether it needs a length that the dataset's noises give.
    """

    name: str
    short: str
    better: int
    unit: str = ""
    low: float = 0.0
    high: float = math.inf
    integer: bool = False
    spans_decades: bool = False
    needs_length: bool = False


# In the order of the columns of a table of scores.
SCORES: dict[str, Score] = {
    "true_positives": Score("True links", "true links", 1, integer=True),
    "false_positives": Score("False links", "false links", -1, integer=True),
    "false_negatives": Score("Missed links", "missed links", -1, integer=True),
    "jaccard": Score("Jaccard coefficient JC", "JC", 1, high=1.0),
    "association_jaccard": Score("Association Jaccard coefficient", "association JC", 1, high=1.0),
    "position_error": Score("RMS position error", "position error", -1, "length", spans_decades=True),
    "swaps": Score("Swaps per sequence", "swaps", -1, integer=True),
    "within_tolerance": Score(
        "Fraction within tolerance", "within tolerance", 1, high=1.0, needs_length=True
    ),
    "gated_jaccard": Score("Gated Jaccard coefficient", "gated JC", 1, high=1.0, needs_length=True),
    "isbi_alpha": Score("ISBI α", "ISBI α", 1, high=1.0),
    "isbi_beta": Score("ISBI β", "ISBI β", 1, high=1.0),
    "isbi_jsc": Score("ISBI JSC", "ISBI JSC", 1, high=1.0),
    "isbi_jsc_theta": Score("ISBI JSC of tracks", "ISBI JSC of tracks", 1, high=1.0),
    "gospa": Score("GOSPA", "GOSPA", -1, "length", spans_decades=True, needs_length=True),
    "identity_position_error": Score(
        "RMS distance to the own particle", "identity position error", -1, "length", spans_decades=True
    ),
    "own_particle": Score("Fraction of frames on its own particle", "own particle", 1, high=1.0),
    "idf1": Score("Identity score IDF1", "IDF1", 1, high=1.0),
}


def total_noise(parameters: Mapping) -> float:
    """Return the scale σ_total = √(μ² + σ²) of a dataset, in the unit of the positions.

    It is the standard deviation, per axis, of a detection about the particle's true position one frame
    earlier (eqs. 2 and 3, without the drift): the least innovation a tracker must put up with. parameters:
    the dataset's, with process_noise and measurement_noise.
    """
    return math.hypot(parameters["process_noise"], parameters["measurement_noise"])


def needs_a_length(parameters: Mapping, columns: Iterable[str] = tuple(SCORES)) -> str | None:
    """Say which of these scores cannot be given on a dataset because it has no length to measure by.

    parameters: the dataset's, as total_noise takes them. columns: scores; score.py computes them all. Returns
    None if all can be given.
    """
    if total_noise(parameters) > 0:
        return None
    lacking = [name for name in columns if SCORES[name].needs_length]
    if not lacking:
        return None
    return (
        "process_noise and measurement_noise are both 0: nothing gives "
        f"{', '.join(lacking)} a length; one of the noises must be greater than 0"
    )
