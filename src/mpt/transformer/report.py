"""How a training is going: its learning curve, and lines for the log."""

import math
import os
import time

import numpy as np

from mpt.tables.files import TableWriter
from mpt.tables.learning_curve import LEARNING_CURVE
from mpt.transformer.training import Training

_SECONDS_BETWEEN_LINES = 5.0


class Report:
    """Lines for the log, a few seconds apart."""

    def __init__(self, training: Training):
        """Start the clock."""
        self._training, self._batches = training, training.schedule.batches
        self._start, self._first = time.monotonic(), training.epoch
        self._printed = -math.inf

    def epoch(self, losses: np.ndarray, curve: list[dict]) -> None:
        """Print where training is, unless it was said a moment ago."""
        now, training = time.monotonic(), self._training
        epochs = training.schedule.epochs
        if now - self._printed < _SECONDS_BETWEEN_LINES and training.epoch < epochs:
            return
        self._printed = now
        per_epoch = (now - self._start) / (training.epoch - self._first)
        line = f"step {training.epoch * self._batches}/{epochs * self._batches}  loss {np.mean(losses):.4f}"
        if curve:
            last = [row for row in curve if row["epoch"] == curve[-1]["epoch"]]
            jaccard, error = (np.mean([row[name] for row in last]) for name in ("jaccard", "position_error"))
            line += f"  validation Jaccard {jaccard:.4f}  position error {error:.3f}"
        line += (
            f"  {self._batches / per_epoch:.1f} steps/s  {per_epoch * (epochs - training.epoch):.0f} s left"
        )
        print(line, flush=True)


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
