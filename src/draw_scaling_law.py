"""Draw the table of fit_scaling_law.py: error over training experiments, a curve per size, and the law."""

import numpy as np

import pictures
from command_line import ArgumentParser, existing_file, run
from mpt.drawing.scaling import Sizes, draw_scaling
from mpt.drawing.style import check_palette
from mpt.judgement.fits import Estimate
from mpt.judgement.scaling import Law, predicted
from mpt.tables.files import TableReader
from mpt.tables.scaling import SCALING

# Of a fitted curve, enough for a smooth line.
DRAWN_POINTS = 50


def main() -> None:
    """Read the flags, draw, write each picture."""
    parser = ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--table", type=existing_file, required=True, metavar="F", help="of fit_scaling_law.py")
    add("--title", required=True, help="what the figure says")
    add("--palette", required=True, metavar="NAME", help="seaborn palette of the curves")
    pictures.add_file_flags(parser)
    arguments = parser.parse_args()
    pictures.check_suffixes(arguments.output)
    check_palette(arguments.palette)

    with TableReader(arguments.table, SCALING) as reader:
        told = reader.parameters["law"]
        rows = reader.read()
    E, A, B, alpha, beta = (Estimate(*told[name]) for name in Law._fields[:5])
    law = Law(E, A, B, alpha, beta, told["reference"])
    along = np.geomspace(rows["experiments"].min(), rows["experiments"].max(), DRAWN_POINTS)
    curves = []
    for parameters in np.unique(rows["parameters"]):
        of_size = rows["parameters"] == parameters
        experiments, excess, low, high = (
            rows[name][of_size] for name in ("experiments", "excess", "low", "high")
        )
        fitted = predicted(law, parameters, along)
        curves.append(Sizes(int(parameters), experiments, excess, low, high, along, fitted))
    figure = draw_scaling(curves, law, arguments.title, arguments.palette)
    pictures.save(figure, arguments.output, arguments.dots_per_inch)


if __name__ == "__main__":
    run(main)
