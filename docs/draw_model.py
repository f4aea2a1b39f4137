"""Draw the model of eqs. 2 to 4 in plate notation: what is drawn at random, what is seen, what repeats.

`python docs/draw_model.py` writes docs/images/model.svg.
"""

from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch
from svg import as_svg

PICTURE = Path(__file__).resolve().parent / "images/model.svg"

# Of a node: its place, whether it is observed, or a parameter, which is not random.
NODES = {
    r"$\sigma_d$": (0.6, 3.3, "parameter"),
    r"$\delta_p$": (2.0, 3.3, "hidden"),
    r"$\mu$": (0.6, 2.2, "parameter"),
    r"$y_{p,t-1}$": (2.4, 2.2, "hidden"),
    r"$y_{p,t}$": (4.2, 2.2, "hidden"),
    r"$\sigma$": (0.6, 1.0, "parameter"),
    r"$\pi_t$": (6.1, 1.0, "hidden"),
    r"$z_{\pi_t(p),t}$": (4.2, 1.0, "observed"),
}
ARROWS = [
    (r"$\sigma_d$", r"$\delta_p$"),
    (r"$\delta_p$", r"$y_{p,t}$"),
    (r"$\mu$", r"$y_{p,t-1}$"),
    (r"$y_{p,t-1}$", r"$y_{p,t}$"),
    (r"$y_{p,t}$", r"$z_{\pi_t(p),t}$"),
    (r"$\sigma$", r"$z_{\pi_t(p),t}$"),
    (r"$\pi_t$", r"$z_{\pi_t(p),t}$"),
]
# Corner, size and label of what repeats.
PLATES = [
    ((1.35, 0.3), (3.75, 3.55), r"particles $p = 0 \ldots N - 1$"),
    ((3.35, 0.12), (3.5, 2.75), r"frames $t = 1 \ldots T - 1$"),
]
RADIUS = 0.4


def model_figure() -> Figure:
    """Return the drawing."""
    figure = Figure(figsize=(6.4, 3.9))
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set_xlim(0, 7.1)
    axis.set_ylim(0, 4.1)
    axis.set_aspect("equal")
    axis.axis("off")
    for corner, (width, height), label in PLATES:
        axis.add_patch(
            FancyBboxPatch(
                corner, width, height, boxstyle="round,pad=0,rounding_size=0.12", fill=False, ec="0.4"
            )
        )
        inside = (
            corner[0] + width - 0.08,
            corner[1] + (height - 0.12 if label.startswith("particles") else 0.08),
        )
        up = "top" if label.startswith("particles") else "bottom"
        axis.text(*inside, label, ha="right", va=up, fontsize=8, color="0.3")
    for name, (x, y, kind) in NODES.items():
        if kind != "parameter":
            fill = "0.82" if kind == "observed" else "white"
            axis.add_patch(Circle((x, y), RADIUS, facecolor=fill, edgecolor="black", zorder=3))
        axis.text(x, y, name, ha="center", va="center", fontsize=11, zorder=4)
    for begin, end in ARROWS:
        (x, y, kind), (to_x, to_y, _) = NODES[begin], NODES[end]
        axis.add_patch(
            FancyArrowPatch(
                (x, y), (to_x, to_y), arrowstyle="-|>", mutation_scale=11, color="black", zorder=2,
                shrinkA=13 if kind == "parameter" else 27, shrinkB=26,
            )
        )  # fmt: skip
    return figure


if __name__ == "__main__":
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(as_svg(model_figure), encoding="utf-8")
