"""Write into README.md and docs/index.md what the reference run found: the table of verdicts.

README.md has the sequence that moves, too. `python docs/fill_verdicts.py --check` writes nothing and exits
with 1 if a page says something else.
"""

import argparse
import csv
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from generated_part import filled  # noqa: E402

from planning.last_screen import MARKS  # noqa: E402

PART = "<!-- verdicts: python docs/fill_verdicts.py -->", "<!-- end of verdicts -->"
# The paper's conclusions, each by the claims that it consists of.
CONCLUSIONS = {
    "Noise known, long sequences: the transformer beats the MHT": ["1a"],
    "Wrong noise, K = 1 and K = 8: the transformer still beats the MHT": ["2c", "3c"],
    "Short sequences: the MHT beats the transformer, whatever it is trained on": ["4c", "5b"],
    "The MHT gets worse with length": ["8a"],
    "The transformer gets better with length": ["8c", "8e"],
    "Six experiments suffice to come within 5 % of the MHT": ["9a"],
    "The MHT's operations explode, the transformer's do not": ["7a", "7c", "7e"],
}
# Claims about the MHT alone, which belong to no network.
OF_NO_NETWORK = ("7a", "8a")
SCORES = ("jaccard", "position_error")
GEOMETRIC = "_geometric"
NOT_JUDGED = "–"
ANIMATION = "sequences/tracks.gif"


def verdicts_of(reference: Path) -> str:
    """Return as Markdown the verdicts of the reference run; one that is not there is a dash."""
    with (reference / "claims.csv").open(newline="", encoding="utf-8") as file:
        verdicts = {(row["claim"], row["score"]): row["verdict"] for row in csv.DictReader(file)}
    plain, geometric = suffixes(claim for claim, _ in verdicts)
    marks = ", ".join(f"{mark} {verdict}" for verdict, mark in MARKS.items())
    parts = [
        f"{marks}, {NOT_JUDGED} not judged; several marks are the parts of a claim.",
        table(verdicts, plain, geometric),
    ]
    if not any(claim.endswith(plain) for claim, _ in verdicts):
        parts.append("The reference run is older than the plain network, which it could not judge.")
    return "\n\n".join(parts)


def animation_of(reference: Path) -> str:
    """Return as Markdown the sequence that moves, if the reference run has one."""
    if not (reference / ANIMATION).exists():
        return ""
    path = (reference / ANIMATION).relative_to(ROOT).as_posix()
    return f"\n\n![One sequence as each tracker sees it; crosses are where two tracks swap]({path})"


def suffixes(claims: Iterable[str]) -> tuple[str, str]:
    """Return what ends the names of claims about the plain and about the geometric network.

    Where no claim is judged once more for the geometric network, the run has that network only.
    """
    return ("", GEOMETRIC) if any(name.endswith(GEOMETRIC) for name in claims) else ("_plain", "")


def table(verdicts: dict[tuple[str, str], str], plain: str, geometric: str) -> str:
    """Return the table of verdicts by claim and score; the claims about a network have its suffix."""
    lines = [
        "| the paper's claim | plain, by links | by position | geometric, by links | by position |",
        "| --- | --- | --- | --- | --- |",
    ]
    for words, names in CONCLUSIONS.items():
        cells = [
            " ".join(_mark(verdicts, name, suffix, score) for name in names)
            for suffix in (plain, geometric)
            for score in SCORES
        ]
        lines.append(f"| {words} ({', '.join(names)}) | {' | '.join(cells)} |")
    return "\n".join(lines)


def _mark(verdicts: dict, name: str, suffix: str, score: str) -> str:
    claim = name if name in OF_NO_NETWORK else name + suffix
    # Counted operations have one verdict.
    for by in (score, "flops"):
        if (claim, by) in verdicts:
            return MARKS[verdicts[claim, by]]
    return NOT_JUDGED


def main() -> None:
    """Fill or check the pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if it would change")
    arguments = parser.parse_args()
    reference = ROOT / "results/reference"
    verdicts = verdicts_of(reference)
    pages = {ROOT / "README.md": verdicts + animation_of(reference), ROOT / "docs/index.md": verdicts}
    new = {page: filled(page, PART, part) for page, part in pages.items()}
    if arguments.check:
        sys.exit(any(text != page.read_text(encoding="utf-8") for page, text in new.items()))
    for page, text in new.items():
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
