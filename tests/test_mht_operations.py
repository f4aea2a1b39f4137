"""The formulas for the tracker's operations against an emulated processor, and that against known loops."""

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import count_mht
from mpt.operations import emulation, known_work, mht_counts
from mpt.operations.emulation import Emulator
from mpt.operations.known_work import CannotCount
from mpt.operations.mht_formulas import FORMULAS
from mpt.operations.mht_workload import Workload
from mpt.tables.files import TableReader
from mpt.tables.operations import OPERATIONS
from mpt.trackers import mht

SCENE = {
    "process_noise": 1.5,
    "measurement_noise": 7.0,
    "initial_spread": 5.0,
    "drift_spread": 0.1,
}
MARKED_SCRIPT = Path(count_mht.__file__).with_name("track_marked.py")
MARKED = """
#include <immintrin.h>
#include <unistd.h>
int main(void) {
    volatile int million = 1000000;
    double x = 0; __m256 y = _mm256_setzero_ps(); __m128d z = _mm_setzero_pd();
    long double old = 0; int less = 0;
    close(0x464c4f50);
    for (int k = million; k; k--) x = x * 0.5 + 1;
    close(0x464c4f50);
    for (int k = million; k; k--) y = _mm256_fmadd_ps(y, y, y);
    close(0x464c4f50);
    for (int k = million; k; k--) z = _mm_sqrt_pd(_mm_max_pd(z, _mm_set1_pd(k)));
    close(0x464c4f50);
    for (int k = million; k; k--) { less += x < k; x = (double)(float)x; old += 1; }
    close(0x464c4f50);
    return (int)(x + y[0] + z[0] + (double)old + less) == 42;
}
"""


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    """Return an emulator; where there is none, skip, but fail in continuous integration."""
    try:
        return Emulator(tmp_path_factory.mktemp("emulator"))
    except CannotCount as reason:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(reason))


@pytest.mark.parametrize("contract", ["fast", "off"])
def test_operations_fused_and_separate_scalar_and_packed_are_counted_exactly(emulator, tmp_path, contract):
    (tmp_path / "marked.c").write_text(MARKED)
    flags = ["-O1", "-mavx2", "-mfma", f"-ffp-contract={contract}"]
    subprocess.run(["cc", *flags, "-o", tmp_path / "marked", tmp_path / "marked.c"], check=True)
    counts = np.diff(emulator.counts([tmp_path / "marked"]), axis=0)
    million = 10**6
    # In double and single precision: multiply–adds; eight lanes of them; maxima and roots in two; none of
    # comparisons, conversions and x87.
    expected = [[2 * million, 0], [0, 8 * 2 * million], [2 * 2 * million, 0], [0, 0]]
    assert counts.tolist() == expected


def test_a_program_that_fails_under_emulation_is_reported(emulator):
    with pytest.raises(CannotCount, match="No such file"):
        emulator.counts([shutil.which("cat"), "/nowhere"])


def test_a_machine_without_the_emulator_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CannotCount, match="qemu-x86_64"):
        Emulator(tmp_path)


@pytest.mark.parametrize("processor", ["aarch64", "arm64"])
def test_another_processor_is_not_emulated(monkeypatch, tmp_path, processor):
    monkeypatch.setattr(emulation.platform, "machine", lambda: processor)
    with pytest.raises(CannotCount, match=processor):
        Emulator(tmp_path)


@pytest.mark.parametrize(
    ("factor", "right"), [(1.0, True), (0.995, True), (0.5, False), (1.02, False), (0, False)]
)
def test_who_counts_known_work_wrong_is_refused(factor, right):
    counted = {name: factor * operations for name, (_, operations) in known_work.loops().items()}
    if right:
        known_work.check(counted)
    else:
        with pytest.raises(CannotCount, match="2000000"):
            known_work.check(counted)


@cache
def emulated(particles: int) -> dict:
    """Return the operations of each solver and lookback, of nine frames, as long as the longest window."""
    runs = [(solver, K) for solver in FORMULAS for K in range(1, 9)]
    return mht_counts.count_by_emulation(
        runs, {"particles": particles, "frames": 9, **SCENE}, 1, MARKED_SCRIPT
    )


@pytest.mark.parametrize("particles", [2, 3])
@pytest.mark.parametrize("solver", FORMULAS)
def test_the_formula_is_what_an_emulated_processor_counts(emulator, solver, particles):
    for K in range(1, 9):
        counted = emulated(particles)[solver, K]
        assert FORMULAS[solver](particles, K, 9) == pytest.approx(counted, rel=0.01), K


@pytest.mark.parametrize("solver", FORMULAS)
@pytest.mark.parametrize("particles", [2, 3])
def test_a_lookback_beyond_the_sequence_costs_no_more(solver, particles):
    assert FORMULAS[solver](particles, 4, 5) == FORMULAS[solver](particles, 9, 5)


@pytest.mark.parametrize("solver", mht.SOLVERS)
@pytest.mark.parametrize("lookback", [1, 3, 20])
def test_what_is_counted_is_what_the_tracker_does(solver, lookback):
    workload = Workload(2, 9, 3, **SCENE)
    tracked = mht.track(workload.measurements, workload.initial, lookback, workload.model, solver=solver)
    np.testing.assert_array_equal(workload.prepare(solver, lookback)(), tracked.detection)


def test_the_sparse_solver_takes_what_can_be_counted_by_hand(emulator):
    N, frames = 28, 9
    # Nobody is near another, so that every detection is looked at twice for each track and the rest is of
    # order N: some hundred operations a track.
    scene = {**SCENE, "particles": N, "frames": frames, "measurement_noise": 0.1, "initial_spread": 1e4}
    assert not mht.holds_every_history(N, 1)
    (operations,) = mht_counts.count_by_emulation([("assignment", 1)], scene, 1, MARKED_SCRIPT).values()
    # The difference in x and y, its square, by the innovation's variance: for the assignment, and for the
    # list, with the cost so far, what was paid so far, and the price.
    pairs = N * N * (6 + 9)
    assert pairs <= operations / (frames - 1) <= pairs + 120 * N


