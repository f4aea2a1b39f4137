"""Judge claims under choices that the paper leaves open: simulate, train, track and score, all in one job.

Each step is that of the workflow, by the function of its script; only a script that is not the project's is
run. What choices have in common is made once, and what lies between the steps is removed in the end.
"""

import json
import os
import shlex
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path

import numpy as np

import judge_claims
import score
import simulate
import supervise
from command_line import ArgumentParser, InputError, existing_file, output_file, run
from mpt.judgement import verdicts
from mpt.tables.files import TableWriter
from mpt.tables.verdicts import choices_table
from planning.flags import flags

# Sequences and networks are small, and what is compared is made on the same kind of processor.
DEVICE = "cpu"


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
    write_choices(arguments.output, arguments.part, work["choices"], judge_choices(work))


def judge_choices(work: dict) -> list[list[dict]]:
    """Return the rows of the verdicts under each choice of the work (planning.choices.work), in its order.

    Raises InputError as the steps do.
    """
    with tempfile.TemporaryDirectory(prefix="choices-") as name:
        directory = Path(name)
        for model, how in work["models"].items():
            train_model(directory, model, how)
        for dataset, how in work["datasets"].items():
            trackers = {tracker: work["trackers"][tracker] for tracker in work["tracked"][dataset]}
            score_dataset(directory, dataset, how, trackers)
        return [
            judge_choice(directory, {"claims": work["claims"][each["claims"]], "figures": each["figures"]})
            for each in work["choices"]
        ]


def write_choices(path: Path, part: str, choices: list[dict], found: list[list[dict]]) -> None:
    """Write the table of choices: the rows found under each."""
    axes = list(choices[0]["choice"])
    controls = list(dict.fromkeys(name for each in choices for name in verdicts.controls(each)))
    table = choices_table(axes, controls)
    keys = [(part, *each["choice"].values()) for each in choices]
    informations = [each["information"] for each in choices]
    with TableWriter(path, table, {"axes": axes}) as writer:
        for key, information, rows in sorted(
            zip(keys, informations, found, strict=True), key=lambda each: each[0]
        ):
            choice = dict(zip(["part", *axes], key, strict=True)) | {"information": information}
            choice = {name: np.full(len(rows), value, object) for name, value in choice.items()}
            for row in rows:
                for control in controls:
                    row.setdefault(f"{control}_mean", np.nan)
                    row.setdefault(f"{control}_verdict", "")
            names = [name for name in table.schema.names if name not in choice]
            writer.write(choice | judge_claims.columns_of(rows, names))


def is_own(script: Path) -> bool:
    """Say whether a script is the project's, with a function to call."""
    return Path(os.path.abspath(script)).parent == Path(os.path.abspath(__file__)).parent


def run_script(script: Path, arguments: dict, options: dict) -> None:
    """Run a script that is not the project's; raises InputError if it fails."""
    words = shlex.split(flags({name: _text(value) for name, value in arguments.items()} | options))
    program = [sys.executable, str(script)] if script.suffix == ".py" else [str(script.resolve())]
    if status := subprocess.run([*program, *words], check=False).returncode:
        raise InputError(f"{script}: ended with status {status}; what it printed is above")


def _text(value: object) -> object:
    return [str(each) for each in value] if isinstance(value, list) else str(value)


def train_model(directory: Path, model: str, how: dict) -> None:
    """Write models/MODEL/model.pt, trained on a dataset that is not kept."""
    script = Path(how["script"])
    with tempfile.TemporaryDirectory(dir=directory) as name:
        data = Path(name)
        simulate.simulate_dataset(**how["simulate"], output=data)
        path = directory / "models" / model / "model.pt"
        path.parent.mkdir(parents=True)
        if is_own(script):
            import_module(script.stem).train(dataset=[data], **how["train"], device=DEVICE, output=path)
        else:
            run_script(script, {"dataset": [data], "device": DEVICE, "output": path}, how["train"])


def score_dataset(directory: Path, dataset: str, how: dict, trackers: dict[str, dict]) -> None:
    """Write scores/DATASET.parquet with all trackers; dataset and tracks are not kept."""
    with tempfile.TemporaryDirectory(dir=directory) as name:
        data = Path(name)
        simulate.simulate_dataset(**how["simulate"], output=data)
        tracks: list[Path] = []
        names: list[str] = []
        replicates: list[int] = []
        for tracker, declared in trackers.items():
            found = track(directory, data, tracker, declared)
            tracks += found
            names += [tracker] * len(found)
            replicates += range(len(found))
        output = directory / "scores" / f"{dataset}.parquet"
        score.score(
            truth=data / "truth.parquet",
            tracks=tracks,
            trackers=names,
            replicates=replicates,
            tolerance_multiple=float(how["score"]["tolerance"]),
            output=output,
        )


def track(directory: Path, data: Path, tracker: str, how: dict) -> list[Path]:
    """Write the tracks of each replicate of a tracker on a dataset; returns the files."""
    script, settings = Path(how["script"]), how["settings"]
    scene = {"measurements": data / "measurements.parquet", "initial": data / "initial.parquet"}
    told = {"truth": data / "truth.parquet"} if how.get("truth") else {}
    if "model" in how:
        paths = [data / f"{tracker}_{replicate}.parquet" for replicate in range(how["replicates"])]
        model = {"model": directory / "models" / how["model"] / "model.pt", "device": DEVICE}
        given = {**scene, **told, **model, "output": paths}
        if is_own(script):
            import_module(script.stem).track(**given, **settings)
        else:
            run_script(script, given, settings)
        return paths
    path = data / f"{tracker}.parquet"
    if is_own(script):
        import_module(script.stem).track(**scene, **told, **settings, output=path)
    else:
        options = shlex.split(flags(settings | {name: str(value) for name, value in told.items()}))
        supervise.supervise(
            **scene,
            method=how["method"],
            script=script,
            seconds=how["seconds"],
            output=path,
            options=options,
        )
    return [path]


def judge_choice(directory: Path, ledger: dict) -> list[dict]:
    """Return the rows of a choice's verdicts."""
    curves = [points for figure in ledger["figures"].values() for points in figure["curves"].values()]
    datasets = sorted({dataset for points in curves for _, dataset, _ in points})
    scores = [directory / "scores" / f"{dataset}.parquet" for dataset in datasets]
    return judge_claims.judge_claims(ledger=ledger, scores=scores)


if __name__ == "__main__":
    run(main)
