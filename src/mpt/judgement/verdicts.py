"""The verdicts of a ledger: every claim by each of its scores, and once more with each control in its place.

A ledger is what planning/ledger.py makes of the config: claims by name, and by figure the points (x, dataset,
tracker) of curves, the label of each control's curve by the control's name, and whether x is logarithmic.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from mpt.judgement import claims, trainings
from mpt.judgement.statistics import holm
from mpt.scoring.definitions import SCORES

DIRECTIONS = {"better": 1, "worse": -1}
AT = {"all": slice(None), "first": slice(1), "last": slice(-1, None)}
OPERATION_TESTS = ("exponential", "linear", "crossing")
# Scores (R, B) by name, dataset and tracker.
Scores = Mapping[tuple[str, str, str], np.ndarray]
# Lookbacks and operations, each (K,), by figure and curve.
Operations = Mapping[str, Mapping[str, tuple[np.ndarray, np.ndarray]]]


def score_names(ledger: Mapping) -> list[str]:
    """Return the scores that the ledger's verdicts need."""
    judged = [claim for claim in ledger["claims"].values() if claim["test"] not in OPERATION_TESTS]
    names = {score for claim in judged for score in claim["scores"]}
    return sorted(names | {claim["failed"]["score"] for claim in judged if "failed" in claim})


def controls(ledger: Mapping) -> list[str]:
    """Return the names of all controls that the ledger's figures have, in order."""
    return list(dict.fromkeys(name for figure in ledger["figures"].values() for name in figure["controls"]))


def judge_ledger(ledger: Mapping, scores: Scores, operations: Operations) -> list[dict]:
    """Return a row for each claim and score, in the ledger's order; NaN and None stand for what it lacks.

    A row has the columns of tables.verdicts.verdicts_table. Raises LookupError if a claim is about operations
    that were not counted, and ValueError as claims.judge does.
    """
    rows = []
    for name, claim in ledger["claims"].items():
        if claim["test"] in OPERATION_TESTS:
            rows.append(_judge_operations(name, claim, operations))
        else:
            rows += [
                _judge_scores(name, claim, ledger["figures"], scores, score) for score in claim["scores"]
            ]
    _add_verdicts(rows)
    for row in rows:
        for control in controls(ledger):
            row.setdefault(f"{control}_mean", np.nan)
            row.setdefault(f"{control}_verdict", "")
    return rows


def families(rows: Sequence[dict]) -> dict[tuple[str, str], list[dict]]:
    """Return the rows that are corrected together, by family and score: those with a p-value."""
    found: dict[tuple[str, str], list[dict]] = {}
    for row in rows:
        if not np.isnan(row["p"]):
            found.setdefault((row["family"], row["score"]), []).append(row)
    return found


def _judge_operations(name: str, claim: dict, operations: Operations) -> dict:
    counted = operations.get(claim["figure"], {})
    curves = []
    for label in [*claim["curves"], *([claim["reference"]] if claim["reference"] else [])]:
        if label not in counted:
            raise LookupError(f"no table of operations {claim['figure']} has {label}")
        # A reference may not have been counted at every lookback that the curve was.
        lookbacks, counts = counted[label]
        common = np.isin(lookbacks, claim["x"])
        curves.append((lookbacks[common], counts[common]))
    lookbacks = curves[0][0]
    if any(not np.array_equal(lookbacks, others) for others, _ in curves):
        raise LookupError(
            f"operations {claim['figure']}: {claim['curves'][0]} and {claim['reference']} were not counted "
            "at the same lookbacks"
        )
    of_curves = [counts for _, counts in curves]
    if claim["test"] == "exponential":
        judgement = claims.judge_exponential(lookbacks, of_curves[0], claim["base"])
    elif claim["test"] == "linear":
        judgement = claims.judge_linear(lookbacks, of_curves[0], claim["tolerance"])
    else:
        judgement = claims.judge_crossing(lookbacks, *of_curves)
    return _row(name, claim, "flops", judgement, [float(np.mean(each)) for each in of_curves])


def _judge_scores(name: str, claim: dict, figures: Mapping, scores: Scores, score: str) -> dict:
    chosen = claim["x"][AT[claim.get("at", "all")]]

    def curve(figure: str, label: str, name: str = score) -> dict:
        points = figures[figure]["curves"][label]
        return {x: scores[name, dataset, tracker] for x, dataset, tracker in points if x in chosen}

    figure, other_figure = claim["figure"], claim["reference_figure"]
    curves = [curve(figure, label) for label in claim["curves"]]
    reference = curve(other_figure, claim["reference"]) if claim["reference"] else None
    levels = [mean_of(curves), *([mean_of([reference])] if reference else [])]
    medians = [_median_of(curves), *([_median_of([reference])] if reference else [])]
    better = SCORES[score].better
    within = _within(claim.get("equal_within", {}).get(score, 0.0), levels[-1])
    form = claims.Claim(
        claim["test"],
        better * DIRECTIONS[claim["direction"]] if "direction" in claim else 0,
        claim.get("margin", 0.0),
        claim.get("everywhere", False),
        figures[figure]["log_x"],
        within,
        better,
    )
    rates, few = _failures(claim, figures, scores, chosen)
    judgement = claims.judge(form, curves, reference, few)
    of_controls = {}
    for control, label in figures[figure]["controls"].items():
        stand_ins = [curve(figure, label)] * len(curves)
        if stand_ins[0].keys() != curves[0].keys():
            # It has no point at some x of the claim.
            continue
        # A claim that a curve differs from one of another figure is about a tracker: the control is held
        # against itself in that figure.
        other = reference
        if other_figure != figure:
            if control not in figures[other_figure]["controls"]:
                continue
            other = curve(other_figure, figures[other_figure]["controls"][control])
        found = claims.judge(form, stand_ins, other)
        of_controls[control] = mean_of(stand_ins), claims.verdict(found, found.effect.p, found.equal_p)
    row = _row(name, claim, score, judgement, levels, medians, of_controls)
    if not np.isnan(judgement.equal_p):
        row["equal_within"] = within
    if rates:
        total = trainings.failure_rate(
            sum(rate.failed for rate in rates), sum(rate.trainings for rate in rates)
        )
        row |= {
            "trainings": total.trainings,
            "failed": total.failed,
            "failed_low": total.low,
            "failed_high": total.high,
        }
    return row


