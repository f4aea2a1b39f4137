"""Maps of verdicts: claims against choices, shares over combinations, and the best readings."""

from collections.abc import Mapping, Sequence

import numpy as np
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from mpt.drawing.figures import words
from mpt.drawing.style import as_written, symbols
from mpt.judgement.choices import ITSELF
from mpt.scoring.definitions import SCORES

# In the order of the legend; the marks are for those who see no colours.
VERDICTS = {
    "supported": ("#3b7fb6", "+"),
    "undecided": ("#e2e2e2", ""),
    "contradicted": ("#d1662a", "−"),
    "equal": ("#5f9e6e", "≈"),
    "too few trainings": ("#c2b27a", "!"),
    ITSELF: ("#a6a6a6", "="),
    "not judged": ("#ffffff", ""),
}
# Of what is compared, the curve and its reference first, then controls.
MARKS = [("#2a7f62", "o"), ("#c44e52", "s"), *(("0.45", mark) for mark in "x|+1234")]
CELL_INCHES = 0.21
LABEL_INCHES = 4.6
LEAST_PANEL_INCHES = 2.2
TICK_INCHES = 1.5


def draw_verdicts(
    panels: Mapping[str, np.ndarray],
    statements: Sequence[str],
    choices: Sequence[tuple[str, str]],
    shares: Mapping[str, np.ndarray],
    shared_statements: Sequence[str],
) -> Figure:
    """Draw a panel per score, and below it the shares of the verdicts over combinations.

    panels: verdicts (claims, choices), keys of VERDICTS, by score. choices: an axis and a value each, of one
    axis side by side. shares: fractions (claims, verdicts) by score, empty if there are none.
    """
    sns.set_theme(context="paper", style="white", font="DejaVu Sans")
    rows = [len(statements), *([len(shared_statements)] if shared_statements else [])]
    width = LABEL_INCHES + len(panels) * max(LEAST_PANEL_INCHES, CELL_INCHES * (len(choices) + 1.5))
    height = CELL_INCHES * (sum(rows) + 5) + TICK_INCHES + (0.4 if len(rows) > 1 else 0)
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(len(rows), len(panels), squeeze=False, height_ratios=rows)
    for column, (score, verdicts) in enumerate(panels.items()):
        first = column == 0
        _map(axes[0, column], words(score), verdicts, statements if first else None, choices)
        if len(rows) > 1:
            _bars(axes[1, column], shares[score], shared_statements if first else None)
    handles = [
        Patch(facecolor=colour, edgecolor="0.7", label=f"{name}{f' ({mark})' if mark else ''}")
        for name, (colour, mark) in VERDICTS.items()
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False)
    return figure


def _map(
    axis: Axes, title: str, verdicts: np.ndarray, statements, choices: Sequence[tuple[str, str]]
) -> None:
    names = list(VERDICTS)
    codes = np.vectorize(names.index)(verdicts)
    marks = np.vectorize(lambda name: VERDICTS[name][1])(verdicts)
    sns.heatmap(
        codes,
        ax=axis,
        cmap=ListedColormap([colour for colour, _ in VERDICTS.values()]),
        vmin=-0.5,
        vmax=len(names) - 0.5,
        annot=marks,
        fmt="",
        annot_kws={"color": "white", "fontsize": "small"},
        linewidths=0.5,
        linecolor="white",
        cbar=False,
        xticklabels=[
            as_written(f"{axis_name} {value}".strip().replace("_", " ")) for axis_name, value in choices
        ],
        yticklabels=[symbols(text) for text in statements] if statements else False,
    )
    owners = [axis_name for axis_name, _ in choices]
    for position in range(1, len(owners)):
        if owners[position] != owners[position - 1]:
            axis.axvline(position, color="black", linewidth=0.6)
    axis.set_title(title, fontsize="medium")
    axis.tick_params(axis="x", labelsize="small", rotation=90)
    axis.tick_params(axis="y", labelsize="small", rotation=0)


def _bars(axis: Axes, shares: np.ndarray, statements) -> None:
    left = np.zeros(len(shares))
    place = np.arange(len(shares))
    for (colour, mark), share in zip(VERDICTS.values(), shares.T, strict=False):
        axis.barh(place, share, left=left, color=colour, height=0.8)
        for y, (begin, part) in enumerate(zip(left, share, strict=True)):
            if part >= 0.1:
                text = f"{part:.0%}"
                colour_of_text = "white" if mark else "0.3"
                axis.text(
                    begin + part / 2,
                    y,
                    text,
                    ha="center",
                    va="center",
                    color=colour_of_text,
                    fontsize="small",
                )
        left += share
    axis.set_xlim(0, 1)
    axis.set_ylim(len(shares) - 0.5, -0.5)
    axis.set_xticks([])
    axis.set_yticks(place if statements else [], [symbols(text) for text in statements] if statements else [])
    axis.tick_params(axis="y", labelsize="small")
    axis.set_title("of the combinations that\ndiffer for the claim", fontsize="small")
    sns.despine(ax=axis, left=True, bottom=True)


def draw_readings(
    score: str,
    verdicts: np.ndarray,
    claims: Sequence[str],
    readings: Sequence[str],
    levels: Mapping[str, Mapping[str, np.ndarray]],
) -> Figure:
    """Draw verdicts by one score, readings (rows) against claims, and beside them what trackers score.

    verdicts: (readings, claims), keys of VERDICTS. levels: by score, and by what is compared, a value per
    reading (readings,), NaN where there is none; a panel each score.
    """
    sns.set_theme(context="paper", style="white", font="DejaVu Sans")
    widths = [LABEL_INCHES + CELL_INCHES * len(claims), *([LEAST_PANEL_INCHES] * len(levels))]
    height = CELL_INCHES * (len(readings) + 4) + TICK_INCHES
    figure = Figure(figsize=(sum(widths), height), layout="constrained")
    axes = figure.subplots(
        1,
        1 + len(levels),
        squeeze=False,
        width_ratios=[max(1, len(claims)) * CELL_INCHES, *([LEAST_PANEL_INCHES] * len(levels))],
    )[0]
    _map(axes[0], f"Claims by {SCORES[score].name}", verdicts, readings, [(claim, "") for claim in claims])
    # Lines of _map part values of one axis; each claim is one of its own.
    for line in list(axes[0].lines):
        line.remove()
    shades = dict(zip(dict.fromkeys(name for each in levels.values() for name in each), MARKS, strict=False))
    rows = np.arange(len(readings)) + 0.5
    for axis, (name, values) in zip(axes[1:], levels.items(), strict=True):
        for compared, of_readings in values.items():
            colour, mark = shades[compared]
            axis.scatter(of_readings, rows, color=colour, marker=mark, s=22, linewidths=1)
        axis.set_ylim(len(readings), 0)
        axis.set_yticks([])
        axis.set_title(SCORES[name].name, fontsize="medium")
        axis.grid(axis="x", color="0.9")
        axis.set_axisbelow(True)
        sns.despine(ax=axis, left=True)
    handles: list[Artist] = [
        Patch(facecolor=colour, edgecolor="0.7", label=f"{name}{f' ({mark})' if mark else ''}")
        for name, (colour, mark) in VERDICTS.items()
        if (verdicts == name).any()
    ]
    handles += [
        Line2D([], [], color=colour, marker=mark, linestyle="", markersize=5, label=symbols(name))
        for name, (colour, mark) in shades.items()
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=4, frameon=False)
    return figure
