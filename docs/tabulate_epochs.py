"""Write the table of epochs of docs/networks.md from what the studies of examples/epochs.yaml drew.

python docs/tabulate_epochs.py FIGURE.csv …: a block of rows for each figure, in the order given.
"""

import csv
from pathlib import Path

from generated_part import fill_from_figures, row, scene_of

PAGE = Path(__file__).resolve().parent / "networks.md"
PART = "<!-- epochs: python docs/tabulate_epochs.py -->", "<!-- end of epochs -->"
# Of the scores: their columns and how many digits are told.
SCORES = {"jaccard": 3, "position_error": 2}


def table(figures: list[Path]) -> str:
    """Return the table as Markdown, from the csv of figures of scores over epochs.

    A cell has the Jaccard coefficient and the position error. Raises ValueError if a curve lacks a point.
    """
    read = []
    for figure in figures:
        with figure.open(newline="", encoding="utf-8") as file:
            read.append(list(csv.DictReader(file)))
    epochs = sorted({float(point["x"]) for points in read for point in points})
    heads = ["scene", "tracker", *(f"{number:g}" for number in epochs)]
    rows = []
    for figure, points in zip(figures, read, strict=True):
        here = {float(point["x"]) for point in points}
        for label in dict.fromkeys(point["label"] for point in points):
            found = {
                (point["score"], float(point["x"])): float(point["mean"])
                for point in points
                if point["label"] == label
            }
            cells = []
            for number in sorted(here):
                if missing := [score for score in SCORES if (score, number) not in found]:
                    raise ValueError(f"{figure}: {label} has no {missing[0]} at {number:g} epochs")
                values = (f"{found[score, number]:.{digits}f}" for score, digits in SCORES.items())
                cells.append(", ".join(values))
            if len(set(cells)) == 1:
                # What has no training is the same at each number of epochs.
                cells = [cells[0]] + [""] * (len(epochs) - 1)
            else:
                cells = [cells.pop(0) if number in here else "" for number in epochs]
            rows.append([scene_of(points[0]["dataset"]), label, *cells])
    return "\n".join([row(heads), row(["---"] * len(heads)), *map(row, rows)])


if __name__ == "__main__":
    fill_from_figures(PAGE, PART, table, __doc__)
