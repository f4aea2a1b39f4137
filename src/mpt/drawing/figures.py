"""Figures in the paper's symbols: what is measured against what is varied, a curve per tracker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator, NullFormatter, NullLocator

from mpt.drawing.style import (
    COLUMN_INCHES,
    MARKERS,
    NOTE_INCHES,
    PANEL_INCHES,
    REFERENCE_GREY,
    Styles,
    as_written,
    legend,
    new_figure,
    symbols,
)
from mpt.scoring.definitions import SCORES, Score

SYMBOLS = {
    "measurement_noise": r"\sigma",
    "process_noise": r"\mu",
    "frames": "T",
    "particles": "N",
    "density": r"\rho",
    "experiments_per_batch": "i",
    "lookback": "K",
}
# What is no score; scoring/definitions.py says how scores are called, their unit and their bounds.
NAMES = {
    "frames": "Sequence length",
    "distance": "Distance to the nearest particle\n(standard deviations of the innovation)",
    "flops": "FLOPs per sequence\n(a multiply–add is 2)",
    "seconds": "Processor seconds\nper sequence",
}
LENGTHS = ("measurement_noise", "process_noise", "initial_spread", "confinement")
DURATIONS = ("frames", "lookback", "encoder_lookback", "decoder_lookback")
UNITS = {
    **dict.fromkeys(LENGTHS, "length"),
    **dict.fromkeys(DURATIONS, "frames"),
    "drift_spread": "length per frame",
    "density": "particles per area",
}
# What a panel may show that is no score, such as processor seconds.
COST = Score("Cost", "cost", -1, spans_decades=True)
# On an axis of fewer decades small differences show better if it is linear.
LOG_FROM_RATIO = 10
# Of an axis, above and below what it shows.
MARGIN = 0.06
LEGEND_INCHES = 1.8
# So that no line ends between a symbol and its value.
NO_BREAK = "\u00a0=\u00a0"
# Letters of an axis's name that a panel has room for in a line.
LABEL_LETTERS = 34
# Letters of a note that a panel has room for in a line.
NOTE_LETTERS = 60


@dataclass(frozen=True)
class Line:
    """A tracker's curve, sorted by x: x, mean and the ends of the mean's 95 % interval, each (P,).

    fitted_to: the label of the curve that a line of the method `fit` is fitted to.
    """

    label: str
    method: str
    x: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    fitted_to: str | None = None


def draw_scores(
    panels: Mapping[str, Sequence[Line]],
    notes: Mapping[str, Sequence[str]],
    title: str,
    x: str,
    x_scale: str,
    styles: Styles,
) -> Figure:
    """Draw a panel per score, the same curves in each, references thin and grey; notes are mathtext.

    The trackers decide what an axis shows. What it leaves out of a reference is told above the panel.
    """
    figure, axes = new_figure(1, len(panels), title)
    for axis, (score, lines) in zip(axes.flat, panels.items(), strict=True):
        _plot(axis, lines, styles)
        axis.set_ylabel(axis_label(score))
        _set_x(axis, x, x_scale, lines)
        low, high = _set_y(axis, score, lines, styles)
        _note(axis, [*_left_out(lines, low, high, styles), *notes.get(score, ())])
    legend(figure, axes.flat, PANEL_INCHES[1])
    return figure


def draw_together(
    columns: Mapping[str, Mapping[str, Sequence[Line]]], x: str, x_scale: str, styles: Styles
) -> Figure:
    """Draw several figures of one x as columns, a row per score whose axis all columns share.

    columns: of each figure, by its title, the lines of each score; all have the same scores.
    """
    scores = list(next(iter(columns.values())))
    size = (PANEL_INCHES[0] * max(2, len(columns) * 2 / 3), PANEL_INCHES[1] * len(scores))
    figure, axes = new_figure(len(scores), len(columns), "", size, sharex="all", sharey="row")
    for row, score in zip(axes, scores, strict=True):
        shown = [line for panels in columns.values() for line in panels[score]]
        low, high = _set_y(row[0], score, shown, styles)
        row[0].set_ylabel(axis_label(score))
        for axis, panels in zip(row, columns.values(), strict=True):
            _plot(axis, panels[score], styles)
            _note(axis, _left_out(panels[score], low, high, styles), letters=38)
    for axis, title in zip(axes[0], columns, strict=True):
        # The note of the panel is above it, at the right; the title goes above the note.
        axis.annotate(
            fill(as_written(title).replace(" = ", NO_BREAK), 27), (0.5, 1), (0, 22), xycoords="axes fraction",
            textcoords="offset points", ha="center", va="bottom", fontsize="small",
        )  # fmt: skip
    for axis in axes[-1]:
        _set_x(axis, x, x_scale, [line for panels in columns.values() for line in panels[scores[0]]])
        axis.set_xlabel(axis_label(x), fontsize="small")
    legend(figure, axes.flat, size[1] + 4 * NOTE_INCHES)
    return figure


def draw_operations(
    panels: Mapping[str, Sequence[Line]],
    laws: Mapping[str, str],
    dashed: Mapping[str, Sequence[Line]],
    crossings: Mapping[str, Sequence[Sequence[tuple[float, float]]]],
    notes: Mapping[str, Sequence[str]],
    title: str,
    styles: Styles,
) -> Figure:
    """Draw a panel per measure of cost against the lookback, on a logarithmic axis, guides thin.

    Curves of one label look the same in all panels, though not every panel need have them all.
    laws are what a curve's label in the legend ends with, mathtext. A dashed line looks like the curve of the
    same label. crossings are circles, by lookback and cost, each labelled with its lookback: for each level
    curve those where a rising curve meets it, from left to right.
    """
    figure, axes = new_figure(1, len(panels), title)
    curves = {line.label: line for lines in panels.values() for line in lines}
    looks = dict(zip(curves, styles.of_curves(list(curves.values())), strict=True))
    for axis, (measure, lines) in zip(axes.flat, panels.items(), strict=True):
        for line in lines:
            label = symbols(line.label) + laws.get(line.label, "")
            axis.plot(line.x, line.mean, label=label, gid=label, **looks[line.label])
        for line in dashed.get(measure, ()):
            axis.plot(line.x, line.mean, **looks[line.label] | {"marker": "", "linestyle": "--"})
        _mark_crossings(axis, crossings.get(measure, ()))
        _note(axis, notes.get(measure, ()))
        axis.set_xlabel(axis_label("lookback"))
        axis.set_ylabel(axis_label(measure))
        axis.set_yscale("log")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend(figure, axes.flat, PANEL_INCHES[1])
    return figure


def draw_reliability(lines: Sequence[Line], title: str, palette: str) -> Figure:
    """Draw how often what has a probability happens, a curve per dataset, beside the diagonal."""
    # A panel about as wide as high, and the legend beside it.
    figure, ((axis,),) = new_figure(1, 1, title, (COLUMN_INCHES + LEGEND_INCHES, COLUMN_INCHES))
    axis.plot([0, 1], [0, 1], color=REFERENCE_GREY, linewidth=0.9, zorder=1)
    shades = sns.color_palette(palette, len(lines))
    for line, shade, marker in zip(lines, shades, MARKERS * len(lines), strict=False):
        style = {"color": shade, "marker": marker, "markersize": 3, "linewidth": 0.9}
        axis.plot(line.x, line.mean, label=line.label, **style)
        axis.vlines(line.x, line.low, line.high, color=shade, linewidth=0.6)
    axis.set_xlabel("Probability of a link")
    axis.set_ylabel("Fraction of them that is true")
    figure.legend(loc="outside right center", frameon=False, fontsize="small")
    return figure


def axis_label(name: str) -> str:
    """Return a score's, column's or config key's name as an axis says it, with its symbol and unit."""
    symbol = f" ${SYMBOLS[name]}$" if name in SYMBOLS else ""
    unit = SCORES[name].unit if name in SCORES else UNITS.get(name)
    said = words(name)
    said = said if "\n" in said else fill(said, LABEL_LETTERS)
    return said + symbol + (f" ({unit})" if unit else "")


