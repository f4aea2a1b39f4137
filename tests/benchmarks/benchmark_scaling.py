"""Measure what a large study asks of Snakemake and of the disk, each row by itself, beside its bars.

    python tests/benchmarks/benchmark_scaling.py jobs dry_run

writes what it found into scaling.csv and scaling.md; rows that were not asked for stay as they are. Times are
processor time, of Snakemake with nothing printed.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import record
import yaml

sys.path.insert(0, str(record.ROOT / "src"))

from planning.configuration import canonical, problems
from planning.studies import Plan, experiments_for, plan

DEFAULT = canonical(yaml.safe_load((record.ROOT / "config.yaml").read_text()))
# The study of docs/scaling.md: noises, lengths, experiments per batch, replicates.
WHOLE = (100, 20, 50, 10)
LENGTHS = list(range(8, 168, 8))
# About 1, 6 and 20 thousand jobs, the last of which are to be planned in so many seconds, and all.
SHAPES = [(100, 1, 8, 10), (100, 2, 25, 10), (100, 5, 40, 10), WHOLE]
LARGEST_SECONDS = 30


def grid(noises: int, lengths: int, batches: int, replicates: int, trained_at: float | str = 1) -> dict:
    """Return what to lay over config.yaml for one study of every combination."""
    datasets = {
        "frames": LENGTHS[:lengths],
        "measurement_noise": [round(0.1 * (k + 1), 1) for k in range(noises)],
    }
    transformer = {
        "method": "plain",
        "frames": "known",
        "experiments_per_batch": [k + 1 for k in range(batches)],
        "measurement_noise": trained_at,
        "encoder_lookback": "frames",
        "decoder_lookback": 1,
    }
    mht = {"method": "mht", "lookback": 1, "measurement_noise": "known"}
    study = {
        "title": "A grid",
        "datasets": datasets,
        "x": "measurement_noise",
        "trackers": [mht, transformer],
    }
    return {
        "replicates": replicates,
        "studies": dict.fromkeys(DEFAULT["studies"]) | {"grid": study},
        "operation_counts": dict.fromkeys(DEFAULT["operation_counts"]),
    }


def laid_over(changes: dict) -> dict:
    return {
        key: value | changes.get(key, {}) if isinstance(value, dict) else changes.get(key, value)
        for key, value in DEFAULT.items()
    }


def jobs_by_kind(made: Plan) -> dict[str, int]:
    """Return the number of jobs of a plan of scores only, without claims."""
    return {
        "simulations": len(made.test_sets) + len(made.training_sets),
        "trainings": len(made.models),
        "trackings": len(made.told),
        "scorings": len(made.scored),
        # A table and a picture, the config, the summary, the pages, and `all`.
        "others": 2 * len(made.curves) + 4,
    }


def jobs(quick: bool) -> Iterator[record.Finding]:
    """Jobs of the whole grid, and the processor time in which each Snakemake, of each job too, plans them."""
    shape = (2, 2, 2, 2) if quick else WHOLE
    for trained_at, words in ((1, "one training noise"), ("known", "trained at each noise")):
        config = canonical(laid_over(grid(*shape, trained_at)))
        begin = time.process_time()
        assert not problems(config, record.ROOT / "schemas/config.schema.yaml")
        found = jobs_by_kind(plan(config))
        yield f"{words}: check and plan [s]", time.process_time() - begin, None, None
        for kind, number in found.items():
            yield f"{words}: {kind}", number, None, None
        yield f"{words}: all jobs", sum(found.values()), None, None


def dry_run_of(changes: dict, *flags: str, checkout: Path = record.ROOT) -> tuple[float, float]:
    """Return the processor seconds and the largest memory in MB of a checkout's dry run over no results."""
    with tempfile.TemporaryDirectory() as directory:
        config = Path(directory, "grid.yaml")
        config.write_text(yaml.safe_dump(changes))
        command = [sys.executable, "-m", "snakemake", "--snakefile", checkout / "Snakefile", "--dry-run"]
        command += ["--quiet", "--directory", directory, "--configfile", config, *flags]
        process = subprocess.Popen(
            list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} failed")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1000


def dry_run(quick: bool) -> Iterator[record.Finding]:
    """Processor time and memory of a dry run, by the number of jobs."""
    for shape in [(2, 2, 2, 2)] if quick else SHAPES:
        number = sum(jobs_by_kind(plan(canonical(laid_over(grid(*shape))))).values())
        seconds, megabytes = dry_run_of(grid(*shape))
        bar = LARGEST_SECONDS if shape == SHAPES[2] else None
        yield f"{number} jobs: dry run [s]", seconds, bar, bar and seconds <= bar
        yield f"{number} jobs: memory [MB]", megabytes, None, None


