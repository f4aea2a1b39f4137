"""A dataset: the starts of the particles, their shuffled detections and, where it is known, the truth."""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa

from mpt.errors import InputError
from mpt.tables.files import ROWS_PER_GROUP, Table, TableReader, TableWriter, make_table

# How initial.parquet gives the positions at frame 0: exactly, or each by the particle's own detection there.
STARTS = ("known", "measured")
POSITION = {"x": pa.float64(), "y": pa.float64()}
FRAME = {"experiment": pa.int32(), "frame": pa.int32()}

TRUTH = make_table("truth", {**FRAME, "particle": pa.int16()}, {**POSITION, "detection": pa.int16()})
INITIAL = make_table("initial", {"experiment": pa.int32(), "particle": pa.int16()}, POSITION)
MEASUREMENTS = make_table("measurements", {**FRAME, "detection": pa.int16()}, POSITION)


@dataclass(frozen=True)
class Scenes:
    """What a tracker may know of B experiments.

    experiments (B,) int32; measurements (B, T, N, 2) float64; initial (B, N, 2) float64: where the particles
    are at frame 0, exactly or as detected there (parameter "start" of the dataset).
    """

    experiments: np.ndarray
    measurements: np.ndarray
    initial: np.ndarray


@dataclass(frozen=True)
class Truth:
    """What happened in B experiments.

    experiments (B,) int32; positions (B, T, N, 2) float64; detection (B, T, N) int16: the index of each
    particle's detection in its frame.
    """

    experiments: np.ndarray
    positions: np.ndarray
    detection: np.ndarray


def dataset_parameters(path: str | os.PathLike, table: Table = MEASUREMENTS) -> dict:
    """Return a dataset's parameters from a table of it or from tracks made from it; reads no rows."""
    with TableReader(path, table) as reader:
        return _dataset_parameters(reader)


def start_of(path: str | os.PathLike) -> str:
    """Return how the starts of a dataset are given, from its measurements: "known" or "measured".

    Raises InputError if it is neither. A dataset that does not say knows its starts.
    """
    start = dataset_parameters(path).get("start", STARTS[0])
    if start not in STARTS:
        raise InputError(f"{path}: its parameter 'start' is {start!r}, not one of {STARTS}")
    return start


def dataset_shape(path: str | os.PathLike, table: Table = MEASUREMENTS) -> tuple[int, int, int]:
    """Return the numbers of experiments, frames and particles of a table's dataset, without reading rows."""
    parameters = dataset_parameters(path, table)
    return parameters["experiments"], parameters["frames"], parameters["particles"]


_Place = TypeVar("_Place", bound=str | os.PathLike)


def check_same_dataset(paths: Mapping[_Place, Table]) -> None:
    """Raise InputError, naming both files, if the tables do not stem from one dataset."""
    (first, first_table), *others = paths.items()
    expected = dataset_parameters(first, first_table)
    for path, table in others:
        _check_same_parameters(path, dataset_parameters(path, table), expected, first)


def _check_same_parameters(path, found: Mapping, expected: Mapping, other) -> None:
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise InputError(
                f"{path}: not of the dataset of {other}: "
                f"{name} is {found.get(name)}, not {expected.get(name)}"
            )


def read_scenes(
    measurements_path: str | os.PathLike,
    initial_path: str | os.PathLike,
    experiments_per_block: int | None = None,
) -> Iterator[Scenes]:
    """Yield the measurements and starting positions, a block of whole experiments at a time.

    Raises InputError if the files are of different datasets, if a frame lacks detections or has too many, or
    if a particle has no start.
    """
    check_same_dataset({measurements_path: MEASUREMENTS, initial_path: INITIAL})
    measurements = dense_blocks(measurements_path, MEASUREMENTS, experiments_per_block)
    initial = dense_blocks(initial_path, INITIAL, experiments_per_block)
    for detections, starts in zip(measurements, initial, strict=True):
        check_same_experiments(
            measurements_path, detections["experiments"], initial_path, starts["experiments"]
        )
        yield Scenes(detections["experiments"], detections["positions"], starts["positions"][:, 0])


