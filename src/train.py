"""Train the replicates of a transformer, side by side, on simulated experiments.

Replicate r learns from experiments r·batches·i … (r + 1)·batches·i − 1 of the dataset. A checkpoint beside
the output lets a killed training go on and end with the same weights. Learning rate and weight decay are
those of AdamW.
"""

import hashlib
import json
import math
import os
import time
from dataclasses import asdict

import numpy as np
import torch

from command_line import (
    ArgumentParser,
    InputError,
    existing_directory,
    non_negative_float,
    output_file,
    positive_float,
    positive_int,
    refuse_overwriting,
    run,
    seed,
)
from mpt.motion import Stream, simulate
from mpt.tables.dataset import (
    INITIAL,
    MEASUREMENTS,
    TRUTH,
    check_same_dataset,
    dataset_parameters,
    read_scenes,
    read_truth,
)
from mpt.tables.files import TableWriter
from mpt.tables.learning_curve import LEARNING_CURVE
from mpt.transformer.devices import DEVICES, PRECISIONS, choose_device
from mpt.transformer.geometric import Architecture, Transformer
from mpt.transformer.model_file import FORMAT, read_plain, save_model, write_whole
from mpt.transformer.training import MODES, Divergence, Schedule, Sequences, Training, closed_loop_scores

UNLIMITED = "unlimited"
# Of an epoch where every batch is simulated afresh.
UNLIMITED_BATCHES = 6
SECONDS_BETWEEN_LINES = 5.0


def main() -> None:
    """Read the flags, train, write the model and its learning curve."""
    flags = parse_flags()
    torch.set_num_threads(flags.threads)
    # On a GPU cuBLAS is deterministic only with a workspace of fixed size.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    device = choose_device(flags.device)
    dataset = TrainingSet(flags)
    schedule = Schedule(
        mode=flags.mode,
        epochs=flags.epochs,
        batches=dataset.batches,
        learning_rate=flags.learning_rate,
        warmup_fraction=flags.warmup_fraction,
        rescue_distance=flags.rescue_distance,
        association_weight=flags.association_weight,
        weight_decay=flags.weight_decay,
        gradient_clip=flags.gradient_clip,
    )
    architecture = Architecture(
        particles=dataset.parameters["particles"],
        frames=dataset.parameters["frames"],
        encoder_lookback=flags.encoder_lookback,
        decoder_lookback=flags.decoder_lookback,
        dimension=flags.dimension,
        heads=flags.heads,
        encoder_layers=flags.encoder_layers,
        decoder_layers=flags.decoder_layers,
        feedforward=flags.feedforward,
        pointers=flags.pointers,
    )
    network = Transformer(architecture, flags.replicates, flags.seed)
    network.use_precision(PRECISIONS[flags.precision])
    parameters = {
        "architecture": asdict(architecture),
        "schedule": asdict(schedule),
        "batches": flags.batches,
        "experiments_per_batch": flags.experiments_per_batch,
        "validation_experiments": flags.validation_experiments,
        "precision": flags.precision,
        "replicates": flags.replicates,
        "seed": flags.seed,
        "dataset": dataset.parameters,
    }
    training = Training(network, dataset.sequences, schedule, flags.seed, device)
    checkpoint = Checkpoint(flags, parameters, dataset.digest(), device)
    curve = checkpoint.resume(training)
    report = Report(training, dataset)
    validation = dataset.validation()
    if training.epoch == 0:
        curve = learning_curve_rows(training, None, *closed_loop_scores(network, *validation))
    while training.epoch < schedule.epochs:
        try:
            losses = training.run_epoch()
            due = training.epoch % flags.validate_every == 0 or training.epoch == schedule.epochs
            if due:
                curve += learning_curve_rows(training, losses, *closed_loop_scores(network, *validation))
        except Divergence as error:
            raise InputError(f"{error}; {checkpoint.last()}") from error
        report.epoch(losses, curve)
        checkpoint.save_if_due(training, curve)
    write_learning_curve(flags, parameters, curve)
    save_model(flags.output, network, parameters)
    checkpoint.remove()


