"""Measure how fast the Multiple Hypothesis Tracker is, each row by itself, beside its bars.

    python tests/benchmarks/benchmark_mht.py enumeration stone_soup

writes what it found into mht.csv and mht.md; rows that were not asked for stay as they are. All times are
processor time of one thread: what else the machine does counts little.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

# Before numpy is imported: one thread for the measured peak, too.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "src"))

import numpy as np
import other_trackers
import record

import integer_program as program
from mpt.kalman import Model
from mpt.motion import Simulation, simulate
from mpt.operations.known_work import CannotCount
from mpt.operations.mht_counts import count_by_emulation
from mpt.operations.mht_formulas import FORMULAS
from mpt.scoring.links import detection_owners
from mpt.scoring.scores import score_tracks
from mpt.trackers import mht

MOTION = {"process_noise": 1.5, "initial_spread": 5.0, "drift_spread": 0.1, "seed": 4242}
REPETITIONS = 7


def scenes(
    sequences: int, frames: int, particles: int, noise: float = 7.0
) -> tuple[np.ndarray, np.ndarray, Model]:
    """Return measurements, starts, and the model that made them."""
    made = simulate(np.arange(sequences), frames, particles, measurement_noise=noise, **MOTION)
    model = Model(MOTION["process_noise"], noise, MOTION["drift_spread"])
    return made.measurements, made.positions[:, 0], model


def processor_seconds(work: Callable[[], object], repetitions: int = REPETITIONS) -> float:
    """Return the median processor time of work()."""
    times = []
    for _ in range(repetitions):
        begin = time.process_time()
        work()
        times.append(time.process_time() - begin)
    return float(np.median(times))


def seconds_a_sequence(scenes, lookback: int, repetitions: int = REPETITIONS, **options) -> float:
    """Return the median processor time of tracking, compiled before."""
    measurements, initial, model = scenes
    mht.track(measurements[:1], initial[:1], lookback, model, **options)

    def work() -> None:
        mht.track(measurements, initial, lookback, model, **options)

    return processor_seconds(work, repetitions) / len(measurements)


def peak(quick: bool) -> float:
    """Return the operations a second of one thread in a product of matrices, the most that is ever seen."""
    size = 200 if quick else 1500
    a, b = np.ones((size, size)), np.ones((size, size))
    a @ b
    return 2 * size**3 / processor_seconds(lambda: a @ b)


def enumeration(quick: bool) -> Iterator[record.Finding]:
    """Sequences of 150 frames, by enumeration."""
    most = peak(quick)
    yield "peak: product of matrices [GFLOP/s]", most / 1e9, None, None
    for particles, lookback, sequences, bar in [
        (2, 1, 1000, 0.02),
        (2, 4, 500, 0.05),
        (2, 8, 100, 0.6),
        (2, 12, 10, 10),
        (3, 5, 10, 20),
    ]:
        if quick:
            sequences, lookback = 2, min(lookback, 3)
        seconds = seconds_a_sequence(scenes(sequences, 150, particles), lookback)
        name = f"N = {particles}, K = {lookback}"
        yield f"{name}: a sequence [ms]", 1e3 * seconds, bar, 1e3 * seconds <= bar
        rate = FORMULAS["enumerate"](particles, lookback, 150) / seconds
        yield f"{name}: operations a second / peak", rate / most, None, None


def assignment(quick: bool) -> Iterator[record.Finding]:
    """Six particles, 50 frames, lookback 5, by branch and bound: every decision proven."""
    for noise in (2.0, 7.0):
        sequences, frames = (1, 8) if quick else (5, 50)
        measurements, initial, model = six = scenes(sequences, frames, 6, noise)
        options = {"solver": "assignment", "margins": False}
        seconds = seconds_a_sequence(six, 5, repetitions=3, **options)
        found = mht.track(measurements, initial, 5, model, **options)
        yield f"σ = {noise:g}: a sequence [s]", seconds, 2, seconds <= 2
        proven = float((found.gap == 0).mean())
        yield f"σ = {noise:g}: decisions proven", proven, 1, proven == 1


def crowd(
    sequences: int, frames: int, particles: int
) -> tuple[Simulation, tuple[np.ndarray, np.ndarray, Model]]:
    """Return particles at one density in a box, σ = 3, where K = 1 gets 5 to 10 % of the links wrong."""
    size = np.sqrt(particles / 20)
    scene = {"initial_spread": 40 * size, "confinement": 80 * size, "measurement_noise": 3.0}
    made = simulate(np.arange(sequences), frames, particles, **{**MOTION, **scene})
    model = Model(MOTION["process_noise"], 3.0, MOTION["drift_spread"])
    return made, (made.measurements, made.positions[:, 0], model)


def many_particles(quick: bool) -> Iterator[record.Finding]:
    """Sequences of 100 frames at one density (half-width of the box 80 √(N/20), σ = 3), by `assignment`."""
    bars = {(100, 1): 0.2, (100, 3): 2.0, (20, 5): 1.0}
    sizes = [(N, K) for N in (10, 20, 50, 100) for K in (1, 3)] + [(20, 2), (20, 4), (20, 5), (20, 8)]
    sequences, frames = (1, 5) if quick else (10, 100)
    options = {"solver": "assignment", "margins": False}
    times = {}
    for N, K in sizes:
        made, scene = crowd(sequences, frames, N)
        times[N, K] = seconds = seconds_a_sequence(scene, K, repetitions=1 if quick else 3, **options)
        found = mht.track(*scene[:2], K, scene[2], **options)
        name, bar = f"N = {N}, K = {K}", bars.get((N, K))
        yield f"{name}: a sequence [s]", seconds, bar, None if bar is None else seconds <= bar
        proven = float((found.gap[:, 1:] == 0).mean())
        yield f"{name}: decisions proven", proven, 0.999, proven >= 0.999
        owners = detection_owners(found.detection, made.detection)[:, 1:]
        wrong = float((owners[:, 1:] != owners[:, :-1]).mean())
        least = K == 1 and N in (20, 100) and not quick
        yield f"{name}: links wrong", wrong, 0.1 if least else None, 0.05 <= wrong <= 0.1 if least else None
    for K in (1, 3):
        yield (
            f"K = {K}: exponent of N",
            exponent([(N, s) for (N, by), s in times.items() if by == K]),
            None,
            None,
        )
    growth = exponent([(K, s) for (N, K), s in times.items() if N == 20])
    yield "N = 20: exponent of K", growth, None, None


def many_peers(quick: bool) -> Iterator[record.Finding]:
    """Sequences of 20 frames of `many_particles`, this project's tracker beside others', each on its own.

    Stone Soup's are told the model, the others the reach of a step. Each is compared with the lookback that
    is most like it. Wrong links are counted up to the last frame that all of them decide.
    """
    frames, most_seconds = 8 if quick else 20, 30
    options = {"solver": "assignment", "margins": False}
    for N, sequences in ((12, 1),) if quick else ((20, 5), (100, 1)):
        made, (measurements, initial, model) = crowd(sequences, frames, N)
        points = measurements.copy()
        points[:, 0] = initial
        ours = {}
        for K in (1, 2):
            # Many sequences: one takes less than the clock ticks.
            ours[K] = seconds_a_sequence(crowd(2 if quick else 100, frames, N)[1], K, **options)
            detection = mht.track(measurements, initial, K, model, **options).detection
            labels = np.argsort(detection, axis=2)
            yield f"N = {N}: this project, K = {K}: a sequence [s]", ours[K], None, None
            yield f"N = {N}: this project, K = {K}: links wrong", links_wrong(labels, made), None, None
        for name, peer in other_trackers.PEERS.items():
            try:
                link = peer.load(MOTION["process_noise"], 3.0, MOTION["drift_spread"])
            except ImportError as reason:
                print(f"many_peers: left out {name}: {reason}", file=sys.stderr)
                continue
            link(points[0, :2])
            runs = [other_trackers.within(most_seconds, link, scene) for scene in points]
            ended = [run for run in runs if run is not None]
            share = len(ended) / len(runs)
            yield f"N = {N}: {name}: share that ends within {most_seconds} s", share, None, None
            if share == 1:
                seconds = float(np.median([each for each, _ in ended]))
                labels = np.array([each for _, each in ended])
                yield f"N = {N}: {name}: a sequence [s]", seconds, None, None
                slower = seconds / ours[peer.lookback]
                yield f"N = {N}: {name}: times as slow as K = {peer.lookback}", slower, None, None
                yield f"N = {N}: {name}: links wrong", links_wrong(labels, made), None, None


def links_wrong(labels: np.ndarray, made: Simulation) -> float:
    """Return which share of the particles' steps, those from and to open frames aside, change the track.

    labels (B, T, N): the track of each detection. Frame 0 is where tracks start, and the last ones are open.
    """
    of_particles = np.take_along_axis(labels, made.detection, axis=2)[:, 1 : -other_trackers.WINDOW]
    return float((of_particles[:, 1:] != of_particles[:, :-1]).mean())


def exponent(points: list[tuple[int, float]]) -> float:
    """Return the slope of the logarithm of the second numbers over that of the first ones."""
    return float(np.polyfit(*np.log(np.array(points)).T, 1)[0])


def scores(quick: bool) -> Iterator[record.Finding]:
    """Every score of one sequence of 100 particles, and how its time grows with the number of frames."""
    lengths = (5, 10) if quick else (250, 1000)
    seconds = []
    for frames in lengths:
        made, _ = crowd(1, frames, 100)
        noise = np.random.default_rng(1).normal(0, 3, made.positions.shape)
        estimated, own = made.positions + noise, made.detection
        given = estimated, own, made.positions, own, made.measurements
        seconds.append(processor_seconds(lambda given=given: score_tracks(*given, 6.0), 1 if quick else 3))
        bar = 5 if frames == 1000 else None
        name = f"{frames} frames of 100 particles: all scores [s]"
        yield name, seconds[-1], bar, None if bar is None else seconds[-1] <= bar
    yield "exponent of the frames", exponent(list(zip(lengths, seconds, strict=True))), None, None


def integer_program(quick: bool) -> Iterator[record.Finding]:
    """Six particles in one window of four frames: branch and bound beside SciPy's integer programming."""
    particles, lookback = (3, 2) if quick else (6, 4)
    theirs, ours, alike = [], [], []
    for noise in (2.0, 7.0):
        measurements, initial, model = scenes(2, lookback + 1, particles, noise)
        options = {"solver": "assignment", "margins": False}
        found = mht.track(measurements, initial, lookback, model, **options)
        for b in range(2):
            costs = program.history_costs(
                measurements[b], initial[b], MOTION["process_noise"], noise, MOTION["drift_spread"]
            )
            begin = time.process_time()
            cost, detection = program.solve(costs)
            theirs.append(time.process_time() - begin)
            one = measurements[b : b + 1], initial[b : b + 1], model
            ours.append(seconds_a_sequence(one, lookback, **options))
            alike.append(np.isclose(found.cost[b], cost, rtol=1e-9, atol=0))
            alike.append((found.detection[b, 1:] == detection).all())
    yield "scipy.optimize.milp: a window [s]", float(np.median(theirs)), None, None
    yield "branch and bound: a window [s]", float(np.median(ours)), None, None
    yield "the same decisions at the same cost", float(np.mean(alike)), 1, all(alike)


