"""What tests share: the scripts by their command line, and small simulated datasets."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import hypothesis
import numpy as np
import pytest

import command_line
from mpt import motion, tables

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

    `changes` are arguments of motion.simulate.
    """

    def make(name: str = "dataset", experiments: int = 4, **changes) -> Path:
        model = {
            "frames": 6,
            "particles": 2,
            "process_noise": 1.5,
            "measurement_noise": 2.0,
            "initial_spread": 5.0,
            "drift_spread": 0.1,
            "half_width": None,
            "seed": 1,
            **changes,
        }
        numbers = np.arange(experiments)
        simulation = motion.simulate(numbers, **model)
        half_width = model.pop("half_width")
        confinement = None if half_width is None else {"half_width": half_width}
        parameters = {**model, "experiments": experiments, "confinement": confinement}
        with tables.DatasetWriter(tmp_path / name, parameters) as writer:
            writer.write(numbers, simulation.positions, simulation.measurements, simulation.detection)
        return tmp_path / name

    return make
