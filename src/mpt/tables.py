"""The Parquet tables between the rules: their schemas, and how they are checked, streamed and written.

A table is written whole or not at all, sorted by its key, in row groups of whole experiments, with the
parameters that made it as JSON in its metadata. A reader refuses, by file and row, whatever a writer here
would not have written. Rows are counted from 0. Memory holds a block of experiments, never a whole table.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from mpt.errors import InputError

ROWS_PER_GROUP = 65_536
PARAMETERS_KEY = b"mpt"


@dataclass(frozen=True)
class Table:
    """A table's name, its columns and the columns that identify a row, in the order rows are sorted by."""

    name: str
    schema: pa.Schema
    key: tuple[str, ...]


def _table(
    name: str,
    key: Mapping[str, pa.DataType],
    values: Mapping[str, pa.DataType],
    nullable: Sequence[str] = (),
    meanings: Mapping[str, str] | None = None,
) -> Table:
    """Return a table; a column's meaning goes into its metadata in the file, as "description"."""
    meanings = {column: {"description": text} for column, text in (meanings or {}).items()}
    columns = {**key, **values}
    fields = [pa.field(c, kind, c in nullable, meanings.get(c)) for c, kind in columns.items()]
    return Table(name, pa.schema(fields), tuple(key))


_POSITION = {"x": pa.float64(), "y": pa.float64()}
_FRAME = {"experiment": pa.int32(), "frame": pa.int32()}
_SCORES = {
    "true_positives": pa.int32(),
    "false_positives": pa.int32(),
    "false_negatives": pa.int32(),
    "jaccard": pa.float64(),
    "association_jaccard": pa.float64(),
    "position_error": pa.float64(),
    "swaps": pa.int32(),
    "within_tolerance": pa.float64(),
    "gated_jaccard": pa.float64(),
    "isbi_alpha": pa.float64(),
    "isbi_beta": pa.float64(),
    "isbi_jsc": pa.float64(),
    "isbi_jsc_theta": pa.float64(),
    "gospa": pa.float64(),
}

TRUTH = _table("truth", {**_FRAME, "particle": pa.int16()}, {**_POSITION, "detection": pa.int16()})
INITIAL = _table("initial", {"experiment": pa.int32(), "particle": pa.int16()}, _POSITION)
MEASUREMENTS = _table("measurements", {**_FRAME, "detection": pa.int16()}, _POSITION)
TRACKS = _table(
    "tracks", {**_FRAME, "track": pa.int16()}, {**_POSITION, "detection": pa.int16()}, nullable=("detection",)
)
# How sure the Multiple Hypothesis Tracker is: null where there was no other detection to choose.
MARGINS = _table(
    "margins",
    {**_FRAME, "track": pa.int16()},
    {"margin": pa.float64(), "gap": pa.float64()},
    nullable=("margin",),
)
SCORES = _table("scores", {"experiment": pa.int32()}, _SCORES)
# The scores of several trackers on one dataset.
TRACKER_SCORES = _table(
    "tracker scores", {"tracker": pa.string(), "replicate": pa.int16(), "experiment": pa.int32()}, _SCORES
)
# What a figure of scores draws: a curve's number and name, a point's x, and the mean over test sequences and
# replicates between the ends of its 95 % interval.
CURVES = _table(
    "curves",
    {"score": pa.string(), "curve": pa.int16(), "x": pa.float64()},
    {
        "label": pa.string(),
        "method": pa.string(),
        "dataset": pa.string(),
        "tracker": pa.string(),
        "replicates": pa.int16(),
        "experiments": pa.int32(),
        "mean": pa.float64(),
        "low": pa.float64(),
        "high": pa.float64(),
        "sequence_half_width": pa.float64(),
    },
)
# What the data say of claims, each by each of its scores: the effect, its 95 % interval, its p-value alone
# and corrected for the claims about the figure; how many points there are, and at how many the effect is
# significant as claimed and otherwise; the means of the curve and of what it is compared with; per control
# its mean on the same data and the verdict with it in the place of the curve. Null, or empty, is what the
# claim does not have.
_CONTROLS = [
    f"{control}_{column}" for control in ("frozen", "random", "oracle") for column in ("mean", "verdict")
]
CLAIMS = _table(
    "claims",
    {"claim": pa.string(), "score": pa.string()},
    {
        "statement": pa.string(),
        "figure": pa.string(),
        "verdict": pa.string(),
        **dict.fromkeys(["effect", "low", "high", "p", "corrected_p"], pa.float64()),
        **dict.fromkeys(["points", "points_as_claimed", "points_otherwise"], pa.int16()),
        **dict.fromkeys(["mean", "reference_mean"], pa.float64()),
        **{name: pa.float64() if name.endswith("mean") else pa.string() for name in _CONTROLS},
        "detail": pa.string(),
    },
    nullable=("effect", "low", "high", "p", "corrected_p", "reference_mean", *_CONTROLS[::2]),
)
# How reliable the Bayes reference is on a dataset: of the links whose probability is in a bin, how many there
# are, their mean probability, the fraction that is true with its 95 % interval, and, over all bins, the
# expected calibration error.
CALIBRATION = _table(
    "calibration",
    {"dataset": pa.string(), "bin": pa.int16()},
    {
        "links": pa.int32(),
        "probability": pa.float64(),
        "frequency": pa.float64(),
        "low": pa.float64(),
        "high": pa.float64(),
        "expected_calibration_error": pa.float64(),
    },
)


