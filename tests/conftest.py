"""What tests share: the scripts by their command line, small simulated datasets, one run of the workflow."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import hypothesis
import numpy as np
import pytest

import command_line
from mpt import motion
from mpt.tables.dataset import DatasetWriter
from workflow import snakemake

SOURCES = Path(__file__).parents[1] / "src"

# Tests give the same answer on every run and on machines of any speed.
hypothesis.settings.register_profile("reproducible", deadline=None, derandomize=True)
hypothesis.settings.load_profile("reproducible")


@pytest.fixture(scope="session")
def run_script():
    """Return run(name, *arguments, **options): runs src/name, captures its text, judges nothing."""

    def run(name: str, *arguments, **options) -> subprocess.CompletedProcess:
        command = [sys.executable, str(SOURCES / name), *map(str, arguments)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.run(command, capture_output=True, text=True, env=environment, **options)

    return run


@pytest.fixture(scope="session")
def refusal(run_script):
    """Return refusal(name, *arguments, output=path, **options): the one line with which src/name refuses.

    Asserts exit status 2, one line on stderr that starts with the script's name, and nothing left at `output`
    nor beside it.
    """

    def run(name: str, *arguments, output: Path, **options) -> str:
        before = set(output.parent.iterdir())
        result = run_script(name, *arguments, "--output", output, **options)
        assert result.returncode == 2, result
        assert result.stdout == ""
        (line,) = result.stderr.splitlines()
        assert line.startswith(f"{name}: "), line
        assert set(output.parent.iterdir()) == before
        return line

    return run


@pytest.fixture
def refusal_here(monkeypatch, capsys):
    """Return refusal_here(module, *arguments, output=path, more_outputs=()): as refusal, in this process.

    For scripts that take seconds to start. Lines on stdout are allowed.
    """

    def run(module: ModuleType, *arguments, output: Path, more_outputs=()) -> str:
        name = Path(module.__file__).name
        before = set(output.parent.iterdir())
        command = [name, *arguments, "--output", output, *more_outputs]
        monkeypatch.setattr(sys, "argv", list(map(str, command)))
        monkeypatch.setattr(signal, "signal", lambda *_: None)
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            command_line.run(module.main)
        assert stop.value.code == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"{name}: "), line
        assert set(output.parent.iterdir()) == before
        return line

    return run


@pytest.fixture
def dataset(tmp_path):
    """Return dataset(name="dataset", experiments=4, **changes): the directory of a small dataset.

    `changes` are arguments of motion.simulate, and start="measured".
    """

    def make(name: str = "dataset", experiments: int = 4, **changes) -> Path:
        model = {
            "frames": 6,
            "particles": 2,
            "process_noise": 1.5,
            "measurement_noise": 2.0,
            "initial_spread": 5.0,
            "drift_spread": 0.1,
            "confinement": None,
            "seed": 1,
            **changes,
        }
        numbers = np.arange(experiments)
        start = {"start": model.pop("start")} if "start" in model else {}
        simulation = motion.simulate(numbers, **model)
        parameters = {**model, "experiments": experiments, **start}
        with DatasetWriter(tmp_path / name, parameters) as writer:
            writer.write(numbers, simulation.positions, simulation.measurements, simulation.detection)
        return tmp_path / name

    return make


@pytest.fixture(scope="session")
def small_results(tmp_path_factory) -> Path:
    """Return a directory with the results of the small config, to be copied and not to be changed.

    Whichever worker of pytest-xdist needs it first makes it for all, on two cores.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    directory = shared / "it's a test, é $(exit 1)"
    directory.mkdir(exist_ok=True)
    with open(shared / "small_results.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (directory / "results/run.csv").exists():
            result = snakemake(directory, "--cores", "2")
            assert result.returncode == 0, result.stdout + result.stderr
    return directory


@pytest.fixture(scope="module")
def finished(small_results, request) -> Path:
    """Return the results of the small config, in a directory of this file's own whose name wants quotes."""
    # Beside the original, where the paths to the sources are the same.
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    copy = small_results.with_name(f"it's {request.module.__name__}{worker}, é $(exit 1)")
    return shutil.copytree(small_results, copy)
