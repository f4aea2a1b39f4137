"""src/simulate.py by its command line: what it writes, and what it refuses."""

import os
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from conftest import SOURCES
from mpt import motion
from mpt.tables.dataset import (
    INITIAL,
    MEASUREMENTS,
    TRUTH,
    dataset_parameters,
    read_scenes,
    read_truth,
    start_of,
)

MODEL = {
    "frames": 8,
    "particles": 2,
    "process_noise": 1.5,
    "measurement_noise": 7.0,
    "initial_spread": 5.0,
    "drift_spread": 0.1,
    "seed": 3,
}
FILES = ("initial.parquet", "measurements.parquet", "truth.parquet")


def flags(**changes):
    """Return the model, and 5 experiments of it, as flags."""
    values = {**MODEL, "experiments": 5, **changes}
    return [text for name, value in values.items() for text in (f"--{name.replace('_', '-')}", str(value))]


@pytest.fixture
def simulated(run_script, tmp_path):
    """Return simulated(name, **changes): the directory that the script wrote."""

    def run(name, **changes):
        result = run_script("simulate.py", *flags(**changes), "--output", tmp_path / name)
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
        return tmp_path / name

    return run


def contents(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def read(directory):
    scenes = list(read_scenes(directory / "measurements.parquet", directory / "initial.parquet"))
    truth = list(read_truth(directory / "truth.parquet"))
    return (
        np.concatenate([block.experiments for block in scenes]),
        np.concatenate([block.measurements for block in scenes]),
        np.concatenate([block.initial for block in scenes]),
        np.concatenate([block.positions for block in truth]),
    )


@pytest.mark.parametrize(("confinement", "stream"), [(None, "test"), (10.0, "training")])
def test_the_tables_hold_the_simulation_and_its_parameters(simulated, confinement, stream):
    changes = {"first_experiment": 7, "stream": stream}
    if confinement is not None:
        changes["confinement"] = confinement
    directory = simulated("dataset", **changes)
    assert sorted(path.name for path in directory.iterdir()) == sorted(FILES)
    expected = motion.simulate(
        np.arange(7, 12), **MODEL, confinement=confinement, stream=motion.Stream[stream.upper()]
    )
    experiments, measurements, initial, positions = read(directory)
    np.testing.assert_array_equal(experiments, np.arange(7, 12))
    np.testing.assert_array_equal(measurements, expected.measurements)
    np.testing.assert_array_equal(initial, expected.positions[:, 0])
    np.testing.assert_array_equal(positions, expected.positions)
    parameters = {
        **MODEL,
        "experiments": 5,
        "first_experiment": 7,
        "stream": stream,
        "confinement": confinement,
    }
    for table in (TRUTH, INITIAL, MEASUREMENTS):
        assert dataset_parameters(directory / f"{table.name}.parquet", table) == parameters


def test_measured_starts_are_the_particles_own_detections(simulated):
    known, measured = simulated("known"), simulated("measured", start="measured")
    (truth,) = read_truth(measured / "truth.parquet")
    _, measurements, initial, _ = read(measured)
    own = np.take_along_axis(measurements[:, 0], truth.detection[:, 0, :, None].astype(int), axis=1)
    np.testing.assert_array_equal(initial, own)
    # Scenes are the same but for what trackers are told of the start.
    same = [np.array_equal(*pair) for pair in zip(read(known), read(measured), strict=True)]
    assert same == [True, True, False, True]
    for table in (TRUTH, INITIAL, MEASUREMENTS):
        path = f"{table.name}.parquet"
        assert dataset_parameters(measured / path, table)["start"] == "measured"
        assert "start" not in dataset_parameters(known / path, table)
    assert start_of(measured / "measurements.parquet") == "measured"
    assert start_of(known / "measurements.parquet") == "known"


def test_the_same_flags_give_the_same_bytes(simulated):
    assert contents(simulated("one")) == contents(simulated("other"))


def test_experiments_of_a_large_dataset_are_those_of_a_small_one(simulated):
    # 5,000 experiments of 16 rows do not fit into one block.
    small, large = simulated("small", experiments=3), simulated("large", experiments=5000)
    for of_small, of_large in zip(read(small), read(large), strict=True):
        np.testing.assert_array_equal(of_small, of_large[:3])


def test_experiments_can_be_taken_from_the_middle_of_a_stream(simulated):
    whole = simulated("whole", experiments=5)
    middle = simulated("middle", experiments=2, first_experiment=3)
    for of_whole, of_middle in zip(read(whole), read(middle), strict=True):
        np.testing.assert_array_equal(of_whole[3:], of_middle)


def test_test_and_training_sets_of_one_seed_share_no_number(simulated):
    test, training = simulated("test"), simulated("training", stream="training")
    for of_test, of_training in zip(read(test)[1:], read(training)[1:], strict=True):
        assert not np.intersect1d(of_test, of_training).size


def test_no_noise_and_no_spread_are_allowed(simulated):
    still = {"process_noise": 0, "measurement_noise": 0, "initial_spread": 0, "drift_spread": 0}
    _, measurements, initial, positions = read(simulated("still", **still))
    assert not measurements.any()
    assert not initial.any()
    assert not positions.any()


def test_help_documents_each_flag_with_its_unit(run_script):
    result = run_script("simulate.py", "--help")
    assert result.returncode == 0
    for flag in flags(confinement=1, first_experiment=0, stream="test", output="x")[::2]:
        assert flag in result.stdout
    assert result.stdout.count("[length]") == 3
    assert result.stdout.count("[length per frame]") == 2


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("experiments", "0"),
        ("experiments", "-3"),
        ("experiments", "2.5"),
        ("experiments", "many"),
        ("first-experiment", "-1"),
        ("frames", "1"),
        ("particles", "0"),
        ("process-noise", "-0.1"),
        ("process-noise", "nan"),
        ("measurement-noise", "-1"),
        ("measurement-noise", "inf"),
        ("measurement-noise", "1,5"),
        ("initial-spread", "-1"),
        ("drift-spread", "-1"),
        ("confinement", "0"),
        ("confinement", "-10"),
        ("seed", "-1"),
        ("seed", "1.0"),
        ("stream", "practice"),
    ],
)
def test_a_bad_value_is_refused_by_the_name_of_its_flag(refusal, tmp_path, flag, value):
    line = refusal("simulate.py", *flags(), f"--{flag}", value, output=tmp_path / "dataset")
    assert f"argument --{flag}: " in line
    assert repr(value) in line


