"""Tables of other programs: CSV or Parquet in, by column, and out, whole or not at all.

A fault names the line of a CSV file, counted from 1 as an editor does, or the row of a Parquet file, counted
from 0 as a data frame does.
"""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from mpt.errors import InputError
from mpt.tables.files import first_line

# What frames and particles may be counted with: the tables' int32.
LARGEST_INTEGER = 2**31 - 1


class ForeignTable:
    """The columns of a Parquet file, if the suffix is .parquet, or of a CSV file."""

    def __init__(self, path: str | os.PathLike):
        """Read the file; raises InputError if it is no table or has no rows."""
        self.path = Path(path)
        self._is_csv = self.path.suffix.lower() != ".parquet"
        try:
            rows = self._read()
        except pd.errors.EmptyDataError as error:
            raise InputError(f"{self.path}: is empty") from error
        except pd.errors.ParserError as error:
            raise InputError(f"{self.path}: not a table: {_with_line(first_line(error))}") from error
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{self.path}: cannot be read: {first_line(error)}") from error
        self._rows = rows
        self.names = [str(name) for name in rows.columns]
        self._rows.columns = self.names
        if not len(rows):
            raise InputError(f"{self.path}: has no rows")

    def _read(self) -> pd.DataFrame:
        if not self._is_csv:
            rows = pd.read_parquet(self.path)
            # Linkers leave the frame as index, and some as column too.
            only_in_index = [name for name in rows.index.names if name and name not in rows.columns]
            return rows.reset_index(level=only_in_index).reset_index(drop=True)
        rows = pd.read_csv(
            self.path,
            dtype=str,
            keep_default_na=False,
            skip_blank_lines=False,
            skipinitialspace=True,
            index_col=False,
            encoding="utf-8-sig",
            # Only units can hold such characters, and no unit is read.
            encoding_errors="replace",
        )
        rows.index += 2
        return rows[~(rows.isna() | (rows == "")).all(axis=1)]

    def without(self, rows: int) -> "ForeignTable":
        """Return the table without its first rows."""
        other = object.__new__(ForeignTable)
        other.path, other._is_csv, other.names = self.path, self._is_csv, self.names
        other._rows = self._rows.iloc[rows:]
        if not len(other._rows):
            raise InputError(f"{self.path}: has no rows")
        return other

    def begins_with_number(self, name: str) -> bool:
        """Tell whether the column's first value is a number."""
        self._require(name)
        return bool(pd.to_numeric(self._rows[name].iloc[:1], errors="coerce").notna().all())

    def numbers(self, name: str) -> np.ndarray:
        """Return a column of finite numbers (n,) float64; raises InputError at the first that is none."""
        values = self._parsed(name)
        self._refuse(name, ~np.isfinite(values), "not a finite number")
        return values

    def integers(self, name: str, nothing: tuple[str, ...] | None = None) -> np.ndarray:
        """Return a column of integers (n,) int64, which may be written as 7.0.

        nothing: the words that stand for no integer, beside an empty field; they become −1. None if there
        must be one in every row. Raises InputError at the first value that is neither.
        """
        values = self._parsed(name)
        absent = np.zeros(len(values), bool)
        if nothing is not None:
            column = self._rows[name]
            absent = (column.isna() | column.isin(["", *nothing])).to_numpy()
        with np.errstate(invalid="ignore"):
            whole = (np.abs(values) <= LARGEST_INTEGER) & (values == np.round(values))
        self._refuse(name, ~whole & ~absent, "not an integer")
        if nothing is not None:
            self._refuse(name, whole & (values < 0) & (values != -1), "negative, and no particle's number")
        return np.where(absent, -1, np.where(whole, values, 0)).astype(np.int64)

    def constant(self, name: str) -> bool:
        """Tell whether a column is absent or holds one number throughout."""
        return name not in self.names or len(np.unique(self.numbers(name))) == 1

    def _parsed(self, name: str) -> np.ndarray:
        self._require(name)
        return pd.to_numeric(self._rows[name], errors="coerce").to_numpy(np.float64, na_value=np.nan)

    def _require(self, name: str) -> None:
        if name not in self.names:
            raise InputError(f"{self.path}: no column {name!r}; it has {', '.join(self.names)}")

    def _refuse(self, name: str, wrong: np.ndarray, fault: str) -> None:
        if wrong.any():
            at = int(np.argmax(wrong))
            value = self._rows[name].iloc[at]
            value = "empty" if pd.isna(value) or value == "" else f"{value!s:.40}, {fault}"
            place = f"{'line' if self._is_csv else 'row'} {self._rows.index[at]}"
            raise InputError(f"{self.path}: {place}: column {name!r} is {value}")


def write_foreign(path: str | os.PathLike, columns: dict[str, np.ndarray]) -> None:
    """Write columns (n,) as Parquet if the suffix is .parquet, as CSV otherwise; nan is an empty field."""
    rows = pd.DataFrame(columns)
    if Path(path).suffix.lower() == ".parquet":
        write_whole(path, lambda part: rows.to_parquet(part, index=False))
    else:
        write_whole(path, lambda part: rows.to_csv(part, index=False, lineterminator="\n"))


def write_whole(path: str | os.PathLike, write: Callable[[Path], object]) -> None:
    """Call write(a file beside `path`) and rename the file to `path`; on any failure leave nothing."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        write(part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _with_line(message: str) -> str:
    """Say pandas' "Expected 3 fields in line 5, saw 4" without its preamble."""
    return message.split("C error: ")[-1]
