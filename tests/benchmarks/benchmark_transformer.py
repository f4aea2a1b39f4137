"""Measure the numbers that the transformer is to reach, each row by itself, beside their bars.

    python tests/benchmarks/benchmark_transformer.py unlimited six_experiments

trains and tracks by the scripts' command lines with the network and the training of config.yaml, and writes
what it found into transformer.csv and transformer.md; rows that were not asked for stay as they are. --quick
checks that the rows run: its numbers mean nothing.
"""

import argparse
import csv
import platform
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "src"))

COLUMNS = ("row", "quantity", "value", "bar", "reached", "how")
SEED = 4242
MOTION = {"particles": 2, "process_noise": 1.5, "initial_spread": 5, "drift_spread": 0.1}


@dataclass(frozen=True)
class Scores:
    """Mean link Jaccard and root mean square position error of a tracker's replicates, (R,)."""

    jaccard: np.ndarray
    error: np.ndarray


class Bench:
    """A scratch directory, the scripts, and how large everything is."""

    def __init__(self, directory: Path, quick: bool):
        """Read the network and the training from the config."""
        self.directory, self.quick = directory, quick
        config = yaml.safe_load((ROOT / "config.yaml").read_text())
        self.network, self.training = config["transformer"], config["training"]
        # What the last model was made with.
        self.made_with = dict(self.network)

    def run(self, script: str, output: Path | list[Path], **flags) -> float:
        """Run a script with flags; returns the seconds that it took."""
        command = [sys.executable, str(ROOT / "src" / script)]
        for name, value in {**flags, "output": output}.items():
            values = value if isinstance(value, list) else [value]
            command += [f"--{name.replace('_', '-')}", *map(str, values)]
        print(shlex.join(command[1:]), flush=True)
        begin = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - begin

    def simulate(self, stream: str, experiments: int, frames: int, noise: float) -> Path:
        """Return the directory of a dataset."""
        output = self.directory / f"{stream}_{experiments}_{frames}_{noise}"
        if not output.exists():
            model = {**MOTION, "frames": frames, "measurement_noise": noise, "experiments": experiments}
            self.run("simulate.py", output, **model, seed=SEED, stream=stream)
        return output

    def train(self, dataset: Path, replicates: int, **changes) -> tuple[Path, float]:
        """Return a model with the seconds that its training took, start-up and validation included."""
        output = self.directory / f"{dataset.name}_{len(list(self.directory.iterdir()))}" / "model.pt"
        epochs = {"epochs": 1} if self.quick else {}
        flags = {**self.network, **self.training, **changes, **epochs, "replicates": replicates, "seed": SEED}
        self.made_with = flags
        seconds = self.run("train.py", output, dataset=dataset, **flags)
        return output, seconds

    def transformer(self, model: Path, test: Path, replicates: int) -> Scores:
        """Track with every replicate and score."""
        tracks = [model.with_name(f"{replicate}.parquet") for replicate in range(replicates)]
        command = {"measurements": test / "measurements.parquet", "initial": test / "initial.parquet"}
        self.run("track_transformer.py", tracks, **command, model=model)
        return self.score(test, tracks)

    def mht(self, test: Path, lookback: int, noise: float) -> Scores:
        """Track with the MHT, told the model, and score."""
        output = test / f"mht_{lookback}.parquet"
        told = {"process_noise": MOTION["process_noise"], "velocity_spread": MOTION["drift_spread"]}
        told["measurement_noise"] = noise
        command = {"measurements": test / "measurements.parquet", "initial": test / "initial.parquet"}
        self.run("track_mht.py", output, **command, **told, lookback=lookback)
        return self.score(test, [output])

    def score(self, test: Path, tracks: list[Path]) -> Scores:
        """Score each of the tracks."""
        from mpt import tables

        jaccard, error = [], []
        for path in tracks:
            output = path.with_suffix(".scores.parquet")
            self.run("score.py", output, truth=test / "truth.parquet", tracks=path)
            with tables.TableReader(output, tables.SCORES) as reader:
                scores = reader.read()
            jaccard.append(scores["jaccard"].mean())
            error.append(np.sqrt(np.mean(scores["position_error"] ** 2)))
        return Scores(np.array(jaccard), np.array(error))


