"""Draw a table of tabulate_operations.py: operations and seconds per sequence against the lookback."""

import numpy as np

import pictures
from command_line import ArgumentParser, existing_file, run
from mpt.figures import Line, draw_operations
from mpt.tables import OPERATIONS, TableReader

NAMES = {"mht": "MHT", "transformer": "transformer"}


def main() -> None:
    """Read the flags, draw, write each picture."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument(
        "--table", type=existing_file, required=True, metavar="F", help="of tabulate_operations.py"
    )
    pictures.add_flags(parser)
    arguments = parser.parse_args()
    palettes = pictures.palettes(arguments)

    with TableReader(arguments.table, OPERATIONS) as reader:
        rows = reader.read()
    panels = {column: [] for column in ("flops", "seconds")}
    for tracker, variant in sorted(set(zip(rows["tracker"], rows["variant"], strict=True))):
        chosen = (rows["tracker"] == tracker) & (rows["variant"] == variant)
        label = f"{NAMES.get(tracker, tracker)}, {variant.replace('_', ' ')}"
        for column, lines in panels.items():
            values = np.asarray(rows[column][chosen], float)
            lines.append(Line(label, tracker, rows["K"][chosen].astype(float), values, values, values))
    figure = draw_operations(panels, arguments.title, palettes)
    pictures.save(figure, arguments.output, arguments.dots_per_inch)


if __name__ == "__main__":
    run(main)
