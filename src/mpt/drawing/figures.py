"""Figures in the paper's symbols: what is measured against what is varied, a curve per tracker."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill

import matplotlib

matplotlib.use("Agg")

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, NullLocator

SYMBOLS = {
    "measurement_noise": r"\sigma",
    "process_noise": r"\mu",
    "frames": "T",
    "particles": "N",
    "experiments_per_batch": "i",
    "lookback": "K",
}
NAMES = {
    "frames": "Sequence length",
    "jaccard": "Jaccard coefficient JC",
    "association_jaccard": "Association Jaccard coefficient",
    "gated_jaccard": "Gated Jaccard coefficient",
    "position_error": "RMS position error",
    "swaps": "Swaps per sequence",
    "within_tolerance": "Fraction within tolerance",
    "gospa": "GOSPA",
    "flops": "FLOPs per sequence\n(a multiply–add is 2)",
    "seconds": "Processor seconds\nper sequence",
}
LENGTHS = ("measurement_noise", "process_noise", "initial_spread", "confinement", "position_error", "gospa")
DURATIONS = ("frames", "lookback", "encoder_lookback", "decoder_lookback")
UNITS = {
    **dict.fromkeys(LENGTHS, "length"),
    **dict.fromkeys(DURATIONS, "frames"),
    "drift_spread": "length per frame",
}
# Scores that cannot be greater than 1, though an interval of few sequences may reach beyond.
FRACTIONS = (
    "jaccard",
    "association_jaccard",
    "gated_jaccard",
    "within_tolerance",
    "isbi_alpha",
    "isbi_beta",
    "isbi_jsc",
    "isbi_jsc_theta",
)
# Distances may span decades from one x to another; on fewer, small differences show better on a linear axis.
LOG_SCORES = ("position_error", "gospa")
LOG_FROM_RATIO = 10
MARKERS = "osD^vPX<>*"
# Methods that are compared with, not compared.
REFERENCES = ("control", "bayes")
REFERENCE_DASHES = ("-", ":", (0, (5, 1.5)), (0, (5, 1.5, 1, 1.5)))
# Of an axis, above and below what it shows.
MARGIN = 0.06
PANEL_INCHES = (3.3, 2.7)
TITLE_INCHES = 0.35
LEGEND_ROW_INCHES = 0.2
LEGEND_INCHES = 1.8
# What a panel is wide.
NOTE_LETTERS = 56


@dataclass(frozen=True)
class Line:
    """A tracker's curve, sorted by x: x, mean and the ends of the mean's 95 % interval, each (P,)."""

    label: str
    method: str
    x: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


def draw_scores(
    panels: Mapping[str, Sequence[Line]],
    notes: Mapping[str, Sequence[str]],
    title: str,
    x: str,
    x_scale: str,
    palettes: Mapping[str, str],
) -> Figure:
    """Draw a panel per score, the same curves in each, references thin and grey; notes are mathtext.

    The trackers decide what an axis shows. What it leaves out of a reference is told above the panel.
    """
    figure, axes = _figure(len(panels), title)
    for axis, (score, lines) in zip(axes, panels.items(), strict=True):
        for line, style in zip(lines, _styles([line.method for line in lines], palettes), strict=True):
            # A tracker's mean is always within the axis; its marker may be on the edge.
            compared = line.method in palettes
            axis.plot(line.x, line.mean, label=symbols(line.label), clip_on=not compared, **style)
            if compared:
                axis.fill_between(line.x, line.low, line.high, color=style["color"], alpha=0.2, linewidth=0)
        axis.set_xlabel(axis_label(x))
        axis.set_ylabel(axis_label(score))
        _scale(axis, "x", x_scale, np.concatenate([line.x for line in lines if line.method != "fit"]))
        log = score in LOG_SCORES and _spans_decades(lines)
        if log:
            _scale(axis, "y", "log", np.concatenate([line.mean for line in lines]))
        low, high = _limits(lines, log, 1.0 if score in FRACTIONS else np.inf)
        axis.set_ylim(low, high)
        _note(axis, [*_left_out(lines, low, high), *notes.get(score, ())])
    _legend(figure, axes)
    return figure


def draw_operations(
    panels: Mapping[str, Sequence[Line]],
    laws: Mapping[str, str],
    dashed: Mapping[str, Sequence[Line]],
    crossings: Mapping[str, Sequence[Sequence[tuple[float, float]]]],
    notes: Mapping[str, Sequence[str]],
    title: str,
    palettes: Mapping[str, str],
) -> Figure:
    """Draw a panel per measure of cost against the lookback, on a logarithmic axis, guides thin.

    Curves of one label look the same in all panels, though not every panel need have them all.
    laws are what a curve's label in the legend ends with, mathtext. A dashed line looks like the curve of the
    same label. crossings are circles, by lookback and cost, each labelled with its lookback: for each level
    curve those where a rising curve meets it, from left to right.
    """
    figure, axes = _figure(len(panels), title)
    methods = {line.label: line.method for lines in panels.values() for line in lines}
    styles = dict(zip(methods, _styles(list(methods.values()), palettes), strict=True))
    for axis, (measure, lines) in zip(axes, panels.items(), strict=True):
        for line in lines:
            label = symbols(line.label) + laws.get(line.label, "")
            axis.plot(line.x, line.mean, label=label, **styles[line.label])
        for line in dashed.get(measure, ()):
            axis.plot(line.x, line.mean, **styles[line.label] | {"marker": "", "linestyle": "--"})
        for of_level in crossings.get(measure, ()):
            _mark_crossings(axis, of_level)
        _note(axis, notes.get(measure, ()))
        axis.set_xlabel(axis_label("lookback"))
        axis.set_ylabel(axis_label(measure))
        axis.set_yscale("log")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    _legend(figure, axes)
    return figure


def draw_reliability(lines: Sequence[Line], title: str, palette: str) -> Figure:
    """Draw how often what has a probability happens, a curve per dataset, beside the diagonal."""
    figure, (axis,) = _figure(1, title)
    axis.plot([0, 1], [0, 1], color="0.55", linewidth=0.9, zorder=1)
    shades = sns.color_palette(palette, len(lines))
    for line, shade, marker in zip(lines, shades, MARKERS * len(lines), strict=False):
        style = {"color": shade, "marker": marker, "markersize": 3, "linewidth": 0.9}
        axis.plot(line.x, line.mean, label=line.label, **style)
        axis.vlines(line.x, line.low, line.high, color=shade, linewidth=0.6)
    axis.set_xlabel("Probability of a link")
    axis.set_ylabel("Fraction of them that is true")
    # A panel about as wide as high, and the legend beside it.
    figure.set_size_inches(PANEL_INCHES[0] + LEGEND_INCHES, PANEL_INCHES[0])
    figure.legend(loc="outside right center", frameon=False, fontsize="small")
    return figure


def axis_label(name: str) -> str:
    """Return a column's or config key's name as an axis says it, with its symbol and unit."""
    symbol = f" ${SYMBOLS[name]}$" if name in SYMBOLS else ""
    unit = f" ({UNITS[name]})" if name in UNITS else ""
    return words(name) + symbol + unit


def words(name: str) -> str:
    """Return the name of a column or config key in words."""
    return NAMES.get(name, name.replace("_", " ").capitalize())


def symbols(label: str) -> str:
    """Return a curve's plain label, transformer_{8,30} or K_MHT = 8, with subscripts."""
    label = label.replace("$", r"\$")
    # In braces the comma is a letter, without the space that follows punctuation.
    label = re.sub(
        r"([A-Za-z]+)_\{([\w., +-]*)\}",
        lambda found: f"{found[1]}$_{{{found[2].replace(',', '{,}')}}}$",
        label,
    )
    return re.sub(r"\bK_([A-Z]+)\b", r"$K_\\mathrm{\1}$", label)


