"""What the scripts that draw have in common: flags of the look, and pictures without a date."""

from pathlib import Path

import seaborn as sns
from matplotlib.figure import Figure

from command_line import ArgumentParser, InputError, output_file, positive_int

METHODS = ("mht", "transformer")


def add_flags(parser: ArgumentParser) -> None:
    """Add the flags that every script takes that draws curves."""
    add = parser.add_argument
    add("--title", required=True, help="what the figure says")
    for method in METHODS:
        add(f"--{method}-palette", required=True, metavar="NAME", help=f"seaborn palette of {method} curves")
    add_file_flags(parser)


def add_file_flags(parser: ArgumentParser) -> None:
    """Add the flags that every script takes that writes pictures."""
    add = parser.add_argument
    add("--dots-per-inch", type=positive_int, required=True, help="resolution of a PNG")
    add("--output", type=output_file, nargs="+", required=True, metavar="F", help="pictures, .png or .pdf")


def palettes(arguments) -> dict[str, str]:
    """Return the palette of each method; raises InputError for one that seaborn does not know."""
    names = {method: getattr(arguments, f"{method}_palette") for method in METHODS}
    for name in names.values():
        check_palette(name)
    return names


def check_palette(name: str) -> None:
    """Raise InputError for a palette that seaborn does not know."""
    try:
        sns.color_palette(name)
    except ValueError as error:
        raise InputError(str(error)) from error


def save(figure: Figure, paths: list[Path], dots_per_inch: int) -> None:
    """Write a figure in the formats that the suffixes name, the same bytes whenever it is drawn."""
    for path in paths:
        if path.suffix not in (".png", ".pdf"):
            raise InputError(f"{path}: a picture is .png or .pdf")
    for path in paths:
        metadata = {"CreationDate": None} if path.suffix == ".pdf" else {}
        figure.savefig(path, dpi=dots_per_inch, metadata=metadata)
