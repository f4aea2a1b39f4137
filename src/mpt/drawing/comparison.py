"""Two runs overlaid: the curves of one with their intervals, the points of the other upon them."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from mpt.drawing.figures import words
from mpt.drawing.style import PAGE_INCHES, TITLE_INCHES, as_written, new_figure

ROW_INCHES = 2.1
MISS: dict[str, Any] = {
    "marker": "o",
    "color": "#d0021b",
    "markersize": 9,
    "fillstyle": "none",
    "linestyle": "",
}


def draw_comparison(
    figures: Mapping[str, tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]]],
    different: Mapping[str, Collection[tuple]],
) -> Figure:
    """Draw a row of panels per figure, a panel per score.

    figures: the columns of both runs' tables of curves, by figure. different: the keys (score, label, x) of
    the points that differ, by figure; they are ringed.
    """
    scores = {name: list(dict.fromkeys(first["score"].tolist())) for name, (first, _) in figures.items()}
    columns = max(map(len, scores.values()))
    size = (PAGE_INCHES, ROW_INCHES * len(figures) + TITLE_INCHES)
    figure, axes = new_figure(len(figures), columns, "", size)
    for row, (name, runs) in zip(axes, figures.items(), strict=True):
        for axis, score in zip(row, scores[name], strict=False):
            labels = list(dict.fromkeys(label for run in runs for label in run["label"].tolist()))
            shades = dict(zip(labels, sns.color_palette("husl", len(labels)), strict=True))
            for label, shade in shades.items():
                (x, mean, low, high), (its_x, its_mean, *_) = (_curve(run, score, label) for run in runs)
                axis.plot(x, mean, color=shade, linewidth=0.9)
                axis.fill_between(x, low, high, color=shade, alpha=0.2, linewidth=0)
                axis.plot(its_x, its_mean, "x", color=shade, markersize=4)
            ringed = [key for key in different[name] if key[0] == score]
            for _, label, x in ringed:
                for run in runs:
                    at, mean, *_ = _curve(run, score, label)
                    axis.plot(at[at == x], mean[at == x], **MISS)
            axis.set_title(as_written(f"{name}: {words(score)}"), fontsize="small")
            axis.tick_params(labelsize="x-small")
        for axis in row[len(scores[name]) :]:
            axis.set_visible(False)
    handles = [
        Patch(color="0.6", label="A, with its 95 % interval"),
        Line2D([], [], marker="x", color="0.3", linestyle="", label="B"),
        Line2D([], [], **MISS, label="different"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize="small")
    return figure


def _curve(rows: Mapping[str, np.ndarray], score: str, label: str) -> list[np.ndarray]:
    chosen = (rows["score"] == score) & (rows["label"] == label)
    return [rows[name][chosen] for name in ("x", "mean", "low", "high")]