def test_without_counters_and_emulator_the_script_takes_the_formula(tmp_path):
    path = tmp_path / "operations.parquet"
    script = Path(count_mht.__file__)
    flags = "--particles 2 --frames 9 --lookbacks 3 1 --sequences 2 --process-noise 1.5 --measurement-noise 7"
    flags += " --initial-spread 5 --drift-spread 0.1 --solvers enumerate refilter assignment"
    # No emulator is there. There may be counters, but not where a module of their name cannot be imported.
    (tmp_path / "pypapi.py").write_text("raise ImportError('not here')")
    environment = {**os.environ, "PATH": str(tmp_path), "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, script, *flags.split(), "--output", path]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    with TableReader(path, OPERATIONS) as reader:
        rows, parameters = reader.read(), reader.parameters
    assert rows["variant"].tolist() == ["assignment"] * 2 + ["enumerate"] * 2 + ["refilter"] * 2
    assert rows["K"].tolist() == [1, 3] * 3
    # There is no formula of branch and bound.
    expected = [FORMULAS[solver](2, K, 9) for solver in ("enumerate", "refilter") for K in (1, 3)]
    assert rows["flops"].tolist() == [None, None, *expected]
    assert rows["source"].tolist() == ["none"] * 2 + ["model"] * 4
    for column in ("macs", "seconds_together", "gpu_seconds_together"):
        assert rows[column].mask.all()
    assert "multiply–add is 2" in pq.read_schema(path).field("flops").metadata[b"description"].decode()
    assert (rows["seconds"] > 0).all()
    assert "not here" in parameters["refused_sources"]["papi"]
    assert "qemu-x86_64" in parameters["refused_sources"]["emulated"]


def test_what_takes_long_to_emulate_is_left_to_the_formula_or_not_counted(monkeypatch):
    def no_counters(*_):
        raise CannotCount("none here")

    emulated_runs = []
    monkeypatch.setattr(mht_counts, "count_by_hardware", no_counters)
    monkeypatch.setattr(
        mht_counts,
        "count_by_emulation",
        lambda runs, *_: emulated_runs.extend(runs) or dict.fromkeys(runs, 7),
    )
    # 19 sequences of 149 frames have 19 · 149 · 2^(K + 1) costs, from K = 16 on more than 2^28.
    quick, slow = ("refilter", 2), ("refilter", 12)
    runs = [quick, slow, ("assignment", 2), ("assignment", 16)]
    scene = {"particles": 2, "frames": 150}
    workload = Workload(sequences=19, **scene, **SCENE)
    counted, _ = mht_counts.count(runs, workload, scene, 19, None)
    assert emulated_runs == [quick, ("assignment", 2)]
    assert counted == {
        quick: (7, "emulated"),
        slow: (FORMULAS["refilter"](2, 12, 150), "model"),
        ("assignment", 2): (7, "emulated"),
    }


def test_branch_and_bound_that_searches_long_is_not_emulated(monkeypatch):
    scene = {"particles": 4, "frames": 30}
    workload = Workload(sequences=2, **scene, **SCENE)
    assert mht_counts.is_soon_searched(workload, 3, scene, 2)
    # A window of three frames and four tracks has 12 nodes on the way to one hypothesis.
    monkeypatch.setattr(mht_counts, "MOST_NODES_EMULATED", 11)
    assert not mht_counts.is_soon_searched(workload, 3, scene, 2)


def test_many_particles_are_emulated_though_nobody_could_hold_all_their_histories(monkeypatch):
    scene = {"particles": 20, "frames": 6}
    workload = Workload(sequences=1, **scene, **{**SCENE, "measurement_noise": 0.1, "initial_spread": 1e4})
    # Of five frames: 20⁵ histories a track. There are 20 tracks with one history of at most five nodes.
    assert mht_counts.is_soon_searched(workload, 5, scene, 1)
    # What 20 nodes of 20 costs take in each of the five windows: too little for the 20 nodes, and a limit
    # of 20 is one that is reached.
    monkeypatch.setattr(mht_counts, "MOST_COSTS_EMULATED", 20 * 20 * 5)
    assert not mht_counts.is_soon_searched(workload, 5, scene, 1)


def test_what_is_counted_among_kept_pairs_decides_among_these(tmp_path):
    N, frames, sequences = 8, 5, 3
    # Every other pair, so that some other permutation than the best is left.
    chosen = np.add.outer(np.arange(N), np.arange(N)) % 2 == 0
    pairs = np.broadcast_to(chosen, (sequences, frames, N, N))
    np.save(tmp_path / "kept.npy", pairs)
    scene = {"particles": N, "frames": frames, "sequences": sequences, **SCENE}
    decided = Workload(**scene, kept=tmp_path / "kept.npy").prepare("assignment", 2, 2)()[:, 1:]
    free = Workload(**scene).prepare("assignment", 2, 2)()[:, 1:]
    assert decided.shape == (2, frames - 1, N)
    assert ((decided + np.arange(N)) % 2 == 0).all()
    assert not ((free + np.arange(N)) % 2 == 0).all()


def test_one_frame_is_refused(refusal, tmp_path):
    flags = "--particles 2 --frames 1 --lookbacks 1 --solvers refilter"
    flags += " --process-noise 1 --measurement-noise 1 --initial-spread 1"
    line = refusal("count_mht.py", *flags.split(), "--drift-spread", "1", output=tmp_path / "t.parquet")
    assert "--frames" in line
