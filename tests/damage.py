"""Ways in which a table can be wrong, each applied to a file in place, and what its refusal must say.

DAMAGES serves tests of any script that reads measurements.parquet, truth.parquet or tracks.parquet:

    @pytest.mark.parametrize("damage", DAMAGES)
    def test_...(damage):
        words = DAMAGES[damage](path)
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

ROW = 3


def remove(path: Path) -> str:
    """Remove the file."""
    path.unlink()
    return "no such file"


def truncate(path: Path) -> str:
    """Cut the file in half."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return "not a sound Parquet file"


def empty_file(path: Path) -> str:
    """Leave a file of no bytes."""
    path.write_bytes(b"")
    return "not a sound Parquet file"


def flip_bit(path: Path) -> str:
    """Flip one bit in the middle of column x."""
    group = pq.read_metadata(path).row_group(0)
    (column,) = (c for c in map(group.column, range(group.num_columns)) if c.path_in_schema == "x")
    begin = column.dictionary_page_offset if column.has_dictionary_page else column.data_page_offset
    content = bytearray(path.read_bytes())
    content[begin + column.total_compressed_size // 2] ^= 4
    path.write_bytes(content)
    return "not a sound Parquet file"


def no_rows(path: Path) -> str:
    """Keep the columns and none of the rows."""
    edit(path, lambda table: table.slice(0, 0))
    return "has no rows"


def rename_column(path: Path) -> str:
    """Call column x something else."""
    edit(path, lambda table: table.rename_columns(["easting" if n == "x" else n for n in table.column_names]))
    return "unknown column 'easting'"


def drop_column(path: Path) -> str:
    """Leave out column y."""
    edit(path, lambda table: table.drop_columns("y"))
    return "no column 'y'"


def extra_column(path: Path) -> str:
    """Add a column."""
    edit(path, lambda table: table.append_column("intensity", table["x"]))
    return "unknown column 'intensity'"


def swap_columns(path: Path) -> str:
    """Exchange the places of x and y."""

    def swap(table: pa.Table) -> pa.Table:
        names = [{"x": "y", "y": "x"}.get(name, name) for name in table.column_names]
        return table.select(names)

    edit(path, swap)
    return "not in the order"


def wrong_type(path: Path) -> str:
    """Store x in single precision."""
    edit(path, lambda table: replace(table, "x", table["x"].cast(pa.float32())))
    return "column 'x' is float, not double"


def null(path: Path) -> str:
    """Leave one x out."""
    edit(path, lambda table: set_value(table, "x", None))
    return f"row {ROW}: column 'x' is null"


def not_a_number(path: Path) -> str:
    """Make one y NaN."""
    edit(path, lambda table: set_value(table, "y", np.nan))
    return f"row {ROW}: column 'y' is nan, not finite"


def infinity(path: Path) -> str:
    """Make one x infinite."""
    edit(path, lambda table: set_value(table, "x", -np.inf))
    return f"row {ROW}: column 'x' is -inf, not finite"


def duplicate_key(path: Path) -> str:
    """Repeat a row."""
    edit(path, lambda table: table.take([*range(ROW), ROW - 1, *range(ROW, table.num_rows)]))
    return f"row {ROW}: experiment 0,"


def unsorted(path: Path) -> str:
    """Move the first row to the end."""
    edit(path, lambda table: table.take([*range(1, table.num_rows), 0]))
    return "is not sorted by experiment, frame,"


def missing_row(path: Path) -> str:
    """Leave out one row: in a dataset of N = 2, the second of frame 1."""
    edit(path, lambda table: table.take([*range(ROW), *range(ROW + 1, table.num_rows)]))
    return "experiment 0, frame 1: "


def missing_experiment(path: Path) -> str:
    """Leave out the first experiment."""
    edit(path, lambda table: table.filter(pc.greater(table["experiment"], 0)))
    return "experiment"


def no_parameters(path: Path) -> str:
    """Drop the metadata."""
    edit(path, lambda table: table.replace_schema_metadata(None))
    return "has no parameters"


DAMAGES: dict[str, Callable[[Path], str]] = {
    damage.__name__: damage
    for damage in (
        remove,
        truncate,
        empty_file,
        flip_bit,
        no_rows,
        rename_column,
        drop_column,
        extra_column,
        swap_columns,
        wrong_type,
        null,
        not_a_number,
        infinity,
        duplicate_key,
        unsorted,
        missing_row,
        missing_experiment,
        no_parameters,
    )
}


def edit(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    """Replace a Parquet file by what `change` makes of its table."""
    pq.write_table(change(pq.read_table(path)), path)


def replace(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    """Return the table with other values, or another type, in one column."""
    return table.set_column(table.column_names.index(name), name, values)


def set_value(table: pa.Table, name: str, value, row: int = ROW) -> pa.Table:
    """Return the table with another value in one cell."""
    values = table[name].to_pylist()
    values[row] = value
    return replace(table, name, pa.array(values, table.schema.field(name).type))
