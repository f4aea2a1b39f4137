"""The part of a page that a script writes, between two marks, and what its tables say."""

import argparse
import re
from collections.abc import Callable
from pathlib import Path


def filled(page: Path, marks: tuple[str, str], made: str) -> str:
    """Return a page's text with what was made between its marks; raises ValueError if it lacks one."""
    begin, end = marks
    before, begun, rest = page.read_text(encoding="utf-8").partition(begin)
    _, ended, after = rest.partition(end)
    if not (begun and ended):
        raise ValueError(f"{page.name} lacks {begin} or {end}")
    return f"{before}{begin}\n\n{made}\n\n{end}{after}"


def scene_of(dataset: str) -> str:
    """Return in words what test set a name such as T8_sigma7 is of; raises ValueError for another name."""
    found = re.match(r"T(\d+)_sigma([\d.]+)", dataset)
    if not found:
        raise ValueError(f"{dataset}: not the name of a test set")
    return f"T = {found[1]}, σ = {found[2]}"


def row(cells: list[str]) -> str:
    """Return a row of a table in Markdown."""
    return f"| {' | '.join(cells)} |"


def fill_from_figures(
    page: Path, marks: tuple[str, str], table: Callable[[list[Path]], str], description: str | None
) -> None:
    """Fill a page with the table of the figures that the command line names."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("figures", type=Path, nargs="+", metavar="FIGURE.csv")
    page.write_text(filled(page, marks, table(parser.parse_args().figures)), encoding="utf-8")