def unlimited(bench: Bench) -> Iterator[tuple]:
    """Fresh simulations at every step."""
    how = {"batches": "unlimited", "experiments_per_batch": 64, "epochs": 300, "validate_every": 50}
    if bench.quick:
        how["experiments_per_batch"] = 1
    for noise in (2, 7):
        test = bench.simulate("test", 10 if bench.quick else 1000, 50, noise)
        dataset = bench.simulate("training", 1, 50, noise)
        model, seconds = bench.train(dataset, 1, encoder_lookback=50, decoder_lookback=8, **how)
        yield f"σ = {noise}: training [s]", seconds, 900, seconds <= 900
        found = bench.transformer(model, test, 1)
        for lookback in (1, 8):
            mht = bench.mht(test, lookback, noise)
            jaccard, error = found.jaccard[0] - mht.jaccard[0], found.error[0] / mht.error[0]
            name = f"σ = {noise}: %s MHT K = {lookback}"
            yield name % "Jaccard −", jaccard, 0, jaccard >= 0
            yield name % "position error /", error, 1.01, error <= 1.01
        yield f"σ = {noise}: Jaccard", found.jaccard[0], None, None
        yield f"σ = {noise}: position error", found.error[0], None, None


def six_experiments(bench: Bench) -> Iterator[tuple]:
    """transformer_{150,1}: the median of five trainings."""
    test = bench.simulate("test", 10 if bench.quick else 1000, 150, 7)
    dataset = bench.simulate("training", 30, 150, 7)
    size = {"batches": 6, "experiments_per_batch": 1, "encoder_lookback": 150, "decoder_lookback": 8}
    model, seconds = bench.train(dataset, 5, **size)
    # They are trained side by side.
    yield "training, each of 5 [s]", seconds / 5, 60, seconds / 5 <= 60
    found, mht = bench.transformer(model, test, 5), bench.mht(test, 1, 7)
    error, jaccard = np.median(found.error / mht.error), np.median(found.jaccard - mht.jaccard)
    yield "position error / MHT K = 1, median", error, 1.12, error <= 1.12
    yield "Jaccard − MHT K = 1, median", jaccard, -0.01, jaccard >= -0.01
    yield "validation sequences", bench.training["validation_experiments"], None, None
    yield "epochs", bench.training["epochs"], None, None


def more_experiments(bench: Bench) -> Iterator[tuple]:
    """transformer_{8,i} at σ = 1.2: the mean of five trainings rises with i."""
    noise, numbers = 1.2, (1, 3) if bench.quick else (1, 3, 10, 30, 100)
    test = bench.simulate("test", 10 if bench.quick else 3000, 8, noise)
    mht = bench.mht(test, 8, noise).jaccard[0]
    yield "Jaccard of MHT K = 8", mht, None, None
    jaccards = []
    for i in numbers:
        dataset = bench.simulate("training", 30 * i, 8, noise)
        size = {"batches": 6, "experiments_per_batch": i, "encoder_lookback": 8, "decoder_lookback": 8}
        model, _ = bench.train(dataset, 5, **size)
        jaccards.append(bench.transformer(model, test, 5).jaccard.mean())
        yield f"i = {i}: Jaccard", jaccards[-1], None, None
    rises = np.diff(jaccards).min()
    yield "smallest rise from i to the next", rises, 0, rises > 0
    short = jaccards[-1] - mht
    yield f"i = {numbers[-1]}: Jaccard − MHT K = 8", short, -0.02, short >= -0.02


def decoding(bench: Bench) -> Iterator[tuple]:
    """Incremental decoding against encoding the window anew at each step, in one run."""
    sequences, frames = (4, 12) if bench.quick else (200, 150)
    network, z, start = untrained_scene(bench, frames, sequences, frames)
    begin = time.perf_counter()
    tracks = network.track(z, start)
    cached = time.perf_counter() - begin
    begin = time.perf_counter()
    again = track_by_encoding_anew(network, z, start)
    anew = time.perf_counter() - begin
    yield f"{sequences} sequences of {frames} frames, cached [s]", cached, 10, cached <= 10
    yield "the same, encoding anew at each step [s]", anew, None, None
    yield "times as fast", anew / cached, 20, anew / cached >= 20
    apart = float((again - tracks).abs().max())
    yield "greatest difference of the positions", apart, None, None


def lookback(bench: Bench) -> Iterator[tuple]:
    """The cost of a step as K_E grows."""
    sequences, frames = (4, 12) if bench.quick else (100, 150)
    lookbacks = (4, 12) if bench.quick else (8, 16, 32, 64, 150)
    seconds = []
    for encoder_lookback in lookbacks:
        network, z, start = untrained_scene(bench, encoder_lookback, sequences, frames)
        times = []
        for _ in range(3):
            begin = time.perf_counter()
            network.track(z, start)
            times.append(time.perf_counter() - begin)
        seconds.append(min(times) / (frames - 1))
        yield f"K_E = {encoder_lookback}: step [ms]", 1000 * seconds[-1], None, None
    exponent = np.log(seconds[-1] / seconds[0]) / np.log(lookbacks[-1] / lookbacks[0])
    yield f"growth exponent from K_E = {lookbacks[0]} to {lookbacks[-1]}", exponent, 1, exponent <= 1