def formulas(quick: bool) -> Iterator[record.Finding]:
    """Operations by the formulas and as an emulated processor counts, of a sequence of nine frames."""
    names = ("process_noise", "initial_spread", "drift_spread")
    scene = {"frames": 9, "measurement_noise": 7.0, **{name: MOTION[name] for name in names}}
    marked = record.ROOT / "src/track_marked.py"
    for particles in (2, 3):
        runs = [(solver, K) for solver in FORMULAS for K in range(1, 3 if quick else 9)]
        try:
            counted = count_by_emulation(runs, {"particles": particles, **scene}, 1, marked)
        except CannotCount as reason:
            raise record.CannotMeasure(reason) from reason
        for solver, formula in FORMULAS.items():
            deviations = [
                abs(formula(particles, K, 9) / operations - 1)
                for (by, K), operations in counted.items()
                if by == solver
            ]
            name = f"{solver}, N = {particles}, K = 1 … {len(deviations)}: greatest deviation"
            yield name, max(deviations), 0.01, max(deviations) <= 0.01


def warm_cache(quick: bool) -> Iterator[record.Finding]:
    """The first call in a process that finds the machine code on disk, less a second call."""
    code = """
import time, numpy as np
from mpt.trackers import enumeration, mht
from mpt.kalman import Model
model = Model(1.5, 7.0, 0.1)
measurements, initial = np.zeros((1, 8, 2, 2)), np.zeros((1, 2, 2))
def seconds(work):
    begin = time.process_time()
    work()
    return time.process_time() - begin
track = lambda: mht.track(measurements, initial, 4, model)
numba = seconds(lambda: enumeration._factorial((0, 1)))
first = seconds(track)
print(numba + first - seconds(track), numba)
"""
    environment = {**os.environ, "PYTHONPATH": str(record.ROOT / "src")}
    command = [sys.executable, "-c", code]
    runs = []
    for _ in range(2 if quick else 6):
        run = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        runs.append([float(number) for number in run.stdout.split()])
    # The first process may have compiled.
    seconds, numba = np.median(runs[1:], axis=0)
    yield "first call on a warm cache [s]", seconds, 0.5, seconds <= 0.5
    yield "of which numba starts for [s]", numba, None, None


