"""How sure the Multiple Hypothesis Tracker is of each link, beside the tracks that it is about."""

import os
from collections.abc import Iterator

import numpy as np

from mpt.errors import InputError
from mpt.tables.files import ROWS_PER_GROUP, TableReader, table_parameters
from mpt.tables.tracks import MARGINS, TRACKS


def read_margins(
    path: str | os.PathLike, tracks_path: str | os.PathLike
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield experiments (B,) and the margins (B, T, N) of their links, in the blocks of read_tracks.

    The margin at frame t is that of the link from t − 1; it is nan at frame 0 and where there was no other
    choice. Raises InputError if the margins aren't of the same run of the tracker as the tracks, or if a row
    is missing.
    """
    parameters = table_parameters(tracks_path, TRACKS)
    with TableReader(path, MARGINS) as reader:
        if reader.parameters != parameters:
            raise InputError(f"{path}: not of the tracks in {tracks_path}: their parameters differ")
        links, N = parameters["dataset"]["frames"] - 1, parameters["dataset"]["particles"]
        for columns in reader.blocks(max(1, ROWS_PER_GROUP // ((links + 1) * N))):
            row = np.arange(len(columns["frame"]))
            expected = columns["frame"] == 1 + row // N % links
            expected &= columns["track"] == row % N
            if len(row) % (links * N) or not expected.all():
                where = min(int(np.argmin(np.r_[expected, False])), len(row) - 1)
                raise InputError(
                    f"{path}: experiment {columns['experiment'][where]}: "
                    f"not one margin for each of {N} tracks in each of the frames 1 to {links}"
                )
            margin = np.full((len(row) // (links * N), links + 1, N), np.nan)
            margin[:, 1:] = np.ma.filled(columns["margin"], np.nan).reshape(-1, links, N)
            yield columns["experiment"][:: links * N], margin
