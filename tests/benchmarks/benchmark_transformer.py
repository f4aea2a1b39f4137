"""Measure the numbers that the transformers are to reach, each row by itself, beside their bars.

    python tests/benchmarks/benchmark_transformer.py unlimited six_experiments

trains and tracks by the scripts' command lines with the methods of config.yaml, and writes what it found into
transformer.csv and transformer.md; rows that were not asked for stay as they are. All times are processor
time of one thread: what else the machine does counts little. Rows that name no network are of the geometric.
"""

import contextlib
import inspect
import itertools
import os
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path

# Before torch is imported.
os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).parents[2] / "src"))

import numpy as np
import record
import torch
import yaml

from mpt.matching import pairwise_distances
from mpt.motion import simulate
from mpt.operations.known_work import CannotCount
from mpt.operations.mht_counts import emulate
from mpt.operations.mht_workload import Workload
from mpt.operations.transformer import incremental, track_frame_by_frame
from mpt.tables.dataset import read_truth
from mpt.tables.files import TableReader
from mpt.tables.learning_curve import LEARNING_CURVE
from mpt.tables.scores import read_tracker_scores
from mpt.tables.tracks import read_tracks
from mpt.trackers import hybrid
from mpt.transformer.compiled_decoding import compiled_decoding
from mpt.transformer.model_file import load_model
from mpt.transformer.network import PAST, WHOLE, Network
from mpt.transformer.network_kernels import SEQUENCES
from mpt.transformer.networks import GEOMETRIC, NETWORKS, PLAIN
from planning.density import KEY, boxed, simulated
from planning.flags import flags
from planning.methods import methods

SEED = 4242
MOTION = {"particles": 2, "process_noise": 1.5, "initial_spread": 5, "drift_spread": 0.1}
REPLICATES = 5
METHODS = methods(yaml.safe_load((record.ROOT / "config.yaml").read_text()))
# Of sequences of 150 frames, σ = 7: the paper's six experiments.
SIX = {"batches": 6, "experiments_per_batch": 1, "decoder_lookback": 8}


@dataclass(frozen=True)
class Scores:
    """Of a tracker's replicates, (R,): mean link Jaccard and root mean square position error.

    together: share of frames in which both tracks are nearest to one particle.
    """

    jaccard: np.ndarray
    error: np.ndarray
    together: np.ndarray


