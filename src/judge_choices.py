"""Judge claims under choices that the paper leaves open: simulate, train, track and score, all in one job.

Each step is that of the workflow, by the main() of its script. What choices have in common is made once, and
what lies between the steps is removed in the end.
"""

import json
import shlex
import tempfile
from importlib import import_module
from pathlib import Path

import numpy as np

import judge_claims
import score
import simulate
from command_line import ArgumentParser, call, existing_file, output_file, run
from mpt.judgement import verdicts
from mpt.tables.files import TableWriter
from mpt.tables.verdicts import choices_table

# Sequences and networks are small, and what is compared is made on the same kind of processor.
DEVICE = ("--device", "cpu")


def main() -> None:
    """Read the flags, do the work, write the verdicts."""
    parser = ArgumentParser(description=__doc__)
    add = parser.add_argument
    add(
        "--work",
        type=existing_file,
        required=True,
        metavar="F",
        help='JSON, {"models": {…}, "trackers": {…}, …} as planning/choices.py makes it',
    )
    add("--part", required=True, help="the part of the study that the choices are of")
    add(
        "--output",
        type=output_file,
        required=True,
        metavar="F",
        help="table of the verdicts under each choice",
    )
    arguments = parser.parse_args()
    work = json.loads(arguments.work.read_text(encoding="utf-8"))
    axes = list(work["choices"][0]["choice"])

    with tempfile.TemporaryDirectory(prefix="choices-") as name:
        directory = Path(name)
        for model, flags in work["models"].items():
            train_model(directory, model, flags)
        for dataset, flags in work["datasets"].items():
            trackers = {tracker: work["trackers"][tracker] for tracker in work["tracked"][dataset]}
            score_dataset(directory, dataset, flags, trackers)
        found = [
            judge_choice(directory, {"claims": work["claims"][each["claims"]], "figures": each["figures"]})
            for each in work["choices"]
        ]

    keys = [(arguments.part, *each["choice"].values()) for each in work["choices"]]
    controls = list(dict.fromkeys(name for each in work["choices"] for name in verdicts.controls(each)))
    table = choices_table(axes, controls)
    with TableWriter(arguments.output, table, {"axes": axes}) as writer:
        for key, rows in sorted(zip(keys, found, strict=True), key=lambda pair: pair[0]):
            choice = {
                axis: np.full(len(rows), value) for axis, value in zip(["part", *axes], key, strict=True)
            }
            for row in rows:
                for control in controls:
                    row.setdefault(f"{control}_mean", np.nan)
                    row.setdefault(f"{control}_verdict", "")
            names = [name for name in table.schema.names if name not in choice]
            writer.write(choice | judge_claims.columns_of(rows, names))


def train_model(directory: Path, model: str, flags: dict) -> None:
    """Write models/MODEL/model.pt, trained on a dataset that is not kept."""
    # PyTorch takes seconds to import; most jobs train nothing.
    import train

    with tempfile.TemporaryDirectory(dir=directory) as data:
        call(simulate.main, "simulate.py", [*shlex.split(flags["simulate"]), "--output", data])
        path = directory / "models" / model / "model.pt"
        path.parent.mkdir(parents=True)
        training = ["--dataset", data, *shlex.split(flags["train"]), *DEVICE, "--output", path]
        call(train.main, "train.py", training)


def score_dataset(directory: Path, dataset: str, flags: dict, hows: dict[str, dict]) -> None:
    """Write scores/DATASET.parquet with all trackers; dataset and tracks are not kept."""
    with tempfile.TemporaryDirectory(dir=directory) as name:
        data = Path(name)
        call(simulate.main, "simulate.py", [*shlex.split(flags["simulate"]), "--output", data])
        tracks, trackers = [], []
        replicates: list[int] = []
        for tracker, how in hows.items():
            found = track(directory, data, tracker, how)
            tracks += found
            trackers += [tracker] * len(found)
            replicates += range(len(found))
        keys = ["--tracker", *trackers, "--replicate", *replicates]
        path = directory / "scores" / f"{dataset}.parquet"
        scoring = [
            "--truth",
            data / "truth.parquet",
            "--tracks",
            *tracks,
            *keys,
            *shlex.split(flags["score"]),
        ]
        call(score.main, "score.py", [*scoring, "--output", path])


def track(directory: Path, data: Path, tracker: str, how: dict) -> list[Path]:
    """Write the tracks of each replicate of a tracker on a dataset; returns the files."""
    scenes = ["--measurements", data / "measurements.parquet", "--initial", data / "initial.parquet"]
    script = Path(how["script"])
    main = import_module(script.stem).main
    if "model" in how:
        paths = [data / f"{tracker}_{replicate}.parquet" for replicate in range(how["replicates"])]
        model = ["--model", directory / "models" / how["model"] / "model.pt", *DEVICE]
        call(main, script.name, [*scenes, *model, *shlex.split(how["flags"]), "--output", *paths])
        return paths
    path = data / f"{tracker}.parquet"
    if how.get("truth"):
        scenes += ["--truth", data / "truth.parquet"]
    flags = shlex.split(how["flags"])
    call(main, script.name, [*scenes, *flags, "--output", path])
    return [path]


def judge_choice(directory: Path, ledger: dict) -> list[dict]:
    """Return the rows of a choice's verdicts."""
    curves = [points for figure in ledger["figures"].values() for points in figure["curves"].values()]
    datasets = sorted({dataset for points in curves for _, dataset, _ in points})
    scores = [directory / "scores" / f"{dataset}.parquet" for dataset in datasets]
    return judge_claims.judge_claims(ledger=ledger, scores=scores)


if __name__ == "__main__":
    run(main)
