"""Check that a GPU does what the processor does, and measure what it is worth; writes one table.

    python tests/device/check_gpu.py

trains and tracks by the scripts' command lines with the methods of config.yaml, on the processor and on the
GPU, and writes gpu.csv and gpu.md with the card's name. The exit status is 1 if the two differ by more than
the tolerance stated at the row, or if a row could not be measured in time. Quantities of time have no bar.

With `--device cpu` the processor takes the card's place: that shows only that the check itself runs.
"""

import argparse
import filecmp
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from pathlib import Path

# Before torch is imported.
os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import numpy as np
import record
import yaml
from benchmark_transformer import METHODS, SIX, Bench, Scores, tables
from forks import Failed, OutOfTime, Took, name_of_gpu, run_script

from mpt.tables.files import TableReader
from mpt.tables.learning_curve import LEARNING_CURVE
from mpt.tables.operations import OPERATIONS
from mpt.tables.tracks import read_tracks
from mpt.transformer.networks import GEOMETRIC, NETWORKS, PLAIN
from planning.configuration import canonical
from planning.flags import flags
from planning.studies import plan

CONFIG = yaml.safe_load((record.ROOT / "config.yaml").read_text())
# The rules whose jobs ask for the GPU.
GPU_RULES = ("train", "track_trained")
CPU, CUDA = "cpu", "cuda"
# The run that others are compared with; where the device is the processor, it is run again all the same.
REFERENCE = 0
SECONDS = 8 * 60
NOISE = 7
# Each device rounds otherwise. Another rounding on one processor (docs/machines.md) changes the loss of an
# epoch by 2e-6 of itself, and no position by 1e-3 σ. The bars leave room, and let a few positions be far
# apart: rounding may decide where two detections are nearly as likely.
MOST_LOSS, FAR_APART, MOST_FAR_APART = 1e-4, 1e-2, 1e-3
# For lower precisions, of loss and position error relative to single precision; bfloat16 on a processor
# changes the loss by 8e-4 and the position error by 2e-4.
MOST_ROUNDED = 1e-2
# What an epoch takes is the difference of two trainings, of which the longer has so many epochs more. Epochs
# in closed loop are long; those of one training on one experiment a batch are the shortest.
MORE_EPOCHS = {PLAIN: 4, GEOMETRIC: 2}
ONE_BY_ONE = {"experiments_per_batch": 1, "replicates": 1}
# A precision by name: what train.py is told, and whether the card multiplies in TF32.
PRECISIONS = {"bfloat16": ("bfloat16", False), "tf32": ("float32", True)}


@dataclass(frozen=True)
class Model:
    """Trained networks, of R replicates; took: what their training took."""

    network: str
    file: Path
    took: Took

    def losses(self) -> np.ndarray:
        """Return the loss (R,) of the last epoch in squared step scales."""
        with TableReader(self.file.with_name("learning_curve.parquet"), LEARNING_CURVE) as reader:
            curve = reader.read()
        return curve["loss"][curve["epoch"] == curve["epoch"].max()]


