"""The Parquet files between the rules: how every table is checked, streamed and written.

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


def make_table(
    name: str,
    key: Mapping[str, pa.DataType],
    values: Mapping[str, pa.DataType],
    nullable: Sequence[str] = (),
    meanings: Mapping[str, str] | None = None,
) -> Table:
    """Return a table; a column's meaning goes into its metadata in the file, as "description"."""
    described = {column: {"description": text} for column, text in (meanings or {}).items()}
    columns = {**key, **values}
    fields = [pa.field(c, kind, c in nullable, described.get(c)) for c, kind in columns.items()]
    return Table(name, pa.schema(fields), tuple(key))


class TableWriter:
    """Write a table beside `path` and rename it there on success; on any failure leave nothing.

    with TableWriter(path, TRACKS, parameters) as writer:
        writer.write({"experiment": ..., ...})
    """

    def __init__(self, path: str | os.PathLike, table: Table, parameters: Mapping | None):
        """Take plain JSON values as `parameters`, or None to say nothing of how the table was made.

        Nothing is on disk before the `with` block is entered.
        """
        self.path = Path(path)
        self.table = table
        if self.path.is_dir():
            raise InputError(f"{self.path}: is a directory, not a file")
        self._part = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        metadata = None if parameters is None else {PARAMETERS_KEY: _to_json(parameters)}
        self._schema = table.schema.with_metadata(metadata)
        self._pending = pa.Table.from_batches([], self._schema)
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
                _place(self._part),
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
        key = columns[self.table.key[0]]
        assert key is not None
        rows = len(key)
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
        assert self._file is not None
        with self._naming_the_file():
            self._file.write_table(self._pending.slice(0, rows).combine_chunks(), row_group_size=rows)
        self._pending = self._pending.slice(rows)

    def finish(self) -> None:
        """Write what is pending and the footer; the file is complete but not yet at `path`."""
        if not self._rows:
            raise InputError(f"{self.path}: no rows to write")
        self._write_group(self._pending.num_rows)
        assert self._file is not None
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
            reason = os.strerror(error.errno) if error.errno else first_line(error)
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
            self._file = pq.ParquetFile(_place(self.path), page_checksum_verification=True, pre_buffer=False)
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
    def has_parameters(self) -> bool:
        """Whether the table says what made it."""
        return PARAMETERS_KEY in (self._file.metadata.metadata or {})

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
        pending = pa.Table.from_batches([], self.table.schema)
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
        columns: dict[str, np.ndarray] = {}
        for field in self.table.schema:
            values = columns[field.name] = _to_numpy(rows[field.name])
            if field.nullable:
                mask = _is_null(rows[field.name])
                columns[field.name] = np.ma.array(np.where(mask, values.dtype.type(0), values), mask=mask)
        return columns

    @contextmanager
    def _naming_the_file(self):
        try:
            yield
        except InputError:
            raise
        except (pa.ArrowException, OSError, ValueError) as error:
            raise InputError(f"{self.path}: not a sound Parquet file: {first_line(error)}") from error

    def __enter__(self) -> "TableReader":
        """Return the reader."""
        return self

    def __exit__(self, *error) -> None:
        """Close the file."""
        self._file.close()


def table_parameters(path: str | os.PathLike, table: Table) -> dict:
    """Return the parameters that made a table, without reading rows."""
    with TableReader(path, table) as reader:
        return reader.parameters


def with_columns(table: Table, names: Sequence[str]) -> Table:
    """Return the table with only those of its columns that are named: as an earlier version wrote it."""
    fields = [field for field in table.schema if field.name in names]
    return Table(table.name, pa.schema(fields), table.key)


def column_names(path: str | os.PathLike) -> list[str]:
    """Return the names of a table's columns, whichever table it is; raises InputError if it is not sound."""
    try:
        return pq.read_schema(path).names
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{path}: not a sound Parquet file: {first_line(error)}") from error


def write_csv(path: str | os.PathLike, csv_path: str | os.PathLike) -> None:
    """Write the rows of a table that is small by nature as comma-separated values."""
    pa.csv.write_csv(pq.read_table(_place(path)), _place(csv_path))


