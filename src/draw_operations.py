"""Draw a table of tabulate_operations.py: operations and seconds per sequence against the lookback.

The legend says how the operations grow: the base of an exponential for the Multiple Hypothesis Tracker, the
exponent of a power for the transformer. Circles mark from which lookback on one takes more than the other.
Thin lines grow as the paper states. Only their slope means anything: they are scaled to end beside the curves
of what the paper describes, as the figure says.
"""

from collections.abc import Mapping
from math import factorial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import pictures
from command_line import ArgumentParser, existing_file, run
from mpt.drawing.figures import Line, draw_operations
from mpt.judgement.fits import crossing, growth
from mpt.tables.files import TableReader
from mpt.tables.operations import OPERATIONS

VARIANTS = {
    ("mht", "enumerate"): "MHT",
    ("mht", "refilter"): "MHT, filtered anew",
    ("mht", "assignment"): "MHT, branch and bound",
    ("transformer", "incremental"): "transformer",
    ("transformer", "re_encoded"): "transformer, encoded anew",
}
# The curve that is what the paper describes: through its last point goes the growth that the paper states.
AS_IN_THE_PAPER = {"mht": "refilter", "transformer": "re_encoded"}
FITTED_POINTS = 3
GUIDES_APART = 2.5


def main() -> None:
    """Read the flags, draw, write each picture."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument(
        "--table", type=existing_file, required=True, metavar="F", help="of tabulate_operations.py"
    )
    pictures.add_flags(parser)
    arguments = parser.parse_args()
    palettes = pictures.palettes(arguments)

    pictures.save(draw(arguments.table, arguments.title, palettes), arguments.output, arguments.dots_per_inch)


def draw(table: Path, title: str, palettes: Mapping[str, str]) -> Figure:
    """Draw a table of operations."""
    with TableReader(table, OPERATIONS) as reader:
        rows, made_by = reader.read(), reader.parameters
    operations, seconds = curves(rows, "flops"), curves(rows, "seconds")
    laws = {line.label: law(line) for line in operations.values() if len(line.x) >= FITTED_POINTS}
    together = [*curves(rows, "seconds_together").values(), *curves(rows, "gpu_seconds_together").values()]
    guided, stated = guides(operations, made_by)
    crossed = crossings(operations)
    notes = {"flops": [f"no crossing up to $K={rows['K'].max()}$"]}
    if any(crossed):
        notes["flops"] = ["○ $K$ from which on an MHT takes more than a transformer"]
    if guided:
        notes["flops"].append(f"grey: the paper's slopes, ending at {GUIDES_APART:g} × those “anew”")
    if together:
        number = made_by["transformer"]["sequences_together"]
        notes["seconds"] = [f"a sequence by itself; dashed: among {number} at once"]
    return draw_operations(
        {"flops": [*operations.values(), *guided], "seconds": list(seconds.values())},
        laws | stated,
        {"seconds": together},
        {"flops": crossed},
        notes,
        title,
        palettes,
    )


def curves(rows: dict[str, np.ndarray], measure: str) -> dict[tuple[str, str], Line]:
    """Return the curve of each tracker and variant of which there is one."""
    found = {}
    there = ~np.ma.getmaskarray(rows[measure])
    known = list(VARIANTS)
    variants = set(zip(rows["tracker"], rows["variant"], strict=True))
    for tracker, variant in sorted(variants, key=lambda v: (known.index(v) if v in known else len(known), v)):
        chosen = (rows["tracker"] == tracker) & (rows["variant"] == variant) & there
        if chosen.any():
            values = np.asarray(rows[measure][chosen], float)
            label = VARIANTS.get((tracker, variant), f"{tracker}, {variant}")
            lookbacks = rows["K"][chosen].astype(float)
            found[tracker, variant] = Line(label, tracker, lookbacks, values, values, values)
    return found


def law(line: Line) -> str:
    """Return how a curve grows, as mathtext."""
    fitted = growth(line.x, line.mean)
    if line.method == "mht":
        return rf": $\propto {fitted.base.value:.3g}^K$"
    return rf": $\propto K^{{{fitted.exponent.value:.2g}}}$"


def crossings(operations: dict[tuple[str, str], Line]) -> list[list[tuple[float, float]]]:
    """Return for each curve of the transformer where those of the MHT rise above it: (lookback, height)."""
    of_mht, of_transformer = ([key for key in operations if key[0] == name] for name in AS_IN_THE_PAPER)
    found = []
    for level in map(operations.get, of_transformer):
        of_level = []
        for rising in map(operations.get, of_mht):
            shared, of_rising, of_shared = np.intersect1d(rising.x, level.x, return_indices=True)
            at = crossing(shared, rising.mean[of_rising], level.mean[of_shared])
            if at:
                height = np.exp(np.interp(at.value, shared, np.log(level.mean[of_shared])))
                of_level.append((at.value, float(height)))
        found.append(sorted(of_level))
    return found


def guides(operations: dict[tuple[str, str], Line], made_by: dict) -> tuple[list[Line], dict[str, str]]:
    """Return lines that grow as the paper states for the MHT and for the transformer, and the laws."""
    found, laws = [], {}
    for tracker, variant in AS_IN_THE_PAPER.items():
        if (tracker, variant) in operations:
            line = operations[tracker, variant]
            if tracker == "mht":
                label, growth_stated = "paper, MHT", ": $O(N!^K)$"
                values = factorial(made_by["mht"]["particles"]) ** line.x
            else:
                d = made_by["transformer"]["dimension"]
                label, growth_stated = "paper, transformer", ": $O(Kd^2 + K^2d)$"
                values = line.x * d**2 + line.x**2 * d
            values = values / values[-1] * line.mean[-1] * GUIDES_APART
            found.append(Line(label, "guide", line.x, values, values, values))
            laws[label] = growth_stated
    return found, laws


if __name__ == "__main__":
    run(main)