def untrained_scene(bench: Bench, encoder_lookback: int, sequences: int, frames: int):
    """Return a network of the config's size, measurements (1, B, T, N, 2) and starts."""
    import torch

    from mpt.motion import simulate
    from mpt.transformer import Architecture, Transformer

    torch.set_num_threads(1)
    sizes = {"particles": 2, "frames": frames, "encoder_lookback": encoder_lookback, "decoder_lookback": 8}
    network = Transformer(Architecture(**sizes, **bench.network), 1, SEED).eval()
    network.length_scale.fill_(7.0)
    made = simulate(np.arange(sequences), frames, **MOTION, measurement_noise=7.0, seed=SEED)
    return network, *(torch.from_numpy(x)[None] for x in (made.measurements, made.positions[:, 0]))


def track_by_encoding_anew(network, z, start):
    """Track as network.track does, but encode all that is seen and decode all that counts at each step."""
    import torch

    size = network.architecture
    # Outputs reach the last layer's tokens through every decoder layer.
    reach = size.decoder_layers * (size.decoder_lookback - 1) + 1
    frame = network.frame_of_reference(start)
    measurements, outputs = frame.inward(z), frame.inward(z)
    outputs[:, :, 0] = frame.inward(start[:, :, None])[:, :, 0]
    with torch.no_grad():
        for t in range(1, z.shape[2]):
            seen = outputs[:, :, max(0, t - reach) : t]
            outputs[:, :, t] = network.positions_after(measurements[:, :, : t + 1], seen)[:, :, -1]
    return frame.outward(outputs)


ROWS = {row.__name__: row for row in (unlimited, six_experiments, more_experiments, decoding, lookback)}


def write(directory: Path, found: dict[str, list[dict]]) -> None:
    """Replace the rows that were measured in the tables of the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    table = directory / "transformer.csv"
    rows = list(csv.DictReader(table.open())) if table.exists() else []
    rows = [row for row in rows if row["row"] not in found] + [row for new in found.values() for row in new]
    rows.sort(key=lambda row: list(ROWS).index(row["row"]))
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    shown = COLUMNS[:-1]
    lines = ["| " + " | ".join(shown) + " |", "|" + "---|" * len(shown)]
    lines += ["| " + " | ".join(row[name] for name in shown) + " |" for row in rows]
    how = {row["row"]: row["how"] for row in rows}
    lines += ["", *(f"- `{name}`: {text}" for name, text in how.items()), ""]
    (directory / "transformer.md").write_text("\n".join(lines))


def circumstances(bench: Bench, row: str) -> str:
    """Say what the row was measured with."""
    import torch

    config = ", ".join(f"{name} {value}" for name, value in bench.made_with.items())
    revision = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    commit = subprocess.run(revision, capture_output=True, text=True, check=True).stdout.strip()
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, numpy {np.__version__}"
    command = f"python tests/benchmarks/benchmark_transformer.py {row}"
    return f"{command}; {config}; one thread; {versions}, {platform.machine()}; {commit}"


def main() -> None:
    """Measure the rows asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="row", help=", ".join(ROWS) + "; default all")
    parser.add_argument("--quick", action="store_true", help="tiny sizes; needs --output")
    parser.add_argument("--output", type=Path, metavar="DIR", help="default results/reference/benchmarks")
    flags = parser.parse_args()
    unknown = set(flags.rows) - set(ROWS)
    if unknown:
        parser.error(f"no row is called {unknown.pop()!r}")
    if flags.quick and flags.output is None:
        parser.error("--quick needs --output")
    output = flags.output or ROOT / "results" / "reference" / "benchmarks"
    for name in flags.rows or ROWS:
        with tempfile.TemporaryDirectory() as scratch:
            bench = Bench(Path(scratch), flags.quick)
            rows = []
            for quantity, value, bar, reached in ROWS[name](bench):
                verdict = "" if reached is None else "yes" if reached else "no"
                rows.append(
                    {
                        "row": name,
                        "quantity": quantity,
                        "value": f"{value:.4g}",
                        "bar": "" if bar is None else f"{bar:g}",
                        "reached": verdict,
                        "how": circumstances(bench, name),
                    }
                )
                print(f"{quantity}: {rows[-1]['value']}  (bar: {rows[-1]['bar']}) {verdict}", flush=True)
        write(output, {name: rows})


if __name__ == "__main__":
    main()
