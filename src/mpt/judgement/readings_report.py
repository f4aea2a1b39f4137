"""The readings in words: whether one gives all figures, which comes nearest, and what each choice turns."""

from collections.abc import Mapping, Sequence

from mpt.judgement.readings import CURVE, REFERENCE, Reading, ranked, turned
from mpt.scoring.definitions import SCORES

INTRODUCTION = """\
A reading takes one value of every choice that the paper leaves open. A claim *holds* under it if it is
supported (docs/statistics.md). There are few trainings per model here: failures that are rare go unseen."""


def in_words(
    found: Sequence[Reading],
    along: Sequence[Reading],
    axes: Sequence[str],
    own: Mapping[str, str],
    crossed: Sequence[str],
    scores: Sequence[str],
    statements: Mapping[str, str],
    names: Mapping[str, str],
    best: int,
) -> str:
    """Return the answer as Markdown.

    found: the crossed readings. along: these and those that differ from the config in one axis. own: the
    config's value by axis. names: what levels are of, by CURVE, REFERENCE and control. best: how many
    readings the table has. The first of the scores is the one that ranks.
    """
    order = ranked(found, scores)
    first, *others = scores
    nearest = order[0]
    claims = list(nearest.verdicts[first])
    whole = [reading for reading in order if len(reading.held(first)) == len(claims)]
    tied = sum(len(reading.held(first)) == len(nearest.held(first)) for reading in order[1:])
    by = SCORES[first].short

    def said(reading: Reading) -> str:
        told = dict(zip(axes, reading.choice, strict=True))
        return ", ".join(f"{axis.replace('_', ' ')} {told[axis].replace('_', ' ')}" for axis in crossed)

    parts = [
        "# Which reading gives the paper's figures",
        INTRODUCTION,
        f"Of {len(found)} readings, each of {' × '.join(axis.replace('_', ' ') for axis in crossed)}, "
        + (
            f"{len(whole)} give all {len(claims)} claims by {by} at once."
            if whole
            else f"none gives all {len(claims)} claims by {by} at once."
        ),
        f"The nearest: {said(nearest)}"
        + (f" ({nearest.information} information)" if nearest.information == "equal" else "")
        + (f" ({nearest.information})" if nearest.information not in ("", "equal") else "")
        + f". {len(nearest.held(first))} of {len(claims)} claims hold by {by}"
        + "".join(f", {len(nearest.held(score))} by {SCORES[score].short}" for score in others)
        + "."
        + (f" As many hold by {by} under {tied} other reading{'s' * (tied > 1)}." if tied else ""),
    ]
    if nearest.failed(first):
        lines = [
            f"- {claim}, {verdict}: {statements[claim]}" for claim, verdict in nearest.failed(first).items()
        ]
        parts += [f"Under it, by {by}, these do not hold:", "\n".join(lines)]
    if nearest.levels:
        shown = [score for score in scores if score in nearest.levels]
        head = ["", *(SCORES[score].name for score in shown)]
        rows = [
            [label, *(_number(nearest.levels[score].get(name)) for score in shown)]
            for name, label in names.items()
        ]
        parts += ["How far the trackers are from their particles there, and where the controls stand:"]
        parts += [_table(head, rows)]
    parts += ["## The best readings", _best(order[:best], axes, crossed, scores, names)]
    parts += [
        "## What each choice turns",
        f"Over all pairs of readings that differ in nothing else: how many of {len(claims)} verdicts change "
        "from those with the config's own value, on average.",
        _turns(found, along, axes, own, crossed, scores),
    ]
    return "\n\n".join(parts) + "\n"


def _best(
    order: Sequence[Reading],
    axes: Sequence[str],
    crossed: Sequence[str],
    scores: Sequence[str],
    names: Mapping[str, str],
) -> str:
    first = scores[0]
    levels = [score for score in scores if any(score in reading.levels for reading in order)][:2]
    head = [axis.replace("_", " ") for axis in crossed]
    head += [
        "information",
        *(f"holds by {SCORES[score].short}" for score in scores),
        "fails by " + SCORES[first].short,
    ]
    head += [f"{SCORES[score].short} of {names[name]}" for score in levels for name in (CURVE, REFERENCE)]
    lines = []
    for reading in order:
        told = dict(zip(axes, reading.choice, strict=True))
        line = [told[axis].replace("_", " ") for axis in crossed]
        line += [reading.information, *(str(len(reading.held(score))) for score in scores)]
        line += [" ".join(reading.failed(first))]
        line += [
            _number(reading.levels.get(score, {}).get(name))
            for score in levels
            for name in (CURVE, REFERENCE)
        ]
        lines.append(line)
    return _table(head, lines)


def _turns(
    found: Sequence[Reading],
    along: Sequence[Reading],
    axes: Sequence[str],
    own: Mapping[str, str],
    crossed: Sequence[str],
    scores: Sequence[str],
) -> str:
    lines = []
    for place, axis in enumerate(axes):
        compared = found if axis in crossed else along
        values = dict.fromkeys(reading.choice[place] for reading in compared)
        for value in values:
            if value == own[axis]:
                continue
            turns = [turned(compared, place, own[axis], value, score) for score in scores]
            pairs = turns[0][0]
            words = [axis, f"{own[axis]} → {value}"]
            lines.append(
                [each.replace("_", " ") for each in words]
                + [str(pairs)]
                + [f"{mean:.1f}" for _, mean in turns]
            )
    return _table(["choice", "", "pairs", *(f"turned by {SCORES[score].short}" for score in scores)], lines)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
