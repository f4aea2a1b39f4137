"""What stands on the screen when a run has ended: which claims hold, and does it agree with the reference."""

import csv
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path

from mpt.scoring.definitions import SCORES
from planning.config_files import read, unreadable
from planning.configuration import canonical

# A verdict in a character.
MARKS = {"supported": "✓", "contradicted": "✗", "undecided": "?", "equal": "≈", "too few trainings": "!"}
WIDTH = 79
NO_BREAK = "\N{NO-BREAK SPACE}"


def claims_in_short(path: Path, scores: Sequence[str], copies: Iterable[str]) -> list[str]:
    """Return lines that give each claim its marks, one per score in their order, from the table claims.csv.

    copies: the networks whose claims are named as the others are, with _NETWORK behind.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    marks: dict[str, dict[str, str]] = {}
    for row in rows:
        marks.setdefault(row["claim"], {})[row["score"]] = MARKS.get(row["verdict"], "–")
    scores = [score for score in scores if any(score in found for found in marks.values())]
    by_network: dict[str, list[str]] = {}
    for claim, found in marks.items():
        network = next((name for name in copies if claim.endswith(f"_{name}")), "")
        # Behind the scores is what is counted, which has one verdict.
        order = [*scores, *sorted(set(found) - set(scores))]
        shown = "".join(found[score] for score in order if score in found)
        name = claim.removesuffix(f"_{network}")
        by_network.setdefault(network, []).append(f"{name}{NO_BREAK}{shown}")
    lines = [f"Which claims hold, by {', '.join(SCORES[score].short for score in scores)}:"] if scores else []
    for network, told in by_network.items():
        lines += [f"The same of the {network} network:"] if network else []
        lines += [f"  {line}" for line in textwrap.wrap("  ".join(told), WIDTH - 2)]
    lines.append("  ".join(f"{mark} {verdict}" for verdict, mark in MARKS.items()))
    return [line.replace(NO_BREAK, " ") for line in lines]


def agreement(reference: Path, results: Path, script: Path) -> str:
    """Return in a line whether results agree with the reference run's, by src/compare_results.py.

    Runs of different configs are not compared.
    """
    configs = [directory / "config.yaml" for directory in (reference, results)]
    if any(line for path in configs for line in unreadable(path)):
        return ""
    if canonical(read(configs[0])) != canonical(read(configs[1])):
        return "The config is not that of the reference run, so that the two are not compared."
    report = results / "verification.md"
    command = [sys.executable, script, reference, results, "--output", report]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    said = (done.stdout or done.stderr).strip()
    return f"Against the reference run: {said} ({report})"


def screen(
    claims: Sequence[str], figures: Iterable[str], pictures: Iterable[str], readings: Path, against: str
) -> str:
    """Return the last screen: the lines about claims, the names of the figures, how the run compares.

    pictures are the paths of those that are no study's figures. readings is named only if it is there: the
    run may not have studied them.
    """
    lines = ["Done.", *claims]
    if claims:
        lines.append("Each claim with its effect, interval and controls: results/claims.md")
    if names := ", ".join(figures):
        lines += textwrap.wrap(f"Figures, each with its table: results/figures/ ({names})", WIDTH)
    if paths := ", ".join(pictures):
        lines += textwrap.wrap(f"Other pictures: {paths}", WIDTH, break_on_hyphens=False)
    if readings.exists():
        lines.append(f"Which reading of the paper gives its figures: {readings}")
    lines += [against] if against else []
    lines += ["Everything on one page: add --report results/report.html to the same command."]
    return "\n".join([*lines, "What the names of files mean: docs/glossary.md"])
