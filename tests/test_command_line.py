"""What all scripts refuse on their command line: files that would be lost, numbers that nothing can hold."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import simulate
from command_line import ArgumentParser, InputError, existing_file, output_file
from conftest import SOURCES

MODEL = ["--process-noise", "1.5", "--measurement-noise", "2", "--velocity-spread", "0.1", "--lookback", "1"]
MODEL += ["--solver", "enumerate", "--estimate", "filtered"]
SCENES = ["--frames", "4", "--particles", "2", "--process-noise", "1", "--measurement-noise", "1"]
SCENES += ["--initial-spread", "1", "--drift-spread", "0"]
TRAINING = ["--encoder-lookback", "2", "--decoder-lookback", "1", "--experiments-per-batch", "1"]
TRAINING += ["--batches", "2", "--seed", "0", "--replicates", "1", "--network", "plain"]
TRAINING += ["--encoder-sees", "past", "--head", "displacement", "--time-embedding", "learned"]
TRAINING += ["--augment", "none", "--mode", "teacher_forcing", "--epochs", "1", "--learning-rate", "0.001"]
TRAINING += ["--warmup-fraction", "0.1", "--weight-decay", "0", "--gradient-clip", "1"]
TRAINING += ["--rescue-distance", "3", "--dimension", "8", "--heads", "1", "--encoder-layers", "1"]
TRAINING += ["--decoder-layers", "1", "--feedforward", "8", "--validation-experiments", "1"]
TRAINING += ["--validate-every", "1", "--precision", "float32"]


def contents(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@pytest.mark.parametrize("table", ["measurements", "initial"])
@pytest.mark.parametrize("flag", ["--output", "--margin"])
def test_an_output_that_is_an_input_is_refused_and_the_input_kept(table, flag, dataset, run_script):
    directory = dataset()
    before = contents(directory)
    outputs = {"--output": directory / "tracks.parquet", flag: directory / f"{table}.parquet"}
    inputs = {f"--{name}": directory / f"{name}.parquet" for name in ("measurements", "initial")}
    paths = [word for pair in (inputs | outputs).items() for word in pair]
    result = run_script("track_mht.py", *MODEL, *paths)
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert f"{table}.parquet: is read and would be overwritten" in line
    assert contents(directory) == before


def test_the_same_file_by_another_name_is_refused(dataset, run_script, tmp_path):
    directory = dataset()
    os.symlink(directory, tmp_path / "link")
    shutil.copy(directory / "truth.parquet", directory / "tracks.parquet")
    before = contents(directory)
    flags = ["--truth", directory / "truth.parquet", "--tracks", directory / "tracks.parquet"]
    result = run_script("score.py", *flags, "--output", tmp_path / "link/../link/tracks.parquet")
    assert result.returncode == 2
    assert "is read and would be overwritten" in result.stderr
    assert contents(directory) == before


def test_a_table_of_the_training_set_is_no_model(dataset, run_script):
    directory = dataset(experiments=2)
    before = contents(directory)
    flags = ["--dataset", directory, *TRAINING]
    for outputs in (["--output", directory / "truth.parquet"], ["--output", "m", "--learning-curve", "m"]):
        result = run_script("train.py", *flags, *outputs, cwd=directory)
        assert result.returncode == 2
        assert "would be overwritten" in result.stderr
    assert contents(directory) == before


def test_a_device_is_not_replaced_by_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    parser = ArgumentParser()
    parser.add_argument("--output", type=output_file)
    for bad in (tmp_path / "pipe", "/dev/null", ""):
        with pytest.raises(InputError, match=r"no regular file|empty"):
            parser.parse_args(["--output", str(bad)])


def test_files_that_differ_are_let_through(tmp_path):
    parser = ArgumentParser()
    parser.add_argument("--read", type=existing_file, nargs="+")
    parser.add_argument("--output", type=output_file, nargs="+")
    for name in "ab":
        (tmp_path / name).touch()
    flags = parser.parse_args([f"--read={tmp_path}/a", "--output", f"{tmp_path}/b", f"{tmp_path}/c"])
    assert flags.output == [tmp_path / "b", tmp_path / "c"]


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--frames", "9" * 30),
        ("--experiments", "99999999999"),
        ("--seed", str(2**64)),
        ("--process-noise", "1e308"),
    ],
)
def test_numbers_that_no_table_can_hold_are_refused(flag, value, refusal_here, tmp_path):
    flags = [*SCENES, "--experiments", "1", "--seed", "0", flag, value]
    assert f"argument {flag}" in refusal_here(simulate, *flags, output=tmp_path / "new")


def test_training_on_test_experiments_is_refused(run_script, tmp_path):
    made = run_script("simulate.py", *SCENES, "--experiments", "2", "--seed", "0", "--output", tmp_path / "t")
    assert made.returncode == 0
    result = run_script("train.py", "--dataset", tmp_path / "t", *TRAINING, "--output", tmp_path / "m.pt")
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert "of the test stream" in line


def test_the_same_experiments_for_two_replicates_are_refused(dataset, run_script, tmp_path):
    directory = dataset(experiments=2)
    flags = ["--dataset", directory, directory / ".", *TRAINING, "--replicates", "2"]
    result = run_script("train.py", *flags, "--output", tmp_path / "m.pt")
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert "given twice" in line


SIMULATION = [*SCENES, "--experiments", "2", "--seed", "0"]


def start(name, *arguments, before="", cwd=None, **environment):
    """Run a script by a shell, in which `before` was said, with these environment variables."""
    command = shlex.join([sys.executable, str(SOURCES / name), *map(str, arguments)])
    variables = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(["bash", "-c", f"{before} {command}"], cwd=cwd, env=variables, capture_output=True)


def test_a_job_says_first_what_command_it_is_and_then_how_long_it_took_to_start(tmp_path):
    output = tmp_path / "it's here, é"
    result = start("simulate.py", *SIMULATION, "--output", output, JOB_STARTED=f"{time.time():.6f}")
    assert (result.returncode, result.stderr) == (0, b"")
    command, started = result.stdout.decode().splitlines()
    assert re.fullmatch(r"started in \d+\.\d{3} s", started)
    before = contents(output)
    shutil.rmtree(output)
    # As a person pastes it.
    bin_path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    subprocess.run(["bash", "-c", command], env={**os.environ, "PATH": bin_path}, check=True)
    assert contents(output) == before


@pytest.mark.parametrize("started", ["x", "nan s", ","])
def test_a_start_that_is_no_time_is_not_reported(tmp_path, started):
    result = start("simulate.py", *SIMULATION, "--output", tmp_path / "d", JOB_STARTED=started)
    assert (result.returncode, result.stderr) == (0, b"")
    (line,) = result.stdout.decode().splitlines()
    assert line.startswith("python ")


JOB = """
import atexit
import threading
import time
from command_line import run