class Bench:
    """A scratch directory, the scripts, and how large everything is."""

    def __init__(self, directory: Path, quick: bool, checkout: Path = record.ROOT):
        """Say where files go, whether all is only to show that it runs, and where the scripts are."""
        self.directory, self.quick, self.checkout = directory, quick, checkout

    def run(self, script: str, **settings) -> float:
        """Run a script with settings as its flags; returns the processor seconds that it took."""
        command = [sys.executable, str(self.checkout / script), *shlex.split(flags(settings))]
        print(shlex.join(command[1:]), flush=True)
        before = children_seconds()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return children_seconds() - before

    def simulate(self, stream: str, experiments: int, frames: int, noise: float, **motion) -> Path:
        """Return the directory of a dataset. motion: what is otherwise than in MOTION."""
        output = self.directory / "_".join(map(str, (stream, experiments, frames, noise, *motion.values())))
        if not output.exists():
            model = {**MOTION, **motion, "frames": frames, "measurement_noise": noise}
            model |= {"experiments": experiments}
            self.run("src/simulate.py", **model, seed=SEED, stream=stream, output=output)
        return output

    def train(self, network: str, dataset: Path, replicates: int, **changes) -> tuple[Path, float]:
        """Return a model with the seconds that its training took, start-up and validation included.

        changes: of the options that the config declares for the network.
        """
        output = self.directory / f"{dataset.name}_{len(list(self.directory.iterdir()))}" / "model.pt"
        method = METHODS[network]
        options = {**method.training_options, "seed": SEED, **changes, "replicates": replicates}
        if self.quick:
            options["epochs"] = min(options["epochs"], 2)
        return output, self.run(method.training_script, dataset=dataset, **options, output=output)

    def transformer(self, network: str, model: Path, test: Path, replicates: int) -> Scores:
        """Track with every replicate and score."""
        tracks = [model.with_name(f"{replicate}.parquet") for replicate in range(replicates)]
        method = METHODS[network]
        self.run(method.script, **tables(test), **method.options, model=model, output=tracks)
        return self.score(test, tracks)

    def mht(self, test: Path, lookback: int, noise: float, solver: str = "enumerate") -> Scores:
        """Track with the MHT, told the motion and to believe in this noise, and score."""
        output, method = test / f"mht_{lookback}.parquet", METHODS["mht"]
        options = method.settings({"lookback": lookback, "measurement_noise": noise, "solver": solver})
        self.run(method.script, **tables(test), **method.resolved(options, MOTION), output=output)
        return self.score(test, [output])

    def score(self, test: Path, tracks: list[Path]) -> Scores:
        """Score the tracks, one file a replicate."""
        output = tracks[0].with_suffix(".scores.parquet")
        names = {"tracker": ["it"] * len(tracks), "replicate": list(range(len(tracks)))}
        self.run("src/score.py", truth=test / "truth.parquet", tracks=tracks, **names, output=output)
        ((_, _, scores),) = read_tracker_scores(output, ["it"], ["jaccard", "position_error"])
        true = np.concatenate([block.positions for block in read_truth(test / "truth.parquet")])
        together = []
        for path in tracks:
            positions = np.concatenate([block.positions for block in read_tracks(path)])
            nearest = pairwise_distances(positions, true).argmin(-1)
            together.append((nearest[..., 0] == nearest[..., 1]).mean())
        error = np.sqrt(np.mean(scores["position_error"] ** 2, axis=1))
        return Scores(scores["jaccard"].mean(axis=1), error, np.array(together))

    def long_sequences(self) -> tuple[Path, Path, dict]:
        """Return test and training sequences of 150 frames, σ = 7, and what training on six is told."""
        frames = 12 if self.quick else 150
        test = self.simulate("test", 10 if self.quick else 500, frames, 7)
        training = self.simulate("training", 6 * REPLICATES, frames, 7)
        return test, training, {**SIX, "encoder_lookback": frames}


def tables(dataset: Path) -> dict[str, Path]:
    """Return what a tracker is given of a dataset."""
    return {name: dataset / f"{name}.parquet" for name in ("measurements", "initial")}


@contextlib.contextmanager
def new_bench(quick: bool) -> Iterator[Bench]:
    """Yield a bench in a directory that goes away."""
    with tempfile.TemporaryDirectory() as scratch:
        yield Bench(Path(scratch), quick)


