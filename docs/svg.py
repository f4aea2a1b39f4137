"""Figures of the documentation as SVG."""

import io

import matplotlib
from matplotlib.figure import Figure


def as_svg(figure: Figure) -> str:
    """Return a figure as SVG, the same text each time."""
    drawn = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "mpt", "svg.fonttype": "path"}):
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    return drawn.getvalue()