def read_measurements(
    path: str | os.PathLike, experiments_per_block: int | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield experiments (B,) and measurements (B, T, N, 2); raises InputError as read_scenes does."""
    for block in dense_blocks(path, MEASUREMENTS, experiments_per_block):
        yield block["experiments"], block["positions"]


def read_truth(path: str | os.PathLike, experiments_per_block: int | None = None) -> Iterator[Truth]:
    """Yield the truth, a block of whole experiments at a time; raises InputError as read_scenes does."""
    for block in dense_blocks(path, TRUTH, experiments_per_block):
        detection = block["detection"]
        wrong = np.argwhere((np.sort(detection, axis=2) != np.arange(detection.shape[2])).any(axis=2))
        if len(wrong):
            experiment, frame = block["experiments"][wrong[0, 0]], wrong[0, 1]
            raise InputError(
                f"{path}: experiment {experiment}, frame {frame}: detections "
                f"{detection[tuple(wrong[0])].tolist()} are not one for each particle"
            )
        yield Truth(block["experiments"], block["positions"], detection)


class DatasetWriter:
    """Write truth.parquet, initial.parquet and measurements.parquet into a directory: all three or none.

    Of a dataset without truth these are the last two, and the directory's old truth goes.
    """

    def __init__(self, directory: str | os.PathLike, parameters: dict, with_truth: bool = True):
        """Take plain JSON values as `parameters`, which all files carry."""
        self._directory = Path(directory)
        self._measured = parameters.get("start") == "measured"
        self._made_directory = not self._directory.exists()
        self._with_truth = with_truth
        self._writers = [
            TableWriter(self._path(table), table, parameters)
            for table in ((TRUTH,) if with_truth else ()) + (INITIAL, MEASUREMENTS)
        ]

    def _path(self, table: Table) -> Path:
        return self._directory / f"{table.name}.parquet"

    def write(
        self, experiments: np.ndarray, positions: np.ndarray, measurements: np.ndarray, detection: np.ndarray
    ) -> None:
        """Append true positions and measurements (B, T, N, 2) and each particle's detection (B, T, N).

        A particle starts at its true position, or, if the parameter "start" is "measured", at its own
        detection of frame 0.
        """
        truth, initial, measured = self._writers
        truth.write({**frame_columns(experiments, "particle", positions), "detection": detection.ravel()})
        first = positions[:, :1]
        if self._measured:
            first = np.take_along_axis(measurements[:, :1], detection[:, :1, :, None], axis=2)
        starts = frame_columns(experiments, "particle", first)
        del starts["frame"]
        initial.write(starts)
        measured.write(frame_columns(experiments, "detection", measurements))

    def write_without_truth(self, experiments: np.ndarray, measurements: np.ndarray) -> None:
        """Append measurements (B, T, N, 2); particle n starts at detection n of frame 0."""
        initial, measured = self._writers
        starts = frame_columns(experiments, "particle", measurements[:, :1])
        del starts["frame"]
        initial.write(starts)
        measured.write(frame_columns(experiments, "detection", measurements))

    def __enter__(self) -> "DatasetWriter":
        """Begin the three files; the directory is made if missing."""
        try:
            for writer in self._writers:
                writer.open()
        except BaseException:
            self._discard()
            raise
        return self

    def __exit__(self, kind, error, trace) -> None:
        """Publish the files, or remove them after an error."""
        try:
            if kind is None:
                for writer in self._writers:
                    writer.finish()
                self._publish()
        finally:
            self._discard()

    def _publish(self) -> None:
        try:
            if not self._with_truth:
                self._path(TRUTH).unlink(missing_ok=True)
            for writer in self._writers:
                writer.publish()
        except BaseException:
            # Tables of two datasets must not stand side by side.
            for writer in self._writers:
                writer.path.unlink(missing_ok=True)
            raise

    def _discard(self) -> None:
        for writer in self._writers:
            writer.discard()
        if self._made_directory:
            # Not if the tables are in it.
            with suppress(OSError):
                self._directory.rmdir()


def _dataset_parameters(reader: TableReader) -> dict:
    parameters = reader.parameters
    if reader.table.name == "tracks":
        of_dataset = parameters.get("dataset")
        if not isinstance(of_dataset, dict):
            raise InputError(f"{reader.path}: its parameters do not say from which dataset it was made")
        parameters = of_dataset
    for name in ("experiments", "frames", "particles"):
        value = parameters.get(name)
        if type(value) is not int or value < 1:
            raise InputError(
                f"{reader.path}: its parameter {name!r} is {value!r}, not an integer of at least 1"
            )
    return parameters


def dense_blocks(
    path, table: Table, experiments_per_block: int | None, dataset: Mapping | None = None
) -> Iterator[dict[str, np.ndarray]]:
    """Yield experiments (B,), positions (B, T, N, 2) and, unless it is in the key, detection (B, T, N).

    dataset: the parameters of the dataset, for a table that may have none of its own.
    """
    with TableReader(path, table) as reader:
        if dataset is None or reader.has_parameters:
            parameters: Mapping = _dataset_parameters(reader)
            if dataset is not None:
                _check_same_parameters(path, parameters, dataset, "its measurements")
            says = "its parameters say"
        else:
            parameters, says = dataset, "its dataset has"
        particles = parameters["particles"]
        frames = parameters["frames"]
        # By the dataset's shape, so that the blocks of its tables go together.
        per_block = experiments_per_block or max(1, ROWS_PER_GROUP // (frames * particles))
        if table is INITIAL:
            frames = 1
        count = 0
        for columns in reader.blocks(per_block):
            _check_grid(reader, columns, frames, particles)
            shape = (-1, frames, particles)
            block = {
                "experiments": columns["experiment"].reshape(shape)[:, 0, 0],
                "positions": np.stack([columns["x"], columns["y"]], axis=-1).reshape(*shape, 2),
            }
            if "detection" in columns and "detection" not in table.key:
                block["detection"] = columns["detection"].reshape(shape)
            count += len(block["experiments"])
            # Before the block is used: tables that are read side by side then end together.
            if count > parameters["experiments"]:
                raise InputError(f"{path}: more experiments than the {parameters['experiments']} that {says}")
            yield block
        if count < parameters["experiments"]:
            raise InputError(f"{path}: {count} experiments where {says} {parameters['experiments']}")


def _check_grid(reader: TableReader, columns: dict[str, np.ndarray], frames: int, particles: int) -> None:
    """Raise InputError unless each experiment has each frame, and each frame the indices 0 … N - 1."""
    experiment, index = columns["experiment"], columns[reader.table.key[-1]]
    frame = columns.get("frame", np.zeros_like(experiment))
    row = np.arange(len(experiment))
    experiment_numbers, counts = np.unique(experiment, return_counts=True)
    all_complete = (counts == frames * particles).all()
    if all_complete and (frame == row // particles % frames).all() and (index == row % particles).all():
        return
    name = reader.table.key[-1]
    for number in experiment_numbers:
        where = f"{reader.path}: experiment {number}"
        of_experiment = experiment == number
        frames_found, indices = frame[of_experiment], index[of_experiment]
        outside = frames_found[(frames_found < 0) | (frames_found >= frames)]
        if len(outside):
            raise InputError(f"{where}: frame {outside[0]} is not in 0…{frames - 1}")
        for t in range(frames):
            found = indices[frames_found == t]
            at = f"{where}, frame {t}" if "frame" in columns else where
            outside = found[(found < 0) | (found >= particles)]
            if len(outside):
                raise InputError(f"{at}: {name} {outside[0]} is not in 0…{particles - 1}")
            missing = np.setdiff1d(np.arange(particles), found)
            if len(missing):
                there = f"{len(found)} of {particles} are there"
                raise InputError(f"{at}: {name} {missing[0]} is missing ({there})")


def check_same_experiments(
    path: str | os.PathLike, experiments: np.ndarray, other_path: str | os.PathLike, others: np.ndarray
) -> None:
    """Raise InputError, naming both files, unless experiments (B,) and others (B,) are the same."""
    if not np.array_equal(experiments, others):
        missing = np.setxor1d(experiments, others)
        problem = f"experiment {missing[0]} is in only one of them" if len(missing) else "another order"
        raise InputError(f"{path} and {other_path}: {problem}")


def frame_columns(experiments: np.ndarray, index: str, positions: np.ndarray) -> dict[str, np.ndarray]:
    """Return the columns of positions (B, T, N, 2): experiment (B,), frame, the index of that name, x, y."""
    B, T, N, _ = positions.shape
    if len(experiments) != B:
        raise ValueError(f"{len(experiments)} experiment numbers for {B} experiments")
    return {
        "experiment": np.repeat(experiments, T * N),
        "frame": np.tile(np.repeat(np.arange(T), N), B),
        index: np.tile(np.arange(N), B * T),
        "x": positions[..., 0].ravel(),
        "y": positions[..., 1].ravel(),
    }