def stone_soup(quick: bool) -> Iterator[record.Finding]:
    """Stone Soup's multi-frame assignment on the same sequences with the same model, window 5."""
    window, frames, sequences = (2, 6, 1) if quick else (5, 12, 5)
    measurements, initial, model = scenes(sequences, frames, 2, 2.0)
    decided = frames - window
    theirs, alike = [], []
    ours = mht.track(measurements, initial, window, model).detection[:, 1:decided]
    for b in range(sequences):
        begin = time.process_time()
        tracks = other_trackers.multi_frame_assignment(measurements[b], initial[b], model, window)
        theirs.append(time.process_time() - begin)
        alike.append((tracks[: decided - 1] == ours[b]).all(axis=1))
    slow = float(np.median(theirs))
    fast = seconds_a_sequence(scenes(2 if quick else 2000, frames, 2, 2.0), window)
    yield "Stone Soup: a sequence of 12 frames [s]", slow, None, None
    yield "this project: a sequence of 12 frames [s]", fast, None, None
    yield "times as fast", slow / fast, 10_000, slow / fast >= 10_000
    yield "frames decided alike", float(np.mean(alike)), None, None


def scaling(quick: bool) -> Iterator[record.Finding]:
    """track_mht.py on more and more sequences of 20 frames, K = 8: medians of rounds through the sizes."""
    numbers = (10, 20, 40) if quick else (1_000, 50_000, 100_000)
    with tempfile.TemporaryDirectory() as scratch:
        datasets = [many_sequences(Path(scratch) / str(number), number) for number in numbers]
        rounds = np.array([[script_usage(path) for path in datasets] for _ in range(1 if quick else 7)])
    for number, (seconds, mebibytes) in zip(numbers, np.median(rounds, axis=0), strict=True):
        yield f"{number} sequences [s]", seconds, None, None
        yield f"{number} sequences: memory [MiB]", mebibytes, None, None
    # Between sizes, without what it takes to start.
    slopes = np.diff(rounds[..., 0], axis=1) / np.diff(numbers)
    growth = float(np.median(slopes[:, 1] / slopes[:, 0]))
    yield "seconds a sequence, many / fewer", growth, 1.1, growth <= 1.1
    memory = float(np.median(rounds[:, -1, 1] / rounds[:, 0, 1]))
    yield "memory, most / fewest", memory, 1.1, memory <= 1.1


