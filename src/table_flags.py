"""The flags that the scripts share which write a table twice, as Parquet and as comma-separated values."""

from command_line import ArgumentParser, output_file


def add_table_flags(parser: ArgumentParser, what: str = "the table") -> None:
    """Add --output and --csv; what: the table's name in their help."""
    add = parser.add_argument
    add("--output", type=output_file, required=True, metavar="F", help=f"{what} as Parquet")
    add("--csv", type=output_file, required=True, metavar="F", help=f"{what} as comma-separated values")
