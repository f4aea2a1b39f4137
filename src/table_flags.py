"""The flags of tables that several scripts share."""

from typing import Any

from command_line import ArgumentParser, existing_file, output_file


def add_table_flags(parser: ArgumentParser, what: str = "the table") -> None:
    """Add --output and --csv of a table that is written twice; what: its name in their help."""
    add = parser.add_argument
    add("--output", type=output_file, required=True, metavar="F", help=f"{what} as Parquet")
    add("--csv", type=output_file, required=True, metavar="F", help=f"{what} as comma-separated values")


def add_scores_flag(parser: ArgumentParser, **how_many: Any) -> None:
    """Add --scores; how_many: `nargs`, and `required` or `default`, of add_argument."""
    parser.add_argument(
        "--scores",
        type=existing_file,
        metavar="F",
        help="tables of score.py, each with several trackers; a file's name without suffix is its dataset's",
        **how_many,
    )


def add_tracked_measurements_flag(parser: ArgumentParser) -> None:
    """Add --measurements of a script that reads tracks."""
    parser.add_argument(
        "--measurements",
        type=existing_file,
        required=True,
        metavar="F",
        help="measurements.parquet of the dataset that was tracked",
    )