def children_seconds() -> float:
    """Return the processor time of all processes that were waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def timed(work: Callable, *arguments) -> tuple[float, object]:
    """Return the processor time of work(*arguments), and what it returns."""
    begin = time.process_time()
    result = work(*arguments)
    return time.process_time() - begin, result


# Training on fresh simulations. The plain network sees the past alone, as does the MHT, which reports
# filtered positions. It is larger than that of the config, and its windows are short: so it learns to look.
UNLIMITED = {
    PLAIN: {
        "mode": "closed_loop",
        "encoder_sees": PAST,
        "augment": "rotations",
        "encoder_lookback": 8,
        "decoder_lookback": 4,
        "dimension": 64,
        "heads": 4,
        "feedforward": 128,
        "learning_rate": 0.001,
        "experiments_per_batch": 32,
        "epochs": 1000,
    },
    GEOMETRIC: {"encoder_lookback": 50, "decoder_lookback": 8, "experiments_per_batch": 64, "epochs": 100},
}
# The σ of its simulations, and the most seconds: a quarter of an hour, of two cores for the plain one.
UNLIMITED_AT = {PLAIN: ((7,), 1800), GEOMETRIC: ((2, 7), 900)}
# Of the position error over that of the MHT, by network, σ and the MHT's lookback.
MOST_ERROR = {(PLAIN, 7, 1): 1.05} | {(GEOMETRIC, noise, K): 1.01 for noise in (2, 7) for K in (1, 8)}


def unlimited(quick: bool) -> Iterator[record.Finding]:
    """Fresh simulations at every step, both networks in closed loop."""
    with new_bench(quick) as bench:
        for network, (noises, most_seconds) in UNLIMITED_AT.items():
            how = {**UNLIMITED[network], "batches": "unlimited", "validate_every": 50}
            if quick:
                how |= {"experiments_per_batch": 1}
            for noise in noises[-1:] if quick else noises:
                test = bench.simulate("test", 10 if quick else 1000, 50, noise)
                dataset = bench.simulate("training", 1, 50, noise)
                model, seconds = bench.train(network, dataset, 1, **how)
                found = bench.transformer(network, model, test, 1)
                name = f"{network}, σ = {noise}"
                yield f"{name}: training [s]", seconds, most_seconds, seconds <= most_seconds
                least = 0 if network == GEOMETRIC else None
                for lookback in (1, 8):
                    other = bench.mht(test, lookback, noise)
                    jaccard, error = found.jaccard[0] - other.jaccard[0], found.error[0] / other.error[0]
                    reached = None if least is None else jaccard >= least
                    yield f"{name}: Jaccard − MHT K = {lookback}", jaccard, least, reached
                    most = MOST_ERROR.get((network, noise, lookback))
                    reached = None if most is None else error <= most
                    yield f"{name}: position error / MHT K = {lookback}", error, most, reached
                yield f"{name}: Jaccard", found.jaccard[0], None, None
                yield f"{name}: position error", found.error[0], None, None


def other_numbers(quick: bool) -> Iterator[record.Finding]:
    """Trained on 5 particles, tested on 20 at the same density: the scene of studies/beyond.yaml.

    Global nearest neighbour gets 7 % of the links of the 20 wrong.
    """
    frames, noise, density = (12 if quick else 50), 3, 0.0015
    with new_bench(quick) as bench:

        def scene(stream: str, particles: int, experiments: int) -> Path:
            motion = boxed({"particles": particles, KEY: density})
            return bench.simulate(stream, 2 if quick else experiments, frames, noise, **simulated(motion))

        test, dataset = scene("test", 20, 60), scene("training", 5, 180)
        size = {"batches": 1 if quick else 6, "experiments_per_batch": 2 if quick else 30}
        size |= {"encoder_lookback": 3, "decoder_lookback": 3}
        model, seconds = bench.train(GEOMETRIC, dataset, 1, **size)
        yield "training [s]", seconds, None, None
        found, mht = bench.transformer(GEOMETRIC, model, test, 1), bench.mht(test, 1, noise, "assignment")
        error, jaccard = found.error[0] / mht.error[0], found.jaccard[0] - mht.jaccard[0]
        yield "20 particles: position error / MHT K = 1", error, 1.03, error <= 1.03
        yield "20 particles: Jaccard − MHT K = 1", jaccard, 0, jaccard >= 0


def many_operations(quick: bool) -> Iterator[record.Finding]:
    """Operations of a sequence of 50 frames at 0.0015 particles per area, σ = 3, of MHT, network and hybrid.

    The MHT's are counted on an emulated processor, those of the network, which is trained at N = 5, by its
    formula. The hybrid's are the network's and those of the MHT among the pairs that it keeps, ε = 0.01.
    """
    sizes, lookbacks, sequences = ((7,), (1, 2), 1) if quick else ((5, 20, 100), (1, 3, 5), 10)
    frames, noise = (6 if quick else 50), 3
    with new_bench(quick) as bench:
        dataset = bench.simulate("training", 6 if quick else 180, frames, noise, particles=5, **box(5))
        size = {"encoder_lookback": 3, "decoder_lookback": 3}
        size |= {"batches": 6, "experiments_per_batch": 1 if quick else 30}
        path, _ = bench.train(GEOMETRIC, dataset, 1, **size)
        network, _ = load_model(path, torch.device("cpu"))
        scenes = {}
        for N in sizes:
            scene = {**MOTION, "particles": N, **box(N), "frames": frames, "measurement_noise": noise}
            scene |= {"sequences": sequences, "seed": SEED}
            workload = Workload(**scene)
            given = (torch.from_numpy(x)[None] for x in (workload.measurements, workload.initial))
            kept = hybrid.keep(network.associate(*given)[0].numpy(), 0.01).pairs
            yield f"N = {N}: detections kept for a track", kept[:, 1:].sum(axis=-1).mean(), None, None
            np.save(file := bench.directory / f"kept_{N}.npy", kept)
            scenes[N] = scene, {**scene, "kept": str(file)}
        runs = [(scene, "assignment", K, sequences) for N in sizes for K in lookbacks for scene in scenes[N]]
        try:
            counted = iter(emulate(runs, record.ROOT / "src/track_marked.py"))
        except CannotCount as reason:
            raise record.CannotMeasure(reason) from reason
        for N in sizes:
            own = incremental(replace(network.architecture, particles=N), frames).flops
            yield f"N = {N}: network", own, None, None
            for K in lookbacks:
                exact, pruned = next(counted) / sequences, next(counted) / sequences
                yield f"N = {N}, K = {K}: MHT", exact, None, None
                yield f"N = {N}, K = {K}: MHT among what is kept", pruned, None, None
                yield f"N = {N}, K = {K}: hybrid / MHT", (own + pruned) / exact, None, None


def box(particles: int) -> dict[str, float]:
    """Return the box that holds 0.0015 particles per area, which they start all over."""
    half_width = float(np.sqrt(particles / 0.0015) / 2)
    return {"initial_spread": half_width, "confinement": half_width}


def six_experiments(quick: bool) -> Iterator[record.Finding]:
    """transformer_{150,1}: the median of five trainings."""
    with new_bench(quick) as bench:
        test, dataset, size = bench.long_sequences()
        model, seconds = bench.train(GEOMETRIC, dataset, REPLICATES, **size)
        # They are trained side by side.
        yield "training, each of 5 [s]", seconds / REPLICATES, 60, seconds / REPLICATES <= 60
        found, mht = bench.transformer(GEOMETRIC, model, test, REPLICATES), bench.mht(test, 1, 7)
        error, jaccard = np.median(found.error / mht.error), np.median(found.jaccard - mht.jaccard)
        yield "position error / MHT K = 1, median", error, 1.12, error <= 1.12
        yield "Jaccard − MHT K = 1, median", jaccard, -0.01, jaccard >= -0.01


def more_experiments(quick: bool) -> Iterator[record.Finding]:
    """transformer_{8,i} at σ = 1.2: the mean of five trainings rises with i."""
    noise, numbers = 1.2, (1, 3) if quick else (1, 3, 10, 30, 100)
    with new_bench(quick) as bench:
        test = bench.simulate("test", 10 if quick else 3000, 8, noise)
        mht = bench.mht(test, 8, noise).jaccard[0]
        yield "Jaccard of MHT K = 8", mht, None, None
        jaccards = []
        for i in numbers:
            dataset = bench.simulate("training", 6 * REPLICATES * i, 8, noise)
            size = {"batches": 6, "experiments_per_batch": i, "encoder_lookback": 8, "decoder_lookback": 8}
            model, _ = bench.train(GEOMETRIC, dataset, REPLICATES, **size)
            jaccards.append(bench.transformer(GEOMETRIC, model, test, REPLICATES).jaccard.mean())
            yield f"i = {i}: Jaccard", jaccards[-1], None, None
    rises = np.diff(jaccards).min()
    yield "smallest rise from i to the next", rises, 0, rises > 0
    short = jaccards[-1] - mht
    yield f"i = {numbers[-1]}: Jaccard − MHT K = 8", short, -0.02, short >= -0.02


def stopping(quick: bool) -> Iterator[record.Finding]:
    """Position error on 200 validation sequences after trainings of so many epochs, mean of five.

    The number in config.yaml, the same for all models, is the least whose error, averaged over these and each
    relative to its own least, is within 1 %.
    """
    epochs = (1, 2) if quick else (5, 10, 20, 40)
    kinds = ((8, 1, 7),) if quick else ((150, 1, 1), (150, 1, 7), (8, 1, 7), (8, 30, 7))
    errors = []
    with new_bench(quick) as bench:
        for frames, i, noise in kinds:
            dataset = bench.simulate("training", 6 * REPLICATES * i, frames, noise)
            size = {"batches": 6, "experiments_per_batch": i, "encoder_lookback": frames}
            size |= {"decoder_lookback": 8, "validation_experiments": 4 if quick else 200}
            errors.append([])
            for number in epochs:
                size |= {"epochs": number, "validate_every": number}
                model, _ = bench.train(GEOMETRIC, dataset, REPLICATES, **size)
                with TableReader(model.with_name("learning_curve.parquet"), LEARNING_CURVE) as reader:
                    curve = reader.read()
                last = curve["epoch"] == curve["epoch"].max()
                errors[-1].append(curve["position_error"][last].mean())
                yield f"T = {frames}, i = {i}, σ = {noise}: {number} epochs", errors[-1][-1], None, None
        relative = (np.array(errors) / np.min(errors, 1, keepdims=True)).mean(0)
        for number, error in zip(epochs, relative, strict=True):
            yield f"relative to the least, mean: {number} epochs", error, None, None
        yield "epochs in config.yaml", METHODS[GEOMETRIC].training_options["epochs"], None, None


def teacher_forcing(quick: bool) -> Iterator[record.Finding]:
    """The same six experiments, fed the truth or own outputs in training: medians of five."""
    with new_bench(quick) as bench:
        test, dataset, size = bench.long_sequences()
        for mode in ("closed_loop", "teacher_forcing"):
            model, _ = bench.train(GEOMETRIC, dataset, REPLICATES, **size, mode=mode)
            found = bench.transformer(GEOMETRIC, model, test, REPLICATES)
            yield f"{mode}: Jaccard", np.median(found.jaccard), None, None
            yield f"{mode}: position error", np.median(found.error), None, None


def misbelief(quick: bool) -> Iterator[record.Finding]:
    """Six experiments of σ = 1, tested at other σ, beside an MHT that believes σ = 1: medians of five.

    Tracks are together where both are nearest to one particle.
    """
    frames, noises = (12, (7,)) if quick else (150, (1, 3, 7))
    with new_bench(quick) as bench:
        dataset = bench.simulate("training", 6 * REPLICATES, frames, 1)
        model, _ = bench.train(GEOMETRIC, dataset, REPLICATES, **SIX, encoder_lookback=frames)
        for noise in noises:
            test = bench.simulate("test", 10 if quick else 300, frames, noise)
            found, mht = bench.transformer(GEOMETRIC, model, test, REPLICATES), bench.mht(test, 8, 1)
            for name, tracker in (("transformer", found), ("MHT K = 8", mht)):
                yield f"σ = {noise}, {name}: Jaccard", np.median(tracker.jaccard), None, None
                yield f"σ = {noise}, {name}: position error", np.median(tracker.error), None, None
                together = np.median(tracker.together)
                yield f"σ = {noise}, {name}: frames with tracks together", together, None, None


def epoch(quick: bool) -> Iterator[record.Finding]:
    """Training of five replicates side by side on six experiments each: what one more epoch takes.

    A longer training less a shorter one, each with one validation at its end, in rounds; medians.
    """
    few, many = (1, 2) if quick else (2, 12)
    with new_bench(quick) as bench:
        _, dataset, size = bench.long_sequences()
        size |= {"validation_experiments": 1, "validate_every": many}
        for network in NETWORKS:
            rounds = [
                [bench.train(network, dataset, REPLICATES, **size, epochs=n)[1] for n in (few, many)]
                for _ in range(1 if quick else 5)
            ]
            seconds = float(np.median(np.diff(rounds))) / (many - few)
            yield f"{network}: an epoch of 5 replicates [s]", seconds, None, None


def threads(quick: bool) -> Iterator[record.Finding]:
    """Jobs with two threads: seconds by the clock and processor seconds, as fractions of those with one.

    On two cores a second job is the better use of the second core where the first fraction is above a half.
    """
    epochs = 1 if quick else 20
    with new_bench(quick) as bench:
        test, dataset, size = bench.long_sequences()
        mht = METHODS["mht"]
        settings = mht.settings(
            {"lookback": 2 if quick else 8, "measurement_noise": 7, "solver": "enumerate"}
        )
        told = {**tables(test), **mht.resolved(settings, MOTION), "output": bench.directory / "mht.parquet"}
        jobs = {"MHT, K = 8": partial(bench.run, mht.script, **told)}
        for network in NETWORKS:
            jobs[f"{network}: training"] = partial(
                bench.train, network, dataset, REPLICATES, **{**size, "epochs": epochs}
            )
            model, _ = bench.train(network, dataset, 1, **{**size, "epochs": 0})
            method = METHODS[network]
            told = {**tables(test), **method.options, "model": model, "output": model.with_name("t.parquet")}
            jobs[f"{network}: tracking"] = partial(bench.run, method.script, **told)
        for name, job in jobs.items():
            rounds = []
            # What is compiled at first use is compiled in a round that does not count.
            for _ in range(1 if quick else 4):
                rounds.append([])
                for number in (1, 2):
                    begin, before = time.monotonic(), children_seconds()
                    job(threads=number)
                    rounds[-1].append((time.monotonic() - begin, children_seconds() - before))
            counted = np.array(rounds if quick else rounds[1:])
            clock, processor = np.median(counted[:, 1] / counted[:, 0], axis=0)
            yield f"{name}: by the clock", clock, None, None
            yield f"{name}: processor time", processor, None, None


def replicates_together(quick: bool) -> Iterator[record.Finding]:
    """Five networks trained side by side against one by one, on the same data for as many epochs."""
    with new_bench(quick) as bench:
        for frames, i in ((8, 1),) if quick else ((150, 1), (8, 30)):
            dataset = bench.simulate("training", 6 * REPLICATES * i, frames, 7)
            size = {**SIX, "experiments_per_batch": i, "encoder_lookback": frames}
            _, together = bench.train(GEOMETRIC, dataset, REPLICATES, **size)
            alone = sum(
                bench.train(GEOMETRIC, dataset, 1, **size, seed=SEED + r)[1] for r in range(REPLICATES)
            )
            yield f"T = {frames}, i = {i}: together [s]", together, None, None
            yield f"T = {frames}, i = {i}: one by one [s]", alone, None, None
            yield f"T = {frames}, i = {i}: times as fast", alone / together, None, None


def decoding(quick: bool) -> Iterator[record.Finding]:
    """Incremental decoding by compiled kernels against other ways to track the same, in rounds; medians.

    An encoder that sees the whole sequence encodes all once, so that there is nothing to encode anew.
    """
    sequences, frames = (4, 12) if quick else (200, 150)
    for network in NETWORKS:
        for sees in dict.fromkeys((METHODS[network].training_options["encoder_sees"], PAST)):
            name = f"{network}, encoder sees {sees}"
            scene = untrained_scene(network, frames, sequences, frames, encoder_sees=sees)
            ways = {"by torch alone": track_by_torch}
            if sees != WHOLE:
                ways["by torch, frames encoded one by one"] = track_frame_by_frame
                ways["encoding anew at each step"] = track_by_encoding_anew
            # What is set up at first use.
            tracks, *others = [way(*scene) for way in (Network.track, *ways.values())]
            rounds = np.array(
                [
                    [timed(way, *scene)[0] for way in (Network.track, *ways.values())]
                    for _ in range(1 if quick else 5)
                ]
            )
            seconds = float(np.median(rounds[:, 0]))
            yield f"{name}: {sequences} sequences of {frames} frames [s]", seconds, 0.75, seconds <= 0.75
            for column, (way, found) in enumerate(zip(ways, others, strict=True), 1):
                faster = float(np.median(rounds[:, column] / rounds[:, 0]))
                bar = 20 if way == "encoding anew at each step" else None
                yield f"{name}: {way} [s]", float(np.median(rounds[:, column])), None, None
                yield f"{name}: times as fast as {way}", faster, bar, None if bar is None else faster >= bar
                apart = float((found - tracks).abs().max())
                yield f"{name}: greatest difference to {way}", apart, None, None


def short_sequences(quick: bool) -> Iterator[record.Finding]:
    """Tracking sequences of eight frames by compiled kernels and by torch, in rounds; medians."""
    sequences, frames = (300, 8) if quick else (3000, 8)
    for network in NETWORKS:
        scene = untrained_scene(network, frames, sequences, frames)
        for way in (Network.track, track_by_torch):
            way(*scene)
        rounds = np.array(
            [
                [timed(way, *scene)[0] for way in (Network.track, track_by_torch)]
                for _ in range(1 if quick else 5)
            ]
        )
        kernels, torch_alone = np.median(rounds, axis=0)
        yield f"{network}: {sequences} sequences of {frames} frames [s]", kernels, None, None
        yield f"{network}: by torch alone [s]", torch_alone, None, None
        faster = float(np.median(rounds[:, 1] / rounds[:, 0]))
        yield f"{network}: times as fast as by torch alone", faster, None, None


def few_sequences(quick: bool) -> Iterator[record.Finding]:
    """Few and long sequences by compiled kernels, as fractions of torch's time, in rounds; medians.

    Beside each is how many pairs of a track and a detection that it sees the kernels take for it in a frame,
    by which compiled_decoding.py chooses.
    """
    lengths, numbers = ((12,), (1, 2)) if quick else ((150, 600), (1, 4, 16, 64))
    for network in NETWORKS:
        for sees in (PAST, WHOLE):
            for frames, sequences in itertools.product(lengths, numbers):
                scene = untrained_scene(network, frames, sequences, frames, encoder_sees=sees)
                ways = (track_by_kernels, track_by_torch)
                rounds = [[timed(way, *scene)[0] for way in ways] for _ in range(2 if quick else 4)]
                fraction = float(np.median([kernels / by_torch for kernels, by_torch in rounds[1:]]))
                pairs = MOTION["particles"] ** 2 * frames * SEQUENCES // sequences
                scene_in_words = f"{sequences} of {frames} frames ({pairs:,} pairs)"
                yield f"{network}, encoder sees {sees}: {scene_in_words}", fraction, None, None


def track_by_kernels(network: Network, measurements: torch.Tensor, initial: torch.Tensor) -> torch.Tensor:
    """Track as network.track does, by compiled kernels even where torch takes less time."""
    decoding = compiled_decoding(network, measurements.shape)
    assert decoding is not None
    return network.follow(measurements, initial, decoding=decoding)


def track_by_torch(network: Network, measurements: torch.Tensor, initial: torch.Tensor) -> torch.Tensor:
    """Track as network.track does, without compiled kernels."""
    return network.follow(measurements, initial, decoding=network.decoding(measurements.shape))


def decoding_otherwise(quick: bool) -> Iterator[record.Finding]:
    """Other ways to decode incrementally, as fractions of the time of Network.follow, in rounds."""
    sequences, frames = (4, 12) if quick else (200, 150)
    scene = untrained_scene(GEOMETRIC, frames, sequences, frames)
    ways = {
        "in blocks of 50 sequences": follow_in_blocks,
        "recording versions of tensors": torch.no_grad()(inspect.unwrap(Network.follow)),
    }
    rounds = [
        [timed(way, *scene)[0] for way in (Network.follow, *ways.values())] for _ in range(1 if quick else 5)
    ]
    fractions = np.median([np.divide(others, cached) for cached, *others in rounds], axis=0)
    for name, value in zip(ways, fractions, strict=True):
        yield name, float(value), None, None


def follow_in_blocks(network, z, start):
    """Track as network.follow does, 50 sequences at a time, whose caches are smaller."""
    parts = zip(z.split(50, 1), start.split(50, 1), strict=True)
    return torch.cat([network.follow(*part) for part in parts], 1)


def lookback(quick: bool) -> Iterator[record.Finding]:
    """The cost of a step as K_E grows."""
    sequences, frames = (4, 12) if quick else (100, 150)
    lookbacks = (4, 12) if quick else (8, 16, 32, 64, 150)
    seconds = []
    for encoder_lookback in lookbacks:
        scene = untrained_scene(GEOMETRIC, encoder_lookback, sequences, frames)
        seconds.append(min(timed(Network.track, *scene)[0] for _ in range(3)) / (frames - 1))
        yield f"K_E = {encoder_lookback}: step [ms]", 1000 * seconds[-1], None, None
    exponent = np.log(seconds[-1] / seconds[0]) / np.log(lookbacks[-1] / lookbacks[0])
    yield f"growth exponent from K_E = {lookbacks[0]} to {lookbacks[-1]}", exponent, 1, exponent <= 1


def untrained_scene(name: str, encoder_lookback: int, sequences: int, frames: int, **changes):
    """Return a network of the config's size, measurements (1, B, T, N, 2) and starts."""
    torch.set_num_threads(1)
    sizes = {"particles": MOTION["particles"], "frames": frames, "encoder_lookback": encoder_lookback}
    sizes = {**METHODS[name].training_options, **sizes, "decoder_lookback": 8, **changes}
    kind = NETWORKS[name]
    architecture = kind.Architecture(**{each.name: sizes[each.name] for each in fields(kind.Architecture)})
    network = kind(architecture, 1, SEED).eval()
    network.length_scale.fill_(7.0)
    made = simulate(np.arange(sequences), frames, **MOTION, measurement_noise=7.0, seed=SEED)
    return network, *(torch.from_numpy(x)[None] for x in (made.measurements, made.positions[:, 0]))


@torch.no_grad()
def track_by_encoding_anew(network, z, start):
    """Track as network.track does, but encode all that is seen and decode all that counts at each step."""
    size = network.architecture
    # Outputs reach the last layer's tokens through every decoder layer.
    reach = size.decoder_layers * (size.decoder_lookback - 1) + 1
    frame = network.frame_of_reference(start)
    measurements, outputs = frame.inward(z), frame.inward(z)
    outputs[:, :, 0] = frame.inward(start[:, :, None])[:, :, 0]
    for t in range(1, z.shape[2]):
        seen = outputs[:, :, max(0, t - reach) : t]
        outputs[:, :, t] = network.positions_after(measurements[:, :, : t + 1], seen)[:, :, -1]
    return frame.outward(outputs)


ROWS = {
    row.__name__: row
    for row in (
        unlimited,
        other_numbers,
        many_operations,
        six_experiments,
        more_experiments,
        stopping,
        teacher_forcing,
        misbelief,
        epoch,
        threads,
        replicates_together,
        decoding,
        short_sequences,
        few_sequences,
        decoding_otherwise,
        lookback,
    )
}

if __name__ == "__main__":
    record.main("transformer", __doc__, ROWS, ("torch", "numpy"))
