"""The state of a training on disk, so that a killed one goes on and ends with the same weights."""

import json
import time
from pathlib import Path

import torch

from mpt.errors import InputError
from mpt.transformer.model_file import FORMAT, read_plain, write_whole
from mpt.transformer.training import Training


class Checkpoint:
    """A file beside the model, with what it belongs to."""

    def __init__(
        self, model: Path, parameters: dict, digest: str, least_seconds: float, device: torch.device
    ):
        """Name the file; nothing is read or written.

        parameters and digest say which training on which data; least_seconds lie between two checkpoints.
        """
        self.path = model.with_name(f"{model.name}.checkpoint")
        self._every, self._device = least_seconds, device
        self._identity = {
            "format": FORMAT,
            "parameters": json.dumps(parameters, sort_keys=True),
            "data": digest,
        }
        self._saved = time.monotonic()
        self._epoch: int | None = None

    def resume(self, training: Training) -> list[dict]:
        """Go on from the checkpoint, if there is one; returns the learning curve so far.

        Raises InputError if it is of another training or damaged.
        """
        if not self.path.exists():
            return []
        try:
            kept = read_plain(self.path, self._device)
        except InputError as error:
            raise InputError(f"{error}; delete it to train anew") from error
        found = kept.get("identity") if isinstance(kept, dict) else None
        if found != self._identity:
            raise InputError(
                f"{self.path}: a checkpoint of other {self._difference(found)}; delete it to train anew"
            )
        training.restore(kept["state"])
        self._epoch = training.epoch
        print(f"{self.path}: going on after epoch {training.epoch}", flush=True)
        return kept["learning_curve"]

    def _difference(self, found) -> str:
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            return "origin"
        old, new = (json.loads(identity["parameters"]) for identity in (found, self._identity))
        different = [name for name in new if old.get(name) != new[name]]
        return " and ".join(different) or "data"

    def save_if_due(self, training: Training, curve: list[dict]) -> None:
        """Write a checkpoint if the last is old enough and the training not over."""
        if time.monotonic() - self._saved < self._every or training.epoch == training.schedule.epochs:
            return
        write_whole(
            self.path, {"identity": self._identity, "state": training.state(), "learning_curve": curve}
        )
        self._saved, self._epoch = time.monotonic(), training.epoch

    def last(self) -> str:
        """Say where the last good state is."""
        if self._epoch is None:
            return "no checkpoint was written yet"
        return f"the last good checkpoint, after epoch {self._epoch}, is {self.path}"

    def remove(self) -> None:
        """Remove the checkpoint of a training that is over."""
        self.path.unlink(missing_ok=True)
