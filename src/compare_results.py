"""Hold two directories of results together: do the runs agree in each point, each verdict and each count?

A and B are a run's results/ each, or results/reference. Two numbers are the same (to the last bit), within
intervals (each mean lies within the other's 95 % interval) or different. Processor seconds belong to the
machine and are not compared. Exit status: 0 if the runs agree, 1 if anything differs beyond the intervals, 2
if the input is wrong.
"""

import os
import sys
from collections import Counter
from pathlib import Path

import numpy as np

import pictures
from command_line import ArgumentParser, InputError, existing_directory, output_file, positive_int, run
from mpt.drawing.comparison import draw_comparison
from mpt.judgement import agreement
from mpt.judgement.agreement import DIFFERENT, ONLY_FIRST, ONLY_SECOND, SAME, STATES, WITHIN, Pair
from mpt.tables.curves import CURVES
from mpt.tables.files import Table, TableReader, column_names, with_columns
from mpt.tables.operations import OPERATIONS
from mpt.tables.verdicts import claim_controls, verdicts_table

# Lines of a list of differences; more are counted.
LISTED = 25


def main() -> None:
    """Read the flags, compare, write the report and the picture; exit with 1 if the runs differ."""
    parser = ArgumentParser(description=__doc__)
    add = parser.add_argument
    add(
        "first",
        type=existing_directory,
        metavar="A",
        help="a directory of results, such as results/reference",
    )
    add("second", type=existing_directory, metavar="B", help="the directory to hold against it")
    add("--output", type=output_file, required=True, metavar="F.md", help="the report, as Markdown")
    add("--picture", type=output_file, metavar="F", help="both runs' curves overlaid (.png, .pdf or .svg)")
    add("--dots-per-inch", type=positive_int, default=110, help="resolution of a PNG (default: 110)")
    arguments = parser.parse_args()
    if arguments.picture is not None:
        pictures.check_suffixes([arguments.picture])

    compared, curves = compare(arguments.first, arguments.second)
    if arguments.picture is not None and curves:
        different = {
            name: [p.key for p in compared[f"figures/{name}"] if p.state == DIFFERENT] for name in curves
        }
        pictures.save(draw_comparison(curves, different), [arguments.picture], arguments.dots_per_inch)
    link = (
        os.path.relpath(arguments.picture, arguments.output.parent) if arguments.picture and curves else None
    )
    text = in_words(arguments.first, arguments.second, compared, link)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(text, encoding="utf-8")
    print(text.split("\n\n")[1])
    if not all(agreement.agree(pairs) for pairs in compared.values()):
        sys.exit(1)


def compare(first: Path, second: Path) -> tuple[dict[str, list[Pair]], dict[str, tuple]]:
    """Compare two directories of results.

    Returns the pairs of each table by its path without suffix, and for each figure that both runs have the
    columns of both tables. Raises InputError for a table that is not sound, or if the runs share none.
    """
    names = [_tables(directory) for directory in (first, second)]
    if not names[0].keys() & names[1].keys():
        raise InputError(f"{first} and {second}: have no table in common (figures/*.parquet, claims.parquet)")
    compared, curves = {}, {}
    for name in sorted(names[0].keys() | names[1].keys()):
        if not (name in names[0] and name in names[1]):
            state = ONLY_FIRST if name in names[0] else ONLY_SECOND
            compared[name] = [Pair((), None, None, state)]
            continue
        table = names[0][name]
        if names[1][name].name != table.name:
            raise InputError(
                f"{second / name}.parquet: is a table of {names[1][name].name}, not {table.name}"
            )
        rows = []
        for directory, of_run in zip((first, second), names, strict=True):
            with TableReader(directory / f"{name}.parquet", of_run[name]) as reader:
                rows.append(reader.read())
        compared[name] = COMPARISONS[table.name](*rows)
        if table.name == CURVES.name:
            curves[Path(name).name] = tuple(rows)
    return compared, curves


COMPARISONS = {
    CURVES.name: agreement.compare_curves,
    "verdicts": agreement.compare_verdicts,
    OPERATIONS.name: agreement.compare_operations,
}


def in_words(first: Path, second: Path, compared: dict[str, list[Pair]], picture: str | None) -> str:
    """Return the report as Markdown; its second paragraph says in a line whether the runs agree.

    picture is the link to it from the report, None if there is none.
    """
    everything = [pair for pairs in compared.values() for pair in pairs]
    counts = Counter(pair.state for pair in everything)
    agrees = all(agreement.agree(pairs) for pairs in compared.values())
    said = ", ".join(f"{counts[state]} {state}" for state in reversed(STATES) if counts[state])
    lines = [
        f"# {_cell(str(first))} (A) against {_cell(str(second))} (B)",
        "",
        f"The runs {'agree' if agrees else 'differ'}: {said}.",
        "",
        f"| table | {SAME} | {WITHIN} | {DIFFERENT} | only in one | largest distance |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, pairs in compared.items():
        of_table = Counter(pair.state for pair in pairs)
        only = of_table[ONLY_FIRST] + of_table[ONLY_SECOND]
        apart = [pair.apart for pair in pairs if np.isfinite(pair.apart)]
        distance = f"{max(apart):.2g} half-widths" if apart else ""
        lines.append(
            f"| {_cell(name)} | {of_table[SAME]} | {of_table[WITHIN]} | {of_table[DIFFERENT]} | {only} "
            f"| {distance} |"
        )
    differences = [
        (name, pair) for name, pairs in compared.items() for pair in pairs if not agreement.agree([pair])
    ]
    if differences:
        lines += ["", "What differs:", "", "| table | row | A | B | |", "| --- | --- | --- | --- | --- |"]
        lines += [_difference(name, pair) for name, pair in differences[:LISTED]]
        if len(differences) > LISTED:
            lines += ["", f"And {len(differences) - LISTED} more."]
    lines += [
        "",
        f"{SAME.capitalize()}: to the last bit. {WITHIN.capitalize()}: each mean or effect lies within the "
        "other's 95 % interval. A distance is in half-widths of the wider interval. Verdicts and counts of "
        "operations must be the same; processor seconds are not compared.",
    ]
    if picture is not None:
        lines += ["", f"![Both runs' curves]({picture})"]
    return "\n".join(lines) + "\n"


def _tables(directory: Path) -> dict[str, Table]:
    """Return which table each file of a run is that can be compared, by its path without suffix."""
    found = {}
    for path in [directory / "claims.parquet", *sorted((directory / "figures").glob("*.parquet"))]:
        if path.exists():
            names = column_names(path)
            for table in (verdicts_table(claim_controls(names)), CURVES, OPERATIONS):
                if set(table.key) <= set(names):
                    # A run of an earlier version may lack columns that no comparison needs.
                    found[path.relative_to(directory).with_suffix("").as_posix()] = with_columns(table, names)
                    break
            else:
                raise InputError(f"{path}: is no table of curves, verdicts or operations")
    return found


def _difference(name: str, pair: Pair) -> str:
    row = ", ".join(f"{part:g}" if isinstance(part, float) else str(part) for part in pair.key)
    return (
        "| "
        + " | ".join(map(_cell, (name, row, _number(pair.first), _number(pair.second), pair.state)))
        + " |"
    )


def _number(value: object) -> str:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


if __name__ == "__main__":
    run(main)