class DeviceBench(Bench):
    """A bench whose scripts run in forks, on a device, until the time is up."""

    def __init__(self, directory: Path, quick: bool, device: str, deadline: float):
        """Take the device that is checked, and when to stop, as of time.monotonic in s."""
        super().__init__(directory, quick)
        self.device, self.deadline = device, deadline
        self.frames, self.replicates = (12, 2) if quick else (150, 5)
        # Each by what it is asked for, once.
        self.model, self.tracks, self.epoch = cache(self._model), cache(self._tracks), cache(self._epoch)

    def left(self) -> float:
        """Return the seconds that are left."""
        return self.deadline - time.monotonic()

    def run(self, script: str, tf32: bool = False, **settings) -> Took:
        """Run a script with settings as its flags."""
        words = shlex.split(flags(settings))
        print(shlex.join([script, *words]), flush=True)
        return run_script(record.ROOT / script, words, self.left(), tf32)

    def experiments(self, number: int) -> Path:
        """Return the directory of so many experiments to learn from."""
        return self.simulate("training", number, self.frames, NOISE)

    @property
    def test(self) -> Path:
        """The directory of the test set."""
        return self.simulate("test", 10 if self.quick else 100, self.frames, NOISE)

    def _model(self, network: str, device: str, run: int, precision: str = "float32", **changes) -> Model:
        """Return networks trained on a device; by default for one epoch on six experiments each.

        run: which of several that should be the same. precision: float32 or of PRECISIONS.
        """
        told, tf32 = PRECISIONS.get(precision, (precision, False))
        size = {**SIX, "encoder_lookback": self.frames, "validation_experiments": 1, "epochs": 1}
        size |= {
            "validate_every": 1000,
            "checkpoint_seconds": 10**6,
            "replicates": self.replicates,
            **changes,
        }
        number = size["batches"] * size["experiments_per_batch"] * size["replicates"]
        file, took = self.train(
            network, self.experiments(number), **size, device=device, precision=told, tf32=tf32
        )
        return Model(network, file, took)

    def _tracks(self, model: Model, device: str, run: int) -> list[Path]:
        """Return the tracks of the test set by every replicate on a device."""
        directory = model.file.with_name(f"tracks_{device}_{run}")
        directory.mkdir()
        output = [directory / f"{replicate}.parquet" for replicate in range(self.replicates)]
        method = METHODS[model.network]
        self.run(
            method.script,
            **tables(self.test),
            **method.options,
            model=model.file,
            device=device,
            output=output,
        )
        return output

    def scores(self, tracks: list[Path]) -> Scores:
        """Return the scores of tracks of the test set."""
        return self.score(self.test, tracks)

    def _epoch(self, network: str, device: str, precision: str = "float32", **changes) -> Took:
        """Return what one more epoch takes, and the memory that the training had.

        A longer training less a shorter one, each with one validation at its end.
        """
        more = 1 if self.quick else MORE_EPOCHS[network]
        if changes == ONE_BY_ONE and not self.quick:
            more *= 5
        short, long = (
            self.model(network, device, 1, precision, epochs=epochs, **changes).took
            for epochs in (1, 1 + more)
        )
        return Took(
            (long.seconds - short.seconds) / more,
            (long.processor_seconds - short.processor_seconds) / more,
            long.memory,
        )


def agreement(bench: DeviceBench) -> Iterator[record.Finding]:
    """After one epoch, and on one test set, the device's results against the processor's.

    Tracking by itself is of the processor's networks; training and tracking of the device's own.
    """
    for network in NETWORKS:
        here, there = bench.model(network, CPU, REFERENCE), bench.model(network, bench.device, 1)
        expected = bench.tracks(here, CPU, REFERENCE)
        off = relative(there.losses(), here.losses())
        yield f"{network}: loss, relative difference", *at_most(off, MOST_LOSS)
        for words, model in (("tracking", here), ("training and tracking", there)):
            apart = differences(bench.tracks(model, bench.device, 1), expected)
            far = float((apart > FAR_APART).mean())
            yield f"{network}, {words}: greatest difference of positions [σ]", apart.max(), None, None
            name = f"{network}, {words}: share of positions more than {FAR_APART:g} σ apart"
            yield name, *at_most(far, MOST_FAR_APART)


def determinism(bench: DeviceBench) -> Iterator[record.Finding]:
    """The same training and tracking twice, each in a process of its own: files whose bytes differ."""
    for network in NETWORKS:
        models = [bench.model(network, bench.device, run) for run in (1, 2)]
        yield f"{network}: models that differ", *at_most(differing([each.file] for each in models), 0)
        tracks = [bench.tracks(models[0], bench.device, run) for run in (1, 2)]
        yield f"{network}: tracks that differ", *at_most(differing(tracks), 0)


def precision(bench: DeviceBench) -> Iterator[record.Finding]:
    """Trained for an epoch in lower precision, against single precision on the same device.

    Tracking is in single precision always. What an epoch takes is of 30 experiments a batch, one training.
    """
    for network in NETWORKS:
        single = bench.model(network, bench.device, 1)
        before = bench.scores(bench.tracks(single, bench.device, 1))
        for name in PRECISIONS:
            model = bench.model(network, bench.device, 1, name)
            after = bench.scores(bench.tracks(model, bench.device, 1))
            off = relative(model.losses(), single.losses())
            yield f"{network}, {name}: loss, relative difference", *at_most(off, MOST_ROUNDED)
            off = abs(after.error.mean() / before.error.mean() - 1)
            yield f"{network}, {name}: position error, relative difference", *at_most(off, MOST_ROUNDED)
            size = batches_of(30, bench)
            took = bench.epoch(network, bench.device, name, **size)
            i = size["experiments_per_batch"]
            yield f"{network}, {name}: an epoch, i = {i} [s]", took.seconds, None, None


