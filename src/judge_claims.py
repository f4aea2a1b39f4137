"""Judge claims by scores and counted operations: effect, 95 % interval, p-value and verdict of each.

Every claim is judged by each of its scores, and once more with each control in the place of its curve, to
show what the score is worth. The verdicts are written as a table, twice, and in words.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from command_line import ArgumentParser, InputError, existing_file, json_value, output_file, run
from mpt.judgement import report, verdicts
from mpt.tables.files import TableReader, TableWriter, with_nulls, write_csv
from mpt.tables.operations import OPERATIONS
from mpt.tables.scores import read_tracker_scores
from mpt.tables.verdicts import verdicts_table
from table_flags import add_scores_flag, add_table_flags


def main() -> None:
    """Read the flags, judge, write the tables."""
    parser = ArgumentParser(description=__doc__)
    add = parser.add_argument
    add_scores_flag(parser, nargs="*", default=[])
    add(
        "--operations",
        type=existing_file,
        nargs="*",
        default=[],
        metavar="F",
        help="tables of tabulate_operations.py; a file's name without suffix is its figure's",
    )
    add(
        "--ledger",
        type=json_value,
        required=True,
        metavar="JSON",
        help='{"claims": {…}, "figures": {…}} as planning/ledger.py makes it of the config, or - for stdin',
    )
    add_table_flags(parser, "the verdicts")
    add(
        "--markdown",
        type=output_file,
        required=True,
        metavar="F",
        help="the verdicts to be read, as Markdown",
    )
    arguments = parser.parse_args()
    rows = judge_claims(ledger=arguments.ledger, scores=arguments.scores, operations=arguments.operations)
    write_verdicts(arguments.output, arguments.ledger, rows)
    write_csv(arguments.output, arguments.csv)
    text = report.in_words(arguments.ledger, rows, verdicts.controls(arguments.ledger))
    arguments.markdown.write_text(text, encoding="utf-8")


def judge_claims(*, ledger: Mapping, scores: Sequence[Path], operations: Sequence[Path] = ()) -> list[dict]:
    """Return the rows of the verdicts on a ledger, in its order, from tables of scores and operations.

    Raises InputError if a table lacks what the ledger names.
    """
    found = read_scores(scores, ledger["figures"], verdicts.score_names(ledger))
    try:
        return verdicts.judge_ledger(ledger, found, {path.stem: read_operations(path) for path in operations})
    except LookupError as error:
        raise InputError(str(error)) from error


def columns_of(rows: Sequence[dict], names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the columns of a table of verdicts, by name: rows sorted by its key, what is lacking masked."""
    rows = sorted(rows, key=lambda row: (row["claim"], row["score"]))
    return {name: _column([row[name] for row in rows]) for name in names}


def write_verdicts(path: Path, ledger: Mapping, rows: Sequence[dict]) -> None:
    """Write the rows of judge_claims as the table of verdicts."""
    table = verdicts_table(verdicts.controls(ledger))
    with TableWriter(path, table, ledger) as writer:
        writer.write(columns_of(rows, table.schema.names))


def read_scores(paths: Sequence[Path], figures: Mapping, names: Sequence[str]) -> dict:
    """Return scores (R, B) by name, dataset and tracker, of all points of the figures' curves."""
    curves = [points for figure in figures.values() for points in figure["curves"].values()]
    wanted = {(dataset, tracker) for points in curves for _, dataset, tracker in points}
    found: dict[tuple[str, str, str], np.ndarray] = {}
    longest = np.array([], int)
    for path in paths:
        trackers = sorted(tracker for dataset, tracker in wanted if dataset == path.stem)
        for tracker, experiments, columns in read_tracker_scores(path, trackers, names):
            shared = min(len(longest), len(experiments))
            if (longest[:shared] != experiments[:shared]).any():
                raise InputError(f"{path}: its experiments are not those of {paths[0]}")
            longest = max(longest, experiments, key=len)
            wanted.remove((path.stem, tracker))
            found |= {(name, path.stem, tracker): values for name, values in columns.items()}
    if wanted:
        missing = ", ".join(sorted(f"{tracker} on {dataset}" for dataset, tracker in wanted))
        raise InputError(f"no table of scores has {missing}")
    return found


def read_operations(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return lookbacks and FLOPs by tracker and variant, of those that were counted."""
    with TableReader(path, OPERATIONS) as reader:
        rows = reader.read()
    uncounted = np.ma.getmaskarray(rows["flops"])
    rows = {column: np.ma.getdata(values)[~uncounted] for column, values in rows.items()}
    names = np.array(
        [f"{tracker}, {variant}" for tracker, variant in zip(rows["tracker"], rows["variant"], strict=True)]
    )
    return {name: (rows["K"][names == name], rows["flops"][names == name]) for name in np.unique(names)}


def _column(values: list) -> np.ndarray:
    """Return the values of a column, in which None and NaN are null."""
    column = with_nulls(values)
    return np.ma.masked_invalid(column) if column.dtype.kind == "f" else column


if __name__ == "__main__":
    run(main)
