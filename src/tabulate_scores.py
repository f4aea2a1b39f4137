"""Tabulate what a figure of scores draws: per curve and x the mean of each score and its 95 % interval."""

from collections.abc import Sequence

import numpy as np

from command_line import ArgumentParser, InputError, existing_file, json_value, output_file, run
from mpt.judgement.fits import ScalingLaw, scaling_law
from mpt.judgement.statistics import Interval, interval
from mpt.tables.curves import CURVES
from mpt.tables.files import TableWriter, write_csv
from mpt.tables.scores import SCORES, read_tracker_scores

SCORE_NAMES = [name for name in SCORES.schema.names if name not in SCORES.key]

# Of a fitted law, enough for a smooth line.
FITTED_POINTS = 50


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
        type=json_value,
        required=True,
        metavar="JSON",
        help='[{"label": …, "method": …, "fit": null | "scaling_law", "points": [[x, dataset, tracker]…]}…], '
        "or - for stdin",
    )
    add("--columns", choices=SCORE_NAMES, nargs="+", required=True, help="the scores to tabulate")
    add("--output", type=output_file, required=True, metavar="F", help="the table as Parquet")
    add("--csv", type=output_file, required=True, metavar="F", help="the table as comma-separated values")
    arguments = parser.parse_args()

    wanted = {tuple(point[1:]) for curve in arguments.curves for point in curve["points"]}
    scores = {}
    for path in arguments.scores:
        trackers = sorted(tracker for dataset, tracker in wanted if dataset == path.stem)
        for tracker, _, found in read_tracker_scores(path, trackers, arguments.columns):
            scores[path.stem, tracker] = found
    missing = sorted(f"{tracker} on {dataset}" for dataset, tracker in wanted - scores.keys())
    if missing:
        raise InputError(f"no table of scores has {', '.join(missing)}")

    intervals = {(key, name): interval(found[name]) for key, found in scores.items() for name in found}
    rows, laws = [], {}
    for name in sorted(arguments.columns):
        for number, curve in enumerate(arguments.curves):
            for x, *key in sorted(curve["points"]):
                found = scores[tuple(key)][name]
                rows.append(_point(name, number, curve, x, *key, found.shape, intervals[tuple(key), name]))
        for number, curve in enumerate(curve for curve in arguments.curves if curve["fit"]):
            x, *keys = zip(*sorted(curve["points"]), strict=True)
            law = scaling_law(x, [scores[key][name] for key in zip(*keys, strict=True)])
            laws.setdefault(name, []).append(law._asdict())
            rows += _fitted(name, len(arguments.curves) + number, curve, x, law)
    parameters = {"columns": arguments.columns, "laws": laws}
    with TableWriter(arguments.output, CURVES, parameters) as writer:
        writer.write({name: np.array([row[name] for row in rows]) for name in CURVES.schema.names})
    write_csv(arguments.output, arguments.csv)


def _point(score: str, number: int, curve: dict, x, dataset, tracker, shape: tuple, mean: Interval) -> dict:
    return {
        "score": score,
        "curve": number,
        "x": float(x),
        "label": curve["label"],
        "method": curve["method"],
        "dataset": dataset,
        "tracker": tracker,
        "replicates": shape[0],
        "experiments": shape[1],
        **mean._asdict(),
    }


def _fitted(score: str, number: int, curve: dict, x: Sequence[float], law: ScalingLaw) -> list[dict]:
    """Return the law as a curve of its own, without data behind it."""
    fitted = {"label": f"fit to {curve['label']}", "method": "fit"}
    along = np.geomspace(min(x), max(x), FITTED_POINTS)
    means = law.c.value - law.a.value * along**-law.alpha.value
    return [
        _point(score, number, fitted, at, "", "", (0, 0), Interval(mean, mean, mean, 0.0))
        for at, mean in zip(along, means, strict=True)
    ]


if __name__ == "__main__":
    run(main)
