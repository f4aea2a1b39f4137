"""The container that sites use which have apptainer: what its recipe installs, and that the jobs run in it.

There is no Docker daemon nor apptainer to be had here: a script takes apptainer's place and runs the command.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[2]
APPTAINER = """#!/bin/sh
if [ "$1" = --version ]; then echo apptainer version 1.3.4; exit; fi
echo "$*" >> apptainer.calls
for command; do :; done
exec bash -c "$command"
"""


def installed_by_apt(path: Path) -> set[str]:
    text = path.read_text().replace("\\\n", " ")
    (words,) = re.findall(r"apt-get install (.*?)(?:&&|$)", text, re.MULTILINE)
    return {word for word in words.split() if not word.startswith("-")}


def test_the_recipe_installs_the_requirements_and_what_counting_takes():
    recipe = (PROJECT / "Dockerfile").read_text()
    assert re.search(r"^FROM python:3\.11-", recipe, re.MULTILINE)
    assert re.findall(r"^COPY (.*)", recipe, re.MULTILINE) == ["requirements.txt /tmp/"]
    assert re.search(r"^RUN pip install .*--requirement /tmp/requirements\.txt$", recipe, re.MULTILINE)
    tested = installed_by_apt(PROJECT / ".ci/run")
    assert installed_by_apt(PROJECT / "Dockerfile") == {"gcc", "libc6-dev", "qemu-user"} & tested


def test_jobs_run_in_the_image_beside_the_results(tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("apptainer", "singularity"):
        (tools / name).write_text(APPTAINER)
        (tools / name).chmod(0o755)
    path = os.pathsep.join([str(tools), str(Path(sys.executable).parent), os.environ["PATH"]])
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--snakefile",
        PROJECT / "Snakefile",
        "--directory",
        tmp_path,
    ]
    command += ["results/data/test/T6_sigma1/truth.parquet", "--cores", 1, "--sdm", "apptainer"]
    command += ["--configfile", PROJECT / "tests/config.yaml"]
    environment = {**os.environ, "PATH": path}
    result = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, cwd=tmp_path, env=environment
    )
    assert result.returncode == 0, result.stdout + result.stderr
    (call,) = (tmp_path / "apptainer.calls").read_text().splitlines()
    assert call.startswith("exec ")
    assert re.search(r" container\.sif bash -c .*simulate\.py", call)
    assert (tmp_path / "results/data/test/T6_sigma1/truth.parquet").is_file()
