"""Say of each reading of the paper, a combination of choices that are crossed, which of its claims hold.

Writes a table with a row per reading, twice, and in words whether one of them gives all of the paper's
figures, which comes nearest, and how many verdicts each choice turns.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from command_line import ArgumentParser, InputError, existing_file, output_file, run
from mpt.judgement import readings_report
from mpt.judgement.readings import CURVE, REFERENCE, Reading, readings
from mpt.tables.files import TableReader, TableWriter, write_csv
from mpt.tables.verdicts import choice_axes, choice_controls, choices_table, readings_table
from table_flags import add_table_flags


def main() -> None:
    """Read the flags, write the table twice and the answer in words."""
    parser = ArgumentParser(description=__doc__)
    add = parser.add_argument
    add_reading_flags(parser)
    add_table_flags(parser, "the readings")
    add("--markdown", type=output_file, required=True, metavar="F", help="the answer, as Markdown")
    arguments = parser.parse_args()
    asked = json.loads(arguments.asked.read_text(encoding="utf-8"))
    axes = choice_axes(arguments.verdicts)
    controls = choice_controls(arguments.verdicts)
    found = read_readings(arguments.verdicts, asked, ["crossed"])
    write_readings(arguments.output, axes, asked["scores"], controls, found)
    write_csv(arguments.output, arguments.csv)
    text = readings_report.in_words(
        found=found,
        along=read_readings(arguments.verdicts, asked, ["axes", "crossed"]),
        axes=axes,
        own=asked["own"],
        crossed=asked["crossed"],
        scores=asked["scores"],
        statements=asked["statements"],
        names=asked["names"] | {name: name for name in controls},
        best=asked["best"],
    )
    arguments.markdown.write_text(text, encoding="utf-8")


def add_reading_flags(parser: ArgumentParser) -> None:
    """Add the flags that say which readings are asked for."""
    parser.add_argument(
        "--verdicts", type=existing_file, required=True, metavar="F", help="of tabulate_choices.py"
    )
    parser.add_argument(
        "--asked",
        type=existing_file,
        required=True,
        metavar="JSON",
        help='{"scores": […], "crossed": [axis…], "own": {axis: value…}, "statements": {claim: text…}, '
        '"shown": claim, "names": {"curve": text, "reference": text}, "best": number}',
    )


def read_readings(path: Path, asked: dict, parts: Sequence[str]) -> list[Reading]:
    """Return the readings of some parts of a table of choices; raises InputError if it has none."""
    axes, controls = choice_axes(path), choice_controls(path)
    with TableReader(path, choices_table(axes, controls)) as reader:
        rows = reader.read()
    found = readings(rows, axes, controls, list(asked["statements"]), asked["shown"], parts)
    if not found:
        raise InputError(f"{path}: has no choice of the part {' or '.join(parts)}")
    return found


def write_readings(
    path: Path, axes: Sequence[str], scores: Sequence[str], controls: Sequence[str], found: Sequence[Reading]
) -> None:
    """Write the table of readings."""
    levels = [CURVE, REFERENCE, *controls]
    found = sorted(found, key=lambda reading: reading.choice)
    columns = {axis: np.array([each.choice[place] for each in found]) for place, axis in enumerate(axes)}
    columns["information"] = np.array([each.information for each in found])
    columns["judged"] = np.array([len(each.verdicts[scores[0]]) for each in found])
    for score in scores:
        columns[f"{score}_claims"] = np.array([" ".join(each.held(score)) for each in found])
        columns[f"{score}_held"] = np.array([len(each.held(score)) for each in found])
        for level in levels:
            values = [each.levels.get(score, {}).get(level) for each in found]
            columns[f"{score}_of_{level}"] = np.ma.masked_invalid(
                [np.nan if value is None else value for value in values]
            )
    with TableWriter(path, readings_table(axes, scores, levels), {"axes": list(axes)}) as writer:
        writer.write(columns)


if __name__ == "__main__":
    run(main)
