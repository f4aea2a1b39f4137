"""Draw the table of tabulate_closeness.py: links and identity against how close particles are."""

import numpy as np

import pictures
from command_line import ArgumentParser, existing_file, run
from mpt.drawing.figures import Line, draw_scores
from mpt.drawing.style import Styles
from mpt.tables.closeness import CLOSENESS
from mpt.tables.files import TableReader


def main() -> None:
    """Read the flags, draw, write each picture."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument(
        "--table", type=existing_file, required=True, metavar="F", help="of tabulate_closeness.py"
    )
    pictures.add_flags(parser)
    arguments = parser.parse_args()
    pictures.check_suffixes(arguments.output)

    with TableReader(arguments.table, CLOSENESS) as reader:
        rows = reader.read()
    panels: dict[str, list[Line]] = {}
    for score in np.unique(rows["score"]):
        for curve in np.unique(rows["curve"]):
            chosen = (rows["score"] == score) & (rows["curve"] == curve)
            x, mean, low, high = (rows[name][chosen] for name in ("distance", "mean", "low", "high"))
            label, method = rows["label"][chosen][0], rows["method"][chosen][0]
            panels.setdefault(score, []).append(Line(label, method, x, mean, low, high))
    figure = draw_scores(panels, {}, arguments.title, "distance", "linear", Styles(arguments.styles))
    pictures.save(figure, arguments.output, arguments.dots_per_inch)


if __name__ == "__main__":
    run(main)
