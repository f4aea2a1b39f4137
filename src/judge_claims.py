"""Judge claims by scores and counted operations: effect, 95 % interval, p-value and verdict of each.

Every claim is judged by each of its scores, and once more with each control in the place of its curve, to
show what the score is worth. The verdicts are written as a table, twice, and in words.
"""

import inspect
from pathlib import Path

import numpy as np

from command_line import ArgumentParser, InputError, existing_file, json_value, output_file, run
from mpt.judgement import claims
from mpt.judgement.statistics import holm
from mpt.tables.files import TableReader, TableWriter, write_csv
from mpt.tables.operations import OPERATIONS
from mpt.tables.scores import read_tracker_scores
from mpt.tables.verdicts import CLAIMS

CONTROLS = ("frozen", "random", "oracle")
DIRECTIONS = {"better": 1, "worse": -1}
AT = {"all": slice(None), "first": slice(1), "last": slice(-1, None)}
OPERATION_TESTS = ("exponential", "linear", "crossing")
NAMES = {
    "jaccard": "JC",
    "gated_jaccard": "gated JC",
    "position_error": "position error",
    "flops": "FLOPs",
}
EXPLANATION = """\
Below, each effect has its 95 % interval and its corrected p-value. Points: at how many the effect is, alone,
significantly as claimed and otherwise. Mean: that of the curve against that of what it is compared with.
Controls: the mean on the same data, and the verdict with the control in the place of the curve, its p-value
not corrected.

Effects and means are of different samples where sequences of several lengths have different numbers of
experiments: an effect is estimated from the experiments that all lengths have, since only these can be
paired; a mean uses all. So an effect need not be the difference of the means beside it.

Each p-value is corrected over one family per figure and score: all claims about that figure, judged by that
score. The intervals are not corrected. They are conservative where a curve has few trainings: whatever
trainings differ by counts as spread among trainings, though part of it is chance of the test sequences, so
that p-values far below 0.05 hold too, as the correction needs. Only a fitted limit has its interval from a
bootstrap instead."""


def main() -> None:
    """Read the flags, judge, write the tables."""
    parser = ArgumentParser(description=__doc__)
    add = parser.add_argument
    add(
        "--scores",
        type=existing_file,
        nargs="*",
        default=[],
        metavar="F",
        help="tables of score.py, each with several trackers; a file's name without suffix is its dataset's",
    )
    add(
        "--operations",
        type=existing_file,
        nargs="*",
        default=[],
        metavar="F",
        help="tables of tabulate_operations.py; a file's name without suffix is its figure's",
    )
    add(
        "--ledger",
        type=json_value,
        required=True,
        metavar="JSON",
        help='{"claims": {…}, "figures": {…}} as planning/ledger.py makes it of the config, or - for stdin',
    )
    add("--output", type=output_file, required=True, metavar="F", help="the verdicts as Parquet")
    add("--csv", type=output_file, required=True, metavar="F", help="the verdicts as comma-separated values")
    add(
        "--markdown",
        type=output_file,
        required=True,
        metavar="F",
        help="the verdicts to be read, as Markdown",
    )
    arguments = parser.parse_args()

    declared, figures = arguments.ledger["claims"], arguments.ledger["figures"]
    names = sorted({score for claim in declared.values() for score in claim["scores"]})
    scores = read_scores(arguments.scores, figures, names)
    operations = {path.stem: read_operations(path) for path in arguments.operations}
    verdicts = []
    for name, claim in declared.items():
        if claim["test"] in OPERATION_TESTS:
            verdicts.append(judge_operations(name, claim, operations))
        else:
            verdicts += [judge_scores(name, claim, figures, scores, score) for score in claim["scores"]]
    add_corrected(verdicts)

    text = in_words(verdicts)
    verdicts.sort(key=lambda row: (row["claim"], row["score"]))
    with TableWriter(arguments.output, CLAIMS, arguments.ledger) as writer:
        writer.write({name: column([row[name] for row in verdicts]) for name in CLAIMS.schema.names})
    write_csv(arguments.output, arguments.csv)
    arguments.markdown.write_text(text, encoding="utf-8")


