"""The scores of tracks, a row per experiment."""

import os
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from mpt.errors import InputError
from mpt.scoring import definitions
from mpt.tables.files import TableReader, make_table

_COLUMNS = {name: pa.int32() if score.integer else pa.float64() for name, score in definitions.SCORES.items()}


SCORES = make_table("scores", {"experiment": pa.int32()}, _COLUMNS)


# The scores of several trackers on one dataset.
TRACKER_SCORES = make_table(
    "tracker scores", {"tracker": pa.string(), "replicate": pa.int16(), "experiment": pa.int32()}, _COLUMNS
)


def read_tracker_scores(
    path: str | os.PathLike, trackers: Sequence[str], names: Sequence[str]
) -> Iterator[tuple[str, np.ndarray, dict[str, np.ndarray]]]:
    """Yield each tracker that the table has, its experiments (B,) and its scores by name, (R, B).

    A row is a replicate. Raises InputError if the replicates of a tracker are not of the same experiments.
    """
    with TableReader(path, TRACKER_SCORES) as reader:
        rows = reader.read()
    for tracker in trackers:
        of_tracker = rows["tracker"] == tracker
        replicates = len(np.unique(rows["replicate"][of_tracker]))
        if not replicates:
            continue
        experiments = rows["experiment"][of_tracker]
        if (
            len(experiments) % replicates
            or (experiments.reshape(replicates, -1) != experiments[: len(experiments) // replicates]).any()
        ):
            raise InputError(f"{path}: the replicates of {tracker} are not of the same experiments")
        columns = {name: rows[name][of_tracker].reshape(replicates, -1) for name in names}
        yield tracker, experiments[: len(experiments) // replicates], columns