def words(name: str) -> str:
    """Return the name of a score, column or config key in words."""
    if name in SCORES:
        return SCORES[name].name
    return NAMES.get(name, name.replace("_", " ").capitalize())


def _plot(axis: Axes, lines: Sequence[Line], styles: Styles) -> None:
    for line, look in zip(lines, styles.of_curves(lines), strict=True):
        # A tracker's mean is always within the axis; its marker may be on the edge.
        compared = styles.is_compared(line.method)
        label = symbols(line.label)
        axis.plot(line.x, line.mean, label=label, gid=label, clip_on=not compared, **look)
        if compared:
            axis.fill_between(line.x, line.low, line.high, color=look["color"], alpha=0.2, linewidth=0)


def _set_x(axis: Axes, x: str, scale: str, lines: Sequence[Line]) -> None:
    axis.set_xlabel(axis_label(x))
    _scale(axis, "x", scale, np.concatenate([line.x for line in lines if line.method != "fit"]))


def _set_y(axis: Axes, score: str, lines: Sequence[Line], styles: Styles) -> tuple[float, float]:
    """Set the scale and the ends of an axis of scores; returns the ends."""
    definition = SCORES.get(score, COST)
    log = definition.spans_decades and _spans_decades(lines, styles)
    if log:
        _scale(axis, "y", "log", np.concatenate([line.mean for line in lines]))
    low, high = _limits(lines, log, definition.high, styles)
    axis.set_ylim(low, high)
    return low, high


