"""Draw a table of tabulate_scores.py: a panel per score, mean and 95 % interval against what is varied."""

from collections.abc import Iterator

import numpy as np

import pictures
from command_line import ArgumentParser, existing_file, run
from mpt.drawing.figures import SYMBOLS, Line, draw_scores
from mpt.tables.curves import CURVES
from mpt.tables.files import TableReader


def main() -> None:
    """Read the flags, draw, write each picture."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument(
        "--table", type=existing_file, required=True, metavar="F", help="of tabulate_scores.py"
    )
    parser.add_argument("--x", required=True, metavar="KEY", help="what the study varies, as in the config")
    parser.add_argument(
        "--scale", choices=("linear", "log"), default="linear", help="of the x axis (default: %(default)s)"
    )
    pictures.add_flags(parser)
    arguments = parser.parse_args()
    palettes = pictures.palettes(arguments)

    with TableReader(arguments.table, CURVES) as reader:
        scores, laws = reader.parameters["columns"], reader.parameters["laws"]
        rows = reader.read()
    panels = {score: list(_lines(rows, score)) for score in scores}
    notes = {score: [_equation(law, arguments.x) for law in fitted] for score, fitted in laws.items()}
    figure = draw_scores(panels, notes, arguments.title, arguments.x, arguments.scale, palettes)
    pictures.save(figure, arguments.output, arguments.dots_per_inch)


def _lines(rows: dict[str, np.ndarray], score: str) -> Iterator[Line]:
    of_score = rows["score"] == score
    for number in np.unique(rows["curve"][of_score]):
        chosen = of_score & (rows["curve"] == number)
        x, mean, low, high = (rows[name][chosen] for name in ("x", "mean", "low", "high"))
        yield Line(rows["label"][chosen][0], rows["method"][chosen][0], x, mean, low, high)


def _equation(law: dict, x: str) -> str:
    """Return a scaling law as mathtext; its estimates are [value, low, high]."""
    c, a, alpha = (law[name][0] for name in ("c", "a", "alpha"))
    return f"fit: ${c:.3g} {'-' if a >= 0 else '+'} {abs(a):.2g}\\,{SYMBOLS.get(x, 'x')}^{{-{alpha:.2g}}}$"


if __name__ == "__main__":
    run(main)
