"""Which choices test a claim: not those that compare a tracker with itself, nor the same one twice."""

from collections.abc import Hashable, Mapping, Sequence

import numpy as np

ITSELF = "compared with itself"
# What a claim's verdict rests on; the controls are only shown beside it.
COMPARED = ("effect", "low", "high", "p", "mean", "reference_mean", "verdict")


def of_itself(rows: Mapping[str, np.ndarray], axes: Sequence[str]) -> np.ndarray:
    """Say of each row (R,) of a table of choices whether the claim compares a tracker with itself there.

    No sequence differs then, by any score: the means are the same, and the interval of their difference is
    the point 0.
    """
    none = (rows["effect"] == 0) & (rows["low"] == 0) & (rows["high"] == 0)
    same = np.ma.filled(none & (rows["mean"] == rows["reference_mean"]), False)
    places = list(zip(*(rows[name] for name in ("part", *axes, "claim")), strict=True))
    differing = {place for place, alike in zip(places, same, strict=True) if not alike}
    return np.array([place not in differing for place in places])


def findings(rows: Mapping[str, np.ndarray], axes: Sequence[str], part: str) -> dict[str, dict[tuple, tuple]]:
    """Return, by claim and by choice, what the claim's verdicts in a part rest on, over all scores."""
    columns = [rows[name].tolist() for name in ("part", "claim", "score", *COMPARED)]
    choices = zip(*(rows[name] for name in axes), strict=True)
    found: dict[str, dict[tuple, tuple]] = {}
    for choice, (of_part, claim, *finding) in zip(choices, zip(*columns, strict=True), strict=True):
        if of_part == part:
            of_claim = found.setdefault(claim, {})
            of_claim[choice] = (*of_claim.get(choice, ()), *finding)
    return found


def distinct(found: Mapping[tuple, Hashable]) -> list[tuple]:
    """Return the choices that differ in an axis that matters; of those that differ in none, the first.

    found has a choice, a value of each axis, and what is found under it. An axis does not matter if, all
    others held, nothing that is found ever changes along it. Two choices are not one only because
    the same happens to be found under both.
    """
    firsts = {choice: choice for choice in found}
    for axis in reversed(range(len(next(iter(found), ())))):
        held: dict[tuple, list] = {}
        for choice, first in firsts.items():
            held.setdefault((*choice[:axis], *choice[axis + 1 :]), []).append(first)
        if all(len({found[first] for first in alike}) == 1 for alike in held.values()):
            firsts = {choice: alike[0] for choice, alike in held.items()}
    return list(firsts.values())
