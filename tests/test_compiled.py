"""Compiled code that is kept on disk: a damaged cache or a full disk costs time and nothing else."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import SOURCES

TESTS = Path(__file__).parent

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


# They say the bits of what they calculate, and how often their kernels were in the cache.
ATTENTION = """
import sys
import numpy as np
import torch
from mpt.transformer import compiled_attention

torch.set_num_threads(1)
torch.manual_seed(0)
given = [torch.randn(3, 90, 16, requires_grad=True) for _ in range(3)]
mixed = compiled_attention.attend(*given, 2, np.tile([0, 90], (90, 1)), 0.5)
mixed.square().sum().backward()
for x in (mixed.detach(), *(each.grad for each in given)):
    print(x.numpy().tobytes().hex())
print(sum(compiled_attention._mix_back._cache_hits.values()), file=sys.stderr)
"""
TRACKING = """
import sys
import torch
from mpt.transformer import network_kernels
from mpt.transformer.compiled_decoding import compiled_decoding
from networks import architecture, make_scene, scattered

torch.set_num_threads(1)
network = scattered(architecture(sys.argv[1]), 2)
scene, start = make_scene(2, 2)
tracks = network.follow(scene, start, decoding=compiled_decoding(network, scene.shape))
print(tracks.numpy().tobytes().hex())
print(sum(getattr(network_kernels, f"decode_{sys.argv[1]}")._cache_hits.values()), file=sys.stderr)
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


@pytest.mark.parametrize(
    ("program", "words"), [(ATTENTION, []), (TRACKING, ["plain"]), (TRACKING, ["geometric"])]
)
def test_kernels_give_the_same_bits_when_they_were_just_compiled(tmp_path, program, words):
    paths = os.pathsep.join(map(str, (SOURCES, TESTS)))
    environment = {**os.environ, "PYTHONPATH": paths, "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", program, *words]
    compiling, loading = (
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True) for _ in range(2)
    )
    assert (compiling.stderr, loading.stderr) == ("0\n", "1\n")
    assert compiling.stdout == loading.stdout
