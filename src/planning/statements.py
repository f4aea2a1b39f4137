"""Texts of the config that name its values: placeholders are filled from the plan, so that they cannot lie.

A placeholder is a name in braces, such as {K}. What stands in braces behind an underscore, as in
transformer_{8,1}, is a subscript and is left alone.

    {T}            frames of a test sequence
    {ρ}            density of the test data, particles per area
    {σ} {μ} {N}    measurement noise, process noise and particles of the test data
    {K}            lookback: K_MHT of an MHT, K_D of a transformer
    {i}            experiments per batch of a transformer's training, {experiments} those of all batches
    {prior}        measurement noise that an MHT is told or a transformer is trained at
    {curve_K} …    the same of a claim's curves only, {reference_K} … of its reference only
    {curve} {reference}   a claim's labels
    {margin}       a claim's margin in percent
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from planning.methods import StudyError
from planning.studies import Plan

Values = Mapping[str, Sequence]

_VALUES = ("T", "σ", "μ", "N", "ρ", "K", "i", "experiments", "prior")
_NAMES = {*_VALUES, "curve", "reference", "margin"} | {
    f"{role}_{name}" for role in ("curve", "reference") for name in _VALUES
}
_PLACEHOLDER = re.compile(r"(?<!_)\{([^{}]*)\}")
_LITERAL = re.compile(r"(?<!\w)([TKNiσμρ]) ?= ?([0-9]+(?:\.[0-9]+)?)")


def values_of(plan: Plan, points: Iterable[Sequence]) -> dict[str, list]:
    """Return by placeholder the distinct values that points (x, dataset, tracker) have, in their order."""
    found: dict[str, list] = {}
    for _, dataset, tracker in points:
        scene = plan.test_sets[dataset]
        of_point = {
            "T": scene["frames"],
            "σ": scene["measurement_noise"],
            "μ": scene["process_noise"],
            "N": scene["particles"],
            "ρ": scene["density"],
        }
        if name := plan.model_of.get(tracker):
            model = plan.models[name]
            of_point |= {
                "K": model.get("decoder_lookback"),
                "i": model["experiments_per_batch"],
                "prior": plan.training_sets[plan.training_set_of[name]]["measurement_noise"],
            }
            if model.get("batches") != "unlimited":
                of_point["experiments"] = model["batches"] * model["experiments_per_batch"]
        else:
            told = plan.told.get((tracker, dataset), {})
            of_point["K"] = told.get("lookback")
            # Only an MHT has a lookback; what has none, such as a control, is not told a prior.
            if "lookback" in told:
                of_point["prior"] = told.get("measurement_noise")
        for name, value in of_point.items():
            values = found.setdefault(name, [])
            if value is not None and value not in values:
                values.append(value)
    return {name: values for name, values in found.items() if values}


def filled(path: str, text: str, values: Values) -> str:
    """Return the text with the values in the place of their placeholders.

    Two values are joined by "and"; of more numbers the least and the greatest are named. Raises StudyError,
    which begins with the path, for a placeholder without a value.
    """

    def replaced(match: re.Match) -> str:
        name = match[1]
        if name not in values and name not in _NAMES:
            # Whatever else stands in braces is text.
            return match[0]
        if name not in values:
            known = ", ".join(f"{{{each}}}" for each in values)
            raise StudyError(f"{path}: {{{name}}} has no value here; there are {known or 'none'}")
        return _in_words(values[name])

    return _PLACEHOLDER.sub(replaced, text)


def title(config: dict, plan: Plan, study: str) -> str:
    """Return a study's title, filled in from what its curves are, references and controls left out.

    Raises StudyError for a placeholder without a value, or a number that is none of the values.
    """
    path, text = f"studies.{study}.title", config["studies"][study]["title"]
    points = [
        point
        for curve in plan.curves[study]
        if not plan.methods[curve.method].role and curve.control is None
        for point in curve.points
    ]
    values = values_of(plan, points)
    check_literals(path, text, values)
    return filled(path, text, values)


def check_literals(path: str, text: str, values: Values) -> None:
    """Raise StudyError if the text says of a symbol, as in K = 8, what none of its values is."""
    for symbol, number in _LITERAL.findall(text):
        known = [value for value in values.get(symbol, ()) if isinstance(value, int | float)]
        if known and float(number) not in known:
            raise StudyError(
                f"{path}: it says {symbol} = {number}, but {symbol} is {_in_words(known)}; "
                f"write {symbol} = {{{symbol}}}"
            )


def _in_words(values: Sequence) -> str:
    if len(values) > 2 and all(isinstance(value, int | float) for value in values):
        return f"{min(values)} to {max(values)}"
    return " and ".join(map(str, values))
