"""napari's tracks layer as CSV: columns track_id, t, y and x, in this order."""

import os
from collections.abc import Mapping

from mpt.recordings.columns import movie_from_columns
from mpt.recordings.links import Links
from mpt.recordings.movie import Movie
from mpt.tables.foreign import ForeignTable, write_foreign

COLUMNS = {"frame": "t", "x": "x", "y": "y", "particle": "track_id"}


def read(path: str | os.PathLike, columns: Mapping[str, str], truth: bool | None) -> Movie:
    """Read a movie whose tracks are its truth unless `truth` is false; raises InputError, naming the line."""
    return movie_from_columns(
        ForeignTable(path), {**COLUMNS, **columns}, truth is not False, "z", ("nan", "NaN")
    )


def write(path: str | os.PathLike, links: Links) -> None:
    """Write what viewer.add_tracks takes: sorted by track, then time; `margin` is a feature of the points."""
    columns = {
        "track_id": links.particle,
        "t": links.frame,
        "y": links.position[:, 1],
        "x": links.position[:, 0],
    }
    write_foreign(path, columns if links.margin is None else {**columns, "margin": links.margin})