def batch(quick: bool) -> Iterator[record.Finding]:
    """Processor time and memory of a dry run of a tenth of the grid, by `--batch tabulate_scores=1/10`."""
    shape = (5, 2, 2, 2) if quick else SHAPES[2]
    number = sum(jobs_by_kind(plan(canonical(laid_over(grid(*shape))))).values())
    seconds, megabytes = dry_run_of(grid(*shape), "--batch", "tabulate_scores=1/10")
    yield f"a tenth of {number} jobs: dry run [s]", seconds, None, None
    yield f"a tenth of {number} jobs: memory [MB]", megabytes, None, None


def storage(quick: bool) -> Iterator[record.Finding]:
    """Bytes of each kind of file, by the scripts with the settings of config.yaml, and of the whole grid."""
    frames, experiments = (8, 20) if quick else (150, 350)
    noises, lengths, batches, replicates = WHOLE
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        motion = ["--process-noise", 1.5, "--measurement-noise", 7]
        scene = ["--initial-spread", 5, "--drift-spread", 0.1, "--particles", 2, "--seed", 1]
        size = ["--frames", frames, "--experiments", experiments]
        script("simulate", *motion, *scene, *size, "--output", directory / "data")
        files = {key: directory / "data" / f"{key}.parquet" for key in ("truth", "measurements", "initial")}
        tracks, scores, model = (directory / name for name in ("tracks", "scores", "model.pt"))
        seen = ["--measurements", files["measurements"], "--initial", files["initial"]]
        how = ["--solver", "enumerate", "--estimate", "filtered"]
        script(
            "track_mht", *seen, *motion, *how, "--lookback", 1, "--velocity-spread", 0.1, "--output", tracks
        )
        names = ["--tracker", "mht", "--replicate", 0, "--tolerance", 3]
        seen = ["--truth", files["truth"], "--measurements", files["measurements"], "--tracks", tracks]
        script("score", *seen, *names, "--output", scores)
        options = DEFAULT["training"] | DEFAULT["methods"]["plain"]["training"]["options"]
        network = [f"--{key.replace('_', '-')}={v}" for key, v in options.items() if v != "required"]
        network += ["--encoder-lookback", frames, "--decoder-lookback", 1, "--replicates", replicates]
        training = [
            "--experiments-per-batch",
            1,
            "--batches",
            1,
            "--epochs",
            1,
            "--seed",
            1,
            "--output",
            model,
        ]
        script("simulate", *motion, *scene, *size, "--stream", "training", "--output", directory / "training")
        script("train", "--dataset", directory / "training", *network, *training)
        rows = experiments * frames * 2
        data = sum(path.stat().st_size for path in files.values()) / rows
        bytes_of = {"tracks": tracks.stat().st_size / rows, "scores": scores.stat().st_size / experiments}
        of_model = model.stat().st_size
    yield "dataset: bytes per particle and frame", data, None, None
    yield "tracks: bytes per particle and frame", bytes_of["tracks"], None, None
    yield "scores: bytes per experiment", bytes_of["scores"], None, None
    yield "model: bytes per replicate", of_model / replicates, None, None
    numbers = {length: experiments_for(DEFAULT["test_experiments"], length) for length in LENGTHS[:lengths]}
    positions = noises * sum(2 * length * number for length, number in numbers.items())
    experiments = noises * sum(numbers.values())
    trackers = batches * replicates + 1
    yield "the grid: test sets [GB]", data * positions / 1e9, None, None
    yield "the grid: tracks [GB]", bytes_of["tracks"] * positions * trackers / 1e9, None, None
    yield "the grid: scores [GB]", bytes_of["scores"] * experiments * trackers / 1e9, None, None
    yield "the grid: models of one training noise [GB]", of_model * lengths * batches / 1e9, None, None


def script(name: str, *flags) -> None:
    """Run a script of the project."""
    command = [sys.executable, record.ROOT / "src" / f"{name}.py", *flags]
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)


ROWS = {"jobs": jobs, "dry_run": dry_run, "batch": batch, "storage": storage}

if __name__ == "__main__":
    record.main("scaling", __doc__, ROWS, ("snakemake",))
