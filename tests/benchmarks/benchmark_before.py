"""Measure the commit checked out against the one before the work on speed (docs/speed.md), in turns.

    python tests/benchmarks/benchmark_before.py epoch

runs the same commands with the sources of both, and writes what it found into before.csv and before.md; rows
that were not asked for stay as they are. A quantity of both is followed by the median, over the rounds, of
now / before. What is compiled at first use is compiled in a round that does not count.
"""

import contextlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import record
from benchmark_scaling import SHAPES, dry_run_of, grid, jobs_by_kind, laid_over
from benchmark_transformer import METHODS, MOTION, REPLICATES, Bench, tables

from mpt.transformer.networks import NETWORKS
from planning.configuration import canonical
from planning.studies import plan

BEFORE = "5ea2acc"


@contextlib.contextmanager
def two_benches(quick: bool) -> Iterator[list[Bench]]:
    """Yield benches with the scripts of now and of BEFORE, in directories that go away.

    In a quick run both are this commit's: it is in a clone without history too.
    """
    commit = "HEAD" if quick else BEFORE
    with tempfile.TemporaryDirectory() as scratch:
        benches = []
        for name, whose in (("now", "HEAD"), ("before", commit)):
            packed = subprocess.run(["git", "-C", record.ROOT, "archive", whose], capture_output=True)
            if packed.returncode:
                raise record.CannotMeasure(f"this clone lacks commit {whose}: git fetch --unshallow")
            checkout, files = Path(scratch, name, "checkout"), Path(scratch, name, "files")
            files.mkdir(parents=True)
            with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
                # Of git, so that it needs no filter; before 3.11.4 Python has none.
                archive.extractall(checkout)
            benches.append(Bench(files, quick, checkout))
        yield benches


def in_turns(
    quantity: str, benches: list[Bench], work: Callable[[Bench], float], rounds: int, bar: float | None = None
) -> Iterator[record.Finding]:
    """Yield the medians of what work(bench) measures now and before, and of the ratios of the rounds."""
    # In the first round they compile.
    kept = slice(0, 1) if benches[0].quick else slice(1, 1 + rounds)
    measured = np.array([[work(bench) for bench in benches] for _ in range(kept.stop)])[kept]
    now, before = np.median(measured, axis=0)
    ratio = float(np.median(measured[:, 0] / measured[:, 1]))
    yield f"{quantity}: now [s]", now, None, None
    yield f"{quantity}: before [s]", before, None, None
    yield f"{quantity}: now / before", ratio, bar, None if bar is None else ratio <= bar


def epoch(quick: bool) -> Iterator[record.Finding]:
    """Processor time of one more epoch of five replicates, T = 150, i = 1."""
    epochs = (1, 2) if quick else (2, 22)
    with two_benches(quick) as benches:
        for network in NETWORKS:
            yield from in_turns(f"{network}: an epoch", benches, partial(an_epoch, network, epochs), 5, 0.5)


def an_epoch(network: str, epochs: tuple[int, int], bench: Bench) -> float:
    """Return what an epoch takes: a longer training less a shorter one, each with one validation."""
    few, many = epochs
    _, dataset, size = bench.long_sequences()
    size |= {"validation_experiments": 1, "validate_every": many}
    less, more = (bench.train(network, dataset, REPLICATES, **size, epochs=number)[1] for number in epochs)
    return (more - less) / (many - few)


def tracking(quick: bool) -> Iterator[record.Finding]:
    """Processor time of a job of an untrained network on 200 sequences of 150 frames, with its start."""
    with two_benches(quick) as benches:
        for network in NETWORKS:
            models = {}
            for bench in benches:
                _, dataset, size = bench.long_sequences()
                models[bench], _ = bench.train(network, dataset, 1, **size, epochs=0)
            yield from in_turns(f"{network}: a job", benches, partial(tracking_job, network, models), 5)


def tracking_job(network: str, models: dict[Bench, Path], bench: Bench) -> float:
    """Return what it takes to track with a model of the network."""
    method, given = METHODS[network], tables(test_set(bench))
    output = bench.directory / "tracks.parquet"
    return bench.run(method.script, **given, **method.options, model=models[bench], output=output)


