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
from command_line import ArgumentParser, existing_file, json_value, run
from mpt.drawing.figures import Line, draw_operations
from mpt.drawing.style import Styles
from mpt.judgement.fits import crossing, growth
from mpt.tables.files import TableReader
from mpt.tables.operations import OPERATIONS

# What a curve's name says of its variant, in the order of the legend.
VARIANTS = {
    "enumerate": "",
    "refilter": ", filtered anew",
    "assignment": ", branch and bound",
    "incremental": "",
    "re_encoded": ", encoded anew",
    "whole": ", K_E = T",
}
# Variants whose operations multiply with each frame of lookback; those of the others grow as a power of it.
OF_HYPOTHESES = ("enumerate", "refilter", "assignment")
# What the paper describes, and calls so: above the last point of these ends the growth that it states.
AS_IN_THE_PAPER = {"refilter": "MHT", "re_encoded": "transformer"}
# Whose crossings are marked, so that there is room for their lookbacks; the claims have the others.
MARKED = ("enumerate", "refilter"), ("incremental", "re_encoded")
LEAST_POINTS = 3
GUIDES_APART = 2.5


def main() -> None:
    """Read the flags, draw, write each picture."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument(
        "--table", type=existing_file, required=True, metavar="F", help="of tabulate_operations.py"
    )
    parser.add_argument(
        "--names",
        type=json_value,
        default={},
        metavar="JSON",
        help='what curves call a method: {"mht": "MHT"}; by default its own name',
    )
    pictures.add_flags(parser)
    arguments = parser.parse_args()
    figure = draw(arguments.table, arguments.title, Styles(arguments.styles), arguments.names)
    pictures.save(figure, arguments.output, arguments.dots_per_inch)


def draw(table: Path, title: str, styles: Styles, names: Mapping[str, str]) -> Figure:
    """Draw a table of operations; names are what curves call the methods, by default their own."""
    with TableReader(table, OPERATIONS) as reader:
        rows, made_by = reader.read(), reader.parameters
    operations, seconds = curves(rows, "flops", names), curves(rows, "seconds", names)
    laws = {
        line.label: law(line, variant)
        for (_, variant), line in operations.items()
        if len(line.x) >= LEAST_POINTS
    }
    together = [
        line
        for measure in ("seconds_together", "gpu_seconds_together")
        for line in curves(rows, measure, names).values()
    ]
    guided, stated = guides(operations, made_by)
    crossed = crossings(operations)
    notes = {"flops": [f"no crossing up to $K={rows['K'].max()}$"]}
    if any(crossed):
        notes["flops"] = ["○ $K$ from which on an MHT takes more than a transformer"]
    if guided:
        notes["flops"].append(f"grey: the paper's slopes, ending at {GUIDES_APART:g} × those “anew”")
    if together:
        numbers = {made_by[line.method]["sequences_together"] for line in together}
        many = " or ".join(map(str, sorted(numbers)))
        notes["seconds"] = [f"a sequence by itself; dashed: among {many} at once"]
    return draw_operations(
        {"flops": [*operations.values(), *guided], "seconds": list(seconds.values())},
        laws | stated,
        {"seconds": together},
        {"flops": crossed},
        notes,
        title,
        styles,
    )


def curves(
    rows: dict[str, np.ndarray], measure: str, names: Mapping[str, str]
) -> dict[tuple[str, str], Line]:
    """Return the curve of each tracker and variant of which there is one."""
    found = {}
    there = ~np.ma.getmaskarray(rows[measure])
    known = list(VARIANTS)
    variants = set(zip(rows["tracker"], rows["variant"], strict=True))
    order = {variant: place for place, variant in enumerate(known)}
    for tracker, variant in sorted(variants, key=lambda v: (order.get(v[1], len(known)), v)):
        chosen = (rows["tracker"] == tracker) & (rows["variant"] == variant) & there
        if chosen.any():
            values = np.asarray(rows[measure][chosen], float)
            label = names.get(tracker, tracker) + VARIANTS.get(variant, f", {variant}")
            lookbacks = rows["K"][chosen].astype(float)
            found[tracker, variant] = Line(label, tracker, lookbacks, values, values, values)
    return found


def law(line: Line, variant: str) -> str:
    """Return how a variant's curve grows, as mathtext."""
    fitted = growth(line.x, line.mean)
    if variant in OF_HYPOTHESES:
        return rf": $\propto {fitted.base.value:.3g}^K$"
    return rf": $\propto K^{{{fitted.exponent.value:.2g}}}$"


def crossings(operations: dict[tuple[str, str], Line]) -> list[list[tuple[float, float]]]:
    """Return for each curve of a transformer where those of the MHT rise above it: (lookback, height)."""
    of_mht, of_transformer = (
        [line for (_, variant), line in operations.items() if variant in chosen] for chosen in MARKED
    )
    found = []
    for level in of_transformer:
        of_level = []
        for rising in of_mht:
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
    for stated, name in AS_IN_THE_PAPER.items():
        described = [tracker for tracker, variant in operations if variant == stated]
        if not described:
            continue
        highest = max(described, key=lambda tracker: operations[tracker, stated].mean[-1])
        line, label = operations[highest, stated], f"paper, {name}"
        if stated in OF_HYPOTHESES:
            laws[label] = ": $O(N!^K)$"
            values = float(factorial(made_by[highest]["particles"])) ** line.x
        else:
            d = made_by[highest]["dimension"]
            laws[label] = ": $O(Kd^2 + K^2d)$"
            values = line.x * d**2 + line.x**2 * d
        values = values / values[-1] * line.mean[-1] * GUIDES_APART
        found.append(Line(label, "guide", line.x, values, values, values))
    return found, laws


if __name__ == "__main__":
    run(main)
