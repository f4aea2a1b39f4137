"""The check of a GPU, with the processor in the card's place: it writes its table, and can fail."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

DEVICE = Path(__file__).parent / "device"
QUICK = ("--device", "cpu", "--quick", "--output")
# Runs the check, but moves what the device tracked by 0.02 σ along both axes.
MOVED = f"""
import sys
sys.path.insert(0, {str(DEVICE)!r})
import check_gpu
found = check_gpu.positions
moved = lambda files: 0.02 * check_gpu.NOISE * (files[0].parent.name == "tracks_cpu_1")
check_gpu.positions = lambda files: found(files) + moved(files)
sys.exit(check_gpu.main())
"""


def check(*arguments, start=(DEVICE / "check_gpu.py",)) -> subprocess.CompletedProcess:
    command = [sys.executable, *map(str, (*start, *arguments))]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture
def check_gpu(monkeypatch):
    monkeypatch.syspath_prepend(DEVICE)
    import check_gpu

    return check_gpu


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> pd.DataFrame:
    directory = tmp_path_factory.mktemp("gpu")
    result = check(*QUICK, directory)
    assert result.returncode == 0, result.stdout + result.stderr
    assert (directory / "gpu.md").read_text() in result.stdout
    return pd.read_csv(directory / "gpu.csv")


def test_every_row_is_measured_and_says_on_what(table, check_gpu):
    assert list(dict.fromkeys(table.row)) == list(check_gpu.ROWS)
    assert table.how.str.contains("; on cpu: ").all()
    assert table.value.notna().all()


def test_a_processor_agrees_with_itself_and_gives_the_same_twice(table):
    same = table[table.row.isin(["agreement", "determinism"])]
    for network in ("plain", "geometric"):
        assert same.quantity.str.startswith(network).sum() == 7
    assert (same.value == 0).all()
    assert set(same.reached.dropna()) == {"yes"}


def test_bfloat16_is_not_single_precision_but_near_it(table):
    rounded = table[table.quantity.str.contains("bfloat16: loss")]
    assert len(rounded) == 2
    assert (rounded.value > 0).all()
    assert (rounded.value <= rounded.bar).all()


def test_jobs_of_the_small_config_have_the_device_one_at_a_time(table):
    value = table[table.row == "small_config"].set_index("quantity").value
    assert value["jobs that want the GPU"] == 2
    assert value["pairs of them at the same time"] == 0


def test_jobs_that_overlap_are_found(check_gpu, tmp_path):
    records = [("train", 0, 2, 1), ("train", 0, 2, 1), ("track_trained", 1, 3, 2), ("score", 0, 9, 3)]
    for number, (rule, begin, end, job) in enumerate(records):
        file = tmp_path / f".snakemake/metadata/{number}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"rule": rule, "starttime": begin, "endtime": end, "job_hash": job}))
    spans = check_gpu.spans_of_jobs(tmp_path)
    assert sorted(spans) == [(0, 2), (1, 3)]
    assert check_gpu.overlaps(spans) == 1


def test_positions_beyond_the_tolerance_are_a_failure(tmp_path):
    result = check("agreement", *QUICK, tmp_path, start=("-c", MOVED))
    assert result.returncode == 1, result.stderr
    found = pd.read_csv(tmp_path / "gpu.csv").set_index("quantity").reached
    for network in ("plain", "geometric"):
        assert found[f"{network}: loss, relative difference"] == "yes"
        for words in ("tracking", "training and tracking"):
            assert found[f"{network}, {words}: share of positions more than 0.01 σ apart"] == "no"


def test_what_is_not_measured_in_time_is_a_failure(check_gpu, monkeypatch, capsys, tmp_path):
    command = ["check_gpu.py", "agreement", *QUICK, str(tmp_path), "--seconds", "0"]
    monkeypatch.setattr(sys, "argv", command)
    assert check_gpu.main() == 1
    assert capsys.readouterr().err == "agreement: not measured: 0 s were over\n"
    assert list(tmp_path.iterdir()) == []


def test_a_script_that_handles_its_alarm_is_out_of_time_all_the_same(check_gpu, tmp_path):
    script = tmp_path / "slow.py"
    script.write_text("import time, command_line\ncommand_line.run(lambda: time.sleep(60))\n")
    with pytest.raises(check_gpu.OutOfTime):
        check_gpu.run_script(script, [], 0.5)


def test_without_a_gpu_it_is_refused(check_gpu, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["check_gpu.py"])
    monkeypatch.setattr(check_gpu, "name_of_gpu", lambda seconds: None)
    with pytest.raises(SystemExit) as stop:
        check_gpu.main()
    assert stop.value.code == 2
    assert "no GPU" in capsys.readouterr().err


def test_the_numbers_of_a_processor_do_not_pass_for_those_of_a_gpu(check_gpu, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["check_gpu.py", "--device", "cpu"])
    with pytest.raises(SystemExit):
        check_gpu.main()
    assert "need --output" in capsys.readouterr().err
