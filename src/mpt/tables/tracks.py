"""What a tracker writes: its tracks, and how sure the Multiple Hypothesis Tracker is of each link."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from mpt.errors import InputError
from mpt.tables.dataset import (
    FRAME,
    MEASUREMENTS,
    POSITION,
    check_same_experiments,
    dataset_parameters,
    dense_blocks,
    frame_columns,
)
from mpt.tables.files import TableWriter, make_table

TRACKS = make_table(
    "tracks", {**FRAME, "track": pa.int16()}, {**POSITION, "detection": pa.int16()}, nullable=("detection",)
)


# How sure the Multiple Hypothesis Tracker is: null where there was no other detection to choose.
MARGINS = make_table(
    "margins",
    {**FRAME, "track": pa.int16()},
    {"margin": pa.float64(), "gap": pa.float64()},
    nullable=("margin",),
)


@dataclass(frozen=True)
class Tracks:
    """What a tracker made of B experiments.

    experiments (B,) int32; positions (B, T, N, 2) float64; detection (B, T, N) int16: the index of the
    detection assigned to each track in its frame, -1 if none.
    """

    experiments: np.ndarray
    positions: np.ndarray
    detection: np.ndarray


def read_tracks(
    path: str | os.PathLike, experiments_per_block: int | None = None, dataset: Mapping | None = None
) -> Iterator[Tracks]:
    """Yield the tracks, a block of whole experiments at a time; raises InputError as read_scenes does.

    dataset: the parameters of the dataset that was tracked (dataset_parameters), so that the table need not
    have any; if it has, they must be the same.
    """
    for block in dense_blocks(path, TRACKS, experiments_per_block, dataset):
        detection = block["detection"]
        assert isinstance(detection, np.ma.MaskedArray)
        assigned = ~np.ma.getmaskarray(detection)
        outside = np.argwhere(assigned & ((detection.data < 0) | (detection.data >= detection.shape[2])))
        if len(outside):
            b, frame, track = outside[0]
            raise InputError(
                f"{path}: experiment {block['experiments'][b]}, frame {frame}: track {track} has detection "
                f"{detection.data[b, frame, track]}, which is not in 0…{detection.shape[2] - 1}"
            )
        yield Tracks(block["experiments"], block["positions"], detection.filled(-1))


def check_tracks(path: str | os.PathLike, measurements_path: str | os.PathLike) -> None:
    """Raise InputError unless a tracker wrote tracks of every experiment, frame and particle of a dataset.

    The message names the file and the row, or the experiment and frame: columns and their types, rows out of
    order, repeated, missing or too many, numbers that are not finite, detections that are not there, and
    experiments that the measurements do not have. The table need not have parameters.
    """
    tracks = read_tracks(path, dataset=dataset_parameters(measurements_path))
    measurements = dense_blocks(measurements_path, MEASUREMENTS, None)
    for found, measured in zip(tracks, measurements, strict=True):
        check_same_experiments(path, found.experiments, measurements_path, measured["experiments"])


class TrackWriter:
    """Write tracks.parquet, whole or not at all.

    With read_scenes this is all that a tracker's script needs:

    with TrackWriter(path) as writer:
        for scenes in read_scenes(measurements_path, initial_path):
            writer.write(scenes.experiments, positions, detection)

    The trackers of this project also say how they tracked what:

    parameters = {"tracker": "mht", "lookback": 8, ..., "dataset": dataset_parameters(measurements_path)}
    """

    def __init__(self, path: str | os.PathLike, parameters: dict | None = None):
        """Take as `parameters` the tracker's own and, as "dataset", the dataset's; None says nothing."""
        self._writer = TableWriter(path, TRACKS, parameters)

    def write(self, experiments: np.ndarray, positions: np.ndarray, detection: np.ndarray | None) -> None:
        """Append the tracks (B, T, N, 2) of `experiments` (B,).

        detection (B, T, N) is the detection assigned to each track, -1 for none; None if there are none.
        """
        columns: dict[str, np.ndarray | None] = {**frame_columns(experiments, "track", positions)}
        columns["detection"] = (
            None if detection is None else np.ma.masked_equal(np.asarray(detection).ravel(), -1)
        )
        self._writer.write(columns)

    def __enter__(self) -> "TrackWriter":
        """Begin the file."""
        self._writer.__enter__()
        return self

    def __exit__(self, *error) -> None:
        """Publish the file, or remove it after an error."""
        self._writer.__exit__(*error)
