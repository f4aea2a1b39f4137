"""Draw a table of tabulate_operations.py: operations and seconds per sequence against the lookback.

The legend says how the operations grow: the base of an exponential for the Multiple Hypothesis Tracker, the
exponent of a power for the transformer. The panel says from which lookback on one takes more than the
other. Thin lines are the growth that the paper states.
"""

from itertools import product
from math import factorial

import numpy as np

import pictures
from command_line import ArgumentParser, existing_file, run
from mpt.figures import Line, draw_operations
from mpt.fits import crossing, growth
from mpt.tables import OPERATIONS, TableReader

VARIANTS = {
    ("mht", "enumerate"): "MHT",
    ("mht", "refilter"): "MHT, every hypothesis filtered anew",
    ("mht", "assignment"): "MHT, branch and bound",
    ("transformer", "incremental"): "transformer",
    ("transformer", "re_encoded"): "transformer, window encoded anew",
}
# The curve that is what the paper describes: through its last point goes the growth that the paper states.
AS_IN_THE_PAPER = {"mht": ("mht", "refilter"), "transformer": ("transformer", "re_encoded")}
FITTED_POINTS = 3


def main() -> None:
    """Read the flags, draw, write each picture."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument(
        "--table", type=existing_file, required=True, metavar="F", help="of tabulate_operations.py"
    )
    pictures.add_flags(parser)
    arguments = parser.parse_args()
    palettes = pictures.palettes(arguments)

    with TableReader(arguments.table, OPERATIONS) as reader:
        rows, made_by = reader.read(), reader.parameters
    panels = {measure: curves(rows, measure) for measure in ("flops", "seconds")}
    operations = panels["flops"]
    laws = {line.label: law(line) for line in operations.values() if len(line.x) >= FITTED_POINTS}
    lines = {measure: list(of_measure.values()) for measure, of_measure in panels.items()}
    lines["flops"] += guides(operations, made_by)
    notes = {"flops": crossings(operations)}
    figure = draw_operations(lines, laws, notes, arguments.title, palettes)
    pictures.save(figure, arguments.output, arguments.dots_per_inch)


def curves(rows: dict[str, np.ndarray], measure: str) -> dict[tuple[str, str], Line]:
    """Return the curve of each tracker and variant."""
    found = {}
    for tracker, variant in sorted(set(zip(rows["tracker"], rows["variant"], strict=True))):
        chosen = (rows["tracker"] == tracker) & (rows["variant"] == variant)
        values = np.asarray(rows[measure][chosen], float)
        label = VARIANTS.get((tracker, variant), f"{tracker}, {variant}")
        found[tracker, variant] = Line(
            label, tracker, rows["K"][chosen].astype(float), values, values, values
        )
    return found


def law(line: Line) -> str:
    """Return how a curve grows, as mathtext."""
    fitted = growth(line.x, line.mean)
    if line.method == "mht":
        return rf": $\propto {fitted.base.value:.3g}^K$"
    return rf": $\propto K^{{{fitted.exponent.value:.2g}}}$"


def crossings(operations: dict[tuple[str, str], Line]) -> list[str]:
    """Return where each curve of the MHT rises above each of the transformer, a line each."""
    notes = []
    for mht, transformer in product(*([k for k in operations if k[0] == name] for name in AS_IN_THE_PAPER)):
        first, second = operations[mht], operations[transformer]
        shared, of_first, of_second = np.intersect1d(first.x, second.x, return_indices=True)
        found = crossing(shared, first.mean[of_first], second.mean[of_second])
        if found:
            notes.append(f"{first.label} above {second.label} from $K = {found.value:.1f}$")
    return notes or [f"no crossing up to $K = {max(line.x.max() for line in operations.values()):.0f}$"]


def guides(operations: dict[tuple[str, str], Line], made_by: dict) -> list[Line]:
    """Return the growth that the paper states for the MHT and for the transformer."""
    found = []
    for tracker, variant in AS_IN_THE_PAPER.items():
        if variant in operations:
            line = operations[variant]
            if tracker == "mht":
                label, stated = "O(N!ᴷ)", factorial(made_by["mht"]["particles"]) ** line.x
            else:
                d = made_by["transformer"]["dimension"]
                label, stated = "O(Kd² + K²d)", line.x * d**2 + line.x**2 * d
            values = stated / stated[-1] * line.mean[-1]
            found.append(Line(label, "guide", line.x, values, values, values))
    return found


if __name__ == "__main__":
    run(main)
