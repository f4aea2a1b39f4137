"""profiles/slurm, run by a SLURM of one node: what it makes, and what becomes of jobs that are taken away."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from declared import PROJECT, rules
from slurm import GPU_MODEL, NODE, Slurm, missing, started

# Of the small config what still has a job of every rule.
CUT = (
    "studies: {figure_2b: null, figure_2c: null, figure_4: null, figure_6: null}\n"
    "figures: {together: {figure_2: [figure_2a, figure_3]}}\n"
)
# The site of the profile.
SITE = {
    "--default-resources": ["slurm_partition=processors"],
    "--set-resources": [
        f"{rule}:{resource}"
        for rule in ("train", "track_trained")
        for resource in ("slurm_partition=gpus", f"gpu_model={GPU_MODEL}")
    ],
    "--slurm-status-command": ["squeue"],
}
LOCAL = {script for rule in rules().values() if rule.local for script in rule.scripts}
ON_GPU = {script for rule in rules().values() if rule.gpu for script in rule.scripts}
DATASET = "results/data/test/T6_sigma1"
MODEL = "results/models/plain_T6_i1_sigma1.2_KE6_KD4"
# Stand before the real ones on the PATH. The plugin takes SLURM_CONF from the srun within a job. python tells
# where it was called, and the first call of a run does what a test wants of it instead.
SRUN = """#!/bin/sh
SLURM_CONF={configuration} exec {srun} "$@"
"""
PYTHON = """#!/bin/sh
echo "${{SLURM_JOB_ID:-none}} ${{CUDA_VISIBLE_DEVICES:-none}} $OMP_NUM_THREADS $1" >> calls
if [ -n "$INSTEAD" ] && mkdir happened 2> /dev/null; then eval "$INSTEAD"; fi
exec {python} "$@"
"""


class Run:
    """A Snakemake at work in a directory of its own."""

    def __init__(self, directory: Path, environment: dict, arguments: list):
        self.directory = directory
        command = [sys.executable, PROJECT / "tests/cluster/impatient_snakemake.py"]
        command += ["--snakefile", PROJECT / "Snakefile", "--directory", directory, *arguments]
        with (directory / "output").open("w") as output:
            self._process = subprocess.Popen(
                list(map(str, command)),
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=directory,
                env=environment,
            )

    @property
    def output(self) -> str:
        return (self.directory / "output").read_text()

    @property
    def jobs(self) -> list[str]:
        """SLURM's numbers of its jobs, in the order of their submission."""
        return re.findall(r"submitted with SLURM jobid (\d+)", self.output)

    def wait(self) -> int:
        """Return its exit status."""
        return self._process.wait(600)

    def kill(self) -> None:
        """Kill it if it is still at work; its jobs go on."""
        self._process.kill()
        self._process.wait()

    def job_stats(self) -> Counter:
        """Return how many jobs of each rule it announced."""
        table = re.search(r"^job +count\n[- ]+\n((?:\w+ +\d+\n)+)", self.output, re.MULTILINE)[1]
        return Counter({rule: int(count) for rule, count in map(str.split, table.splitlines())})

    def calls(self) -> list[tuple[str, str, str, str]]:
        """Return SLURM's number of the job, the GPU, the threads and the name of each script that was run."""
        lines = (self.directory / "calls").read_text().splitlines()
        return [(*line.split(" ", 3)[:3], Path(line.split(" ", 3)[3]).stem) for line in lines]

    def files(self, *folders: str) -> dict[Path, bytes]:
        """Return the contents of its results in these folders."""
        results = self.directory / "results"
        paths = [path for folder in folders for path in (results / folder).rglob("*") if path.is_file()]
        return {path.relative_to(results): path.read_bytes() for path in paths}


def wait_until(condition: Callable[[], bool], complaint: str) -> None:
    until = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < until, complaint
        time.sleep(0.2)


@pytest.fixture(scope="module")
def slurm(tmp_path_factory) -> Iterator[Slurm]:
    absent = missing()
    if absent:
        reason = f"there is no {', '.join(absent)} to start a SLURM with"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with started(tmp_path_factory.mktemp("slurm")) as slurm:
        yield slurm


