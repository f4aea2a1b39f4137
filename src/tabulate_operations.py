"""Tabulate the operations of several trackers in one table, as Parquet and as comma-separated values."""

import numpy as np

from command_line import ArgumentParser, InputError, existing_file, run
from mpt.tables.files import TableReader, TableWriter, write_csv
from mpt.tables.operations import OPERATIONS
from table_flags import add_table_flags


def main() -> None:
    """Read the flags, write the table twice."""
    parser = ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--counts", type=existing_file, nargs="+", required=True, metavar="F", help="of the counting scripts")
    add_table_flags(parser)
    arguments = parser.parse_args()

    parts, made_by = [], {}
    for path in arguments.counts:
        with TableReader(path, OPERATIONS) as reader:
            rows = reader.read()
            tracker = str(rows["tracker"][0])
            if tracker in made_by:
                raise InputError(f"{path}: another table counts the operations of {tracker} too")
            made_by[tracker] = reader.parameters
            parts.append((tracker, rows))
    parts.sort(key=lambda part: part[0])
    with TableWriter(arguments.output, OPERATIONS, made_by) as writer:
        for _, rows in parts:
            writer.write({name: np.ma.asarray(rows[name]) for name in OPERATIONS.schema.names})
    write_csv(arguments.output, arguments.csv)


if __name__ == "__main__":
    run(main)
