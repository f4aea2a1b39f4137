"""Tabulate what a figure of scores draws: per curve and x the mean of each score and its 95 % interval."""

import json
from pathlib import Path

import numpy as np

from command_line import ArgumentParser, InputError, existing_file, run
from mpt.statistics import interval
from mpt.tables import CURVES, SCORES, TRACKER_SCORES, TableReader, TableWriter, write_csv

SCORE_NAMES = [name for name in SCORES.schema.names if name not in SCORES.key]


def main() -> None:
    """Read the flags, write the table twice."""
    parser = ArgumentParser(description=__doc__)
    add = parser.add_argument
    add(
        "--scores",
        type=existing_file,
        nargs="+",
        required=True,
        metavar="F",
        help="tables of score.py, each with several trackers; a file's name without suffix is its dataset's",
    )
    add(
        "--curves",
        type=json.loads,
        required=True,
        metavar="JSON",
        help='[{"label": …, "method": …, "points": [[x, dataset, tracker], …]}, …]',
    )
    add("--columns", choices=SCORE_NAMES, nargs="+", required=True, help="the scores to tabulate")
    add("--output", type=Path, required=True, metavar="F", help="the table as Parquet")
    add("--csv", type=Path, required=True, metavar="F", help="the table as comma-separated values")
    arguments = parser.parse_args()

    wanted = {tuple(point[1:]) for curve in arguments.curves for point in curve["points"]}
    intervals = {}
    for path in arguments.scores:
        trackers = sorted(tracker for dataset, tracker in wanted if dataset == path.stem)
        for tracker, scores in _scores_by_tracker(path, trackers, arguments.columns):
            for name, values in scores.items():
                intervals[path.stem, tracker, name] = values.shape, interval(values)
    missing = sorted(
        f"{tracker} on {dataset}" for dataset, tracker in wanted - {key[:2] for key in intervals}
    )
    if missing:
        raise InputError(f"no table of scores has {', '.join(missing)}")

    rows = [
        _row(name, number, curve, point, *intervals[point[1], point[2], name])
        for name in sorted(arguments.columns)
        for number, curve in enumerate(arguments.curves)
        for point in sorted(curve["points"])
    ]
    parameters = {"columns": arguments.columns}
    with TableWriter(arguments.output, CURVES, parameters) as writer:
        writer.write({name: np.array([row[name] for row in rows]) for name in CURVES.schema.names})
    write_csv(arguments.output, arguments.csv)


def _row(name: str, number: int, curve: dict, point: list, shape: tuple[int, int], mean) -> dict:
    x, dataset, tracker = point
    return {
        "score": name,
        "curve": number,
        "x": float(x),
        "label": curve["label"],
        "method": curve["method"],
        "dataset": dataset,
        "tracker": tracker,
        "replicates": shape[0],
        "experiments": shape[1],
        "mean": mean.mean,
        "low": mean.low,
        "high": mean.high,
        "sequence_half_width": mean.sequence_half_width,
    }


def _scores_by_tracker(path: Path, trackers: list[str], columns: list[str]):
    """Yield each tracker's scores as arrays (R, B): a row per replicate, a column per test experiment."""
    with TableReader(path, TRACKER_SCORES) as reader:
        rows = reader.read()
    for tracker in trackers:
        of_tracker = rows["tracker"] == tracker
        replicates = len(np.unique(rows["replicate"][of_tracker]))
        if not replicates:
            raise InputError(f"{path}: has no scores of {tracker}")
        experiments = rows["experiment"][of_tracker]
        if (
            len(experiments) % replicates
            or (experiments.reshape(replicates, -1) != experiments[: len(experiments) // replicates]).any()
        ):
            raise InputError(f"{path}: the replicates of {tracker} are not of the same experiments")
        yield tracker, {name: rows[name][of_tracker].reshape(replicates, -1) for name in columns}


if __name__ == "__main__":
    run(main)
