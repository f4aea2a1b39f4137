"""A recording as its trackers see it: tracks over the detections, and how sure each link is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from mpt.drawing.style import (
    PAGE_INCHES,
    REFERENCE_GREY,
    TITLE_INCHES,
    Styles,
    new_figure,
    symbols,
)

# A margin from which on a link is rather sure; all above have one colour.
SURE = 10.0
# Dark where a link is unsure.
PALETTE = "flare_r"
DETECTION: dict[str, Any] = {"color": "0.75", "marker": ".", "markersize": 2.5, "linestyle": "", "zorder": 1}


@dataclass(frozen=True)
class MarkedTracks:
    """What a tracker made of an experiment.

    positions (T, N, 2) in the unit of the dataset. margin (T, N): of the link that ends there, as twice the
    log likelihood ratio to the best other choice; nan at frame 0 and where there was none. None if the
    tracker knows no margins.
    """

    label: str
    method: str
    positions: np.ndarray
    margin: np.ndarray | None


def colours_of_margins() -> ScalarMappable:
    """Return the colours of margins from 0 to SURE; nan is grey."""
    colours = matplotlib.colormaps[PALETTE].with_extremes(bad=REFERENCE_GREY)
    return ScalarMappable(Normalize(0, SURE, clip=True), colours)


def draw_margins(
    detections: np.ndarray, trackers: Sequence[MarkedTracks], first_frame: int, title: str, styles: Styles
) -> Figure:
    """Draw a column per tracker: its tracks over the detections (T, N, 2), and margins against frames below.

    Links have the colour of their margin; tracks without margins have the colours of the method. Without
    any margins there is no second row. first_frame: the movie's number of frame 0.
    """
    with_margins = any(tracker.margin is not None for tracker in trackers)
    rows, columns = 1 + with_margins, len(trackers)
    size = (PAGE_INCHES, TITLE_INCHES + PAGE_INCHES * (0.45 + 0.25 * with_margins))
    figure, axes = new_figure(rows, columns, title, size, sharex="row", sharey="row")
    scale = colours_of_margins()
    for tracker, axis in zip(trackers, axes[0], strict=True):
        _draw_tracks(axis, detections, tracker, styles, scale)
    axes[0, 0].set_ylabel("y")
    if with_margins:
        for tracker, axis in zip(trackers, axes[1], strict=True):
            _draw_margins(axis, tracker, first_frame, scale)
        axes[1, 0].set_ylabel("margin")
        figure.colorbar(scale, ax=axes, label="margin of the link", extend="max", aspect=40)
    return figure


def _draw_tracks(
    axis: Axes, detections: np.ndarray, tracker: MarkedTracks, styles: Styles, scale: ScalarMappable
) -> None:
    axis.plot(*detections.reshape(-1, 2).T, **DETECTION)
    links = np.stack([tracker.positions[:-1], tracker.positions[1:]], axis=2)
    T, N = tracker.positions.shape[:2]
    drawn = LineCollection(list(links.reshape(-1, 2, 2)), linewidths=1.1, zorder=3)
    if tracker.margin is None:
        look = styles[tracker.method]
        shades = sns.color_palette(look.palette, N + 2)[1:-1] if look.palette else [REFERENCE_GREY] * N
        drawn.set_color(list(shades) * (T - 1))
    else:
        drawn.set_color(list(scale.to_rgba(np.ma.masked_invalid(tracker.margin[1:].ravel()))))
    axis.add_collection(drawn)
    axis.autoscale_view()
    axis.set_aspect("equal")
    axis.grid(False)
    axis.set_xlabel("x")
    axis.set_title(symbols(tracker.label), fontsize="small")


def _draw_margins(axis: Axes, tracker: MarkedTracks, first_frame: int, scale: ScalarMappable) -> None:
    axis.set_xlabel("frame")
    # Margins of sure links are of many orders of magnitude; those of others are to be told apart.
    axis.set_yscale("symlog", linthresh=SURE)
    # From 0 to beyond what is sure, even if all links are alike.
    axis.update_datalim([(first_frame, 0), (first_frame + len(tracker.positions) - 1, 2 * SURE)])
    if tracker.margin is None:
        axis.text(0.5, 0.5, "knows no margins", transform=axis.transAxes, ha="center", fontsize="small")
        return
    frame, track = np.nonzero(np.isfinite(tracker.margin))
    margin = tracker.margin[frame, track]
    axis.scatter(first_frame + frame, margin, s=6, c=scale.to_rgba(margin), zorder=3)
    axis.axhline(SURE, color=REFERENCE_GREY, linewidth=0.7, linestyle=":", zorder=1)