def _place(path: str | os.PathLike) -> str:
    """Return a path that Arrow takes for a file: it takes a relative one with a colon for a URI."""
    return os.path.abspath(path)


def _to_json(parameters: Mapping) -> bytes:
    return json.dumps(parameters, sort_keys=True, allow_nan=False, ensure_ascii=False).encode()


def with_nulls(values: Sequence) -> np.ma.MaskedArray:
    """Return the values of a column for TableWriter.write, in which None is null."""
    missing = [value is None for value in values]
    return np.ma.array([0 if value is None else value for value in values], mask=missing)


def _to_arrow(path: Path, field: pa.Field, values: np.ndarray | None, rows: int) -> pa.Array:
    if values is None:
        return pa.nulls(rows, field.type)
    absent = np.ma.getmaskarray(values)
    try:
        if values.dtype.kind not in "iuf":
            return pa.array(np.ma.getdata(values), field.type, mask=absent, from_pandas=False)
        # What lies where nothing is might be too large for the column.
        data = np.ma.filled(values, 0)
        present = pa.py_buffer(np.packbits(~absent, bitorder="little")) if absent.any() else None
        kind = pa.from_numpy_dtype(data.dtype)
        return pa.Array.from_buffers(kind, rows, [present, _copied(data)]).cast(field.type)
    except pa.ArrowInvalid as error:
        raise InputError(f"{path}: column {field.name!r}: {first_line(error)}") from error


# Into Arrow's memory: what waits to be written would fragment NumPy's.
def _copied(values: np.ndarray) -> pa.Buffer:
    buffer = pa.allocate_buffer(values.nbytes)
    if values.size:
        np.frombuffer(buffer, values.dtype)[:] = values
    return buffer


# pyarrow's own conversions import pandas, if only to ask whether it is of pandas: a quarter of a second.
def _to_numpy(column: pa.ChunkedArray) -> np.ndarray:
    """Return the values (n,) of a column; where it is null, any."""
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        return column.to_numpy()
    dtype = np.dtype(column.type.to_pandas_dtype())
    chunks = [
        np.frombuffer(chunk.buffers()[1], dtype, len(chunk), chunk.offset * dtype.itemsize)
        for chunk in column.chunks
        if len(chunk)
    ]
    return chunks[0] if len(chunks) == 1 else np.concatenate([np.empty(0, dtype), *chunks])


def _is_null(column: pa.ChunkedArray) -> np.ndarray:
    """Return (n,): where a column is null."""
    found = [np.zeros(0, bool)]
    for chunk in column.chunks:
        bits = chunk.buffers()[0] if chunk.null_count else None
        if bits is None:
            found.append(np.zeros(len(chunk), bool))
        else:
            present = np.unpackbits(np.frombuffer(bits, np.uint8), bitorder="little")
            found.append(present[chunk.offset : chunk.offset + len(chunk)] == 0)
    return np.concatenate(found)


def _experiment_starts(rows: pa.Table) -> np.ndarray:
    """Return where the rows may be parted: between experiments, or anywhere in a table that has none."""
    if "experiment" not in rows.column_names:
        return np.arange(rows.num_rows)
    experiment = _to_numpy(rows["experiment"])
    return np.r_[0, 1 + np.flatnonzero(experiment[1:] != experiment[:-1])]


def _check_values(path: Path, table: Table, rows: pa.Table, first_row: int) -> None:
    for field in table.schema:
        column = rows[field.name]
        if column.null_count and not field.nullable:
            row = first_row + int(np.argmax(_is_null(column)))
            raise InputError(
                f"{path}: row {row}: column {field.name!r} is null ({_key_of(table, rows, row - first_row)})"
            )
        if pa.types.is_floating(field.type):
            values = _to_numpy(column)
            finite = np.isfinite(values) | _is_null(column)
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
    columns = [_to_numpy(rows[name]) for name in table.key]
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


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message."""
    return str(error).strip().split("\n")[0]
