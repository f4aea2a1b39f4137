"""The one look of all figures: sizes, fonts, a colour and marker per method, text drawn as written."""

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import matplotlib

matplotlib.use("Agg")

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mpt.errors import InputError

# Width in inches of a page of two columns, and of a column.
PAGE_INCHES = 7.16
COLUMN_INCHES = 3.5
PANEL_INCHES = (PAGE_INCHES / 2, 2.7)
TITLE_INCHES = 0.35
LEGEND_ROW_INCHES = 0.2
# Height in inches of a line of notes above a panel.
NOTE_INCHES = 0.12
MARKERS = "osD^vPX<>*"
REFERENCE = "reference"
REFERENCE_DASHES = (
    "-",
    ":",
    (0, (5, 1.5)),
    (0, (5, 1.5, 1, 1.5)),
    (0, (8, 2, 1, 2, 1, 2)),
    (0, (10, 3)),
    (0, (3, 3)),
    (0, (1, 4)),
)
REFERENCE_GREY = "0.55"
# TrueType, which every viewer can search and publishers accept; matplotlib's own choice, Type 3, they refuse.
EMBEDDED_FONTS: dict[Any, Any] = {"pdf.fonttype": 42}
# What this project's labels and claims hold of mathematics, and nothing more: transformer_{8,30}, K_MHT.
OWN_SUBSCRIPT = re.compile(r"(?<![^\s(])([A-Za-z]+)_\{(\d+|T),(\d+|i)\}(?!\w)")
OWN_LOOKBACK = re.compile(r"(?<![^\s(])K_(MHT|E|D)\b")


@dataclass(frozen=True)
class Look:
    """How the curves of a method look: a seaborn palette and a marker; a reference needs neither.

    is_reference: whether others are compared with the method. It is drawn thin, and grey without a palette.
    dashes: of a reference's curves, by label, the place of their pattern in REFERENCE_DASHES.
    """

    palette: str | None
    marker: str = ""
    is_reference: bool = False
    dashes: Mapping[str, int] = field(default_factory=dict)


class Curve(Protocol):
    """What the look of a curve depends on."""

    @property
    def label(self) -> str:
        """Its name in the legend."""

    @property
    def method(self) -> str:
        """The method whose look it has, or `fit` or `guide`."""

    @property
    def fitted_to(self) -> str | None:
        """The label of the curve that a fit is fitted to."""


class Styles(Mapping):
    """The look of each method, by the method's name; its order gives those markers that are not declared."""

    def __init__(self, declared: Mapping[str, Mapping[str, Any]]):
        """Take {method: {"palette": NAME, "marker": optional} or {"role": "reference", …}}.

        A reference may have a "palette", and "dashes": {label: place}, for curves that several figures have.
        Raises InputError for a look that is neither, or a palette, marker or place that is not known.
        """
        self._looks = {}
        if not isinstance(declared, Mapping):
            raise InputError("the styles are not an object with a look per method")
        free = [marker for marker in MARKERS if marker not in _declared_markers(declared)] or list(MARKERS)
        place = 0
        for method, look in declared.items():
            if (
                isinstance(look, Mapping)
                and look.get("role") == REFERENCE
                and look.keys() <= {"role", "palette", "dashes"}
            ):
                if "palette" in look:
                    check_palette(look["palette"])
                places = look.get("dashes", {})
                if not isinstance(places, Mapping) or not all(map(_is_place, places.values())):
                    raise InputError(f"style of {method}: dashes {places!r} are not {{label: place}}, from 0")
                self._looks[method] = Look(look.get("palette"), is_reference=True, dashes=places)
                continue
            if not isinstance(look, Mapping) or not {"palette"} <= look.keys() <= {"palette", "marker"}:
                raise InputError(
                    f'style of {method}: {look!r} is neither {{"palette": NAME}} nor {{"role": "reference"}}'
                )
            check_palette(look["palette"])
            marker = look.get("marker")
            if marker is None:
                marker, place = free[place % len(free)], place + 1
            elif marker not in list(MARKERS):
                raise InputError(f"style of {method}: marker {marker!r} is none of {' '.join(MARKERS)}")
            self._looks[method] = Look(look["palette"], marker)

    def __getitem__(self, method: str) -> Look:
        """Return the look of a method; raises InputError if none is declared."""
        if method not in self._looks:
            raise InputError(
                f"no style is declared for the method {method!r}: {', '.join(self._looks)} have one"
            )
        return self._looks[method]

    def __iter__(self):
        """Iterate over the methods in the order declared."""
        return iter(self._looks)

    def __len__(self) -> int:
        """Return the number of methods."""
        return len(self._looks)

    def is_reference(self, method: str) -> bool:
        """Whether curves of a method are compared with; fits and guides are not."""
        return method not in ("fit", "guide") and self[method].is_reference

    def is_compared(self, method: str) -> bool:
        """Whether curves of a method are those that the figure is about."""
        return method not in ("fit", "guide") and not self[method].is_reference

    def of_curves(self, curves: Sequence[Curve]) -> list[dict]:
        """Return how to plot each of a figure's curves, as keywords of Axes.plot.

        A method's curves share its marker and have a shade of its palette each. References are thin, grey
        if they have no palette, and are told apart by their dashes: of a declared label the same in every
        figure, of others the first that are free. A fit is dashed and has the colour of the curve that it is
        fitted to.
        """
        methods = [curve.method for curve in curves]
        places = self._places(curves)
        styles: list[dict] = []
        for number, method in enumerate(methods):
            many, before = methods.count(method), methods[:number].count(method)
            if method == "guide":
                dashes = REFERENCE_DASHES[1 + before % (len(REFERENCE_DASHES) - 1)]
                styles.append({"color": REFERENCE_GREY, "linewidth": 0.7, "linestyle": dashes, "zorder": 1})
            elif method == "fit":
                styles.append({"linewidth": 0.8, "linestyle": "--", "zorder": 2})
            elif self[method].is_reference:
                palette = self[method].palette
                dashes = REFERENCE_DASHES[places[number] % len(REFERENCE_DASHES)]
                color = sns.color_palette(palette, 3)[1] if palette else REFERENCE_GREY
                styles.append({"color": color, "linewidth": 0.9, "linestyle": dashes, "zorder": 1})
            else:
                look = self[method]
                # The ends of a sequential palette are too pale and too dark.
                shade = sns.color_palette(look.palette, many + 2)[1 + before]
                marker = {"marker": look.marker, "markersize": 3.5}
                styles.append({"color": shade, "linewidth": 1.4, "zorder": 3} | marker)
        colors = {curve.label: style.get("color") for curve, style in zip(curves, styles, strict=True)}
        for curve, style in zip(curves, styles, strict=True):
            if curve.method == "fit":
                style["color"] = colors.get(curve.fitted_to or "") or "0.1"
        return styles

    def _places(self, curves: Sequence[Curve]) -> dict[int, int]:
        """Return, by the number of a curve of a reference, the place of its dashes."""
        references = {
            number: (curve.label, self[curve.method])
            for number, curve in enumerate(curves)
            if self.is_reference(curve.method)
        }
        found = {
            number: look.dashes[label] for number, (label, look) in references.items() if label in look.dashes
        }
        for number, (_, look) in references.items():
            if number not in found:
                # In the colour of a method a solid line is the curve that is compared.
                free = itertools.count(1 if look.palette else 0)
                found[number] = next(place for place in free if place not in found.values())
        return found


