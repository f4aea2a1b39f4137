"""How a training is going: its learning curve, and what lines of the log say of it."""

import os

import numpy as np

from mpt.tables.files import TableWriter
from mpt.tables.learning_curve import LEARNING_CURVE
from mpt.transformer.training import Training


def standing(losses: np.ndarray, curve: list[dict]) -> str:
    """Return how good a training is by now, in words.

    losses: of the last epoch, one a replicate. curve: rows of learning_curve_rows, the last validation last.
    """
    words = f"loss {np.mean(losses):.4f}"
    if not curve:
        return words
    last = [row for row in curve if row["epoch"] == curve[-1]["epoch"]]
    jaccard, error = (np.mean([row[name] for row in last]) for name in ("jaccard", "position_error"))
    return f"{words}  validation Jaccard {jaccard:.4f}  position error {error:.3f}"


def learning_curve_rows(training: Training, losses, jaccard, errors) -> list[dict]:
    """Return a row for each replicate."""
    return [
        {
            "replicate": replicate,
            "epoch": training.epoch,
            "loss": None if losses is None else float(losses[replicate]),
            "jaccard": float(jaccard[replicate]),
            "position_error": float(errors[replicate]),
        }
        for replicate in range(len(jaccard))
    ]


def write_learning_curve(path: str | os.PathLike, parameters: dict, curve: list[dict]) -> None:
    """Write the table of the rows of learning_curve_rows."""
    rows = sorted(curve, key=lambda row: (row["replicate"], row["epoch"]))
    with TableWriter(path, LEARNING_CURVE, parameters) as writer:
        columns = {name: np.array([row[name] for row in rows]) for name in LEARNING_CURVE.schema.names}
        columns["loss"] = np.ma.masked_invalid(columns["loss"].astype(float))
        writer.write(columns)
