"""Draw a table of tabulate_scores.py: a panel per score, mean and 95 % interval against what is varied.

Several tables of one x are drawn as one figure, a column each, whose panels share their axes.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import isclose
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import pictures
from command_line import ArgumentParser, InputError, existing_file, run
from mpt.drawing.figures import SYMBOLS, Line, draw_scores, draw_together
from mpt.drawing.style import Styles, symbols
from mpt.judgement.fits import ALPHA_RANGE
from mpt.tables.curves import CURVES, FIT, FITTED_TO
from mpt.tables.files import TableReader


def main() -> None:
    """Read the flags, draw, write each picture."""
    parser = ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--table", type=existing_file, nargs="+", required=True, metavar="F", help="of tabulate_scores.py")
    add("--title", nargs="+", required=True, metavar="TEXT", help="what the figure says, for each table")
    add("--x", required=True, metavar="KEY", help="what the study varies, as in the config")
    add("--scale", choices=("linear", "log"), default="linear", help="of the x axis (default: %(default)s)")
    pictures.add_style_flag(parser)
    pictures.add_file_flags(parser)
    arguments = parser.parse_args()
    pictures.check_suffixes(arguments.output)

    figure = draw(arguments.table, arguments.title, arguments.x, arguments.scale, Styles(arguments.styles))
    pictures.save(figure, arguments.output, arguments.dots_per_inch)


def draw(tables: Sequence[Path], titles: Sequence[str], x: str, scale: str, styles: Styles) -> Figure:
    """Draw a table of curves, or several side by side, each under its title; x is a key of the config.

    Raises InputError if a table is not sound, the titles are not one for each table or not all different, or
    the tables have different scores.
    """
    if len(titles) != len(tables) or len(set(titles)) != len(titles):
        raise InputError(
            f"--title: {len(tables)} tables need as many titles, all different, not {len(titles)}"
        )
    columns, notes = {}, {}
    for table, title in zip(tables, titles, strict=True):
        columns[title], notes[title] = _read(table, x)
        if columns[title].keys() != columns[titles[0]].keys():
            raise InputError(f"{table}: has other scores than {tables[0]}")
    if len(tables) > 1:
        return draw_together(columns, x, scale, styles)
    return draw_scores(columns[titles[0]], notes[titles[0]], titles[0], x, scale, styles)


def _read(table: Path, x: str) -> tuple[Mapping[str, list[Line]], Mapping[str, list[str]]]:
    """Return the lines and the notes of each score."""
    with TableReader(table, CURVES) as reader:
        scores, laws = reader.parameters["columns"], reader.parameters["laws"]
        rows = reader.read()
    lines = {score: list(_lines(rows, score)) for score in scores}
    return lines, {score: list(_equations(lines[score], fitted, x)) for score, fitted in laws.items()}


def _lines(rows: dict[str, np.ndarray], score: str) -> Iterator[Line]:
    of_score = rows["score"] == score
    for number in np.unique(rows["curve"][of_score]):
        chosen = of_score & (rows["curve"] == number)
        x, mean, low, high = (rows[name][chosen] for name in ("x", "mean", "low", "high"))
        label, method = rows["label"][chosen][0], rows["method"][chosen][0]
        fitted_to = label.removeprefix(FITTED_TO) if method == FIT else None
        yield Line(label, method, x, mean, low, high, fitted_to)


def _equations(lines: Sequence[Line], laws: Sequence[dict], x: str) -> Iterator[str]:
    """Yield each fitted line's law as mathtext; a law's estimates are [value, low, high]."""
    symbol = SYMBOLS.get(x, "x")
    # What is as good as the law where its exponent stands at an end of its range.
    instead = (rf"a line in log ${symbol}$", "a step")
    fits = [line for line in lines if line.method == FIT]
    for line, law in zip(fits, laws, strict=True):
        c, a, alpha = (law[name][0] for name in ("c", "a", "alpha"))
        # Without spaces, where a note may be broken.
        formula = f"{c:.3g}{'-' if a >= 0 else '+'}{abs(a):.2g}\\,{symbol}^{{-{alpha:.2g}}}"
        yield f"{symbols(line.label)}: ${formula}$"
        for bound, words in zip(ALPHA_RANGE, instead, strict=True):
            if isclose(alpha, bound, rel_tol=1e-6):
                yield f"its exponent is at its bound: as good as {words}"


if __name__ == "__main__":
    run(main)
