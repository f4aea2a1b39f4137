"""Draw the table of tabulate_choices.py: verdicts along each axis, and their shares over the grid.

The shares, which are printed, too, are of the combinations that differ in what the claim compares, without
those that compare a tracker with itself.
"""

import json

import numpy as np

import pictures
from command_line import ArgumentParser, existing_file, run
from mpt.drawing.verdict_map import VERDICTS, draw_verdicts
from mpt.judgement.choices import ITSELF, distinct, findings
from mpt.tables.files import TableReader
from mpt.tables.verdicts import choice_axes, choice_controls, choices_table


def main() -> None:
    """Read the flags, draw, write each picture."""
    parser = ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--table", type=existing_file, required=True, metavar="F", help="of tabulate_choices.py")
    add(
        "--picture",
        type=existing_file,
        required=True,
        metavar="JSON",
        help='{"columns": [[axis, value]…], "own": {axis: value…}, "statements": {claim: text…}}',
    )
    add("--scores", nargs="+", required=True, metavar="NAME", help="a panel each")
    pictures.add_file_flags(parser)
    arguments = parser.parse_args()
    picture = json.loads(arguments.picture.read_text(encoding="utf-8"))

    axes = choice_axes(arguments.table)
    with TableReader(arguments.table, choices_table(axes, choice_controls(arguments.table))) as reader:
        rows = reader.read()
    found: dict[tuple, dict] = {}
    for place in range(len(rows["verdict"])):
        choice = tuple(rows[axis][place] for axis in axes)
        key = rows["part"][place], rows["score"][place], rows["claim"][place]
        found.setdefault(key, {})[choice] = rows["verdict"][place]

    # The first column, of no axis, is the config itself.
    columns = [
        tuple((picture["own"] | {axis: value}).get(name) for name in axes)
        for axis, value in picture["columns"]
    ]
    claims = [name for name in sorted(picture["statements"]) if any(key[2] == name for key in found)]
    panels = {
        score: np.array(
            [
                [
                    # What is crossed is not judged again along its axes.
                    next(
                        (
                            found[part, score, claim][choice]
                            for part in ("axes", "crossed")
                            if choice in found.get((part, score, claim), {})
                        ),
                        "not judged",
                    )
                    for choice in columns
                ]
                for claim in claims
            ]
        )
        for score in arguments.scores
    }
    tests = rows["verdict"] != ITSELF
    over_grid = findings({name: column[tests] for name, column in rows.items()}, axes, "grid")
    counted = {claim: distinct(over_grid[claim]) for claim in claims if claim in over_grid}
    in_grid = list(counted)
    verdicts = {
        (score, claim): [found["grid", score, claim][choice] for choice in counted[claim]]
        for score in arguments.scores
        for claim in in_grid
        if ("grid", score, claim) in found
    }
    shares = {
        score: np.array([shares_of(verdicts.get((score, claim), [])) for claim in in_grid])
        for score in arguments.scores
    }
    for (score, claim), of_claim in verdicts.items():
        counts = ", ".join(f"{name} {of_claim.count(name)}" for name in VERDICTS if name in of_claim)
        print(f"claim {claim} by {score}, of {len(of_claim)} combinations: {counts}")
    words = {claim: f"{picture['statements'][claim]}  {claim}" for claim in claims}
    figure = draw_verdicts(
        panels,
        [words[claim] for claim in claims],
        picture["columns"],
        shares,
        [f"{words[claim]}, of {len(counted[claim]):,}" for claim in in_grid],
    )
    pictures.save(figure, arguments.output, arguments.dots_per_inch)


def shares_of(verdicts: list[str]) -> list[float]:
    """Return the fraction of each verdict, in the order of VERDICTS."""
    return [verdicts.count(name) / max(1, len(verdicts)) for name in VERDICTS]


if __name__ == "__main__":
    run(main)
