"""Whether two runs agree: each point of a curve, each verdict, each count of operations.

Trackers that are not trained give the same numbers to the last bit on any machine; trained networks do not,
since their sums are rounded in another order. So two runs agree if their numbers are the same or if each mean
lies within the 95 % interval of the other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mpt.tables.curves import FIT

SAME, WITHIN, DIFFERENT = "same", "within intervals", "different"
ONLY_FIRST, ONLY_SECOND = "only in A", "only in B"
# From the worst to the best.
STATES = (DIFFERENT, ONLY_FIRST, ONLY_SECOND, WITHIN, SAME)


@dataclass(frozen=True)
class Pair:
    """What two runs have for one key: a number or a word each, None where a run has none.

    apart is their distance in half-widths of the wider interval, NaN where nothing is measured.
    """

    key: tuple
    first: object
    second: object
    state: str
    apart: float = np.nan


def same_within_intervals(first: Sequence[float], second: Sequence[float]) -> bool:
    """Whether each mean lies within the other's interval; first and second are (mean, low, high)."""
    (mean, low, high), (other, other_low, other_high) = first, second
    return bool(low <= other <= high and other_low <= mean <= other_high)


def compare_curves(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> list[Pair]:
    """Compare the columns of two tables of curves, point by point: (score, label, x).

    A fitted law is left out: it follows from the points, and has no interval to lie within.
    """
    return _pairs(_points(first), _points(second), _compare_estimates)


def compare_verdicts(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> list[Pair]:
    """Compare the columns of two tables of verdicts, verdict by verdict: (claim, score).

    Verdicts that are the same are within intervals where their effects are; a claim about what is counted has
    no interval and needs the same effect.
    """
    return _pairs(_judged(first), _judged(second), _compare_judged)


def compare_operations(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> list[Pair]:
    """Compare the counts of two tables of operations: (tracker, variant, K). Seconds are the machine's."""
    return _pairs(_counts(first), _counts(second), _compare_counts)


def worst(pairs: Sequence[Pair]) -> str:
    """Return the worst state of pairs, SAME of none."""
    return min((pair.state for pair in pairs), key=STATES.index, default=SAME)


def agree(pairs: Sequence[Pair]) -> bool:
    """Whether every pair is the same or within intervals."""
    return all(pair.state in (SAME, WITHIN) for pair in pairs)


def _pairs(first: Mapping[tuple, object], second: Mapping[tuple, object], compare) -> list[Pair]:
    found = []
    for key in [*first, *(key for key in second if key not in first)]:
        if key not in second:
            found.append(Pair(key, _shown(first[key]), None, ONLY_FIRST))
        elif key not in first:
            found.append(Pair(key, None, _shown(second[key]), ONLY_SECOND))
        else:
            state, apart = compare(first[key], second[key])
            found.append(Pair(key, _shown(first[key]), _shown(second[key]), state, apart))
    return found


def _shown(value: object) -> object:
    """Return what is shown of a value: the verdict, the mean, or the count."""
    return value[0] if isinstance(value, tuple) else value


def _points(rows: Mapping[str, np.ndarray]) -> dict[tuple, tuple]:
    measured = rows["method"] != FIT
    keys = zip(*(rows[name][measured].tolist() for name in ("score", "label", "x")), strict=True)
    values = zip(*(rows[name][measured].tolist() for name in ("mean", "low", "high")), strict=True)
    return dict(zip(keys, values, strict=True))


def _compare_estimates(first: Sequence[float], second: Sequence[float]) -> tuple[str, float]:
    if first == second:
        return SAME, 0.0
    half_width = max(first[2] - first[1], second[2] - second[1]) / 2
    apart = abs(first[0] - second[0]) / half_width if half_width else np.inf
    return (WITHIN if same_within_intervals(first, second) else DIFFERENT), apart


def _judged(rows: Mapping[str, np.ndarray]) -> dict[tuple, tuple]:
    keys = zip(rows["claim"].tolist(), rows["score"].tolist(), strict=True)
    # A masked effect becomes None, and two of them are equal.
    columns = (np.ma.asarray(rows[name]).tolist() for name in ("effect", "low", "high"))
    return dict(zip(keys, zip(rows["verdict"].tolist(), *columns, strict=True), strict=True))


def _compare_judged(first: tuple, second: tuple) -> tuple[str, float]:
    if first == second:
        return SAME, 0.0
    if first[0] != second[0] or None in first or None in second:
        return DIFFERENT, np.nan
    return _compare_estimates(first[1:], second[1:])


def _counts(rows: Mapping[str, np.ndarray]) -> dict[tuple, object]:
    keys = zip(*(rows[name].tolist() for name in ("tracker", "variant", "K")), strict=True)
    return dict(zip(keys, np.ma.asarray(rows["flops"]).tolist(), strict=True))


def _compare_counts(first: object, second: object) -> tuple[str, float]:
    return (SAME if first == second else DIFFERENT), np.nan
