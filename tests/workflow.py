"""The workflow by its command line, for tests that run it or ask what it would run."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

PROJECT = Path(__file__).parents[1]
SMALL = PROJECT / "tests/config.yaml"
# A recording as a config names it; the numbers of frames and whether there is a truth belong to a test.
MOVIE = {
    "path": "movie.csv",
    "format": "trackpy",
    "pixel_size": 0.5,
    "particles": 2,
    "process_noise": 1.5,
    "measurement_noise": 1,
    "drift_spread": 0.1,
}
# All that the workflow reads.
PARTS = (
    *("Snakefile", "config.yaml", "rules", "schemas", "envs", "profiles", "src", "tests/config.yaml"),
    # For the report.
    *("report", "pyproject.toml", "requirements.txt"),
)


def command(directory: Path, *arguments, configs=(SMALL,), project: Path = PROJECT) -> list[str]:
    """Return the command that runs the workflow of a checkout with its results in `directory`."""
    words = [sys.executable, "-m", "snakemake", "--snakefile", project / "Snakefile"]
    words += ["--directory", directory, *(["--configfile", *configs] if configs else []), *arguments]
    return list(map(str, words))


def environment(**changes) -> dict[str, str]:
    """Return the environment in which `python` is this Python; a change to None takes a variable away."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    variables = {**os.environ, "PATH": path, **changes}
    return {name: value for name, value in variables.items() if value is not None}


def snakemake(
    directory: Path, *arguments, configs=(SMALL,), project: Path = PROJECT, umask: int = -1, **changes
) -> subprocess.CompletedProcess:
    """Run the workflow, with changes to the environment."""
    return subprocess.run(
        command(directory, *arguments, configs=configs, project=project),
        capture_output=True,
        text=True,
        check=False,
        cwd=directory,
        env=environment(**changes),
        umask=umask,
    )


def scripts_of_rules() -> dict[str, list[str]]:
    """Return by rule the scripts that it runs, below src/: those it names, and those that methods declare."""
    methods = yaml.safe_load((PROJECT / "config.yaml").read_text())["methods"].values()
    trained = [method for method in methods if "training" in method]
    declared = {
        "track": ["src/supervise.py", *(method["script"] for method in methods if method not in trained)],
        "track_trained": [method["script"] for method in trained],
        "train": [method["training"]["script"] for method in trained],
        "count_operations": [
            path
            for method in methods
            if "counting" in method
            for path in (method["counting"]["script"], *method["counting"].get("sources", ()))
        ],
        "calibrate": [method["calibration"] for method in methods if "calibration" in method],
    }
    found = {}
    for path in (PROJECT / "rules").glob("*.smk"):
        for name, body in re.findall(r"^rule (\w+):\n((?:[ \n].*\n?)*)", path.read_text(), re.MULTILINE):
            named = re.search(r'sources=sources\("([\w.]+)"\)', body)
            if named:
                found[name] = [f"src/{named[1]}"]
            elif "sources=" in body:
                found[name] = list(dict.fromkeys(declared.get(name, ())))
    found["judge_choices"] = [
        "src/judge_choices.py",
        *declared["track"],
        *declared["track_trained"],
        *declared["train"],
    ]
    return {
        rule: [path.removeprefix("src/") for path in dict.fromkeys(paths) if path.endswith(".py")]
        for rule, paths in found.items()
    }


def written(directory: Path, text: str) -> Path:
    """Return the path of a config with this text."""
    path = directory / "mine.yaml"
    path.write_text(text)
    return path


def jobs(result: subprocess.CompletedProcess) -> dict[str, int]:
    """Return how many jobs of each rule a dry run announces."""
    assert result.returncode == 0, result.stdout + result.stderr
    counts = re.search(r"^job +count\n[- ]+\n((?:\w+ +\d+\n)+)", result.stdout + result.stderr, re.MULTILINE)
    assert counts or "Nothing to be done" in result.stdout + result.stderr
    found = dict(line.split() for line in counts[1].splitlines()) if counts else {}
    return {rule: int(count) for rule, count in found.items() if rule not in ("total", "all")}


def clone(destination: Path) -> None:
    """Copy the checkout."""
    for part in PARTS:
        source, copy = PROJECT / part, destination / part
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, copy)
