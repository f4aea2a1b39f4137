"""The trackers that a script compares, as --tracker names them: a label, a method and files."""

from collections.abc import Sequence
from pathlib import Path

from command_line import ArgumentParser, InputError


def add_tracker_flag(
    parser: ArgumentParser, words: str, metavar: tuple[str, str] = ("LABEL METHOD F", "F")
) -> None:
    """Add --tracker, which may be repeated; words: what a tracker's are, for the help."""
    parser.add_argument(
        "--tracker",
        nargs="+",
        action="append",
        required=True,
        metavar=metavar,
        help=f"{words}; may be repeated",
    )


def named_tracker(
    words: Sequence[str], needed: str, least: int = 1, most: int | None = None
) -> tuple[str, str, list[Path]]:
    """Return the label, the method and the files that the words of a --tracker are.

    Raises InputError, which says what is needed, unless there are from `least` to `most` files.
    """
    # Without the label and the method.
    files = len(words) - 2
    if files < least or (most is not None and files > most):
        raise InputError(f"--tracker {' '.join(words)}: needs {needed}")
    label, method, *paths = words
    return label, method, [Path(path) for path in paths]
