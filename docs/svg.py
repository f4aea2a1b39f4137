"""Figures of the documentation as SVG."""

import io
from collections.abc import Callable

import matplotlib
from matplotlib.figure import Figure


def as_svg(draw: Callable[[], Figure]) -> str:
    """Return the figure that draw() returns as SVG, the same text whatever style is set."""
    drawn = io.StringIO()
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({"svg.hashsalt": "mpt", "svg.fonttype": "path"})
        draw().savefig(drawn, format="svg", metadata={"Date": None})
    return drawn.getvalue()