def choices_table(axes: Sequence[str]) -> Table:
    """Return the table of what is found of claims under choices, each a value of these axes, in words.

    A row has the part of the study, the value of each axis, and what CLAIMS has of the claim by the score.
    """
    choice = dict.fromkeys(["part", *axes], pa.string())
    found = {
        field.name: field.type
        for field in CLAIMS.schema
        if field.name not in (*CLAIMS.key, "statement", "detail")
    }
    nullable = [field.name for field in CLAIMS.schema if field.nullable]
    return _table("choices", {**choice, "claim": pa.string(), "score": pa.string()}, found, nullable)


# How well the replicates of a model track validation sequences as training goes on; epoch 0 is untrained.
LEARNING_CURVE = _table(
    "learning curve",
    {"replicate": pa.int16(), "epoch": pa.int32()},
    {"loss": pa.float64(), "jaccard": pa.float64(), "position_error": pa.float64()},
    nullable=("loss",),
)
OPERATIONS = _table(
    "operations",
    {"tracker": pa.string(), "variant": pa.string(), "K": pa.int16()},
    {
        "flops": pa.int64(),
        "macs": pa.int64(),
        "source": pa.string(),
        **dict.fromkeys(["seconds", "seconds_together", "gpu_seconds_together"], pa.float64()),
    },
    nullable=("flops", "macs", "seconds_together", "gpu_seconds_together"),
    meanings={
        "flops": "floating-point operations per sequence; a multiply–add is 2; null if no source can count",
        "macs": "of these the multiply–adds of matrix products, each as 1; null if not counted apart",
        "source": "what counted: fvcore, papi (the processor), emulated (one emulated), model (a formula) "
        "or none",
        "seconds": "processor time per sequence, on one thread of the machine that made the table, where "
        "sequences are tracked one by one",
        "seconds_together": "the same where many are tracked at once; how many is in the parameters; null "
        "for a tracker that takes them one by one in any case",
        "gpu_seconds_together": "elapsed time per sequence on a GPU, as many at once; null without a GPU",
    },
)


