"""What dies, fills up, is damaged or forbidden: said in words, and a rerun ends with the same tables."""

import contextlib
import json
import os
import random
import shutil
import stat
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import yaml

import damage
from workflow import clone, command, environment, jobs, snakemake

# One of each tracker, in twelve jobs. The texts are what a shell and Snakemake would take for something else.
HOSTILE = '-\'; touch pwned; $(touch pwned) `touch pwned` "$HOME" {input} {0} %s \\ é #'
CONFIG = f"""
replicates: 1
test_experiments: [{{frames: 6, experiments: 8}}]
training_data: {{batches: 2}}
training: {{validation_experiments: 4}}
methods: {{plain: {{training: {{options: {{dimension: 8, feedforward: 8, epochs: 2}}}}}}}}
figures: {{together: {{figure_2: null}}, sequences: {{tracks: null}}, closeness: {{closeness: null}}}}
studies:
  figure_2a:
    title: &hostile {json.dumps(HOSTILE)}
    datasets: {{frames: 6, measurement_noise: 7}}
    trackers:
      - {{method: control, control: oracle, label: *hostile}}
      - {{method: mht, lookback: 2, measurement_noise: known}}
      - {{method: plain, frames: 6, experiments_per_batch: 1, measurement_noise: known,
          encoder_lookback: frames, decoder_lookback: 2}}
  figure_2b: null
  figure_2c: null
  figure_3: null
  figure_4: null
  figure_6: null
operation_counts: {{figure_5: null}}
claims:
  1a: {{statement: *hostile, curve: "transformer_{{6,1}}"}}
  1b: null
"""
TEST_SET = "results/data/test/T6_sigma7"
TRAINING_SET = "results/data/training/T6_i1_sigma7"
MODEL = "results/models/plain_T6_i1_sigma7_KE6_KD2/model.pt"
TRACKS = "results/tracks/mht_K2_r7/T6_sigma7/0.parquet"
SCORES = "results/scores/figure_2a/T6_sigma7.parquet"
# Not among the tables: what says when, and how long it took.
TIMES = ("logs", "benchmarks", "run.csv", "pages")


def checkout(directory: Path) -> Path:
    """Copy the project, with the config of this file, into a directory."""
    clone(directory)
    (directory / "mine.yaml").write_text(CONFIG)
    return directory


def arguments(directory: Path) -> dict:
    return {"configs": [directory / "mine.yaml"], "project": directory}


def run(directory: Path, *flags, **changes) -> subprocess.CompletedProcess:
    return snakemake(directory, "--cores", "1", *flags, **arguments(directory), **changes)


def output(result: subprocess.CompletedProcess) -> str:
    return result.stdout + result.stderr


