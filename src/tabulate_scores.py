"""Tabulate what a figure of scores draws: per curve and x the mean of each score and its 95 % interval.

Beside it stand the median training's mean and, where it is said what counts as failed, how many failed.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from command_line import (
    ArgumentParser,
    InputError,
    json_value,
    positive_float,
    run,
)
from mpt.judgement.fits import ScalingLaw, scaling_law
from mpt.judgement.statistics import Interval, interval
from mpt.judgement.trainings import failed, failure_rate
from mpt.scoring import definitions
from mpt.tables.curves import CURVES, FIT, FITTED_TO
from mpt.tables.files import TableWriter, with_nulls, write_csv
from mpt.tables.scores import read_tracker_scores
from table_flags import add_scores_flag, add_table_flags

# Of a fitted law, enough for a smooth line.
DRAWN_POINTS = 50


def main() -> None:
    """Read the flags, write the table twice."""
    parser = ArgumentParser(description=__doc__)
    add = parser.add_argument
    add_scores_flag(parser, nargs="+", required=True)
    add(
        "--curves",
        type=json_value,
        required=True,
        metavar="JSON",
        help='[{"label": …, "method": …, "fit": null | "scaling_law", "points": [[x, dataset, tracker]…]}…], '
        "or - for stdin",
    )
    add("--columns", choices=definitions.SCORES, nargs="+", required=True, help="the scores to tabulate")
    add(
        "--failed-score",
        choices=definitions.SCORES,
        help="the score by which a training fails, with --below-median-by (default: it is not told)",
    )
    add(
        "--below-median-by",
        type=positive_float,
        metavar="D",
        help="by how much a training that failed is worse than the median one, in the unit of that score",
    )
    add_table_flags(parser)
    arguments = parser.parse_args()
    if (arguments.failed_score is None) != (arguments.below_median_by is None):
        raise InputError("--failed-score and --below-median-by are given together or not at all")
    csv = vars(arguments).pop("csv")
    tabulate_scores(**vars(arguments))
    write_csv(arguments.output, csv)


def tabulate_scores(
    *,
    scores: Sequence[Path],
    curves: Sequence[Mapping],
    columns: Sequence[str],
    output: Path,
    failed_score: str | None = None,
    below_median_by: float | None = None,
) -> None:
    """Write the table of curves from tables of scores; arguments are what the flags of main say.

    Raises InputError if a point of a curve is in no table, or no law can be fitted to a curve.
    """
    wanted = {tuple(point[1:]) for curve in curves for point in curve["points"]}
    names = list(dict.fromkeys([*columns, *filter(None, [failed_score])]))
    found_on = {}
    for path in scores:
        trackers = sorted(tracker for dataset, tracker in wanted if dataset == path.stem)
        for tracker, _, found in read_tracker_scores(path, trackers, names):
            found_on[path.stem, tracker] = found
    for (dataset, tracker), found in found_on.items():
        if found[names[0]].shape[1] < 2:
            raise InputError(
                f"{dataset}: {tracker} was scored on one experiment, and an interval needs two: of a "
                "recording, take fewer frames for each (recordings: frames)"
            )
    missing = sorted(f"{tracker} on {dataset}" for dataset, tracker in wanted - found_on.keys())
    if missing:
        raise InputError(f"no table of scores has {', '.join(missing)}")

    intervals = {
        (key, name): interval(found[name], (definitions.SCORES[name].low, definitions.SCORES[name].high))
        for key, found in found_on.items()
        for name in columns
    }
    failures = {
        key: _failures(found[failed_score], failed_score, below_median_by)
        for key, found in found_on.items()
        if failed_score and below_median_by is not None
    }
    rows: list[dict] = []
    laws: dict[str, list[dict]] = {}
    for name in sorted(columns):
        for number, curve in enumerate(curves):
            for x, dataset, tracker in sorted(curve["points"]):
                key = dataset, tracker
                there = found_on[key][name]
                median = float(np.median(there.mean(axis=1)))
                mean = intervals[key, name]
                row = _point(name, number, curve, x, dataset, tracker, there.shape, mean, median)
                rows.append(row | failures.get(key, {}))
        for number, curve in enumerate(curve for curve in curves if curve["fit"]):
            x, *keys = zip(*sorted(curve["points"]), strict=True)
            try:
                law = scaling_law(x, [found_on[key][name] for key in zip(*keys, strict=True)])
            except ValueError as error:
                raise InputError(f"{curve['label']}: no law can be fitted: {error}") from error
            laws.setdefault(name, []).append(law._asdict())
            rows += _fitted(name, len(curves) + number, curve, x, law)
    parameters = {"columns": columns, "laws": laws}
    with TableWriter(output, CURVES, parameters) as writer:
        writer.write({name: with_nulls([row[name] for row in rows]) for name in CURVES.schema.names})


def _failures(scores: np.ndarray, name: str, below_median_by: float) -> dict:
    """Return how many trainings failed by their scores (R, B), of trackers that are trained."""
    if len(scores) == 1:
        return {}
    bad = failed(scores, below_median_by, definitions.SCORES[name].better)
    rate = failure_rate(int(bad.sum()), len(bad))
    return {"failed": rate.failed, "failed_low": rate.low, "failed_high": rate.high}


def _point(
    score: str, number: int, curve: Mapping, x, dataset, tracker, shape: tuple, mean: Interval, median: float
) -> dict:
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
        "median": median,
        "failed": None,
        "failed_low": None,
        "failed_high": None,
    }


def _fitted(score: str, number: int, curve: Mapping, x: Sequence[float], law: ScalingLaw) -> list[dict]:
    """Return the law as a curve of its own, without data behind it."""
    fitted = {"label": FITTED_TO + curve["label"], "method": FIT}
    along = np.geomspace(min(x), max(x), DRAWN_POINTS)
    means = law.c.value - law.a.value * along**-law.alpha.value
    return [
        _point(score, number, fitted, at, "", "", (0, 0), Interval(mean, mean, mean, 0.0), mean)
        for at, mean in zip(along, means, strict=True)
    ]


if __name__ == "__main__":
    run(main)