class TableWriter:
    """Write a table beside `path` and rename it there on success; on any failure leave nothing.

    with TableWriter(path, TRACKS, parameters) as writer:
        writer.write({"experiment": ..., ...})
    """

    def __init__(self, path: str | os.PathLike, table: Table, parameters: dict):
        """Take plain JSON values as `parameters`. Nothing is on disk before the `with` block is entered."""
        self.path = Path(path)
        self.table = table
        if self.path.is_dir():
            raise InputError(f"{self.path}: is a directory, not a file")
        self._part = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        self._schema = table.schema.with_metadata({PARAMETERS_KEY: _to_json(parameters)})
        self._pending = self._schema.empty_table()
        self._rows = 0
        self._last_key: tuple | None = None
        self._file: pq.ParquetWriter | None = None

    def open(self) -> None:
        """Begin the file; its directory is made if missing."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Measured numbers seldom repeat, and compress better byte by byte.
        measured = [field.name for field in self._schema if pa.types.is_floating(field.type)]
        counted = [name for name in self._schema.names if name not in measured]
        with self._naming_the_file():
            self._file = pq.ParquetWriter(
                self._part,
                self._schema,
                compression="zstd",
                use_dictionary=counted,
                use_byte_stream_split=measured,
                write_page_checksum=True,
            )

    def write(self, columns: Mapping[str, np.ndarray | None]) -> None:
        """Append rows: one array of equal length per column; a masked array or None is null where it may be.

        Raises InputError if the rows are not sorted by the key or hold a number that is not finite.
        """
        if set(columns) != set(self._schema.names):
            raise ValueError(f"{self.table.name} has the columns {self._schema.names}, not {list(columns)}")
        rows = len(columns[self.table.key[0]])
        added = pa.Table.from_arrays(
            [_to_arrow(self.path, field, columns[field.name], rows) for field in self._schema],
            schema=self._schema,
        )
        _check_values(self.path, self.table, added, self._rows)
        self._last_key = _check_key(self.path, self.table, added, self._rows, self._last_key)
        self._rows += rows
        self._pending = pa.concat_tables([self._pending, added])
        while self._pending.num_rows > ROWS_PER_GROUP:
            # The last experiment may go on in the next call.
            ends = _experiment_starts(self._pending)[1:]
            if not len(ends):
                break
            fitting = ends[ends <= ROWS_PER_GROUP]
            self._write_group(int(fitting[-1] if len(fitting) else ends[0]))

    def _write_group(self, rows: int) -> None:
        with self._naming_the_file():
            self._file.write_table(self._pending.slice(0, rows).combine_chunks(), row_group_size=rows)
        self._pending = self._pending.slice(rows)

    def finish(self) -> None:
        """Write what is pending and the footer; the file is complete but not yet at `path`."""
        if not self._rows:
            raise InputError(f"{self.path}: no rows to write")
        self._write_group(self._pending.num_rows)
        with self._naming_the_file():
            self._file.close()

    def publish(self) -> None:
        """Rename the finished file to `path`."""
        with self._naming_the_file():
            os.replace(self._part, self.path)

    def discard(self) -> None:
        """Remove what was written but not published."""
        if self._file is not None:
            with suppress(OSError, pa.ArrowException):
                self._file.close()
        self._part.unlink(missing_ok=True)

    @contextmanager
    def _naming_the_file(self):
        """Name the file in an OSError: Arrow's own names none."""
        try:
            yield
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else _first_line(error)
            raise OSError(error.errno, reason, str(self.path)) from error

    def __enter__(self) -> "TableWriter":
        """Begin the file."""
        try:
            self.open()
        except BaseException:
            self.discard()
            raise
        return self

    def __exit__(self, kind, error, trace) -> None:
        """Finish and publish, or discard after an error."""
        try:
            if kind is None:
                self.finish()
                self.publish()
        finally:
            self.discard()


