"""What a model learns from: experiments of datasets, a block for each replicate, or fresh ones alike."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mpt.errors import InputError
from mpt.motion import Simulation, Stream, simulate
from mpt.tables.dataset import (
    INITIAL,
    MEASUREMENTS,
    TRUTH,
    check_same_dataset,
    dataset_parameters,
    read_scenes,
    read_truth,
)
from mpt.transformer.training import Sequences

UNLIMITED = "unlimited"
# Of an epoch where every batch is simulated afresh.
UNLIMITED_BATCHES = 6
TABLES = {f"{table.name}.parquet": table for table in (MEASUREMENTS, INITIAL, TRUTH)}


class TrainingSet:
    """The experiments of the datasets, one block for each replicate, or fresh ones of the same kind.

    Replicate r learns from experiments r·batches·i … (r + 1)·batches·i − 1, in the order of the datasets.
    """

    # Of motion.simulate, and of a dataset.
    _MOTION = ("process_noise", "measurement_noise", "initial_spread", "drift_spread", "seed")

    def __init__(
        self, directories: Sequence[Path], batches: int | str, experiments_per_batch: int, replicates: int
    ):
        """Read and check the datasets. batches: in an epoch, or UNLIMITED. Raises InputError."""
        self._directories, self._replicates = directories, replicates
        self.unlimited = batches == UNLIMITED
        self.batches = UNLIMITED_BATCHES if isinstance(batches, str) else batches
        self._per_batch = experiments_per_batch
        self._block = self.batches * experiments_per_batch
        parameters = [dataset_parameters(directory / "measurements.parquet") for directory in directories]
        self.parameters = parameters[0]
        for directory, other in zip(directories, parameters, strict=True):
            self._check(directory, other)
        self._fixed = None if self.unlimited else self._read()

    def _check(self, directory: Path, parameters: dict) -> None:
        if (stream := parameters.get("stream")) == Stream.TEST.name.lower():
            raise InputError(f"{directory}: of the {stream} stream, which is not to be trained on")
        for name in ("particles", "frames"):
            if parameters[name] != self.parameters[name]:
                raise InputError(
                    f"{directory}: {name} is {parameters[name]}, "
                    f"but {self.parameters[name]} in {self._directories[0]}"
                )
        if self.parameters["frames"] < 2:
            raise InputError(f"{directory}: has sequences of one frame, in which nothing is to be tracked")
        if [each.resolve() for each in self._directories].count(directory.resolve()) > 1:
            raise InputError(f"{directory}: given twice; replicates would share experiments")
        for name in self._MOTION:
            if not isinstance(self.parameters.get(name), int | float):
                raise InputError(
                    f"{self._directories[0]}: its parameter {name!r} is {self.parameters.get(name)!r}, not a "
                    "number; validation sequences are simulated with it"
                )

    def _read(self) -> Sequences:
        wanted = self._replicates * self._block
        measurements, initial, positions, detection = [], [], [], []
        for directory in self._directories:
            files = {directory / name: table for name, table in TABLES.items()}
            check_same_dataset(files)
            measured, started, true = files
            for scenes in read_scenes(measured, started):
                measurements.append(scenes.measurements)
                initial.append(scenes.initial)
            for truth in read_truth(true):
                positions.append(truth.positions)
                detection.append(truth.detection)
        found = sum(map(len, positions))
        if found < wanted:
            raise InputError(
                f"{self._directories[-1]}: {found} experiments, but {self._replicates} replicates of "
                f"{self.batches} batches of {self._per_batch} need {wanted}"
            )
        arrays = (measurements, positions, detection, initial)
        return self._by_replicate(*(np.concatenate(x)[:wanted] for x in arrays))

    def _by_replicate(self, *arrays: np.ndarray) -> Sequences:
        return Sequences(*(x.reshape(self._replicates, self._block, *x.shape[1:]) for x in arrays))

    def sequences(self, epoch: int) -> Sequences:
        """Return the sequences of an epoch."""
        if not self.unlimited:
            assert self._fixed is not None
            return self._fixed
        count = self._replicates * self._block
        return self._by_replicate(*self._simulate(np.arange(count) + epoch * count, Stream.TRAINING))

    def validation(self, experiments: int) -> Sequences:
        """Return so many sequences, R = 1, that nothing else uses."""
        made = self._simulate(np.arange(experiments), Stream.VALIDATION)
        return Sequences(*(x[None] for x in made))

    def _simulate(self, experiments: np.ndarray, stream: Stream) -> tuple[np.ndarray, ...]:
        names = ("frames", "particles", *self._MOTION)
        made = simulate(
            experiments,
            **{name: self.parameters[name] for name in names},
            confinement=self.parameters.get("confinement"),
            stream=stream,
        )
        return made.measurements, made.positions, made.detection, self._starts(made)

    def _starts(self, made: Simulation) -> np.ndarray:
        """Return where tracks start (B, N, 2), as in the datasets."""
        if self.parameters.get("start") != "measured":
            return made.positions[:, 0]
        return np.take_along_axis(made.measurements[:, 0], made.detection[:, 0, :, None], axis=1)

    def digest(self) -> str:
        """Return a hash of what is learnt from."""
        if self.unlimited:
            return hashlib.sha256(json.dumps(self.parameters, sort_keys=True).encode()).hexdigest()
        assert self._fixed is not None
        digest = hashlib.sha256()
        for array in (self._fixed.measurements, self._fixed.truth, self._fixed.initial):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()