def main():
    threading.Thread(target=lambda: (time.sleep(0.2), print("a thread"))).start()
    print("done")

atexit.register(print, "at exit")
run(main)
print("the interpreter goes on", flush=True)
"""


@pytest.mark.parametrize("is_job", [True, False])
def test_a_job_ends_after_its_main_function_and_what_is_to_be_done_at_exit(is_job):
    variables = {**os.environ, "PYTHONPATH": str(SOURCES), **({"JOB_STARTED": "0"} if is_job else {})}
    ended = subprocess.run(
        [sys.executable, "-c", JOB], env=variables, capture_output=True, text=True, check=True
    )
    lines = [line for line in ended.stdout.splitlines() if not line.startswith(("python", "started"))]
    assert lines == ["done", *([] if is_job else ["the interpreter goes on"]), "a thread", "at exit"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no device that is always full")
def test_a_job_that_cannot_say_what_it_has_to_say_fails(tmp_path):
    result = start(
        "simulate.py", *SIMULATION, "--output", tmp_path / "d", before="exec >/dev/full;", JOB_STARTED="1"
    )
    assert result.returncode != 0
    assert b"No space left on device" in result.stderr
    assert b"Traceback" not in result.stderr


@pytest.mark.parametrize("before", ["exec <&-;", "exec >&-;", "exec 2>&-;", "exec <&- >&- 2>&-;"])
def test_closed_standard_streams_do_not_matter(tmp_path, before):
    result = start("simulate.py", *SIMULATION, "--output", "d", before=before, cwd=tmp_path, JOB_STARTED="1")
    assert result.returncode == 0
    assert sorted(contents(tmp_path / "d")) == ["initial.parquet", "measurements.parquet", "truth.parquet"]


def test_json_of_a_standard_input_that_is_closed_is_refused(tmp_path):
    arguments = ["--datasets", tmp_path, "--models", "-", "--output", "t", "--csv", "c"]
    result = start("calibrate_bayes.py", *arguments, before="exec <&-;", cwd=tmp_path)
    assert result.returncode == 2
    (line,) = result.stderr.decode().splitlines()
    assert "--models: -: standard input is closed" in line


@pytest.mark.parametrize(
    "name", ["simulate.py", "track_mht.py", "track_control.py", "track_bayes.py", "count_mht.py"]
)
def test_no_docstring_is_needed(name):
    result = start(name, "--help", PYTHONOPTIMIZE="2")
    assert result.returncode == 0
    assert b"--output" in result.stdout


def test_paths_with_a_colon_are_files(tmp_path):
    made = start("simulate.py", *SIMULATION, "--output", "run:1/data:2", cwd=tmp_path)
    assert (made.returncode, made.stderr) == (0, b"")
    files = [
        "--measurements",
        "run:1/data:2/measurements.parquet",
        "--initial",
        "run:1/data:2/initial.parquet",
    ]
    for name, flags in {"track_mht.py": MODEL, "track_control.py": ["--control", "frozen"]}.items():
        output = f"run:1/{name}:t.parquet"
        tracked = start(name, *files, *flags, "--output", output, cwd=tmp_path)
        assert (tracked.returncode, tracked.stderr) == (0, b"")
        assert (tmp_path / output).is_file()
    csv = tmp_path / "calibration:1.csv"
    told = '[{"process_noise": 1, "measurement_noise": 1, "velocity_spread": 0}]'
    flags = ["--datasets", "run:1/data:2", "--models", told, "--output", "c:1.parquet", "--csv", csv.name]
    calibrated = start("calibrate_bayes.py", *flags, cwd=tmp_path)
    assert (calibrated.returncode, calibrated.stderr) == (0, b"")
    assert csv.read_text(encoding="utf-8").startswith('"dataset"')


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_what_the_locale_cannot_write_is_escaped(tmp_path, encoding):
    output = tmp_path / "σ"
    variables = {"PYTHONIOENCODING": encoding, "JOB_STARTED": "1"}
    result = start("simulate.py", *SIMULATION, "--output", output, **variables)
    assert (result.returncode, result.stderr) == (0, b"")
    assert b"\\u03c3" in result.stdout
    refused = start("simulate.py", *SIMULATION, "--output", output, "--σ", "1", **variables)
    assert refused.returncode == 2
    (line,) = refused.stderr.splitlines()
    assert b"\\u03c3" in line


def test_a_signal_that_is_ignored_stays_ignored(tmp_path):
    """As nohup does."""
    process = subprocess.Popen(
        [
            sys.executable,
            SOURCES / "simulate.py",
            *SIMULATION,
            "--experiments",
            "200000",
            "--output",
            tmp_path / "d",
        ],
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    while not (tmp_path / "d").exists() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGHUP)
    time.sleep(0.2)
    assert process.poll() is None
    process.terminate()
    assert process.wait(60) == 143
