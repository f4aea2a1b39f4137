"""Sequences as they look: truth, detections and each tracker's tracks, swaps marked; still or moving."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.legend_handler import HandlerTuple
from matplotlib.lines import Line2D

from mpt.drawing.style import (
    LEGEND_ROW_INCHES,
    PAGE_INCHES,
    REFERENCE_GREY,
    TITLE_INCHES,
    Styles,
    as_written,
    new_figure,
    symbols,
)
from mpt.matching import match
from mpt.scoring.links import swaps

# Truth is a wide pale band, below all else, on which a track is a thin line in its tracker's colour.
TRUTH: dict[str, Any] = {"color": "0.78", "linewidth": 2.2, "solid_capstyle": "round", "zorder": 1}
DETECTION: dict[str, Any] = {"color": "0.45", "marker": ".", "markersize": 1.6, "linestyle": "", "zorder": 2}
SWAP: dict[str, Any] = {
    "marker": "X", "markersize": 4, "linestyle": "", "color": "#d0021b", "markeredgecolor": "white",
    "markeredgewidth": 0.5, "zorder": 5,
}  # fmt: skip
TRACK: dict[str, Any] = {"linewidth": 0.9, "zorder": 3}
HEAD: dict[str, Any] = {"markersize": 4.5, "markeredgecolor": "white", "markeredgewidth": 0.5, "zorder": 6}
# Of the widest extent of what is shown, on each side.
MARGIN = 0.04


@dataclass(frozen=True)
class Track:
    """What a tracker made of a sequence: positions (T, N, 2) in the unit of the dataset."""

    label: str
    method: str
    positions: np.ndarray


@dataclass(frozen=True)
class Scene:
    """A sequence: truth and measurements (T, N, 2), each tracker's tracks, the number of its first frame."""

    title: str
    truth: np.ndarray
    measurements: np.ndarray
    tracks: Sequence[Track]
    first_frame: int = 0


def draw_tracks(scenes: Sequence[Scene], title: str, styles: Styles) -> Figure:
    """Draw a row of panels per scene, a panel per tracker; all panels have the same axes.

    A swap is marked where the particles truly are whose matched tracks are others than a frame before: so
    swaps of tracks that stand still are seen apart, too.
    """
    figure, axes = _panels(scenes, title, styles)
    for row, scene in zip(axes, scenes, strict=True):
        for axis, track in zip(row, scene.tracks, strict=True):
            _Panel(axis, scene, track, styles).show(0, len(scene.truth))
    return figure


def animate_tracks(
    scenes: Sequence[Scene], title: str, styles: Styles, trail: int, dots_per_inch: int
) -> Iterator[np.ndarray]:
    """Yield a picture (height, width, 3) uint8 per frame: what draw_tracks draws, of the last frames only."""
    figure, axes = _panels(scenes, title, styles)
    figure.set_dpi(dots_per_inch)
    canvas = FigureCanvasAgg(figure)
    panels = [
        _Panel(axis, scene, track, styles)
        for row, scene in zip(axes, scenes, strict=True)
        for axis, track in zip(row, scene.tracks, strict=True)
    ]
    # The counts of swaps in the titles change as time goes; the layout must not.
    canvas.draw()
    figure.set_layout_engine("none")
    for end in range(1, len(scenes[0].truth) + 1):
        for panel in panels:
            panel.show(max(0, end - trail), end)
        figure.texts[-1].set_text(f"frame {scenes[0].first_frame + end - 1}")
        canvas.draw()
        yield np.asarray(canvas.buffer_rgba())[..., :3].copy()


