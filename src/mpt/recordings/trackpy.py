"""trackpy's data frame: columns frame, x, y and, once linked, particle; as CSV or Parquet."""

import os
from collections.abc import Mapping

from mpt.recordings.columns import movie_from_columns
from mpt.recordings.links import Links
from mpt.recordings.movie import Movie
from mpt.tables.foreign import ForeignTable, write_foreign

COLUMNS = {"frame": "frame", "x": "x", "y": "y", "particle": "particle"}


def read(path: str | os.PathLike, columns: Mapping[str, str], truth: bool | None) -> Movie:
    """Read a movie; a column `particle`, if there is one, is its truth unless `truth` is false.

    columns: names other than COLUMNS. Raises InputError, naming the line.
    """
    return movie_from_columns(ForeignTable(path), {**COLUMNS, **columns}, truth, "z", ("nan", "NaN"))


def write(path: str | os.PathLike, links: Links) -> None:
    """Write tracks as trackpy's linker returns them, and `margin` where it is known."""
    columns = {
        "frame": links.frame,
        "x": links.position[:, 0],
        "y": links.position[:, 1],
        "particle": links.particle,
    }
    write_foreign(path, columns if links.margin is None else {**columns, "margin": links.margin})
