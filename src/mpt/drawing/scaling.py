"""The picture of a law of scaling: error over training experiments, a curve per size, the law dashed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from mpt.drawing.style import COLUMN_INCHES, MARKERS, PAGE_INCHES, new_figure
from mpt.judgement.scaling import Law

SYMBOLS = ("E", "A", "B", r"\alpha", r"\beta")


@dataclass(frozen=True)
class Sizes:
    """The networks of one size: L with its 95 % interval at D experiments (K,), and the law along D (M,)."""

    parameters: int
    experiments: np.ndarray
    excess: np.ndarray
    low: np.ndarray
    high: np.ndarray
    along: np.ndarray
    fitted: np.ndarray


def draw_scaling(curves: Sequence[Sizes], law: Law, title: str, palette: str) -> Figure:
    """Draw L over D on logarithmic axes, a curve per number of parameters, and the law's five numbers.

    L has a linear axis if one of its means, or the law somewhere, is not above 0.
    """
    figure, ((axis,),) = new_figure(1, 1, title, (PAGE_INCHES * 0.8, COLUMN_INCHES))
    shades = sns.color_palette(palette, len(curves) + 2)[1:-1]
    for curve, shade, marker in zip(curves, shades, MARKERS * len(curves), strict=False):
        label = f"P = {curve.parameters:,}"
        axis.plot(curve.experiments, curve.excess, marker, color=shade, markersize=3.5, label=label)
        axis.vlines(curve.experiments, curve.low, curve.high, color=shade, linewidth=0.8)
        axis.plot(curve.along, curve.fitted, color=shade, linestyle="--", linewidth=0.9)
    axis.set_xscale("log")
    if all((curve.excess > 0).all() and (curve.fitted > 0).all() for curve in curves):
        axis.set_yscale("log")
    axis.set_xlabel("Training experiments $D$")
    axis.set_ylabel("Squared position error less\nthe reference's, $L$ (length²)")
    axis.set_title(r"dashed: $L = E + A\,P^{-\alpha} + B\,D^{-\beta}$", loc="right", fontsize="x-small")
    numbers = [
        f"${symbol} = {value:.3g}$ ({low:.2g} to {high:.2g})"
        for symbol, (value, low, high) in zip(SYMBOLS, law[:5], strict=True)
    ]
    figure.legend(
        loc="outside right center", frameon=False, fontsize="small", title="\n".join(numbers),
        title_fontsize="small", alignment="left",
    )  # fmt: skip
    return figure
