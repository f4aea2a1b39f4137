"""Readings of the paper: choices that are crossed, and which of its claims hold under each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mpt.judgement.claims import SUPPORTED

CURVE, REFERENCE = "curve", "reference"


@dataclass(frozen=True)
class Reading:
    """A choice, and what is found under it.

    choice: a value of each axis. information: whether networks and trackers see as much of the future.
    verdicts: by score and claim. levels: by score, the means of a claim's curve, reference and controls, None
    where there is none.
    """

    choice: tuple[str, ...]
    information: str
    verdicts: Mapping[str, Mapping[str, str]]
    levels: Mapping[str, Mapping[str, float | None]]

    def held(self, score: str) -> list[str]:
        """Return the claims that hold by a score."""
        return [claim for claim, verdict in self.verdicts[score].items() if verdict == SUPPORTED]

    def failed(self, score: str) -> dict[str, str]:
        """Return the verdicts of the claims that do not hold by a score."""
        return {claim: found for claim, found in self.verdicts[score].items() if found != SUPPORTED}


def readings(
    rows: Mapping[str, np.ndarray],
    axes: Sequence[str],
    controls: Sequence[str],
    claims: Sequence[str],
    shown: str,
    parts: Sequence[str],
) -> list[Reading]:
    """Return the readings of some parts of a table of choices, in its order.

    claims: those that count, in order. shown: the claim whose levels are kept.
    """
    found: dict[tuple, dict] = {}
    masked = {name: np.ma.getmaskarray(column) for name, column in rows.items()}
    columns = {CURVE: "mean", REFERENCE: "reference_mean"} | {name: f"{name}_mean" for name in controls}
    for place, (part, claim, score) in enumerate(
        zip(rows["part"], rows["claim"], rows["score"], strict=True)
    ):
        if part not in parts or claim not in claims:
            continue
        choice = tuple(str(rows[axis][place]) for axis in axes)
        of_choice = found.setdefault(choice, {"verdicts": {}, "levels": {}})
        of_choice["information"] = str(rows["information"][place])
        of_choice["verdicts"].setdefault(score, {})[claim] = str(rows["verdict"][place])
        if claim == shown:
            of_choice["levels"][score] = {
                name: None if masked[column][place] else float(rows[column][place])
                for name, column in columns.items()
            }
    return [
        Reading(
            choice,
            each["information"],
            {
                score: {claim: verdicts[claim] for claim in claims if claim in verdicts}
                for score, verdicts in each["verdicts"].items()
            },
            each["levels"],
        )
        for choice, each in found.items()
    ]


def ranked(found: Sequence[Reading], scores: Sequence[str]) -> list[Reading]:
    """Return readings by how many claims hold by the first score, then by the next, then as they come."""
    return sorted(found, key=lambda reading: [-len(reading.held(score)) for score in scores])


def turned(found: Sequence[Reading], axis: int, value: str, other: str, score: str) -> tuple[int, float]:
    """Return how many pairs of readings differ in this axis only, by these values, and how much that turns.

    That is the number of claims whose verdicts by the score differ, on average over the pairs; NaN without a
    pair.
    """
    of_choice = {reading.choice: reading.verdicts.get(score, {}) for reading in found}
    counts = []
    for choice, verdicts in of_choice.items():
        partner = of_choice.get((*choice[:axis], other, *choice[axis + 1 :]))
        if choice[axis] == value and partner is not None:
            counts.append(
                sum(partner[claim] != verdict for claim, verdict in verdicts.items() if claim in partner)
            )
    return len(counts), float(np.mean(counts)) if counts else np.nan