def _figure(panels: int, title: str) -> tuple[Figure, list[Axes]]:
    sns.set_theme(context="paper", style="ticks", font="DejaVu Sans")
    figure = Figure(figsize=(PANEL_INCHES[0] * panels, PANEL_INCHES[1]), layout="constrained")
    axes = list(np.atleast_1d(figure.subplots(1, panels)))
    for axis in axes:
        sns.despine(ax=axis)
        axis.grid(axis="y", linewidth=0.4, alpha=0.6)
    figure.suptitle(title.replace("$", r"\$"), fontsize="medium")
    return figure, axes


def _styles(methods: Sequence[str], palettes: Mapping[str, str]) -> list[dict]:
    """Return how to plot each curve: a shade of its method's palette; thin grey references, black fits."""
    styles, markers = [], iter(MARKERS * len(methods))
    for number, method in enumerate(methods):
        many, before = methods.count(method), methods[:number].count(method)
        if method in REFERENCES:
            dashes = REFERENCE_DASHES[number % len(REFERENCE_DASHES)]
            styles.append({"color": "0.55", "linewidth": 0.9, "linestyle": dashes, "zorder": 1})
        elif method == "guide":
            dashes = REFERENCE_DASHES[1 + before % (len(REFERENCE_DASHES) - 1)]
            styles.append({"color": "0.55", "linewidth": 0.7, "linestyle": dashes, "zorder": 1})
        elif method == "fit":
            styles.append({"color": "0.1", "linewidth": 0.8, "linestyle": "--", "zorder": 2})
        else:
            # The ends of a sequential palette are too pale and too dark.
            shade = sns.color_palette(palettes[method], many + 2)[1 + before]
            marker = {"marker": next(markers), "markersize": 3.5}
            styles.append({"color": shade, "linewidth": 1.4, "zorder": 3} | marker)
    return styles