def _failures(
    claim: dict, figures: Mapping, scores: Scores, chosen: Sequence[float]
) -> tuple[list[trainings.FailureRate], tuple[bool, bool]]:
    """Return how many trainings failed of each trained tracker, and whether curves or reference have few."""
    if "failed" not in claim:
        return [], (False, False)
    told = claim["failed"]
    fewest = trainings.fewest_trainings(told["unseen_rate"])
    rates = {}

    def of_curve(figure: str, label: str) -> int | None:
        """Return the number of trainings of a curve, those of all its trackers; None if none is trained."""
        by_tracker: dict[str, dict[str, np.ndarray]] = {}
        for x, dataset, tracker in figures[figure]["curves"][label]:
            found = scores[told["score"], dataset, tracker]
            if x in chosen and len(found) > 1:
                by_tracker.setdefault(tracker, {})[dataset] = found.mean(axis=1)
        for tracker, means in by_tracker.items():
            mean = np.mean(list(means.values()), axis=0)
            bad = trainings.failed(mean[:, None], told["below_median_by"], SCORES[told["score"]].better)
            rates[tracker] = trainings.failure_rate(int(bad.sum()), len(bad))
        count = sum(rates[tracker].trainings for tracker in by_tracker)
        return count or None

    of_curves = [of_curve(claim["figure"], label) for label in claim["curves"]]
    of_reference = [of_curve(claim["reference_figure"], claim["reference"])] if claim["reference"] else []
    few_of_curves, few_of_reference = (
        any(count is not None and count < fewest for count in counts) for counts in (of_curves, of_reference)
    )
    return list(rates.values()), (few_of_curves, few_of_reference)


def _within(told: float | Mapping, level: float) -> float:
    return told["relative"] * abs(level) if isinstance(told, Mapping) else told


def mean_of(curves: Sequence[Mapping[float, np.ndarray]]) -> float:
    """Return the mean over curves and x of mean scores."""
    return float(np.mean([scores.mean() for curve in curves for scores in curve.values()]))


def _median_of(curves: Sequence[Mapping[float, np.ndarray]]) -> float:
    """Return the mean over curves and x of the median training's mean score."""
    return float(np.mean([np.median(scores.mean(axis=1)) for c in curves for scores in c.values()]))


def _row(
    name: str,
    claim: dict,
    score: str,
    judgement: claims.Judgement,
    levels: Sequence[float],
    medians: Sequence[float] = (),
    of_controls: Mapping[str, tuple[float, str]] | None = None,
) -> dict:
    """Return a row without its verdict, which waits for the other claims."""
    found = {
        "claim": name,
        "score": score,
        "statement": claim["statement"],
        "figure": claim["figure"],
        "family": claim.get("family", claim["figure"]),
        "judgement": judgement,
        **judgement.effect._asdict(),
        "points": len(judgement.points),
        "points_as_claimed": judgement.count(judgement.sign),
        "points_otherwise": judgement.count(-judgement.sign) if judgement.sign else 0,
        "mean": levels[0],
        "reference_mean": levels[1] if len(levels) > 1 else np.nan,
        "detail": judgement.detail,
        "equal_within": np.nan,
        "median": medians[0] if medians else np.nan,
        "reference_median": medians[1] if len(medians) > 1 else np.nan,
        "trainings": None,
        "failed": None,
        "failed_low": np.nan,
        "failed_high": np.nan,
    }
    for control, (mean, verdict) in (of_controls or {}).items():
        found |= {f"{control}_mean": mean, f"{control}_verdict": verdict}
    return found


def _add_verdicts(rows: list[dict]) -> None:
    """Correct the p-values of each family, and add the verdicts.

    A claim that something holds everywhere is contradicted by a single point: each of its points is a test of
    its family. The tests of equality of a family are corrected among themselves.
    """
    for row in rows:
        row["corrected_p"], row["equal_p"] = row["p"], row["judgement"].equal_p
    for family in families(rows).values():
        everywhere = [row for row in family if row["judgement"].everywhere]
        points = [point.p_alone for row in everywhere for point in row["judgement"].points]
        adjusted = holm([row["p"] for row in family] + points)
        for row, p in zip(family, adjusted, strict=False):
            row["corrected_p"] = float(p)
        of_points = iter(adjusted[len(family) :])
        for row in everywhere:
            judgement = row["judgement"]
            corrected = claims.at_points(
                judgement.points, [p for _, p in zip(judgement.points, of_points, strict=False)]
            )
            row["judgement"] = replace(judgement, points=corrected)
        asked = [row for row in family if not np.isnan(row["equal_p"])]
        if asked:
            for row, p in zip(asked, holm([row["equal_p"] for row in asked]), strict=True):
                row["equal_p"] = float(p)
    for row in rows:
        row["verdict"] = claims.verdict(row["judgement"], row["corrected_p"], row["equal_p"])
