"""What the data say of claims, under the config's choices and under others."""

import os
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from mpt.errors import InputError
from mpt.tables.files import Table, first_line, make_table

# What the data say of claims, each by each of its scores: the effect, its 95 % interval, its p-value alone
# and corrected for the claims about the figure; how many points there are, and at how many the effect is
# significant as claimed and otherwise; the means of the curve and of what it is compared with; per control
# its mean on the same data and the verdict with it in the place of the curve. Null, or empty, is what the
# claim does not have.
_CONTROLS = [
    f"{control}_{column}" for control in ("frozen", "random", "oracle") for column in ("mean", "verdict")
]


CLAIMS = make_table(
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
    return make_table("choices", {**choice, "claim": pa.string(), "score": pa.string()}, found, nullable)


def choice_axes(path: str | os.PathLike) -> list[str]:
    """Return the axes of a table of choices; raises InputError if it is none."""
    try:
        names = pq.read_schema(path).names
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{path}: not a sound Parquet file: {first_line(error)}") from error
    if names[:1] != ["part"] or "claim" not in names:
        raise InputError(f"{path}: is no table of choices")
    return names[1 : names.index("claim")]
