"""Put the tables of judge_choices.py together, one for each scene, to one of all choices.

Where a choice makes a claim compare a tracker with itself, the verdict says so: that is no test of the claim.
"""

import numpy as np

from command_line import ArgumentParser, InputError, existing_file, run
from mpt.judgement.choices import ITSELF, of_itself
from mpt.tables.files import TableReader, TableWriter, write_csv
from mpt.tables.verdicts import choice_axes, choice_controls, choices_table
from table_flags import add_table_flags


def main() -> None:
    """Read the flags, write the table twice."""
    parser = ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--choices", type=existing_file, nargs="+", required=True, metavar="F", help="of judge_choices.py")
    add_table_flags(parser)
    arguments = parser.parse_args()

    axes = choice_axes(arguments.choices[0])
    controls = list(dict.fromkeys(name for path in arguments.choices for name in choice_controls(path)))
    table = choices_table(axes, controls)
    parts = []
    for path in arguments.choices:
        if choice_axes(path) != axes:
            raise InputError(f"{path}: its axes are not those of {arguments.choices[0]}")
        own = choice_controls(path)
        with TableReader(path, choices_table(axes, own)) as reader:
            part = reader.read()
        for control in set(controls) - set(own):
            rows = len(part["claim"])
            part[f"{control}_mean"] = np.ma.masked_all(rows)
            part[f"{control}_verdict"] = np.full(rows, "")
        parts.append(part)
    columns = {name: np.ma.concatenate([part[name] for part in parts]) for name in table.schema.names}
    columns["verdict"] = np.where(of_itself(columns, axes), ITSELF, columns["verdict"])
    order = np.lexsort([np.asarray(columns[name], str) for name in reversed(table.key)])
    with TableWriter(arguments.output, table, {"axes": axes}) as writer:
        writer.write({name: column[order] for name, column in columns.items()})
    write_csv(arguments.output, arguments.csv)


if __name__ == "__main__":
    run(main)
