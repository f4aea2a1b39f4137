"""profiles/htcondor: what HTCondor is asked for each job, in submit descriptions that its bindings parsed.

HTCondor has no daemons to be had here, so nothing runs: record_submissions.py takes the schedd's place.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from declared import PROJECT, rules

# What these need are all the rules that are submitted.
LAST = ("score_tracks", "count_operations", "judge_choices", "calibrate")
SUBMITTED = {name: rule for name, rule in rules().items() if not rule.local}


def submissions(directory: Path, *arguments) -> list[dict]:
    """Return the submit descriptions of the small config, each with the rules of its jobs as `rules`."""
    command = [
        sys.executable,
        PROJECT / "tests/cluster/record_submissions.py",
        *("all", "readings"),
        *("--snakefile", PROJECT / "Snakefile", "--directory", directory),
        *("--workflow-profile", PROJECT / "profiles/htcondor"),
        *("--configfile", PROJECT / "tests/config.yaml"),
        # All of them, though none has run.
        *("--immediate-submit", "--notemp", "--until", *LAST),
        *arguments,
    ]
    # Where make puts HTCondor's bindings: elsewhere they would warn at every start of Snakemake.
    bindings = Path(sys.prefix) / "htcondor"
    result = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        check=False,
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(bindings)},
    )
    assert result.returncode == 0, result.stdout + result.stderr
    found = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    for description in found:
        targets = re.search(r"--target-jobs (.*?) --", description["arguments"])[1]
        description["rules"] = [target.partition(":")[0] for target in targets.split()]
    return found


def megabytes(text: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(MB|GB)", text).groups()
    return int(number) * {"MB": 1, "GB": 1024}[unit]


@pytest.fixture(scope="module")
def together(tmp_path_factory) -> list[dict]:
    return submissions(tmp_path_factory.mktemp("together"))


@pytest.fixture(scope="module", params=[1, 3])
def attempt(request) -> int:
    return request.param


@pytest.fixture(scope="module")
def alone(tmp_path_factory, attempt) -> list[dict]:
    # A group for each rule has one job in it, unless --group-components says otherwise.
    groups = [f"{rule}={rule}" for rule in SUBMITTED]
    return submissions(tmp_path_factory.mktemp("alone"), "--groups", *groups, "--attempt", attempt)


def test_each_rule_asks_for_its_memory_and_more_at_each_attempt(alone, attempt):
    asked = {}
    for description in alone:
        (rule,) = description["rules"]
        asked.setdefault(rule, set()).add(megabytes(description["request_memory"]))
    assert asked == {name: {rule.memory_mb * attempt} for name, rule in SUBMITTED.items()}


def test_rules_that_want_a_gpu_and_only_they_ask_for_one(alone, together):
    wanting = {name for name, rule in rules().items() if rule.gpu}
    assert wanting == {"train", "track_trained"}
    for description in [*alone, *together]:
        wants = set(description["rules"]) <= wanting
        assert description.get("request_gpus") == ("1" if wants else None)


def test_a_hundred_short_jobs_are_few_submissions(together):
    alone = (["train"], ["judge_choices"])
    short = [description for description in together if description["rules"] not in alone]
    assert sum(len(description["rules"]) for description in short) > 50
    # Among them three, at ten each, of the 21 pairs of a model and a test set.
    assert len(short) <= 10
    assert max(description["rules"].count("track_trained") for description in short) == 10


def test_a_submission_asks_for_what_its_largest_job_needs(together):
    for description in together:
        largest = max(SUBMITTED[name].memory_mb for name in description["rules"])
        assert megabytes(description["request_memory"]) == largest
        assert description["request_cpus"] == "1"
        assert "--cores 1 " in description["arguments"]


def test_nothing_is_transferred_where_the_file_system_is_shared(together):
    for description in together:
        assert not [key for key in description if key.startswith(("should_transfer", "transfer_"))]
        assert description["getenv"] == "true"
        assert Path(description["executable"]).samefile(sys.executable)
        assert os.path.isabs(description["executable"])