def read_scores(paths: list[Path], figures: dict, names: list[str]) -> dict:
    """Return scores (R, B) by name, dataset and tracker, of all points of the figures' curves."""
    curves = [points for figure in figures.values() for points in figure["curves"].values()]
    wanted = {(dataset, tracker) for points in curves for _, dataset, tracker in points}
    found, longest = {}, np.array([], int)
    for path in paths:
        trackers = sorted(tracker for dataset, tracker in wanted if dataset == path.stem)
        for tracker, experiments, columns in read_tracker_scores(path, trackers, names):
            shared = min(len(longest), len(experiments))
            if (longest[:shared] != experiments[:shared]).any():
                raise InputError(f"{path}: its experiments are not those of {paths[0]}")
            longest = max(longest, experiments, key=len)
            wanted.remove((path.stem, tracker))
            found |= {(name, path.stem, tracker): values for name, values in columns.items()}
    if wanted:
        missing = ", ".join(sorted(f"{tracker} on {dataset}" for dataset, tracker in wanted))
        raise InputError(f"no table of scores has {missing}")
    return found


def read_operations(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return lookbacks and FLOPs by tracker and variant, of those that were counted."""
    with TableReader(path, OPERATIONS) as reader:
        rows = reader.read()
    uncounted = np.ma.getmaskarray(rows["flops"])
    rows = {column: np.ma.getdata(values)[~uncounted] for column, values in rows.items()}
    names = np.array(
        [f"{tracker}, {variant}" for tracker, variant in zip(rows["tracker"], rows["variant"], strict=True)]
    )
    return {name: (rows["K"][names == name], rows["flops"][names == name]) for name in np.unique(names)}


def judge_operations(name: str, claim: dict, operations: dict) -> dict:
    """Return the row of a claim about counted operations."""
    curves = []
    for label in [*claim["curves"], *([claim["reference"]] if claim["reference"] else [])]:
        if label not in operations.get(claim["figure"], {}):
            raise InputError(f"no table of operations {claim['figure']} has {label}")
        curves.append(operations[claim["figure"]][label])
    (lookbacks, counts), *others = curves
    if claim["test"] == "exponential":
        judgement = claims.judge_exponential(lookbacks, counts, claim["base"])
    elif claim["test"] == "linear":
        judgement = claims.judge_linear(lookbacks, counts, claim["tolerance"])
    else:
        judgement = claims.judge_crossing(lookbacks, counts, others[0][1])
    levels = [float(np.mean(counts)) for _, counts in curves]
    return row(name, claim, "flops", judgement, levels)


def judge_scores(name: str, claim: dict, figures: dict, scores: dict, score: str) -> dict:
    """Return the row of a claim about scores, judged by one of them."""

    chosen = claim["x"][AT[claim.get("at", "all")]]

    def curve(figure: str, label: str) -> dict:
        points = figures[figure]["curves"][label]
        return {x: scores[score, dataset, tracker] for x, dataset, tracker in points if x in chosen}

    higher_is_better = -1 if score in claims.LOWER_IS_BETTER else 1
    figure, other_figure = claim["figure"], claim["reference_figure"]
    form = claims.Claim(
        claim["test"],
        higher_is_better * DIRECTIONS[claim["direction"]] if "direction" in claim else 0,
        claim.get("margin", 0.0),
        claim.get("everywhere", False),
        figures[figure]["log_x"],
    )
    curves = [curve(figure, label) for label in claim["curves"]]
    reference = curve(other_figure, claim["reference"]) if claim["reference"] else None
    judgement = claims.judge(form, curves, reference)
    levels = [mean_of(curves), *([mean_of([reference])] if reference else [])]
    controls = {}
    for control in figures[figure]["controls"]:
        stand_ins = [curve(figure, control)] * len(curves)
        # A claim that a curve is another in the other figure is about the tracker, not about the curve.
        other = curve(other_figure, control) if other_figure != figure else reference
        found = claims.judge(form, stand_ins, other)
        controls[control] = mean_of(stand_ins), claims.verdict(found, found.effect.p)
    return row(name, claim, score, judgement, levels, controls)


def mean_of(curves: list[dict]) -> float:
    """Return the mean over curves and x of mean scores."""
    return float(np.mean([scores.mean() for curve in curves for scores in curve.values()]))


def row(name: str, claim: dict, score: str, judgement: claims.Judgement, levels: list, controls=None) -> dict:
    """Return a row of CLAIMS without its verdict, which waits for the other claims; NaN for null."""
    found = {
        "claim": name,
        "score": score,
        "statement": claim["statement"],
        "figure": claim["figure"],
        "judgement": judgement,
        **judgement.effect._asdict(),
        "points": len(judgement.points),
        "points_as_claimed": judgement.count(judgement.sign),
        "points_otherwise": judgement.count(-judgement.sign) if judgement.sign else 0,
        "mean": levels[0],
        "reference_mean": levels[1] if len(levels) > 1 else np.nan,
        "detail": judgement.detail,
    }
    for control in CONTROLS:
        mean, verdict = (controls or {}).get(control, (np.nan, ""))
        found |= {f"{control}_mean": mean, f"{control}_verdict": verdict}
    return found


def add_corrected(rows: list[dict]) -> None:
    """Correct the p-values for the claims about one figure by one score, and add the verdicts."""
    families = {}
    for each in rows:
        each["corrected_p"] = each["p"]
        if not np.isnan(each["p"]):
            families.setdefault((each["figure"], each["score"]), []).append(each)
    for family in families.values():
        for each, p in zip(family, holm([each["p"] for each in family]), strict=True):
            each["corrected_p"] = float(p)
    for each in rows:
        each["verdict"] = claims.verdict(each["judgement"], each["corrected_p"])


def column(values: list) -> np.ndarray:
    """Return the values of a column, NaN masked."""
    return np.ma.masked_invalid(values) if isinstance(values[0], float) else np.array(values)


def in_words(rows: list[dict]) -> str:
    """Return the verdicts as Markdown: one line per claim, then what each rests on."""
    by_claim = {}
    for each in rows:
        by_claim.setdefault(each["claim"], {})[each["score"]] = each
    scores = list(dict.fromkeys(each["score"] for each in rows if each["score"] != "flops"))
    lines = [
        "# Which of the paper's claims hold",
        "",
        " ".join(inspect.getdoc(claims.verdict).split("\n\n")[1].split()),
        "",
        table_row(["", "Claim", *(f"by {NAMES.get(score, score)}" for score in scores)]),
        table_row(["---"] * (2 + len(scores))),
    ]
    for name, by_score in by_claim.items():
        statement = next(iter(by_score.values()))["statement"]
        if "flops" in by_score:
            verdicts = [f"{by_score['flops']['verdict']} (FLOPs)", *[""] * (len(scores) - 1)]
        else:
            verdicts = [by_score[score]["verdict"] if score in by_score else "" for score in scores]
        lines.append(table_row([name, statement, *verdicts]))
    lines += [
        "",
        EXPLANATION,
        "",
        table_row(["", "by", "Verdict", "Effect", "p", "Points", "Mean", *map(str.capitalize, CONTROLS)]),
        table_row(["---"] * (7 + len(CONTROLS))),
    ]
    lines += [table_row(details(each)) for each in rows]
    return "\n".join(lines) + "\n"


def details(row: dict) -> list[str]:
    """Return the cells of a verdict's line in the second table."""
    effect = "" if np.isnan(row["effect"]) else f"{row['effect']:.3g} [{row['low']:.3g}, {row['high']:.3g}]"
    if row["detail"]:
        effect += f" ({row['detail']})" if effect else row["detail"]
    points = ""
    if row["points"] > 1:
        points = (
            f"{row['points_as_claimed']} as claimed, {row['points_otherwise']} otherwise, of {row['points']}"
        )
    means = [f"{mean:.3g}" for mean in (row["mean"], row["reference_mean"]) if not np.isnan(mean)]
    p = (
        ""
        if np.isnan(row["corrected_p"])
        else "< 0.001"
        if row["corrected_p"] < 0.001
        else f"{row['corrected_p']:.3f}"
    )
    controls = [
        f"{row[f'{control}_mean']:.3g}, {row[f'{control}_verdict']}" if row[f"{control}_verdict"] else ""
        for control in CONTROLS
    ]
    name = NAMES.get(row["score"], row["score"])
    return [row["claim"], name, row["verdict"], effect, p, points, " against ".join(means), *controls]


def table_row(cells: list[str]) -> str:
    """Return a line of a table in Markdown."""
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


if __name__ == "__main__":
    run(main)