@pytest.fixture(scope="module")
def start(slurm, tmp_path_factory) -> Iterator[Callable[..., Run]]:
    """Return start(*arguments, instead="", resources=(), local=False, directory=None): begins a run."""
    tools = tmp_path_factory.mktemp("tools")
    for name, text in {
        "srun": SRUN.format(configuration=slurm.environment["SLURM_CONF"], srun=shutil.which("srun")),
        "python": PYTHON.format(python=shlex.quote(sys.executable)),
    }.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    path = os.pathsep.join([str(tools), str(Path(sys.executable).parent), slurm.environment["PATH"]])
    runs = []

    def start(*arguments, instead="", resources=(), local=False, directory=None) -> Run:
        directory = directory or tmp_path_factory.mktemp("run")
        (directory / "cut.yaml").write_text(CUT)
        configs = ["--configfile", PROJECT / "tests/config.yaml", directory / "cut.yaml"]
        where = ["--cores", 1]
        if not local:
            site = SITE | {"--set-resources": [*SITE["--set-resources"], *resources]}
            where = ["--workflow-profile", PROJECT / "profiles/slurm"]
            where += [word for flag, words in site.items() for word in (flag, *words)]
        environment = {**slurm.environment, "PATH": path, "INSTEAD": instead}
        runs.append(Run(directory, environment, [*arguments, *where, *configs]))
        return runs[-1]

    yield start
    for run in runs:
        run.kill()


@pytest.fixture(scope="module")
def at_work(start) -> dict[str, Run]:
    """Return runs that wait for SLURM more than they compute, all begun at once."""
    hang = "exec sleep 600"
    waste = f"exec {shlex.quote(sys.executable)} -c 'import time; x = b\"x\" * 1300 * 2**20; time.sleep(600)'"
    return {
        "late": start(
            f"{DATASET}/truth.parquet", instead=hang, resources=["simulate_test_set:runtime=attempt"]
        ),
        "cancelled": start(f"{DATASET}/truth.parquet", "--retries", 0, instead=hang),
        "large": start(f"{DATASET}/truth.parquet", instead=waste),
        "small config": start(),
        "local": start("--until", "tabulate_scores", local=True),
    }


def test_a_job_cancelled_from_outside_is_named_and_made_by_the_next_run(at_work, start, slurm):
    run = at_work["cancelled"]
    wait_until((run.directory / "happened").exists, "the job did not start")
    (job,) = run.jobs
    slurm.run("scancel", job)
    assert run.wait() == 1
    assert slurm.jobs()[job]["JobState"] == "CANCELLED"
    assert f"JOB {job} ON {NODE} CANCELLED" in run.output
    assert "Error in rule simulate_test_set" in run.output
    assert f"output: {DATASET}/truth.parquet" in run.output
    assert "Exiting because a job execution failed" in run.output
    assert not list((run.directory / DATASET).glob("*"))
    again = start(f"{DATASET}/truth.parquet", "--retries", 0, directory=run.directory)
    assert again.wait() == 0, again.output
    assert again.files("data/test") == dataset_of(at_work["local"])


def test_a_drained_node_finishes_its_job_and_the_next_waits_until_it_is_back(at_work, start, slurm):
    run = start(f"{MODEL}/model.pt", instead="touch held; while [ -e held ]; do sleep 0.2; done")
    wait_until((run.directory / "held").exists, "the first job did not start")
    slurm.run("scontrol", "update", f"nodename={NODE}", "state=drain", "reason=test")
    (run.directory / "held").unlink()
    wait_until(lambda: len(run.jobs) == 2, "the second job was not submitted")
    first, second = run.jobs
    assert slurm.jobs()[first]["JobState"] == "COMPLETED"
    assert slurm.jobs()[second]["JobState"] == "PENDING"
    slurm.run("scontrol", "update", f"nodename={NODE}", "state=resume")
    assert run.wait() == 0, run.output
    assert run.jobs == [first, second]
    assert at_work["local"].wait() == 0
    model = Path(MODEL).relative_to("results") / "model.pt"
    assert run.files("models")[model] == at_work["local"].files("models")[model]


def test_a_job_over_its_memory_is_tried_again_with_more(at_work, slurm):
    run = at_work["large"]
    assert run.wait() == 0, run.output
    first, second = (slurm.jobs()[job] for job in run.jobs)
    assert first["JobState"] in ("FAILED", "OUT_OF_MEMORY")
    assert "mem=1000M" in first["TRES"]
    assert "exceeded memory limit" in run.output
    assert second["JobState"] == "COMPLETED"
    assert "mem=2000M" in second["TRES"]
    assert run.files("data/test") == dataset_of(at_work["local"])