def parse_flags():
    """Return the flags, checked one by one."""
    parser = ArgumentParser(description=__doc__)
    add = parser.add_argument
    add(
        "--dataset",
        type=existing_directory,
        nargs="+",
        required=True,
        metavar="DIR",
        help="directories of the three tables of a dataset; experiments are taken in order",
    )
    add("--encoder-lookback", type=positive_int, required=True, metavar="KE", help="K_E [frames]")
    add("--decoder-lookback", type=positive_int, required=True, metavar="KD", help="K_D [frames]")
    add("--experiments-per-batch", type=positive_int, required=True, metavar="i", help="sequences in a batch")
    add(
        "--batches",
        type=batches,
        default=6,
        metavar="n",
        help="batches in an epoch, the same in every epoch; unlimited simulates all afresh; default 6",
    )
    add("--replicates", type=positive_int, default=1, metavar="R", help="networks to train, default 1")
    add(
        "--seed",
        type=seed,
        required=True,
        metavar="n",
        help="of the first replicate; then n + 1, …",
    )
    add(
        "--mode",
        choices=MODES,
        default=MODES[0],
        help="what is fed back in training, default its own outputs",
    )
    add("--epochs", type=positive_int, default=40, metavar="n", help="passes over the batches, default 40")
    add("--learning-rate", type=positive_float, default=0.003, help="greatest, default 0.003")
    add("--warmup-fraction", type=fraction, default=0.1, help="of the steps, default 0.1")
    add("--weight-decay", type=non_negative_float, default=0.01, help="default 0.01")
    add("--gradient-clip", type=positive_float, default=1.0, help="greatest norm, default 1")
    add(
        "--rescue-distance",
        type=positive_float,
        default=3.0,
        help="a training track farther than this from its particle is put back "
        "[rms distance, per axis, of a detection from its particle one frame earlier], default 3",
    )
    add(
        "--association-weight",
        type=non_negative_float,
        default=1.0,
        help="of the pointers' loss beside the squared distance, default 1",
    )
    add("--dimension", type=positive_int, default=64, metavar="d", help="width of a token, default 64")
    add("--heads", type=positive_int, default=4, help="attention heads, default 4")
    add("--encoder-layers", type=positive_int, default=2, help="default 2")
    add("--decoder-layers", type=positive_int, default=2, help="default 2")
    add("--feedforward", type=positive_int, default=128, help="width of a feed-forward layer, default 128")
    add("--pointers", type=positive_int, default=4, help="pointer heads of the output, default 4")
    add(
        "--validation-experiments",
        type=positive_int,
        default=40,
        metavar="n",
        help="sequences apart from training and test for the learning curve, default 40",
    )
    add("--validate-every", type=positive_int, default=10, metavar="n", help="epochs, default 10")
    add("--device", choices=DEVICES, default="auto", help="auto takes a GPU if there is one; default auto")
    add(
        "--precision",
        choices=PRECISIONS,
        default="float32",
        help="of the linear maps on a GPU, default float32",
    )
    add("--threads", type=positive_int, default=1, metavar="n", help="processor threads, default 1")
    add(
        "--checkpoint-seconds",
        type=non_negative_float,
        default=60.0,
        metavar="s",
        help="least time between checkpoints OUTPUT.checkpoint, default 60 s",
    )
    add("--learning-curve", type=output_file, metavar="FILE", help="table to write, default beside the model")
    add("--output", type=output_file, required=True, metavar="model.pt", help="model to write")
    flags = parser.parse_args()
    flags.learning_curve = flags.learning_curve or flags.output.with_name("learning_curve.parquet")
    tables = [f"{table.name}.parquet" for table in (MEASUREMENTS, INITIAL, TRUTH)]
    read = [directory / table for directory in flags.dataset for table in tables]
    refuse_overwriting([flags.output, flags.learning_curve], read)
    return flags


def batches(text: str) -> int | str:
    """Parse a positive integer or the word unlimited."""
    return UNLIMITED if text == UNLIMITED else positive_int(text)


def fraction(text: str) -> float:
    """Parse a number in 0…1."""
    value = non_negative_float(text)
    if value > 1:
        raise InputError(f"{text!r} is not a fraction")
    return value


