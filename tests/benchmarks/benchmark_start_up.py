"""Measure what jobs do before their work, the interpreter and imports, and ways to have less of them.

    python tests/benchmarks/benchmark_start_up.py imports

writes what it found into start_up.csv and start_up.md; rows that were not asked for stay as they are. Times
are processor time, but those of packages, which are elapsed.
"""

import csv
import json
import re
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import record
import yaml
from benchmark_transformer import REPLICATES, SIX, children_seconds, new_bench, tables

from mpt.transformer.networks import PLAIN
from planning.configuration import canonical
from planning.studies import plan

SOURCES = record.ROOT / "src"
# Whose parts of a script's imports are told apart, if they take so many seconds.
PACKAGES = ("torch", "numba", "scipy", "pandas", "pyarrow", "matplotlib", "seaborn", "fvcore", "numpy")
LEAST_SECONDS = 0.02
# Ways to track all test sets of a model in what Snakemake would see as one job.
ONE_PROCESS, FORKS = "in one process", "in forks of one process"
TRACK_ALL = f"""
import json, multiprocessing, sys
sys.path.insert(0, {str(SOURCES)!r})
from pathlib import Path
import track_transformer

jobs = json.loads(sys.argv[2])
for job in jobs:
    job = {{key: [*map(Path, value)] if key == "output" else Path(value) for key, value in job.items()}}
    if sys.argv[1] == {ONE_PROCESS!r}:
        track_transformer.track(**job)
    else:
        fork = multiprocessing.get_context("fork").Process(target=track_transformer.track, kwargs=job)
        fork.start()
        fork.join()
        assert fork.exitcode == 0
"""


def imports(quick: bool) -> Iterator[record.Finding]:
    """What each script takes to say its flags, and by `-X importtime` each package's own part of that."""
    scripts = [path for path in sorted(SOURCES.glob("*.py")) if path.read_text().endswith("run(main)\n")]
    for script in scripts[:2] if quick else scripts:
        before = children_seconds()
        command = [sys.executable, "-X", "importtime", script, "--help"]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stderr
        yield f"{script.name} [s]", children_seconds() - before, None, None
        for package, seconds in of_packages(told).items():
            if seconds >= LEAST_SECONDS:
                yield f"{script.name}: {package} [s]", seconds, None, None


def of_packages(told: str) -> dict[str, float]:
    """Return the seconds in the modules of each of PACKAGES, by what `-X importtime` told."""
    seconds = dict.fromkeys(PACKAGES, 0.0)
    for own, name in re.findall(r"^import time: +(\d+) \| +\d+ \| +([\w.]+)$", told, re.MULTILINE):
        if (package := name.partition(".")[0]) in seconds:
            seconds[package] += float(own) / 1e6
    return seconds


def grouping(quick: bool) -> Iterator[record.Finding]:
    """Test sets of one plain model of Figure 2b: a job each, as they are, or all in one."""
    frames, noises = (6, [1, 7]) if quick else (150, [1, 3, 5, 7, 9])
    with new_bench(quick) as bench:
        training = bench.simulate("training", 6 * REPLICATES, frames, 1)
        size = {**SIX, "encoder_lookback": frames, "decoder_lookback": 1, "epochs": 0}
        model, _ = bench.train(PLAIN, training, REPLICATES, **size)
        jobs = []
        for noise in noises:
            test = bench.simulate("test", 3 if quick else 350, frames, noise)
            output = [str(test / f"{replicate}.parquet") for replicate in range(REPLICATES)]
            jobs.append({**{name: str(path) for name, path in tables(test).items()}, "output": output})
            jobs[-1]["model"] = str(model)
        ways = {
            "a job each": lambda: [bench.run("src/track_transformer.py", **job) for job in jobs],
            ONE_PROCESS: lambda: track_all(ONE_PROCESS, jobs),
            FORKS: lambda: track_all(FORKS, jobs),
        }
        rounds = []
        for _ in range(1 if quick else 3):
            rounds.append([])
            for way in ways.values():
                before = children_seconds()
                way()
                rounds[-1].append(children_seconds() - before)
    fractions = np.median([np.divide(seconds, seconds[0]) for seconds in rounds], axis=0)
    for way, seconds, fraction in zip(ways, np.median(rounds, axis=0), fractions, strict=True):
        yield f"{len(noises)} test sets, {way} [s]", float(seconds), None, None
        if way != "a job each":
            yield f"{way}: times a job each", float(fraction), None, None


def fewer_jobs(quick: bool) -> Iterator[record.Finding]:
    """Jobs of the default config and the share of start-up in their seconds, were tracking jobs joined.

    By the plan and by what the reference run measured of each rule. Joined jobs do the work of all of them.
    """
    made = plan(canonical(yaml.safe_load((record.ROOT / "config.yaml").read_text())))
    with (record.ROOT / "results/reference/run.csv").open(newline="", encoding="utf-8") as file:
        rules = {
            row.pop("rule"): {key: float(value) for key, value in row.items()} for row in csv.DictReader(file)
        }
    whole = rules["all"]
    rules_of = {tracker: "track_trained" if tracker in made.model_of else "track" for tracker, _ in made.told}
    ways = {
        "a job for each tracker and test set": lambda tracker, test: (tracker, test),
        "all controls of a test set in one": lambda tracker, test: (
            test if made.method_of[tracker] == "control" else tracker,
            test,
        ),
        "all test sets of a tracker in one": lambda tracker, test: tracker,
        "all trackers of a test set in one": lambda tracker, test: test,
    }
    for way, job_of in ways.items():
        # Jobs that are joined start as the slowest of them does.
        joined = {
            job_of(*each): rules_of[each[0]] for each in sorted(made.told, key=lambda each: rules_of[each[0]])
        }
        jobs, start_up, seconds = whole["jobs"], whole["start_up_seconds"], whole["seconds"]
        for rule in ("track", "track_trained"):
            less = rules[rule]["jobs"] - list(joined.values()).count(rule)
            spared = less * rules[rule]["start_up_seconds"] / rules[rule]["jobs"]
            jobs, start_up, seconds = jobs - less, start_up - spared, seconds - spared
        yield f"{way}: jobs with a benchmark", jobs, 250, jobs <= 250
        yield f"{way}: share of start-up", start_up / seconds, 0.05, start_up / seconds <= 0.05


def track_all(way: str, jobs: list[dict]) -> None:
    """Track all test sets by TRACK_ALL."""
    command = [sys.executable, "-c", TRACK_ALL, way, json.dumps(jobs)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


ROWS = {"imports": imports, "grouping": grouping, "fewer_jobs": fewer_jobs}

if __name__ == "__main__":
    record.main("start_up", __doc__, ROWS, ("torch", "numba", "pyarrow", "pandas", "seaborn"))