def many_sequences(directory: Path, sequences: int) -> Path:
    """Simulate a dataset and return its directory."""
    shape = f"--experiments {sequences} --frames 20 --particles 2 --measurement-noise 7"
    motion = "--process-noise 1.5 --initial-spread 5 --drift-spread 0.1 --seed 4242"
    simulator = [sys.executable, str(record.ROOT / "src/simulate.py"), *shape.split(), *motion.split()]
    subprocess.run([*simulator, "--output", directory], check=True)
    return directory


def script_usage(dataset: Path) -> tuple[float, float]:
    """Return the processor seconds and the MiB that track_mht.py takes for a dataset."""
    prior = "--lookback 8 --process-noise 1.5 --measurement-noise 7 --velocity-spread 0.1"
    prior += " --solver enumerate --estimate filtered"
    files = [f"--{name}={dataset}/{name}.parquet" for name in ("measurements", "initial")]
    tracker = [sys.executable, str(record.ROOT / "src/track_mht.py"), *prior.split(), *files]
    process = subprocess.Popen([*tracker, "--output", f"{dataset}/tracks.parquet"])
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, tracker)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


ROWS = {
    row.__name__: row
    for row in (
        enumeration,
        assignment,
        many_particles,
        many_peers,
        scores,
        integer_program,
        warm_cache,
        stone_soup,
        scaling,
        formulas,
    )
}

if __name__ == "__main__":
    others = ("stonesoup", "ortools", "laptrack", "trackpy", "motile", "pyscipopt")
    record.main("mht", __doc__, ROWS, ("numpy", "numba", "scipy", *others))
