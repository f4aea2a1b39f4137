"""Draw the table of calibrate_bayes.py: a reliability diagram, a curve per dataset."""

import re

import numpy as np

import pictures
from command_line import ArgumentParser, existing_file, run
from mpt.drawing.figures import Line, draw_reliability
from mpt.drawing.style import check_palette
from mpt.tables.calibration import CALIBRATION
from mpt.tables.files import TableReader

TITLE = "Bayes reference; ECE: calibration error"


def main() -> None:
    """Read the flags, draw, write each picture."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument(
        "--table", type=existing_file, required=True, metavar="F", help="of calibrate_bayes.py"
    )
    parser.add_argument("--palette", required=True, metavar="NAME", help="seaborn palette of the curves")
    pictures.add_file_flags(parser)
    arguments = parser.parse_args()
    check_palette(arguments.palette)

    with TableReader(arguments.table, CALIBRATION) as reader:
        rows = reader.read()
    lines = []
    for dataset in sorted(np.unique(rows["dataset"]), key=numbers):
        chosen = rows["dataset"] == dataset
        x, mean, low, high = (rows[name][chosen] for name in ("probability", "frequency", "low", "high"))
        name = dataset.replace("_sigma", ", σ = ").replace("_", ", ")
        error = rows["expected_calibration_error"][chosen][0]
        lines.append(Line(f"{name}: ECE {error:.3f}", "bayes", x, mean, low, high))
    figure = draw_reliability(lines, TITLE, arguments.palette)
    pictures.save(figure, arguments.output, arguments.dots_per_inch)


def numbers(name: str) -> list[float]:
    """Return the numbers in a dataset's name, by which σ = 10 comes after σ = 2."""
    return [float(number) for number in re.findall(r"\d+(?:\.\d+)?", name)]


if __name__ == "__main__":
    run(main)
