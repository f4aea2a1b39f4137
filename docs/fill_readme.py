"""Write the table of what holds into README.md, from the verdicts of the reference run.

python docs/fill_readme.py [--plain SUFFIX] [--geometric SUFFIX]: the claims about a network are those of
CONCLUSIONS with its suffix. `--check` writes nothing and exits with 1 if the table is another.
"""

import argparse
import csv
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- verdicts: python docs/fill_readme.py -->", "<!-- end of verdicts -->"
# The paper's conclusions, each by the claims that it consists of; None: of operations.
CONCLUSIONS = {
    "Noise known, long sequences: the transformer beats the MHT": ["1a"],
    "Wrong noise: the transformer still beats the MHT (K = 1; K = 8)": ["2c", "3c"],
    "Short sequences: the MHT beats the transformer, whatever it is trained on": ["4c", "5b"],
    "The MHT gets worse with length": ["8a"],
    "The transformer gets better with length": ["8c", "8e"],
    "Six experiments suffice to come within 5 % of the MHT": ["9a"],
    "The MHT's operations explode, the transformer's do not": ["7a", "7c", "7e"],
}
# Claims about the MHT alone, which belong to no network.
OF_NO_NETWORK = ("7a", "8a")
SCORES = ("jaccard", "position_error")
MARKS = {"supported": "✓", "contradicted": "✗", "undecided": "?"}


def table(claims: Path, plain: str, geometric: str) -> str:
    """Return the table as Markdown, from claims.csv; a verdict that is not there is a dash."""
    with claims.open(newline="", encoding="utf-8") as file:
        verdicts = {(row["claim"], row["score"]): row["verdict"] for row in csv.DictReader(file)}
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
        lines.append(f"| {words} | {' | '.join(cells)} |")
    return "\n".join(lines)


def filled(text: str, made: str) -> str:
    """Return the README with the table between its marks; raises ValueError if it lacks them."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"README.md lacks {BEGIN} or {END}")
    return f"{before}{BEGIN}\n\n{made}\n\n{END}{after}"


def _mark(verdicts: dict, name: str, suffix: str, score: str) -> str:
    claim = name if name in OF_NO_NETWORK else name + suffix
    # Counted operations have one verdict.
    for by in (score, "flops"):
        if (claim, by) in verdicts:
            return MARKS[verdicts[claim, by]]
    return "–"


def main() -> None:
    """Fill or check the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plain", default="_plain", metavar="SUFFIX")
    parser.add_argument("--geometric", default="", metavar="SUFFIX")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if it would change")
    arguments = parser.parse_args()
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    made = table(ROOT / "results/reference/claims.csv", arguments.plain, arguments.geometric)
    if arguments.check:
        sys.exit(filled(text, made) != text)
    readme.write_text(filled(text, made), encoding="utf-8")


if __name__ == "__main__":
    main()
