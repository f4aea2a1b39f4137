"""Compiled code that is kept on disk: a damaged cache or a full disk costs time and nothing else."""

import os
import resource
import subprocess
import sys

import pytest

from conftest import SOURCES

# Two functions of which one calls the other, as kernels do.
KERNEL = """
import sys
from mpt.compiled import compiled

@compiled
def square(x):
    return x * x

@compiled
def sum_of_squares(n):
    total = 0.0
    for k in range(n):
        total += square(k)
    return total

print(sum_of_squares(10))
print(sum(sum_of_squares._cache_hits.values()), file=sys.stderr)
"""


@pytest.fixture
def calculate(tmp_path):
    """Return calculate(**changes): how a process ended whose cache is tmp_path/cache, and what it said."""
    (tmp_path / "kernel.py").write_text(KERNEL, encoding="utf-8")

    def run(limit=None, **changes):
        environment = {**os.environ, "PYTHONPATH": str(SOURCES), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
        command = [sys.executable, tmp_path / "kernel.py"]
        how = {"capture_output": True, "text": True, "env": {**environment, **changes}}
        if limit is not None:
            how["preexec_fn"] = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        return subprocess.run(command, **how, check=False)

    return run


def outcome(result):
    return result.returncode, result.stdout, result.stderr


def test_code_is_kept_and_found(calculate):
    assert outcome(calculate()) == (0, "285.0\n", "0\n")
    assert outcome(calculate()) == (0, "285.0\n", "1\n")


@pytest.mark.parametrize(("kind", "size"), [("nbi", 0), ("nbi", 40), ("nbc", 0), ("nbc", 200)])
def test_a_cache_that_was_cut_off_is_made_anew(calculate, tmp_path, kind, size):
    calculate()
    files = list((tmp_path / "cache").rglob(f"*.{kind}"))
    assert files
    for path in files:
        os.truncate(path, size)
    assert outcome(calculate()) == (0, "285.0\n", "0\n")
    assert outcome(calculate()) == (0, "285.0\n", "1\n")


def test_a_disk_without_room_is_named_and_nothing_is_kept(calculate, tmp_path):
    # Files of more than so many bytes cannot be written.
    result = calculate(limit=500)
    assert (result.returncode, result.stdout) == (0, "285.0\n")
    warning, hits = result.stderr.splitlines()
    assert warning.startswith(f"{tmp_path / 'cache'}")
    assert "compiled code is not kept" in warning
    assert hits == "0"
    assert not list((tmp_path / "cache").rglob("*.nbc"))


@pytest.mark.parametrize("threads", ["0", "-1"])
def test_a_senseless_number_of_threads_does_not_matter(calculate, threads):
    assert outcome(calculate(NUMBA_NUM_THREADS=threads)) == (0, "285.0\n", "0\n")