def seconds(bench: DeviceBench) -> Iterator[record.Finding]:
    """One training: what an epoch takes of one processor and, elapsed, of the device; the memory there."""
    for network in NETWORKS:
        for i in (1, 30):
            size = batches_of(i, bench)
            processor, device = (bench.epoch(network, each, **size) for each in (CPU, bench.device))
            name = f"{network}, T = {bench.frames}, i = {size['experiments_per_batch']}"
            yield f"{name}: an epoch [processor s]", processor.processor_seconds, None, None
            yield f"{name}: an epoch on the device [s]", device.seconds, None, None
            yield f"{name}: times as fast", processor.processor_seconds / device.seconds, None, None
            yield f"{name}: peak memory [MiB]", device.memory, None, None


def figure_5(bench: DeviceBench) -> Iterator[record.Finding]:
    """Time to track a sequence among others, at the least and the greatest lookback of Fig. 5."""
    counted = plan(canonical(CONFIG)).counted
    for network in NETWORKS:
        settings = counted["figure_5", network]
        settings = {**settings, "lookbacks": [min(settings["lookbacks"]), max(settings["lookbacks"])]}
        if bench.quick:
            settings |= {"frames": 6, "lookbacks": [1], "together": 2}
        output = bench.directory / f"{network}.parquet"
        bench.run(METHODS[network].counting["script"], **settings, output=output)
        with TableReader(output, OPERATIONS) as reader:
            rows = reader.read()
        for at, (variant, K) in enumerate(zip(rows["variant"], rows["K"], strict=True)):
            name = f"{network}, {variant}, K = {K}"
            yield f"{name}: seconds_together [processor s]", rows["seconds_together"][at], None, None
            if bench.device == CUDA:
                value = np.ma.filled(rows["gpu_seconds_together"], np.nan)[at]
                yield f"{name}: gpu_seconds_together [s]", value, None, bool(value > 0)