@pytest.mark.parametrize("name", [*MODEL, "experiments"])
def test_a_missing_flag_is_named(refusal, tmp_path, name):
    arguments = flags()
    at = arguments.index(f"--{name.replace('_', '-')}")
    line = refusal("simulate.py", *arguments[:at], *arguments[at + 2 :], output=tmp_path / "dataset")
    assert line.endswith(f"the following arguments are required: {arguments[at]}")


def test_an_unknown_and_an_abbreviated_flag_are_named(refusal, tmp_path):
    for flag in ("--sigma", "--measure"):
        line = refusal("simulate.py", *flags(), flag, "1", output=tmp_path / "dataset")
        assert line.endswith(f"unrecognized arguments: {flag} 1")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"process_noise": 1e308}, "argument --process-noise: '1e+308' is not"),
        ({"first_experiment": 2**31 - 1}, "column 'experiment': "),
        ({"particles": 40_000, "frames": 2, "experiments": 1}, "column 'particle': "),
    ],
)
def test_numbers_that_do_not_fit_are_refused(refusal, tmp_path, changes, words):
    assert words in refusal("simulate.py", *flags(**changes), output=tmp_path / "dataset")


def test_an_output_that_is_a_file_is_named(refusal, tmp_path):
    (tmp_path / "dataset").write_text("not a directory")
    line = refusal("simulate.py", *flags(), output=tmp_path / "dataset")
    assert str(tmp_path / "dataset") in line
    assert (tmp_path / "dataset").read_text() == "not a directory"


def test_a_full_disk_names_the_file_and_leaves_none(refusal, tmp_path):
    line = refusal(
        "simulate.py",
        *flags(experiments=5000),
        output=tmp_path / "dataset",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
    )
    assert str(tmp_path / "dataset") in line
    assert ".parquet: File too large" in line


def test_a_failure_keeps_the_dataset_that_was_there(simulated, run_script):
    directory = simulated("dataset")
    before = contents(directory)
    result = run_script("simulate.py", *flags(process_noise=1e308), "--output", directory)
    assert result.returncode == 2
    assert contents(directory) == before


def heed_signals() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (signal.SIGINT, 130),
        *((number, 128 + number) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)),
        *((number, 128 + number) for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU)),
    ],
)
def test_a_stopped_script_leaves_nothing(tmp_path, number, status):
    directory = tmp_path / "dataset"
    arguments = [*flags(experiments=10_000_000), "--output", str(directory)]
    # Where tests run in the background of a shell, what they start ignores some signals.
    process = subprocess.Popen(
        [sys.executable, SOURCES / "simulate.py", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_signals,
    )
    deadline = time.monotonic() + 60
    while not directory.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    try:
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == status
    assert len(errors.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def peak_memory(tmp_path, experiments):
    """Return the largest resident set of the script, in bytes."""
    arguments = [*flags(experiments=experiments, frames=64), "--output", str(tmp_path / str(experiments))]
    process = subprocess.Popen([sys.executable, SOURCES / "simulate.py", *arguments])
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return 1024 * usage.ru_maxrss


def test_memory_does_not_grow_with_the_number_of_experiments(tmp_path):
    few, many = peak_memory(tmp_path, 2048), peak_memory(tmp_path, 10_240)
    # Held as arrays, the 8,192 more experiments of 128 rows would take at least 7 numbers of 8 bytes a row.
    assert many - few < 8192 * 128 * 7 * 8 / 2
