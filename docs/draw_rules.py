"""Draw the graph of the workflow's rules, as Snakemake gives it, in layers from data to verdicts."""

import re
import subprocess
import sys
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

NODE = re.compile(r'^\s*(\d+)\[label = "(\w+)', re.MULTILINE)
EDGE = re.compile(r"^\s*(\d+) -> (\d+)", re.MULTILINE)
# Of the width of the drawing.
SHIFT = 0.03
# Of the distance between rows.
HALF_BOX = 0.17


def rule_graph(root: Path) -> tuple[dict[str, str], set[tuple[str, str]]]:
    """Return the rules by number and the edges of Snakemake's own graph, readings too, from need to user.

    Raises RuntimeError with what Snakemake said if it draws none.
    """
    command = [sys.executable, "-m", "snakemake", "--rulegraph", "--quiet", "all", "--", "all", "readings"]
    result = subprocess.run(command, cwd=root, capture_output=True, text=True)
    nodes = dict(NODE.findall(result.stdout))
    if result.returncode or not nodes:
        raise RuntimeError(f"snakemake --rulegraph: {result.stderr.strip()[-2000:]}")
    return nodes, set(EDGE.findall(result.stdout))


def layers(nodes, edges: set[tuple[str, str]]) -> dict[str, int]:
    """Return the layer of each node: one after the last of what it needs."""
    found = dict.fromkeys(nodes, 0)
    for _ in nodes:
        for begin, end in edges:
            found[end] = max(found[end], found[begin] + 1)
    return found


def rules_figure(root: Path) -> Figure:
    """Return the drawing of the graph."""
    nodes, edges = rule_graph(root)
    layer = layers(nodes, edges)
    # An edge that a longer way goes around says nothing new.
    reachable = {begin: {end for start, end in edges if start == begin} for begin in nodes}
    for _ in nodes:
        reachable = {
            n: ends.union(*(reachable[e] for e in ends)) if ends else ends for n, ends in reachable.items()
        }
    shown = {
        (begin, end)
        for begin, end in edges
        if not any(end in reachable[middle] for start, middle in edges if start == begin and middle != end)
    }
    rows: dict[int, list[str]] = {}
    for node in sorted(nodes, key=lambda node: nodes[node]):
        rows.setdefault(layer[node], []).append(node)
    place = {}
    for depth in sorted(rows):
        # Below what it needs, as far as the row has room.
        def wish(node: str) -> float:
            above = [place[begin][0] for begin, end in shown if end == node and begin in place]
            return sum(above) / len(above) if above else 0.5

        row = sorted(rows[depth], key=wish)
        for number, node in enumerate(row):
            # Shifted from row to row, so that no long arrow runs behind the boxes of the rows between.
            place[node] = ((number + 0.5) / len(row) + SHIFT * (depth % 3 - 1), -depth)
    width = max(map(len, rows.values()))
    figure = Figure(figsize=(max(6.5, 1.75 * width), 0.75 * len(rows)))
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set_xlim(0, 1)
    axis.set_ylim(-len(rows) + 0.5, 0.5)
    axis.axis("off")
    for begin, end in sorted(shown):
        axis.add_patch(
            FancyArrowPatch(
                (place[begin][0], place[begin][1] - HALF_BOX), (place[end][0], place[end][1] + HALF_BOX),
                arrowstyle="-|>", mutation_scale=9, color="0.55", shrinkA=0, shrinkB=0, linewidth=0.8,
            )
        )  # fmt: skip
    for node, (x, y) in place.items():
        box = {"boxstyle": "round,pad=0.35", "facecolor": "#eef3f7", "edgecolor": "0.4", "linewidth": 0.7}
        axis.text(x, y, nodes[node], ha="center", va="center", fontsize=8, bbox=box)
    return figure