class TableReader:
    """A table that is checked as it is read; a context manager."""

    def __init__(self, path: str | os.PathLike, table: Table):
        """Open and check the columns; raises InputError if the file is missing, broken or another table."""
        self.path = Path(path)
        self.table = table
        if not self.path.exists():
            raise InputError(f"{self.path}: no such file")
        with self._naming_the_file():
            # A buffer would be as large as the file, up to dozens of MB.
            self._file = pq.ParquetFile(self.path, page_checksum_verification=True, pre_buffer=False)
            self._check_columns(self._file.schema_arrow)
        if not self._file.metadata.num_rows:
            raise InputError(f"{self.path}: has no rows")

    def _check_columns(self, found: pa.Schema) -> None:
        expected = self.table.schema
        for name in found.names:
            if name not in expected.names:
                raise InputError(
                    f"{self.path}: unknown column {name!r}; {self.table.name} has {expected.names}"
                )
        for position, field in enumerate(expected):
            if found.names.count(field.name) != 1:
                many = "no" if field.name not in found.names else "more than one"
                raise InputError(
                    f"{self.path}: {many} column {field.name!r}; {self.table.name} has {expected.names}"
                )
            kind = found.field(field.name).type
            if kind != field.type:
                raise InputError(f"{self.path}: column {field.name!r} is {kind}, not {field.type}")
            if found.names[position] != field.name:
                raise InputError(f"{self.path}: columns {found.names} are not in the order {expected.names}")

    @property
    def parameters(self) -> dict:
        """The parameters that made the table."""
        text = (self._file.metadata.metadata or {}).get(PARAMETERS_KEY)
        # No checksum covers the footer, but Arrow's schema in it has a second copy.
        if text != (self._file.schema_arrow.metadata or {}).get(PARAMETERS_KEY):
            raise InputError(f"{self.path}: its parameters (schema metadata 'mpt') are damaged")
        if text is None:
            raise InputError(f"{self.path}: has no parameters (schema metadata 'mpt')")
        try:
            parameters = json.loads(text)
        except ValueError as error:
            raise InputError(f"{self.path}: its parameters (schema metadata 'mpt') are not JSON") from error
        if not isinstance(parameters, dict):
            raise InputError(f"{self.path}: its parameters (schema metadata 'mpt') are not an object")
        return parameters

    def blocks(self, experiments_per_block: int) -> Iterator[dict[str, np.ndarray]]:
        """Yield the columns of that many whole experiments at a time; a nullable column is a masked array.

        Raises InputError at the first row that is null, not finite, or out of order or repeated by the key.
        """
        pending = self.table.schema.empty_table()
        row, last_key = 0, None
        for batch in self._batches():
            added = pa.Table.from_batches([batch])
            _check_values(self.path, self.table, added, row)
            last_key = _check_key(self.path, self.table, added, row, last_key)
            row += added.num_rows
            pending = pa.concat_tables([pending, added.cast(self.table.schema)])
            starts = _experiment_starts(pending)
            cuts = starts[experiments_per_block::experiments_per_block]
            for begin, end in pairwise([0, *cuts]):
                yield self._columns(pending.slice(begin, end - begin))
            pending = pending.slice(max(cuts, default=0))
        if row != self._file.metadata.num_rows:
            raise InputError(f"{self.path}: {row} rows where its footer says {self._file.metadata.num_rows}")
        yield self._columns(pending)

    def read(self) -> dict[str, np.ndarray]:
        """Return all columns; for tables that are small by nature, such as scores."""
        (columns,) = self.blocks(experiments_per_block=self._file.metadata.num_rows)
        return columns

    def _batches(self) -> Iterator[pa.RecordBatch]:
        batches = self._file.iter_batches(batch_size=ROWS_PER_GROUP, use_threads=False)
        while True:
            with self._naming_the_file():
                batch = next(batches, None)
            if batch is None:
                return
            yield batch

    def _columns(self, rows: pa.Table) -> dict[str, np.ndarray]:
        columns = {}
        for field in self.table.schema:
            column = rows[field.name].combine_chunks()
            if field.nullable:
                mask = column.is_null().to_numpy(zero_copy_only=False)
                columns[field.name] = np.ma.array(
                    column.fill_null(0).to_numpy(zero_copy_only=False), mask=mask
                )
            else:
                columns[field.name] = column.to_numpy(zero_copy_only=False)
        return columns

    @contextmanager
    def _naming_the_file(self):
        try:
            yield
        except InputError:
            raise
        except (pa.ArrowException, OSError, ValueError) as error:
            raise InputError(f"{self.path}: not a sound Parquet file: {_first_line(error)}") from error

    def __enter__(self) -> "TableReader":
        """Return the reader."""
        return self

    def __exit__(self, *error) -> None:
        """Close the file."""
        self._file.close()