def small_config(bench: DeviceBench) -> Iterator[record.Finding]:
    """Figure 2a of tests/config.yaml by Snakemake; jobs that want the GPU, and pairs that had it together."""
    directory = bench.directory / "small"
    directory.mkdir()
    models = [f"results/models/{network}_T12_i1_sigma7_KE12_KD1/model.pt" for network in NETWORKS]
    targets = models if bench.quick else ["results/figures/figure_2a.png"]
    command = [sys.executable, "-m", "snakemake", "--snakefile", record.ROOT / "Snakefile"]
    command += ["--directory", directory, "--configfile", record.ROOT / "tests/config.yaml"]
    command += ["--cores", "all", "--quiet", "all"]
    if bench.device == CPU:
        # The profile lets them wait for one another only where there is nvidia-smi.
        command += ["--set-resources", *(f"{rule}:gpu=1" for rule in GPU_RULES)]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    begin = time.monotonic()
    try:
        subprocess.run(
            [*command, "--", *targets],
            check=True,
            cwd=directory,
            env={**os.environ, "PATH": path},
            timeout=bench.left(),
            stdout=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise OutOfTime from None
    spans = spans_of_jobs(directory)
    yield "all jobs [s]", time.monotonic() - begin, None, None
    yield "jobs that want the GPU", len(spans), None, len(spans) > 1
    yield "pairs of them at the same time", *at_most(overlaps(spans), 0)


def filling(bench: DeviceBench) -> Iterator[record.Finding]:
    """Trainings side by side, of six experiments each, until more are not faster or have no room.

    train.py works on at most 3,000 frames at a time, over all trainings, but on a sequence of each at least.
    So more trainings fill a card, and more experiments a batch do not.
    """
    for network in NETWORKS:
        rate = 0.0
        for replicates in (2, 4) if bench.quick else (5, 40, 320, 1280):
            name = f"{network}, {replicates} trainings"
            try:
                took = bench.epoch(network, bench.device, replicates=replicates)
            except OutOfTime:
                if not rate:
                    raise
                break
            except Failed as error:
                if "out of memory" not in str(error):
                    raise
                yield f"{name}: have room", 0, None, None
                break
            before, rate = rate, replicates * SIX["batches"] / took.seconds
            yield f"{name}: sequences of an epoch [1/s]", rate, None, None
            yield f"{name}: peak memory [MiB]", took.memory, None, None
            if rate < 1.2 * before:
                break


ROWS = {
    row.__name__: row for row in (agreement, determinism, precision, seconds, figure_5, small_config, filling)
}


def spans_of_jobs(directory: Path) -> list[tuple[float, float]]:
    """Return begin and end in s of each job of GPU_RULES, of what Snakemake keeps beside the results."""
    kept = [
        json.loads(file.read_text())
        for file in (directory / ".snakemake/metadata").rglob("*")
        if file.is_file()
    ]
    # A job has a record for each of its files.
    jobs = {each["job_hash"]: each for each in kept if each["rule"] in GPU_RULES}
    return [(each["starttime"], each["endtime"]) for each in jobs.values()]


def overlaps(spans: list[tuple[float, float]]) -> int:
    """Return how many pairs of spans (begin, end) have some time in common."""
    return sum(max(a[0], b[0]) < min(a[1], b[1]) for a, b in combinations(spans, 2))


def batches_of(i: int, bench: DeviceBench) -> dict[str, int]:
    """Return what one training on batches of i experiments is told."""
    return {**ONE_BY_ONE, "experiments_per_batch": min(i, 2) if bench.quick else i}


def positions(files: list[Path]) -> np.ndarray:
    """Return the positions (R, B, T, N, 2) of tables of tracks, one each replicate."""
    return np.stack([np.concatenate([block.positions for block in read_tracks(file)]) for file in files])


def differences(files: list[Path], others: list[Path]) -> np.ndarray:
    """Return the distances (R, B, T, N) between tracks and others, in σ."""
    return np.linalg.norm(positions(files) - positions(others), axis=-1) / NOISE


def differing(pairs) -> int:
    """Return how many files of the one list have not the bytes of those of the other."""
    return sum(not filecmp.cmp(*pair, shallow=False) for pair in zip(*pairs, strict=True))


def relative(values: np.ndarray, expected: np.ndarray) -> float:
    """Return the greatest relative difference."""
    return float(np.max(np.abs(values / expected - 1)))


def at_most(value: float, bar: float) -> tuple[float, float, bool]:
    """Return a finding's value, its bar, and whether it is reached; what is no number never is."""
    return value, bar, bool(value <= bar)


def main() -> int:
    """Measure the rows that are asked for; returns the exit status."""
    begin = time.monotonic()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="row", help=", ".join(ROWS) + "; default all")
    parser.add_argument("--device", choices=(CUDA, CPU), default=CUDA, help="what is checked; default cuda")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, whose numbers mean nothing")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"to stop after; default {SECONDS}")
    parser.add_argument("--output", type=Path, metavar="DIR", help="default results/reference/benchmarks")
    arguments = parser.parse_args()
    if unknown := set(arguments.rows) - set(ROWS):
        parser.error(f"no row is called {unknown.pop()!r}")
    if arguments.output is None and (arguments.quick or arguments.device == CPU):
        parser.error("--quick and --device cpu need --output")
    name = record.processor() if arguments.device == CPU else name_of_gpu(arguments.seconds)
    if name is None:
        parser.error("this machine has no GPU that torch can use")
    output = arguments.output or record.ROOT / "results/reference/benchmarks"
    how = f"{record.circumstances(('torch', 'numpy'))}; on {arguments.device}: {name}"
    text, bad = "", False
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        bench = DeviceBench(Path(scratch), arguments.quick, arguments.device, begin + arguments.seconds)
        for row in arguments.rows or ROWS:
            try:
                found = record.measure(
                    row, ROWS[row](bench), f"python tests/device/check_gpu.py {row}; {how}"
                )
            except OutOfTime:
                print(f"{row}: not measured: {arguments.seconds:g} s were over", file=sys.stderr)
                bad = True
                continue
            bad |= any(line["reached"] == "no" for line in found)
            text = record.write(output / "gpu", list(ROWS), row, found)
    print(f"\n{text}")
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