def test_the_small_config_comes_out_as_on_one_machine(at_work):
    for name in ("small config", "local"):
        assert at_work[name].wait() == 0, at_work[name].output
    folders = ("data", "models", "tracks", "scores")
    expected = at_work["local"].files(*folders)
    assert {path.parts[0] for path in expected} == set(folders)
    found = at_work["small config"].files(*folders)
    assert found.keys() == expected.keys()
    assert [path for path in expected if found[path] != expected[path]] == []
    tables = at_work["local"].files("figures")
    assert tables
    assert at_work["small config"].files("figures").items() >= tables.items()


def test_every_job_but_the_light_ones_ran_under_slurm(at_work, slurm):
    run = at_work["small config"]
    announced = run.job_stats()
    assert announced.keys() >= {name for name, rule in rules().items() if not rule.apart}
    expected = Counter()
    kinds = {}
    for name, rule in rules().items():
        if rule.scripts and not rule.apart:
            expected[rule.scripts[0]] += announced[name]
            kinds |= dict.fromkeys(rule.scripts, rule.scripts[0])
    assert Counter(kinds[script] for *_, script in run.calls()) == +expected
    known = slurm.jobs()
    for job, _, _, script in run.calls():
        if script in LOCAL:
            assert job == "none"
        else:
            assert known[job]["JobState"] == "COMPLETED"


def test_rules_that_want_a_gpu_and_only_they_had_one(at_work, slurm):
    assert sorted(ON_GPU) == ["track_hybrid", "track_transformer", "train"]
    known = slurm.jobs()
    for job, gpu, _, script in at_work["small config"].calls():
        assert gpu == ("0" if script in ON_GPU else "none")
        if script not in LOCAL:
            assert known[job]["JOB_GRES"] == (f"gpu:{GPU_MODEL}:1" if script in ON_GPU else "(null)")
            assert known[job]["Partition"] == ("gpus" if script in ON_GPU else "processors")


def test_many_short_jobs_are_few_submissions(at_work):
    run = at_work["small config"]
    groups = yaml.safe_load((PROJECT / "profiles/slurm/config.yaml").read_text())["groups"]
    announced = {name: count for name, count in run.job_stats().items() if name in rules()}
    alone = sum(count for name, count in announced.items() if not rules()[name].local and name not in groups)
    assert len(run.jobs) == alone + len(set(groups.values()))
    assert len(run.jobs) < sum(announced.values()) / 2


def test_a_script_has_as_many_threads_as_its_rule(at_work):
    assert {threads for name in ("small config", "local") for _, _, threads, _ in at_work[name].calls()} == {
        "1"
    }


def test_a_job_over_its_time_is_tried_again_with_more(at_work, slurm):
    run = at_work["late"]
    assert run.wait() == 0, run.output
    first, second = (slurm.jobs()[job] for job in run.jobs)
    assert (first["JobState"], first["TimeLimit"]) == ("TIMEOUT", "00:01:00")
    assert (second["JobState"], second["TimeLimit"]) == ("COMPLETED", "00:02:00")
    assert f"JOB {run.jobs[0]} ON {NODE} CANCELLED AT" in run.output
    assert "DUE TO TIME LIMIT" in run.output
    assert run.files("data/test") == dataset_of(at_work["local"])


def test_a_job_whose_node_fails_goes_back_in_the_queue_and_ends_right(at_work, start, slurm):
    # A node takes all that runs on it with it.
    for other in at_work.values():
        other.wait()
    run = start(f"{DATASET}/truth.parquet", "--retries", 0, instead="exec sleep 600")
    wait_until((run.directory / "happened").exists, "the job did not start")
    (job,) = run.jobs
    slurm.run("scontrol", "update", f"nodename={NODE}", "state=down", "reason=test")
    assert slurm.jobs()[job]["JobState"] == "PENDING"
    # Two minutes are what SLURM gives the node to end the job and come back; this one takes four seconds.
    slurm.run("scontrol", "update", f"jobid={job}", "starttime=now+20")
    assert run.wait() == 0, run.output
    assert run.jobs == [job]
    assert slurm.jobs()[job]["Restarts"] == "1"
    assert [number for number, *_ in run.calls()] == [job] * 2
    assert run.files("data/test") == dataset_of(at_work["local"])


def dataset_of(local: Run) -> dict[Path, bytes]:
    assert local.wait() == 0, local.output
    folder = Path(DATASET).relative_to("results")
    return {path: data for path, data in local.files("data/test").items() if path.is_relative_to(folder)}