@dataclass(frozen=True)
class Scenes:
    """What a tracker may know of B experiments.

    experiments (B,) int32; measurements (B, T, N, 2) float64; initial (B, N, 2) float64: where the particles
    are at frame 0.
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


@dataclass(frozen=True)
class Tracks:
    """What a tracker made of B experiments.

    experiments (B,) int32; positions (B, T, N, 2) float64; detection (B, T, N) int16: the index of the
    detection assigned to each track in its frame, -1 if none.
    """

    experiments: np.ndarray
    positions: np.ndarray
    detection: np.ndarray


def dataset_parameters(path: str | os.PathLike, table: Table = MEASUREMENTS) -> dict:
    """Return a dataset's parameters from a table of it or from tracks made from it; reads no rows."""
    with TableReader(path, table) as reader:
        return _dataset_parameters(reader)


def table_parameters(path: str | os.PathLike, table: Table) -> dict:
    """Return the parameters that made a table, without reading rows."""
    with TableReader(path, table) as reader:
        return reader.parameters


def dataset_shape(path: str | os.PathLike, table: Table = MEASUREMENTS) -> tuple[int, int, int]:
    """Return the numbers of experiments, frames and particles of a table's dataset, without reading rows."""
    parameters = dataset_parameters(path, table)
    return parameters["experiments"], parameters["frames"], parameters["particles"]