def check_palette(name: str) -> None:
    """Raise InputError for a palette that seaborn does not know."""
    try:
        sns.color_palette(name)
    except (ValueError, TypeError) as error:
        raise InputError(f"palette {name!r}: {error}") from error


def new_figure(
    rows: int, columns: int, title: str, size: tuple[float, float] | None = None, **options
) -> tuple[Figure, np.ndarray]:
    """Return a figure and its axes (rows, columns); options are those of Figure.subplots."""
    sns.set_theme(context="paper", style="ticks", font="DejaVu Sans")
    size = size or (PANEL_INCHES[0] * columns, PANEL_INCHES[1] * rows)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    for axis in axes.flat:
        sns.despine(ax=axis)
        axis.grid(axis="y", linewidth=0.4, alpha=0.6)
    if title:
        figure.suptitle(as_written(title), fontsize="medium")
    return figure, axes


def legend(figure: Figure, axes: Iterable[Axes], height: float) -> None:
    """Name the curves below the panels, references last, in columns that the figure has room for.

    height is that of the figure in inches without the title and the legend.
    """
    named: dict[str, Line2D] = {}
    for axis in axes:
        # Not the axis's own choice: it leaves out labels that begin with an underscore.
        for handle in axis.get_lines():
            if name := handle.get_gid():
                named.setdefault(name, handle)
    labels = sorted(named, key=lambda label: named[label].get_zorder(), reverse=True)
    # A handle is as wide as six letters, of which an inch holds twelve.
    widest = 6 + max(len(re.sub(r"\\[a-z]+|[${}^_]", "", label)) for label in labels)
    columns = max(1, min(len(labels), int(12 * figure.get_figwidth() / widest)))
    figure.set_figheight(height + TITLE_INCHES + LEGEND_ROW_INCHES * -(-len(labels) // columns))
    drawn = figure.legend(
        [named[label] for label in labels],
        [f"curve {number}" for number in range(len(labels))],
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        fontsize="small",
    )
    # After the legend is made: it would leave out a label that begins with an underscore.
    for text, label in zip(drawn.get_texts(), labels, strict=True):
        text.set_text(label)


def as_written(text: str) -> str:
    """Return text of users so that matplotlib draws it as it is written, dollars too."""
    return text.replace("$", r"\$")


def symbols(text: str) -> str:
    """Return a label or statement with subscripts in what is ours: transformer_{8,30}, K_MHT = 8.

    All else, such as model_{run__2} or $, is drawn as it is written.
    """
    # In braces the comma is a letter, without the space that follows punctuation.
    text = OWN_SUBSCRIPT.sub(r"\1$_{\2{,}\3}$", as_written(text))
    return OWN_LOOKBACK.sub(r"$K_\\mathrm{\1}$", text)


def _is_place(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _declared_markers(declared: Mapping) -> set[str]:
    return {look["marker"] for look in declared.values() if isinstance(look, Mapping) and "marker" in look}
