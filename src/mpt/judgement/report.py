"""The verdicts in words: a table with a row per claim, how claims are judged, what each verdict rests on."""

import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mpt.judgement.statistics import LEVEL
from mpt.judgement.trainings import fewest_trainings
from mpt.judgement.verdicts import families
from mpt.scoring.definitions import SCORES

WIDTH = 78
VERDICTS = """\
A claim is **supported** if its effect has the sign that is claimed and p < 0.05, **contradicted** if it has
the other sign and p < 0.05, and otherwise **undecided**, unless the data show that there is no difference
worth the name: it is **equal** if two one-sided tests place the effect within the difference that the config
lets count as none (p < 0.05). The effect is the mean over the points of the figure, unless the claim names
one. A claim that something holds everywhere is also contradicted, whatever the mean, by a single point that
has the other sign with p < 0.05; it is equal only if every point is. A claim that something varies is never
contradicted. Returns, limits and claims with a margin are not tested for being equal."""
TRAININGS = """\
The mean is over all trainings, those that failed too. A training counts as failed if its {score} is worse
than that of the median training of its model by more than {below:g}; the rate of failures has its 95 %
interval by Clopper and Pearson. Where trainings fail at a rate of {rate:.0%}, fewer than {fewest} trainings
may well show none that failed: a verdict in favour of a curve that rests on fewer is **too few trainings**.
A verdict against it stands, since failures that went unseen could only make the curve worse. A trend, a rise
and what else compares a curve's own points is in favour of some of them, and being equal of all. Failures
rarer than that can still go unseen."""
COUNTS = """\
Where operations are counted nothing is sampled, and the counts settle the verdict: an exponential law by
Akaike's criterion, better or worse by more than 2 than a power law; a straight line by its largest deviation;
a crossing by being seen."""
CORRECTION = """\
A p-value is two-sided and corrected by Holm's procedure within its family: all claims about one figure by one
score, with every point of those that something holds everywhere. The tests of equality are corrected in the
same families, among themselves. {families} Among families nothing is corrected. Nor are the intervals: each
is of its effect alone, so that it may exclude 0 where the verdict, which goes by p, is undecided. They are
conservative where a curve has few trainings: whatever trainings differ by counts as spread among
trainings, though part of it is chance of the test sequences. Only a fitted limit has its interval from a
bootstrap instead."""
ALONE = "The interval is of this effect alone and excludes 0; p is corrected and decides"
READING = """\
Below, each effect has its 95 % interval and its corrected p-value. Points: at how many the effect is
significant, corrected for their number, as claimed and otherwise. Mean and median training: that of the curve
against that of what it is compared with. Controls: the mean on the same data, and the verdict with the
control in the place of the curve, its p-value not corrected.

Effects and means are of different samples where sequences of several lengths have different numbers of
experiments: an effect is estimated from the experiments that all lengths have, since only these can be
paired; a mean uses all. So an effect need not be the difference of the means beside it."""


def in_words(ledger: Mapping, rows: Sequence[dict], controls: Sequence[str]) -> str:
    """Return the rows of verdicts.judge_ledger as Markdown, at most 80 columns wide but for user's text."""
    by_claim: dict[str, list[dict]] = {}
    for row in rows:
        by_claim.setdefault(row["claim"], []).append(row)
    scores = [score for score in dict.fromkeys(row["score"] for row in rows) if score != "flops"]
    of_scores = {name: of_claim for name, of_claim in by_claim.items() if of_claim[0]["score"] != "flops"}
    of_counts = {name: of_claim for name, of_claim in by_claim.items() if name not in of_scores}
    parts = ["# Which claims hold"]
    if of_scores:
        head = ["Claim", *(SCORES[score].short for score in scores)]
        body = [
            [name, *({row["score"]: row["verdict"] for row in of_claim}.get(score, "") for score in scores)]
            for name, of_claim in of_scores.items()
        ]
        parts.append(_table(head, body))
    if of_counts:
        body = [[name, of_claim[0]["verdict"]] for name, of_claim in of_counts.items()]
        parts.append(_table(["Claim", "counted operations"], body))
    parts += ["## How they are judged", *_method(ledger, rows), "## The claims"]
    for name, of_claim in by_claim.items():
        parts.append(f"### {name}. {of_claim[0]['statement']}")
        parts.append("\n".join(_item(row, controls) for row in of_claim))
    return "\n\n".join(parts) + "\n"