def tables(directory: Path) -> dict[str, bytes]:
    results = directory / "results"
    return {
        str(path.relative_to(results)): path.read_bytes()
        for path in sorted(results.rglob("*"))
        if path.is_file() and path.relative_to(results).parts[0] not in TIMES
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    """Return a checkout, at a place whose name wants quotes, with its results in it."""
    directory = checkout(tmp_path_factory.mktemp("it's a checkout, é $(exit 1)"))
    result = run(directory)
    assert result.returncode == 0, output(result)
    return directory


@pytest.fixture
def copy(undisturbed, tmp_path) -> Path:
    """Return a copy of the checkout with its results, to be spoilt."""
    return shutil.copytree(undisturbed, tmp_path / "copy")


def test_no_text_of_the_config_reaches_a_shell(undisturbed):
    assert not list(undisturbed.rglob("*pwned*"))
    for table in ("claims.csv", "figures/figure_2a.csv"):
        assert HOSTILE.replace('"', '""') in (undisturbed / "results" / table).read_text()
    written = yaml.safe_load((undisturbed / "results/config.yaml").read_text())
    assert written["studies"]["figure_2a"]["title"] == HOSTILE


@contextlib.contextmanager
def started(directory: Path, *flags) -> Iterator[psutil.Popen]:
    """Start the workflow; what is left of it at the end is waited for."""
    words = command(directory, "--cores", "1", *flags, **arguments(directory))
    with psutil.Popen(
        words, cwd=directory, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        yield process


def wait_for(process: psutil.Popen, script: str) -> psutil.Process | None:
    """Return the process of a script as soon as the workflow runs it, or None if it ends without."""
    while process.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in process.children(recursive=True):
                words = child.cmdline()
                if len(words) > 1 and Path(words[0]).name.startswith("python") and script in words[1]:
                    return child
        time.sleep(0.02)
    return None


def test_ten_kills_at_random_moments_leave_no_trace(undisturbed, tmp_path):
    directory = checkout(tmp_path / "killed")
    moments = random.Random(2024)
    victims = ["src/train.py"] * 5 + ["snakemake"] * 5
    moments.shuffle(victims)
    killed = Counter()
    while victims:
        with started(directory) as process:
            job = wait_for(process, "src/" if victims[-1] == "snakemake" else victims[-1])
            if job is None:
                # All is made, or the training: make it again.
                shutil.rmtree((directory / MODEL).parent, ignore_errors=True)
                shutil.rmtree(directory / "results/tracks", ignore_errors=True)
                continue
            # A job with a network takes about a second.
            time.sleep(moments.uniform(0, 1))
            victim = process if victims[-1] == "snakemake" else job
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.kill()
                killed[victims.pop()] += 1
            if victim is process:
                process.wait()
                # The job goes on by itself for a while, into the rerun.
                refused = run(directory)
                assert refused.returncode == 1
                assert "cannot be locked" in output(refused)
                assert "--unlock" in output(refused)
                assert run(directory, "--unlock").returncode == 0
    assert killed == {"src/train.py": 5, "snakemake": 5}
    result = run(directory)
    assert result.returncode == 0, output(result)
    assert tables(directory) == tables(undisturbed)
    assert not list(directory.rglob("*.part"))


def tracks_of_other_measurements(run_script, directory: Path) -> None:
    """Replace tracks by those of another dataset with as many experiments, frames and particles."""
    other, tracks = directory / "other", directory / TRACKS
    model = ["--process-noise", 1.5, "--measurement-noise", 7]
    shape = ["--experiments", 8, "--frames", 6, "--particles", 2]
    spread = ["--initial-spread", 5, "--drift-spread", 0.1, "--seed", 2025]
    assert run_script("simulate.py", *model, *shape, *spread, "--output", other).returncode == 0
    files = ["--measurements", other / "measurements.parquet", "--initial", other / "initial.parquet"]
    settings = ["--lookback", 2, "--velocity-spread", 0.1, "--solver", "enumerate"]
    settings += ["--estimate", "filtered"]
    made = run_script("track_mht.py", *files, *model, *settings, "--output", tracks)
    assert made.returncode == 0, made


@pytest.mark.parametrize(
    ("damaged", "how", "target"),
    [
        (f"{TEST_SET}/measurements.parquet", damage.truncate, TRACKS),
        (f"{TRAINING_SET}/truth.parquet", damage.empty_file, MODEL),
        (TRACKS, damage.flip_bit, SCORES),
        (TRACKS, tracks_of_other_measurements, SCORES),
    ],
)
def test_a_damaged_table_is_refused_by_name_and_made_again_once_deleted(
    damaged, how: Callable, target, undisturbed, copy, run_script
):
    if how is tracks_of_other_measurements:
        how(run_script, copy)
        words = damaged
    else:
        words = how(copy / damaged)
    refused = run(copy, target)
    assert refused.returncode == 1
    lines = [line for line in output(refused).splitlines() if words in line and damaged in line]
    assert any(line.split(": ")[0].endswith(".py") for line in lines), output(refused)
    assert not (copy / target).exists()
    (copy / damaged).unlink()
    healed = run(copy, target)
    assert healed.returncode == 0, output(healed)
    for path in (damaged, target):
        assert (copy / path).read_bytes() == (undisturbed / path).read_bytes()


@pytest.fixture
def mount():
    """Return mount(place, *options): mounts there until the test ends, or skips where that is not allowed."""
    places = []

    def at(place: Path, *options: str) -> None:
        done = subprocess.run(["mount", *options, place], capture_output=True, text=True, check=False)
        if done.returncode and not places and not os.environ.get("CI"):
            pytest.skip(f"only who may mount can fill a disk or forbid root to write: {done.stderr.strip()}")
        assert done.returncode == 0, done.stderr
        places.append(place)

    yield at
    for place in places[:1]:
        subprocess.run(["umount", place], check=True)


def test_a_full_disk_is_named_and_more_room_heals(undisturbed, tmp_path, mount):
    directory = checkout(tmp_path / "full")
    (directory / "results").mkdir()
    mount(directory / "results", "-t", "tmpfs", "-o", "size=60k", "tmpfs")
    result = run(directory)
    assert result.returncode == 1
    assert "No space left on device" in output(result)
    assert "Traceback" not in output(result)
    whole = tables(undisturbed)
    assert all(whole[name] == content for name, content in tables(directory).items())
    mount(directory / "results", "-o", "remount,size=10m")
    result = run(directory)
    assert result.returncode == 0, output(result)
    assert tables(directory) == whole


def test_results_that_may_only_be_read_stay_as_they_are(undisturbed, copy, mount):
    whole = tables(copy)
    mount(copy / "results", "--bind", str(copy / "results"))
    mount(copy / "results", "-o", "remount,bind,ro")
    assert "Nothing to be done" in output(run(copy))
    # Of this rule only: of several whose outputs are write-protected, Snakemake names any one.
    result = run(copy, "--forcerun", "score_tracks", "--until", "score_tracks")
    assert result.returncode == 1
    assert "Write-protected output files for rule score_tracks" in output(result)
    assert "Traceback" not in output(result)
    assert tables(copy) == whole


def test_a_second_snakemake_is_told_that_the_first_is_there(tmp_path):
    directory = checkout(tmp_path / "twice")
    with started(directory, MODEL) as first:
        assert wait_for(first, "src/simulate.py")
        # It would otherwise be done, or take its locks away, while the second looks for them.
        first.suspend()
        second = run(directory, MODEL)
        first.resume()
        assert first.wait() == 0
    assert second.returncode == 1
    assert "make sure that no other Snakemake process is trying to create the same files" in output(second)
    assert "Traceback" not in output(second)
    assert "Nothing to be done" in output(run(directory, MODEL))


def test_no_home_a_strict_umask_and_another_time_zone_change_nothing(undisturbed, tmp_path):
    directory = checkout(tmp_path / "elsewhere")
    changes = {"HOME": None, "XDG_CACHE_HOME": None, "XDG_CONFIG_HOME": None, "TZ": "Pacific/Kiritimati"}
    result = run(directory, umask=0o077, **changes)
    assert result.returncode == 0, output(result)
    assert tables(directory) == tables(undisturbed)
    modes = [path.stat().st_mode for path in (directory / "results").rglob("*")]
    assert not any(mode & (stat.S_IRWXG | stat.S_IRWXO) for mode in modes)
    assert jobs(run(directory, "--dry-run", TZ="America/Los_Angeles")) == {}


def test_a_checkout_whose_path_has_braces_is_refused_in_a_line(tmp_path):
    project = checkout(tmp_path / "a{b}c")
    result = snakemake(tmp_path, "--dry-run", configs=(), project=project)
    assert result.returncode == 1
    assert f"{project}: Snakemake takes the braces in the checkout's path for wildcards" in output(result)
    assert "Traceback" not in output(result)


def test_scripts_find_their_modules_where_python_does_not_look_beside_them(tmp_path):
    project = checkout(tmp_path / "project")
    target = "results/tracks/oracle/T6_sigma7/0.parquet"
    result = run(project, target, PYTHONSAFEPATH="1")
    assert result.returncode == 0, output(result)
    assert (project / target).exists()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"studies:\n\tfigure_2a: null\n", "line 2: "),
        (b"title: caf\xe9\n", "line 1: the byte 0xe9 is not UTF-8"),
        (None, "No such file or directory"),
    ],
)
def test_an_overlay_that_snakemake_cannot_read_is_refused_by_its_line(tmp_path, content, told):
    overlay = tmp_path / "overlay.yaml"
    if content is not None:
        overlay.write_bytes(content)
    result = snakemake(tmp_path, "--dry-run", configs=(overlay,))
    assert result.returncode == 1
    assert f"{overlay}: {told}" in output(result)
    assert "Traceback" not in output(result)
