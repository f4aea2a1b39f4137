"""What the scripts that draw have in common: flags of the look, and pictures without a date."""

import io
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from command_line import ArgumentParser, InputError, json_value, output_file, positive_int
from mpt.drawing.style import EMBEDDED_FONTS

SUFFIXES = (".png", ".pdf", ".svg")


def add_flags(parser: ArgumentParser) -> None:
    """Add the flags that every script takes that draws curves."""
    add = parser.add_argument
    add("--title", required=True, help="what the figure says")
    add_style_flag(parser)
    add_file_flags(parser)


def add_style_flag(parser: ArgumentParser) -> None:
    """Add --styles, the look of each method."""
    parser.add_argument(
        "--styles",
        type=json_value,
        required=True,
        metavar="JSON",
        help='the look of each method: {"mht": {"palette": "flare"}, "control": {"role": "reference"}}; a'
        ' palette of seaborn, a shade per curve, and optionally a "marker"; references are thin and grey, and'
        ' optionally "dashes", {label: place}, say which pattern a curve has in every figure',
    )


def add_file_flags(parser: ArgumentParser) -> None:
    """Add the flags that every script takes that writes pictures."""
    add = parser.add_argument
    add("--dots-per-inch", type=positive_int, required=True, help="resolution of a PNG")
    add(
        "--output",
        type=output_file,
        nargs="+",
        required=True,
        metavar="F",
        help="pictures, .png, .pdf or .svg",
    )


def check_suffixes(paths: list[Path], suffixes: tuple[str, ...] = SUFFIXES) -> None:
    """Raise InputError for a picture of a kind that is not written."""
    for path in paths:
        if path.suffix not in suffixes:
            raise InputError(f"{path}: a picture is {' or '.join(suffixes)}")


def save(figure: Figure, paths: list[Path], dots_per_inch: int) -> None:
    """Write a figure in the formats that the suffixes name, the same bytes whenever it is drawn."""
    check_suffixes(paths)
    with matplotlib.rc_context(EMBEDDED_FONTS | {"svg.hashsalt": "mpt", "svg.fonttype": "path"}):
        for path in paths:
            date = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}}
            drawn = io.BytesIO()
            figure.savefig(
                drawn, format=path.suffix[1:], dpi=dots_per_inch, metadata=date.get(path.suffix, {})
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(drawn.getvalue())
