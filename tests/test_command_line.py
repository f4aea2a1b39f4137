"""What all scripts refuse on their command line: files that would be lost, numbers that nothing can hold."""

import os
import shutil

import pytest

import simulate
from command_line import ArgumentParser, InputError, existing_file, output_file

MODEL = ["--process-noise", "1.5", "--measurement-noise", "2", "--velocity-spread", "0.1", "--lookback", "1"]
MODEL += ["--solver", "enumerate", "--estimate", "filtered"]
SCENES = ["--frames", "4", "--particles", "2", "--process-noise", "1", "--measurement-noise", "1"]
SCENES += ["--initial-spread", "1", "--drift-spread", "0"]
TRAINING = ["--encoder-lookback", "2", "--decoder-lookback", "1", "--experiments-per-batch", "1"]
TRAINING += ["--batches", "2", "--seed", "0"]


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