class TrainingSet:
    """The experiments of the datasets, one block for each replicate, or fresh ones of the same kind."""

    # Of motion.simulate, and of a dataset.
    _MOTION = ("process_noise", "measurement_noise", "initial_spread", "drift_spread", "seed")

    def __init__(self, flags):
        """Read and check the datasets."""
        self._flags = flags
        self.unlimited = flags.batches == UNLIMITED
        self.batches = UNLIMITED_BATCHES if self.unlimited else flags.batches
        self._block = self.batches * flags.experiments_per_batch
        parameters = [dataset_parameters(directory / "measurements.parquet") for directory in flags.dataset]
        self.parameters = parameters[0]
        for directory, other in zip(flags.dataset, parameters, strict=True):
            if (stream := other.get("stream")) == Stream.TEST.name.lower():
                raise InputError(f"{directory}: of the {stream} stream, which is not to be trained on")
            for name in ("particles", "frames"):
                if other[name] != self.parameters[name]:
                    raise InputError(
                        f"{directory}: {name} is {other[name]}, "
                        f"but {self.parameters[name]} in {flags.dataset[0]}"
                    )
        self._check_distinct()
        for name in self._MOTION:
            if not isinstance(self.parameters.get(name), int | float):
                raise InputError(
                    f"{flags.dataset[0]}: its parameter {name!r} is {self.parameters.get(name)!r}, not a "
                    "number; validation sequences are simulated with it"
                )
        self._fixed = None if self.unlimited else self._read()

    def _check_distinct(self) -> None:
        given = [directory.resolve() for directory in self._flags.dataset]
        for directory in self._flags.dataset:
            if given.count(directory.resolve()) > 1:
                raise InputError(f"{directory}: given twice; replicates would share experiments")

    def _read(self) -> Sequences:
        wanted = self._flags.replicates * self._block
        measurements, positions, detection = [], [], []
        for directory in self._flags.dataset:
            files = [directory / f"{name}.parquet" for name in ("measurements", "initial", "truth")]
            check_same_dataset(dict(zip(files, (MEASUREMENTS, INITIAL, TRUTH), strict=True)))
            for scenes in read_scenes(*files[:2]):
                measurements.append(scenes.measurements)
            for truth in read_truth(files[2]):
                positions.append(truth.positions)
                detection.append(truth.detection)
        found = sum(map(len, positions))
        if found < wanted:
            raise InputError(
                f"{self._flags.dataset[-1]}: {found} experiments, but {self._flags.replicates} replicates of "
                f"{self.batches} batches of {self._flags.experiments_per_batch} need {wanted}"
            )
        return self._by_replicate(*(np.concatenate(x)[:wanted] for x in (measurements, positions, detection)))

    def _by_replicate(self, *arrays: np.ndarray) -> Sequences:
        return Sequences(*(x.reshape(self._flags.replicates, self._block, *x.shape[1:]) for x in arrays))

    def sequences(self, epoch: int) -> Sequences:
        """Return the sequences of an epoch."""
        if not self.unlimited:
            return self._fixed
        count = self._flags.replicates * self._block
        made = self._simulate(np.arange(count) + epoch * count, Stream.TRAINING)
        return self._by_replicate(made.measurements, made.positions, made.detection)

    def validation(self) -> tuple[np.ndarray, np.ndarray]:
        """Return measurements and true positions (B, T, N, 2) of experiments that nothing else uses."""
        made = self._simulate(np.arange(self._flags.validation_experiments), Stream.VALIDATION)
        return made.measurements, made.positions

    def _simulate(self, experiments: np.ndarray, stream: Stream):
        names = ("frames", "particles", *self._MOTION)
        box = self.parameters.get("confinement")
        return simulate(
            experiments,
            **{name: self.parameters[name] for name in names},
            half_width=box["half_width"] if box else None,
            stream=stream,
        )

    def digest(self) -> str:
        """Return a hash of what is learnt from."""
        if self.unlimited:
            return hashlib.sha256(json.dumps(self.parameters, sort_keys=True).encode()).hexdigest()
        digest = hashlib.sha256()
        for array in (self._fixed.measurements, self._fixed.truth):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


class Checkpoint:
    """The state of a training on disk, with what it belongs to."""

    def __init__(self, flags, parameters: dict, digest: str, device: torch.device):
        """Name the file; nothing is read or written."""
        self.path = flags.output.with_name(f"{flags.output.name}.checkpoint")
        self._every, self._device = flags.checkpoint_seconds, device
        self._identity = {
            "format": FORMAT,
            "parameters": json.dumps(parameters, sort_keys=True),
            "data": digest,
        }
        self._saved, self._epoch = time.monotonic(), None

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


class Report:
    """Lines for the log, a few seconds apart."""

    def __init__(self, training: Training, dataset: TrainingSet):
        """Start the clock."""
        self._training, self._batches = training, dataset.batches
        self._start, self._first = time.monotonic(), training.epoch
        self._printed = -math.inf

    def epoch(self, losses: np.ndarray, curve: list[dict]) -> None:
        """Print where training is, unless it was said a moment ago."""
        now, training = time.monotonic(), self._training
        epochs = training.schedule.epochs
        if now - self._printed < SECONDS_BETWEEN_LINES and training.epoch < epochs:
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


def write_learning_curve(flags, parameters: dict, curve: list[dict]) -> None:
    """Write the table beside the model."""
    rows = sorted(curve, key=lambda row: (row["replicate"], row["epoch"]))
    with TableWriter(flags.learning_curve, LEARNING_CURVE, parameters) as writer:
        columns = {name: np.array([row[name] for row in rows]) for name in LEARNING_CURVE.schema.names}
        columns["loss"] = np.ma.masked_invalid(columns["loss"].astype(float))
        writer.write(columns)


if __name__ == "__main__":
    run(main)
