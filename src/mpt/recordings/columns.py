"""A movie in the columns of a table: what trackpy's, TrackMate's and napari's tables have in common."""

from collections.abc import Mapping

import numpy as np

from mpt.errors import InputError
from mpt.recordings.movie import Movie
from mpt.tables.foreign import ForeignTable

# The columns of a movie; the last may be absent.
ROLES = ("frame", "x", "y", "particle")


def movie_from_columns(
    table: ForeignTable, columns: Mapping[str, str], truth: bool | None, depth: str, nothing: tuple[str, ...]
) -> Movie:
    """Return the movie of a table.

    columns: the name of the table's column for each of ROLES. truth: whether to read the particles; None if
    they are read where there is such a column. depth: the column that must hold one number, if it is there:
    only movies of a plane can be tracked. nothing: words in the particles' column that stand for no particle.
    """
    if not table.constant(depth):
        raise InputError(f"{table.path}: column {depth!r} varies: only positions in a plane can be tracked")
    if truth is None:
        truth = columns["particle"] in table.names
    return Movie(
        frame=table.integers(columns["frame"]),
        position=np.stack([table.numbers(columns["x"]), table.numbers(columns["y"])], axis=1),
        particle=table.integers(columns["particle"], nothing) if truth else None,
    )