def hypotheses(quick: bool) -> Iterator[record.Finding]:
    """Processor time of a job of the MHT with K = 8 on 200 sequences of 150 frames, with its start."""
    with two_benches(quick) as benches:
        yield from in_turns("K = 8: a job", benches, partial(mht_job, 2 if quick else 8), 5)


def mht_job(lookback: int, bench: Bench) -> float:
    """Return what it takes to track by the MHT."""
    return track_by_mht(bench, test_set(bench), lookback, bench.directory / "tracks.parquet")


def test_set(bench: Bench) -> Path:
    """Return 200 sequences of 150 frames, in a quick run few short ones."""
    return bench.simulate("test", *((4, 12) if bench.quick else (200, 150)), 7)


def track_by_mht(bench: Bench, test: Path, lookback: int, output: Path) -> float:
    """Track a test set of σ = 7, which the MHT is told; return what it takes."""
    method = METHODS["mht"]
    options = method.settings({"lookback": lookback, "measurement_noise": 7, "solver": "enumerate"})
    return bench.run(method.script, **tables(test), **method.resolved(options, MOTION), output=output)


def scoring(quick: bool) -> Iterator[record.Finding]:
    """Processor time of jobs that score, with their start: numbers of files as in studies of the config."""
    jobs = {"Figure 3": (8, 3000, 272), "Figure 6, T = 100": (100, 400, 41), "Figure 2a": (150, 350, 21)}
    if quick:
        jobs = {"Figure 3": (6, 10, 3)}
    with two_benches(quick) as benches:
        for figure, (frames, experiments, files) in jobs.items():
            work = partial(scoring_job, frames, experiments, files)
            yield from in_turns(f"{figure}: {files} tracks files", benches, work, 3)


def scoring_job(frames: int, experiments: int, files: int, bench: Bench) -> float:
    """Return what it takes to score so many tracks files, all of which are one."""
    test = bench.simulate("test", experiments, frames, 7)
    tracks = test / "tracks.parquet"
    if not tracks.exists():
        track_by_mht(bench, test, 1, tracks)
    given = {"truth": test / "truth.parquet", "tracks": [tracks] * files, "replicate": [0] * files}
    names = [f"tracker_{number}" for number in range(files)]
    return bench.run("src/score.py", **given, tracker=names, output=test / "scores.parquet")


def small_config(quick: bool) -> Iterator[record.Finding]:
    """Seconds by the clock of a whole run of the small config on two cores, and of one with nothing to do."""
    with two_benches(quick) as benches:
        yield from in_turns("small config", benches, run_small_anew, 3)
        yield from in_turns("nothing to do", benches, run_small, 5)


def dry_run(quick: bool) -> Iterator[record.Finding]:
    """Processor time of a dry run of a grid of studies, over no results."""
    shape = (2, 2, 2, 2) if quick else SHAPES[2]
    number = sum(jobs_by_kind(plan(canonical(laid_over(grid(*shape))))).values())
    with two_benches(quick) as benches:
        yield from in_turns(f"dry run of {number:,} jobs", benches, partial(dry_run_in, grid(*shape)), 3)


def dry_run_in(changes: dict, bench: Bench) -> float:
    """Return what a dry run of a bench's checkout takes."""
    seconds, _ = dry_run_of(changes, checkout=bench.checkout)
    return seconds


def run_small_anew(bench: Bench) -> float:
    """As run_small, without results of before."""
    shutil.rmtree(bench.directory / "small", ignore_errors=True)
    return run_small(bench)


def run_small(bench: Bench) -> float:
    """Run the small config of a bench's checkout; return the seconds that it took by the clock."""
    words = [sys.executable, "-m", "snakemake", "--cores", 2, "--snakefile", bench.checkout / "Snakefile"]
    words += ["--configfile", bench.checkout / "tests/config.yaml", "--directory", bench.directory / "small"]
    if bench.quick:
        words.append("results/config.yaml")
    # The jobs are run by this Python.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    begin = time.monotonic()
    subprocess.run(list(map(str, words)), capture_output=True, check=True, env={**os.environ, "PATH": path})
    return time.monotonic() - begin


ROWS = {row.__name__: row for row in (epoch, tracking, hypotheses, scoring, small_config, dry_run)}

if __name__ == "__main__":
    record.main("before", __doc__, ROWS, ("torch", "numba", "numpy", "snakemake"))
