"""Write the table of docs/ablation.md from what the studies of examples/ablation.yaml drew.

python docs/tabulate_ablation.py FIGURE.csv …: a block of rows for each figure, in the order given.
Untrained is what a curve has at 0 epochs, trained what it has at its last.
"""

import csv
from pathlib import Path

from generated_part import fill_from_figures, row, scene_of

PAGE = Path(__file__).resolve().parent / "ablation.md"
PART = "<!-- ablation: python docs/tabulate_ablation.py -->", "<!-- end of ablation -->"
SCORES = {"jaccard": "JC", "position_error": "position error", "idf1": "IDF1", "own_particle": "own particle"}
STATES = ("untrained", "trained")


def table(figures: list[Path]) -> str:
    """Return the table as Markdown, from the csv of figures of scores over epochs.

    Raises ValueError if a figure lacks one of SCORES, or a curve a point at 0 epochs.
    """
    heads = ["scene", "network", *(f"{words}, {state}" for words in SCORES.values() for state in STATES)]
    lines = [row(heads), row(["---"] * len(heads))]
    for figure in figures:
        with figure.open(newline="", encoding="utf-8") as file:
            points = list(csv.DictReader(file))
        scene = scene_of(points[0]["dataset"])
        for label in dict.fromkeys(point["label"] for point in points):
            cells = [scene, label.removesuffix(", without = nothing")]
            for score in SCORES:
                curve = {
                    float(point["x"]): point
                    for point in points
                    if (point["label"], point["score"]) == (label, score)
                }
                if 0 not in curve:
                    raise ValueError(f"{figure}: {label} has no {score} at 0 epochs")
                cells += _cells(curve[0], curve[max(curve)])
            lines.append(row(cells))
    return "\n".join(lines)


def _cells(untrained: dict, trained: dict) -> tuple[str, str]:
    # What has no training is the same tracker at each number of epochs.
    first = "–" if untrained["tracker"] == trained["tracker"] else _interval(untrained)
    return first, _interval(trained)


def _interval(point: dict) -> str:
    mean, low, high = (float(point[key]) for key in ("mean", "low", "high"))
    return f"{mean:.3f} ± {(high - low) / 2:.3f}"


if __name__ == "__main__":
    fill_from_figures(PAGE, PART, table, __doc__)