def check_same_dataset(paths: Mapping[str | os.PathLike, Table]) -> None:
    """Raise InputError, naming both files, if the tables do not stem from one dataset."""
    (first, first_table), *others = paths.items()
    expected = dataset_parameters(first, first_table)
    for path, table in others:
        found = dataset_parameters(path, table)
        for name in sorted(expected.keys() | found.keys()):
            if expected.get(name) != found.get(name):
                raise InputError(
                    f"{path}: not of the dataset of {first}: "
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
    measurements = _dense_blocks(measurements_path, MEASUREMENTS, experiments_per_block)
    initial = _dense_blocks(initial_path, INITIAL, experiments_per_block)
    for detections, starts in zip(measurements, initial, strict=True):
        _check_same_experiments(measurements_path, detections, initial_path, starts)
        yield Scenes(detections["experiments"], detections["positions"], starts["positions"][:, 0])


def read_measurements(
    path: str | os.PathLike, experiments_per_block: int | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield experiments (B,) and measurements (B, T, N, 2); raises InputError as read_scenes does."""
    for block in _dense_blocks(path, MEASUREMENTS, experiments_per_block):
        yield block["experiments"], block["positions"]


def read_truth(path: str | os.PathLike, experiments_per_block: int | None = None) -> Iterator[Truth]:
    """Yield the truth, a block of whole experiments at a time; raises InputError as read_scenes does."""
    for block in _dense_blocks(path, TRUTH, experiments_per_block):
        detection = block["detection"]
        wrong = np.argwhere((np.sort(detection, axis=2) != np.arange(detection.shape[2])).any(axis=2))
        if len(wrong):
            experiment, frame = block["experiments"][wrong[0, 0]], wrong[0, 1]
            raise InputError(
                f"{path}: experiment {experiment}, frame {frame}: detections "
                f"{detection[tuple(wrong[0])].tolist()} are not one for each particle"
            )
        yield Truth(block["experiments"], block["positions"], detection)


def read_tracks(path: str | os.PathLike, experiments_per_block: int | None = None) -> Iterator[Tracks]:
    """Yield the tracks, a block of whole experiments at a time; raises InputError as read_scenes does."""
    for block in _dense_blocks(path, TRACKS, experiments_per_block):
        detection = block["detection"]
        assigned = ~np.ma.getmaskarray(detection)
        outside = np.argwhere(assigned & ((detection.data < 0) | (detection.data >= detection.shape[2])))
        if len(outside):
            b, frame, track = outside[0]
            raise InputError(
                f"{path}: experiment {block['experiments'][b]}, frame {frame}: track {track} has detection "
                f"{detection.data[b, frame, track]}, which is not in 0…{detection.shape[2] - 1}"
            )
        yield Tracks(block["experiments"], block["positions"], detection.filled(-1))


def read_tracker_scores(
    path: str | os.PathLike, trackers: Sequence[str], names: Sequence[str]
) -> Iterator[tuple[str, np.ndarray, dict[str, np.ndarray]]]:
    """Yield each tracker, its experiments (B,) and its scores by name, (R, B): a row per replicate.

    Raises InputError if the table lacks a tracker, or if its replicates are not of the same experiments.
    """
    with TableReader(path, TRACKER_SCORES) as reader:
        rows = reader.read()
    for tracker in trackers:
        of_tracker = rows["tracker"] == tracker
        replicates = len(np.unique(rows["replicate"][of_tracker]))
        if not replicates:
            raise InputError(f"{path}: has no scores of {tracker}")
        experiments = rows["experiment"][of_tracker]
        if (
            len(experiments) % replicates
            or (experiments.reshape(replicates, -1) != experiments[: len(experiments) // replicates]).any()
        ):
            raise InputError(f"{path}: the replicates of {tracker} are not of the same experiments")
        columns = {name: rows[name][of_tracker].reshape(replicates, -1) for name in names}
        yield tracker, experiments[: len(experiments) // replicates], columns


def choice_axes(path: str | os.PathLike) -> list[str]:
    """Return the axes of a table of choices; raises InputError if it is none."""
    try:
        names = pq.read_schema(path).names
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{path}: not a sound Parquet file: {_first_line(error)}") from error
    if names[:1] != ["part"] or "claim" not in names:
        raise InputError(f"{path}: is no table of choices")
    return names[1 : names.index("claim")]


def write_csv(path: str | os.PathLike, csv_path: str | os.PathLike) -> None:
    """Write the rows of a table that is small by nature as comma-separated values."""
    pa.csv.write_csv(pq.read_table(path), csv_path)


class TrackWriter:
    """Write tracks.parquet, whole or not at all.

    parameters = {"tracker": "mht", "lookback": 8, ..., "dataset": dataset_parameters(measurements_path)}
    with TrackWriter(path, parameters) as writer:
        for scenes in read_scenes(measurements_path, initial_path):
            writer.write(scenes.experiments, positions, detection)
    """

    def __init__(self, path: str | os.PathLike, parameters: dict):
        """Take as `parameters` the tracker's own and, as "dataset", the dataset's."""
        self._writer = TableWriter(path, TRACKS, parameters)

    def write(self, experiments: np.ndarray, positions: np.ndarray, detection: np.ndarray | None) -> None:
        """Append the tracks (B, T, N, 2) of `experiments` (B,).

        detection (B, T, N) is the detection assigned to each track, -1 for none; None if there are none.
        """
        columns = _columns(experiments, "track", positions)
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


class DatasetWriter:
    """Write truth.parquet, initial.parquet and measurements.parquet into a directory: all three or none."""

    def __init__(self, directory: str | os.PathLike, parameters: dict):
        """Take plain JSON values as `parameters`, which all three files carry."""
        self._directory = Path(directory)
        self._made_directory = not self._directory.exists()
        self._writers = [
            TableWriter(self._directory / f"{table.name}.parquet", table, parameters)
            for table in (TRUTH, INITIAL, MEASUREMENTS)
        ]

    def write(
        self, experiments: np.ndarray, positions: np.ndarray, measurements: np.ndarray, detection: np.ndarray
    ) -> None:
        """Append true positions and measurements (B, T, N, 2) and each particle's detection (B, T, N)."""
        truth, initial, measured = self._writers
        truth.write({**_columns(experiments, "particle", positions), "detection": detection.ravel()})
        starts = _columns(experiments, "particle", positions[:, :1])
        del starts["frame"]
        initial.write(starts)
        measured.write(_columns(experiments, "detection", measurements))

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
    if reader.table is TRACKS:
        parameters = parameters.get("dataset")
        if not isinstance(parameters, dict):
            raise InputError(f"{reader.path}: its parameters do not say from which dataset it was made")
    for name in ("experiments", "frames", "particles"):
        value = parameters.get(name)
        if type(value) is not int or value < 1:
            raise InputError(
                f"{reader.path}: its parameter {name!r} is {value!r}, not an integer of at least 1"
            )
    return parameters


def _dense_blocks(path, table: Table, experiments_per_block: int | None) -> Iterator[dict[str, np.ndarray]]:
    """Yield experiments (B,), positions (B, T, N, 2) and, unless it is in the key, detection (B, T, N)."""
    with TableReader(path, table) as reader:
        parameters = _dataset_parameters(reader)
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
                raise InputError(
                    f"{path}: more experiments than the {parameters['experiments']} of its parameters"
                )
            yield block
        if count < parameters["experiments"]:
            raise InputError(
                f"{path}: {count} experiments where its parameters say {parameters['experiments']}"
            )


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
                raise InputError(f"{at}: {name} {missing[0]} is missing ({len(found)} of {particles})")


def _check_same_experiments(path, block: dict, other_path, other: dict) -> None:
    missing = np.setxor1d(block["experiments"], other["experiments"])
    if len(missing):
        raise InputError(f"{path} and {other_path}: experiment {missing[0]} is in only one of them")


def _columns(experiments: np.ndarray, index: str, positions: np.ndarray) -> dict[str, np.ndarray]:
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


def _to_json(parameters: dict) -> bytes:
    return json.dumps(parameters, sort_keys=True, allow_nan=False, ensure_ascii=False).encode()


def _to_arrow(path: Path, field: pa.Field, values: np.ndarray | None, rows: int) -> pa.Array:
    if values is None:
        return pa.nulls(rows, field.type)
    try:
        return pa.array(np.ma.getdata(values), field.type, mask=np.ma.getmaskarray(values), from_pandas=False)
    except pa.ArrowInvalid as error:
        raise InputError(f"{path}: column {field.name!r}: {_first_line(error)}") from error


def _experiment_starts(rows: pa.Table) -> np.ndarray:
    """Return where the rows may be parted: between experiments, or anywhere in a table that has none."""
    if "experiment" not in rows.column_names:
        return np.arange(rows.num_rows)
    experiment = rows["experiment"].to_numpy()
    return np.r_[0, 1 + np.flatnonzero(experiment[1:] != experiment[:-1])]


def _check_values(path: Path, table: Table, rows: pa.Table, first_row: int) -> None:
    for field in table.schema:
        column = rows[field.name]
        if column.null_count and not field.nullable:
            row = first_row + int(np.argmax(column.is_null().to_numpy()))
            raise InputError(
                f"{path}: row {row}: column {field.name!r} is null ({_key_of(table, rows, row - first_row)})"
            )
        if pa.types.is_floating(field.type):
            values = column.to_numpy()
            finite = np.isfinite(values) | column.is_null().to_numpy()
            if not finite.all():
                at = int(np.argmin(finite))
                raise InputError(
                    f"{path}: row {first_row + at}: column {field.name!r} is {values[at]}, not finite "
                    f"({_key_of(table, rows, at)})"
                )


def _key_of(table: Table, rows: pa.Table, at: int) -> str:
    return ", ".join(f"{name} {rows[name][at]}" for name in table.key)


def _check_key(
    path: Path, table: Table, rows: pa.Table, first_row: int, last_key: tuple | None
) -> tuple | None:
    """Raise InputError unless keys increase strictly from `last_key` on; return the last one."""
    if not rows.num_rows:
        return last_key
    columns = [rows[name].to_numpy() for name in table.key]
    if last_key is not None:
        columns = [
            np.r_[np.array([last], values.dtype), values]
            for last, values in zip(last_key, columns, strict=True)
        ]
    after = np.zeros(len(columns[0]) - 1, bool)
    equal = np.ones_like(after)
    for values in columns:
        after |= equal & (values[1:] > values[:-1]).astype(bool)
        equal &= (values[1:] == values[:-1]).astype(bool)
    if not after.all():
        at = int(np.argmin(after))
        key = ", ".join(f"{name} {values[at + 1]}" for name, values in zip(table.key, columns, strict=True))
        fault = "repeats a row" if equal[at] else f"is not sorted by {', '.join(table.key)}"
        row = first_row + at + (last_key is None)
        raise InputError(f"{path}: row {row}: {key}: {fault}")
    return tuple(values[-1] for values in columns)


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0]
