"""What the data say of claims, under the config's choices and under others."""

import os
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from mpt.errors import InputError
from mpt.tables.files import Table, first_line, make_table

_MEASURES = {
    **dict.fromkeys(["effect", "low", "high", "p", "corrected_p"], pa.float64()),
    **dict.fromkeys(["points", "points_as_claimed", "points_otherwise"], pa.int16()),
    **dict.fromkeys(["mean", "reference_mean"], pa.float64()),
}
# Behind all others, so that a table keeps the places of its columns.
_TRAININGS = {
    **dict.fromkeys(["equal_within", "equal_p", "median", "reference_median"], pa.float64()),
    **dict.fromkeys(["trainings", "failed"], pa.int32()),
    **dict.fromkeys(["failed_low", "failed_high"], pa.float64()),
}
_NULLABLE = ("effect", "low", "high", "p", "corrected_p", "reference_mean", *_TRAININGS)


def verdicts_table(controls: Sequence[str]) -> Table:
    """Return the table of verdicts: what the data say of each claim by each of its scores.

    controls: the names of the controls that it has columns for.

    A row has the effect, its 95 % interval, its p-value alone and corrected for its family; how many points
    there are, and at how many the effect is significant as claimed and otherwise; the means of the curve and
    of what it is compared with; per control its mean on the same data and the verdict with it in the place of
    the curve; how near to 0 counts as equal, with the p-value, corrected, of the effect's being farther; the
    means of median trainings; the number of trainings, how many failed, and the 95 % interval of that rate.
    Null, or empty, is what the claim does not have.
    """
    return make_table(
        "verdicts",
        {"claim": pa.string(), "score": pa.string()},
        {
            "statement": pa.string(),
            "figure": pa.string(),
            "verdict": pa.string(),
            **_MEASURES,
            **_of_controls(controls),
            "detail": pa.string(),
            **_TRAININGS,
        },
        nullable=(*_NULLABLE, *(f"{control}_mean" for control in controls)),
    )


def choices_table(axes: Sequence[str], controls: Sequence[str]) -> Table:
    """Return the table of what is found of claims under choices, each a value of these axes, in words.

    A row has the part of the study, the value of each axis, and what verdicts_table has of the claim by the
    score, but for its statement and detail; then whether networks and trackers see as much of the future.
    """
    choice = dict.fromkeys(["part", *axes], pa.string())
    of_claims = verdicts_table(controls)
    found = {
        field.name: field.type
        for field in of_claims.schema
        if field.name not in (*of_claims.key, "statement", "detail")
    }
    found["information"] = pa.string()
    nullable = [field.name for field in of_claims.schema if field.nullable]
    return make_table("choices", {**choice, "claim": pa.string(), "score": pa.string()}, found, nullable)


def readings_table(axes: Sequence[str], scores: Sequence[str], levels: Sequence[str]) -> Table:
    """Return the table of readings, each a value of these axes, in words.

    A row says whether networks and trackers see as much of the future, and how many claims are judged; by
    each score, which claims hold, between blanks, and how many; and the means of one claim's curve, reference
    and controls, which are the levels, on the data that it is about: null where there is none.
    """
    found = {"information": pa.string(), "judged": pa.int32()}
    for score in scores:
        found |= {f"{score}_claims": pa.string(), f"{score}_held": pa.int32()}
    means = [f"{score}_of_{level}" for score in scores for level in levels]
    found |= dict.fromkeys(means, pa.float64())
    return make_table("readings", dict.fromkeys(axes, pa.string()), found, nullable=means)


def _of_controls(controls: Sequence[str]) -> dict[str, pa.DataType]:
    columns: dict[str, pa.DataType] = {}
    for control in controls:
        columns |= {f"{control}_mean": pa.float64(), f"{control}_verdict": pa.string()}
    return columns


def choice_axes(path: str | os.PathLike) -> list[str]:
    """Return the axes of a table of choices; raises InputError if it is none."""
    names = _column_names(path)
    return names[1 : names.index("claim")]


def claim_controls(names: Sequence[str]) -> list[str]:
    """Return the controls of a table of verdicts with columns of these names."""
    return [name.removesuffix("_verdict") for name in names if name.endswith("_verdict")]


def choice_controls(path: str | os.PathLike) -> list[str]:
    """Return the controls of a table of choices; raises InputError if it is none."""
    names = _column_names(path)
    found = names[names.index("claim") :]
    return claim_controls(found)


def _column_names(path: str | os.PathLike) -> list[str]:
    try:
        names = pq.read_schema(path).names
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{path}: not a sound Parquet file: {first_line(error)}") from error
    if names[:1] != ["part"] or "claim" not in names:
        raise InputError(f"{path}: is no table of choices")
    return names