def _scale(axis: Axes, which: str, scale: str, values: np.ndarray) -> None:
    if scale != "log" or not (values > 0).all():
        return
    (axis.set_xscale if which == "x" else axis.set_yscale)("log")
    ticks = axis.xaxis if which == "x" else axis.yaxis
    ticks.set_major_formatter("{x:g}")
    ticks.set_minor_formatter(NullFormatter())
    if which == "x":
        ticks.set_major_locator(FixedLocator(np.unique(values).tolist()))
        ticks.set_minor_locator(NullLocator())
    else:
        ticks.set_major_locator(LogLocator(subs=(1, 2, 5)))


def _compared(lines: Sequence[Line], styles: Styles) -> list[Line]:
    """Return the lines that are no references, or all if there are none such."""
    return [line for line in lines if not styles.is_reference(line.method)] or list(lines)


def _spans_decades(lines: Sequence[Line], styles: Styles) -> bool:
    if min(line.mean.min() for line in lines) <= 0:
        return False
    means = np.concatenate([line.mean for line in _compared(lines, styles)])
    return means.max() >= LOG_FROM_RATIO * means.min()


def _limits(lines: Sequence[Line], log: bool, top: float, styles: Styles) -> tuple[float, float]:
    """Return the ends of an axis that shows the trackers large, and whole what references are near them.

    Near is what is no farther from the trackers than they reach. No score is negative or above the top.
    """
    scaled, unscaled = (np.log, np.exp) if log else (np.asarray, float)
    compared = _compared(lines, styles)
    references = [line for line in lines if styles.is_reference(line.method)]
    # An interval may reach below 0, which has no place on a logarithmic axis.
    lows = [np.where(line.low > 0, line.low, line.mean) if log else line.low for line in compared]
    low = min(scaled(ends).min() for ends in lows)
    high = max(scaled(line.high).max() for line in compared)
    reach = high - low
    means = [scaled(line.mean) for line in references]
    near = [mean for mean in means if low - reach <= mean.min() and mean.max() <= high + reach]
    low = min([low, *(mean.min() for mean in near)])
    high = max([high, *(mean.max() for mean in near)])
    margin = MARGIN * (high - low) or 0.05
    return max(unscaled(low - margin), 0.0), min(unscaled(high + margin), top)


def _left_out(lines: Sequence[Line], low: float, high: float, styles: Styles) -> list[str]:
    """Return a note on the references that are, at least in part, below or above an axis; none if none is."""
    parts = []
    for line in lines:
        if styles.is_reference(line.method):
            for arrow, means in (("↓", line.mean[line.mean < low]), ("↑", line.mean[line.mean > high])):
                if len(means):
                    ends = dict.fromkeys(f"{mean:.3g}" for mean in (means.min(), means.max()))
                    parts.append(f"{symbols(line.label)} {arrow} {' to '.join(ends)}")
    return [", ".join(parts)] if parts else []


def _mark_crossings(axis: Axes, crossings: Sequence[Sequence[tuple[float, float]]]) -> None:
    """Draw circles on level curves; above one is room between two rising ones, below it after the last.

    Where two level curves are near each other, labels are above the upper one and below the lower.
    """
    circles = [circle for of_level in crossings for circle in of_level]
    last = {of_level[-1] for of_level in crossings if len(of_level) > 1}
    for x, y in circles:
        axis.plot(x, y, "o", color="0.1", markersize=7, fillstyle="none", markeredgewidth=0.8, zorder=4)
        near = [high for place, high in circles if high != y and abs(place - x) < 1 and 0.5 < high / y < 2]
        above = all(high < y for high in near) if near else (x, y) not in last
        axis.annotate(
            f"{x:.1f}", (x, y), (-4, 4) if above else (5, -4), textcoords="offset points",
            ha="right" if above else "left", va="bottom" if above else "top", fontsize="x-small",
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.5}, zorder=5,
        )  # fmt: skip


def _note(axis: Axes, notes: Sequence[str], letters: int = NOTE_LETTERS) -> None:
    """Write notes above a panel, where no curve is, in lines of so many letters."""
    axis.set_title("\n".join(fill(note, letters) for note in notes), loc="right", fontsize="x-small")
