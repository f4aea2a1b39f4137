"""Tabulate what trackers cost beside how well they track: processor seconds, links left out, links added.

To the table of a figure of scores come three rows a point, each a mean over its test sequences and
trainings, of the trackers whose log tells them. Links left out are steps of a track that end without a
detection; links added are those of trajectories that a linker begins later, which no track follows.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from command_line import ArgumentParser, InputError, existing_directory, existing_file, run
from mpt.tables.curves import CURVES
from mpt.tables.files import TableReader, TableWriter, with_nulls, write_csv
from table_flags import add_table_flags

COSTS = ("seconds", "links_left_out", "links_added")
TOLD = re.compile(
    r"^tracked in ([\d.]+) processor seconds(?:, (\d+) links left out, (\d+) added)?$", re.MULTILINE
)


def main() -> None:
    """Read the flags, write the table twice."""
    parser = ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--table", type=existing_file, required=True, metavar="F", help="of tabulate_scores.py")
    add(
        "--logs",
        type=existing_directory,
        nargs="+",
        required=True,
        metavar="DIR",
        help="where the trackers' are: TRACKER/DATASET.log",
    )
    add_table_flags(parser)
    arguments = parser.parse_args()
    tabulate_costs(table=arguments.table, logs=arguments.logs, output=arguments.output)
    write_csv(arguments.output, arguments.csv)


def tabulate_costs(*, table: Path, logs: Sequence[Path], output: Path) -> None:
    """Write the table of curves with its costs; a figure draws the seconds of them.

    Raises InputError if no tracker's log tells what it took.
    """
    with TableReader(table, CURVES) as reader:
        parameters, columns = reader.parameters, reader.read()
    names = CURVES.schema.names
    lists = (columns[name].tolist() for name in names)
    rows = [dict(zip(names, row, strict=True)) for row in zip(*lists, strict=True)]
    points = [row for row in rows if row["score"] == parameters["columns"][0] and row["tracker"]]
    found = []
    for point in points:
        # A log is of all trainings of a tracker together.
        sequences = point["experiments"] * point["replicates"]
        for directory in logs:
            log = directory / point["tracker"] / f"{point['dataset']}.log"
            for name, cost in zip(COSTS, read_costs(log, sequences), strict=False):
                found.append(point | {"score": name, **_exactly(cost)})
    if not found:
        raise InputError(f"{', '.join(map(str, logs))}: no log of a tracker in {table} says what it took")
    rows = sorted(rows + found, key=lambda row: (row["score"], row["curve"], row["x"]))
    parameters = parameters | {"columns": [*parameters["columns"], COSTS[0]]}
    with TableWriter(output, CURVES, parameters) as writer:
        writer.write(columns_of(rows))


def read_costs(log: Path, sequences: int) -> tuple[float, ...]:
    """Return the costs of COSTS a sequence that a log tells; none if it tells none.

    A tracker that does not say how many links it leaves out takes one detection a track in every frame.
    """
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    told = TOLD.search(text)
    return tuple(float(number or 0) / sequences for number in told.groups()) if told else ()


def columns_of(rows: Sequence[Mapping]) -> dict[str, np.ndarray]:
    """Return the columns of the table of curves from its rows; what is None there is masked."""
    return {name: with_nulls([row[name] for row in rows]) for name in CURVES.schema.names}


def _exactly(value: float) -> dict[str, float]:
    """Return a measured value as the table has means: one for all test sequences, without an interval."""
    return {**dict.fromkeys(("mean", "low", "high", "median"), value), "sequence_half_width": 0.0}


if __name__ == "__main__":
    run(main)