def swapped(positions: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return (T, N): whether a particle is matched to another track than a frame before; both (T, N, 2)."""
    track_of = match(positions[None], truth[None])[0].argsort(axis=1)
    changed = np.zeros(track_of.shape, bool)
    changed[1:] = track_of[1:] != track_of[:-1]
    return changed


class _Panel:
    """A panel whose artists are moved from frame to frame."""

    def __init__(self, axis: Axes, scene: Scene, track: Track, styles: Styles):
        self._axis, self._scene, self._track = axis, scene, track
        particles = scene.truth.shape[1]
        look = styles[track.method]
        shades = _shades(styles, track.method, particles)
        self._truth = [axis.plot([], [], **TRUTH)[0] for _ in range(particles)]
        self._tracks = [axis.plot([], [], color=shade, **TRACK)[0] for shade in shades]
        self._heads = [
            axis.plot([], [], color=shade, marker=look.marker or "o", **HEAD)[0] for shade in shades
        ]
        (self._detections,) = axis.plot([], [], **DETECTION)
        (self._swaps,) = axis.plot([], [], **SWAP)
        self._changed = swapped(track.positions, scene.truth)
        matching = match(track.positions[None], scene.truth[None])
        self._counts = [int(swaps(matching[:, :end])[0]) for end in range(1, len(scene.truth) + 1)]

    def show(self, begin: int, end: int) -> None:
        """Show the frames from begin to before end."""
        shown = slice(begin, end)
        for line, positions in zip(self._truth, self._scene.truth[shown].swapaxes(0, 1), strict=True):
            line.set_data(*positions.T)
        tracks = self._track.positions[shown].swapaxes(0, 1)
        for line, head, positions in zip(self._tracks, self._heads, tracks, strict=True):
            line.set_data(*positions.T)
            head.set_data(*positions[-1:].T)
        self._detections.set_data(*self._scene.measurements[shown].reshape(-1, 2).T)
        self._swaps.set_data(*self._scene.truth[shown][self._changed[shown]].T)
        many = self._counts[end - 1]
        counted = "no swap" if not many else "1 swap" if many == 1 else f"{many} swaps"
        self._axis.set_title(f"{symbols(self._track.label)}: {counted}", fontsize="small")


def _shades(styles: Styles, method: str, particles: int) -> list:
    """Return the colour of each of a tracker's tracks."""
    look = styles[method]
    # The ends of a sequential palette are too pale and too dark.
    return (
        [REFERENCE_GREY] * particles
        if look.is_reference
        else sns.color_palette(look.palette, particles + 2)[1:-1]
    )


def _panels(scenes: Sequence[Scene], title: str, styles: Styles) -> tuple[Figure, np.ndarray]:
    columns = len(scenes[0].tracks)
    everything = np.concatenate(
        [
            positions.reshape(-1, 2)
            for scene in scenes
            for positions in (scene.truth, scene.measurements, *(track.positions for track in scene.tracks))
        ]
    )
    low, high = everything.min(axis=0), everything.max(axis=0)
    margin = MARGIN * (high - low).max() or 1.0
    low, high = low - margin, high + margin
    across, up = high - low
    panel = PAGE_INCHES / columns * 0.9
    height = min(max(panel * up / across, 0.4 * panel), 1.6 * panel) + 0.3
    size = (PAGE_INCHES, height * len(scenes) + TITLE_INCHES + 2 * LEGEND_ROW_INCHES)
    figure, axes = new_figure(len(scenes), columns, title, size, sharex="all", sharey="all")
    for row, scene in zip(axes, scenes, strict=True):
        row[0].set_ylabel(as_written(scene.title), fontsize="medium")
    for axis in axes.flat:
        axis.set_xlim(low[0], high[0])
        axis.set_ylim(low[1], high[1])
        axis.set_aspect("equal")
        axis.grid(False)
        axis.tick_params(labelsize="x-small")
    drawn = {track.method: _shades(styles, track.method, 1)[0] for track in scenes[0].tracks}
    handles: dict[str, Any] = {
        "truth": Line2D([], [], **TRUTH),
        "detection": Line2D([], [], **DETECTION | {"markersize": 3}),
        "track and its end": tuple(
            Line2D([], [], color=shade, marker=styles[method].marker or "o", **TRACK | HEAD)
            for method, shade in drawn.items()
        ),
        "swap": Line2D([], [], **SWAP),
    }
    figure.legend(
        list(handles.values()), list(handles), loc="outside lower center", ncols=len(handles),
        frameon=False, fontsize="small", columnspacing=1.2, handlelength=3.5, markerscale=1.2,
        handler_map={tuple: HandlerTuple(ndivide=None, pad=0.2)},
    )  # fmt: skip
    # The moving picture says here which frame it shows.
    figure.text(0.995, 0.995, "", ha="right", va="top", fontsize="small")
    return figure, axes