def _scale(axis: Axes, which: str, scale: str, values: np.ndarray) -> None:
    if scale != "log" or not (values > 0).all():
        return
    (axis.set_xscale if which == "x" else axis.set_yscale)("log")
    ticks = axis.xaxis if which == "x" else axis.yaxis
    ticks.set_major_formatter("{x:g}")
    ticks.set_minor_formatter(NullFormatter())
    if which == "x":
        ticks.set_major_locator(matplotlib.ticker.FixedLocator(np.unique(values)))
        ticks.set_minor_locator(NullLocator())
    else:
        ticks.set_major_locator(LogLocator(subs=(1, 2, 5)))


def _compared(lines: Sequence[Line]) -> list[Line]:
    return [line for line in lines if line.method not in REFERENCES] or list(lines)


def _spans_decades(lines: Sequence[Line]) -> bool:
    if min(line.mean.min() for line in lines) <= 0:
        return False
    means = np.concatenate([line.mean for line in _compared(lines)])
    return means.max() >= LOG_FROM_RATIO * means.min()


def _limits(lines: Sequence[Line], log: bool, top: float) -> tuple[float, float]:
    """Return the ends of an axis that shows the trackers large, and whole what references are near them.

    Near is what is no farther from the trackers than they reach. No score is negative or above the top.
    """
    scaled, unscaled = (np.log, np.exp) if log else (np.asarray, float)
    compared, references = _compared(lines), [line for line in lines if line.method in REFERENCES]
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


def _left_out(lines: Sequence[Line], low: float, high: float) -> list[str]:
    """Return a note on the references that are, at least in part, below or above an axis; none if none is."""
    parts = []
    for line in lines:
        if line.method in REFERENCES:
            for arrow, means in (("↓", line.mean[line.mean < low]), ("↑", line.mean[line.mean > high])):
                if len(means):
                    ends = dict.fromkeys(f"{mean:.3g}" for mean in (means.min(), means.max()))
                    parts.append(f"{symbols(line.label)} {arrow} {' to '.join(ends)}")
    return [", ".join(parts)] if parts else []


def _mark_crossings(axis: Axes, crossings: Sequence[tuple[float, float]]) -> None:
    """Draw circles on a level curve; above it is room between two rising ones, below it after the last."""
    last = max(1, len(crossings) - 1)
    for number, (x, y) in enumerate(crossings):
        axis.plot(x, y, "o", color="0.1", markersize=7, fillstyle="none", markeredgewidth=0.8, zorder=4)
        above = number < last
        axis.annotate(
            f"{x:.1f}", (x, y), (-4, 4) if above else (5, -4), textcoords="offset points",
            ha="right" if above else "left", va="bottom" if above else "top", fontsize="x-small",
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.5}, zorder=2,
        )  # fmt: skip


def _note(axis: Axes, notes: Sequence[str]) -> None:
    """Write notes above a panel, where no curve is."""
    axis.set_title("\n".join(fill(note, NOTE_LETTERS) for note in notes), loc="right", fontsize="x-small")


def _legend(figure: Figure, axes: Sequence[Axes]) -> None:
    """Name the curves below the panels, references last, in columns that the figure has room for."""
    named = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            named.setdefault(label, handle)
    labels = sorted(named, key=lambda label: named[label].get_zorder(), reverse=True)
    # A handle is as wide as six letters, of which an inch holds twelve.
    widest = 6 + max(len(re.sub(r"\\[a-z]+|[${}^_]", "", label)) for label in labels)
    columns = max(1, min(len(labels), int(12 * figure.get_figwidth() / widest)))
    figure.set_figheight(PANEL_INCHES[1] + TITLE_INCHES + LEGEND_ROW_INCHES * -(-len(labels) // columns))
    figure.legend(
        [named[label] for label in labels],
        labels,
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        fontsize="small",
    )