def _method(ledger: Mapping, rows: Sequence[dict]) -> list[str]:
    paragraphs = [VERDICTS]
    differences: dict[str, Any] = {}
    for claim in ledger["claims"].values():
        differences |= claim.get("equal_within", {})
    if differences:
        told = ", ".join(f"{SCORES[score].short} {_difference(by)}" for score, by in differences.items())
        paragraphs.append(f"Differences that count as none: {told}.")
    for failed in [claim["failed"] for claim in ledger["claims"].values() if "failed" in claim][:1]:
        paragraphs.append(
            TRAININGS.format(
                score=SCORES[failed["score"]].short,
                below=failed["below_median_by"],
                rate=failed["unseen_rate"],
                fewest=fewest_trainings(failed["unseen_rate"]),
            )
        )
    number = len(families(rows))
    counted = "There is one family here." if number == 1 else f"There are {number} families here."
    paragraphs += [COUNTS, CORRECTION.format(families=counted), *READING.split("\n\n")]
    return [_wrapped(text) for text in paragraphs]


def _difference(by: float | Mapping) -> str:
    return f"{100 * by['relative']:g} % of the reference" if isinstance(by, Mapping) else f"{by:g}"


def _item(row: dict, controls: Sequence[str]) -> str:
    """Return what a verdict rests on, as an item of a list."""
    name = "Counted operations" if row["score"] == "flops" else SCORES[row["score"]].short
    parts = []
    if not np.isnan(row["effect"]):
        effect = f"Effect {row['effect']:.3g} [{row['low']:.3g}, {row['high']:.3g}]"
        p = row["corrected_p"]
        if not np.isnan(p):
            effect += ", p < 0.001" if p < 0.001 else f", p = {p:.3f}"
        parts.append(effect + (f" ({row['detail']})" if row["detail"] else ""))
        if p >= 1 - LEVEL and (row["low"] > 0 or row["high"] < 0):
            parts.append(ALONE)
    elif row["detail"]:
        parts.append(row["detail"][:1].upper() + row["detail"][1:])
    if not np.isnan(row["equal_within"]):
        p = row["equal_p"]
        parts.append(
            f"Equal within {row['equal_within']:.2g}: " + ("p < 0.001" if p < 0.001 else f"p = {p:.3f}")
        )
    if row["points"] > 1:
        parts.append(
            f"Points: {row['points_as_claimed']} as claimed, {row['points_otherwise']} otherwise, "
            f"of {row['points']}"
        )
    parts.append(f"Mean {_against(row['mean'], row['reference_mean'])}")
    if row["trainings"] is not None:
        parts.append(f"Median training {_against(row['median'], row['reference_median'])}")
        parts.append(
            f"Failed: {row['failed']} of {row['trainings']} trainings "
            f"[{row['failed_low']:.1%}, {row['failed_high']:.1%}]"
        )
    of_controls = [
        f"{_in_words(control)} {row[f'{control}_mean']:.3g}, {row[f'{control}_verdict']}"
        for control in controls
        if row[f"{control}_verdict"]
    ]
    if of_controls:
        parts.append(f"Controls: {'; '.join(of_controls)}")
    text = f"{name}: **{row['verdict']}**. {'. '.join(parts)}."
    return textwrap.fill(text, WIDTH, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False)


def _in_words(control: str) -> str:
    """Return a control's name, such as oracle_estimate-smoothed, as it is read."""
    return re.sub(r"[_-]", " ", control)


def _against(value: float, reference: float) -> str:
    return f"{value:.3g}" if np.isnan(reference) else f"{value:.3g} against {reference:.3g}"


def _wrapped(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), WIDTH, break_on_hyphens=False)


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Return a table whose columns line up in plain text, too."""
    rows = [[cell.replace("|", "/") for cell in cells] for cells in [head, *body]]
    widths = [max(3, *(len(row[column]) for row in rows)) for column in range(len(head))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |" for row in rows]
    return "\n".join([lines[0], "| " + " | ".join("-" * width for width in widths) + " |", *lines[1:]])
