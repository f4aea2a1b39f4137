"""How the config's claims become what judge_claims.py judges, with the curves that they are about.

A claim about a study that is dropped is dropped with it; one about a study or curve that never was is
refused.
"""

from math import factorial

from planning import statements
from planning.methods import StudyError
from planning.studies import Plan

# Branch and bound takes operations that no formula gives: without hardware counters they are null.
UNCOUNTED = ("mht, assignment",)
# The least x that a test makes sense of: of scores, and of counted operations.
OF_SCORES = {"difference": 1, "trend": 2, "rise": 1, "variation": 2, "returns": 3, "limit": 4}
OF_OPERATIONS = {"exponential": 3, "linear": 3, "crossing": 2}


def ledger(config: dict, plan: Plan) -> dict:
    """Return the claims, each with its x, and by figure the curves that they name and the controls.

    A claim's statement names the values of the config (planning/statements.py). A figure's controls are the
    labels of their curves by the controls' own names. Raises StudyError.
    """
    claims: dict[str, dict] = {}
    figures: dict[str, dict] = {}
    judgement = config["judgement"]
    for name, declared in claims_and_copies(config, plan).items():
        claim = {"scores": judgement["scores"], "reference": None} | declared
        claim.setdefault("reference_figure", claim["figure"])
        curve = claim.pop("curve")
        claim["curves"] = curve if isinstance(curve, list) else [curve]
        path = f"claims.{name}"
        if not _is_drawn(config, path, claim):
            continue
        curves = [_points(config, plan, f"{path}.curve", claim["figure"], label) for label in claim["curves"]]
        reference = []
        if claim["reference"] is not None:
            figure = claim["reference_figure"]
            reference = [_points(config, plan, f"{path}.reference", figure, claim["reference"])]
        claim["x"] = _shared_x(config, plan, path, claim, curves + reference)
        words = _words(config, plan, claim, curves, reference)
        claim["statement"] = statements.filled(f"{path}.statement", claim["statement"], words)
        claims[name] = claim
        if claim["test"] == "exponential":
            claim["base"] = factorial(config["simulation"]["particles"])
        if claim["test"] in OF_SCORES:
            claim["failed"] = judgement["failed"]
            claim["equal_within"] = {
                score: by for score, by in judgement["equal_within"].items() if score in claim["scores"]
            }
            for figure in (claim["figure"], claim["reference_figure"]):
                figures.setdefault(figure, _with_controls(config, plan, figure))
            figures[claim["figure"]]["curves"] |= dict(zip(claim["curves"], curves, strict=True))
            if reference:
                figures[claim["reference_figure"]]["curves"][claim["reference"]] = reference[0]
    return {"claims": claims, "figures": figures}


def claims_and_copies(config: dict, plan: Plan) -> dict[str, dict]:
    """Return the claims that are judged, by name: each that is declared, then its copies for other networks.

    A copy has another word in the place of that of the curves' labels, wherever the figure draws such curves.
    """
    found = {}
    for name, declared in config["claims"].items():
        if declared is None:
            continue
        found[name] = declared | {"family": declared["figure"]}
        for other, word in config["judgement"]["again"].items():
            copy = _renamed(declared, f"{word}_{{", f"{other}_{{")
            if copy != declared and _draws(plan, copy):
                copy["statement"] = _renamed(declared["statement"], word, f"{other} {word}")
                copy["statement"] = copy["statement"].replace(f"{other} {word}_{{", f"{other}_{{")
                found[f"{name}_{other}"] = copy | {"family": f"{declared['figure']}, {other}"}
    return found


def _renamed(value, word: str, other: str):
    if isinstance(value, dict):
        return {key: _renamed(item, word, other) for key, item in value.items()}
    if isinstance(value, list):
        return [_renamed(item, word, other) for item in value]
    return value.replace(word, other) if isinstance(value, str) else value


def _draws(plan: Plan, claim: dict) -> bool:
    curves = claim["curve"] if isinstance(claim["curve"], list) else [claim["curve"]]
    wanted = {(claim["figure"], label) for label in curves}
    if claim.get("reference"):
        wanted.add((claim.get("reference_figure", claim["figure"]), claim["reference"]))
    drawn = {(figure, curve.label) for figure, found in plan.curves.items() for curve in found}
    return wanted <= drawn


def check_statements(config: dict, plan: Plan) -> None:
    """Raise StudyError if a statement says in numbers, not placeholders, what is not so in this config."""
    for name, claim in ledger(config, plan)["claims"].items():
        curves = [_points(config, plan, "", claim["figure"], label) for label in claim["curves"]]
        reference = []
        if claim["reference"] is not None:
            reference = [_points(config, plan, "", claim["reference_figure"], claim["reference"])]
        words = _words(config, plan, claim, curves, reference)
        declared = claims_and_copies(config, plan)[name]["statement"]
        statements.check_literals(f"claims.{name}.statement", declared, words)


def _words(config: dict, plan: Plan, claim: dict, curves: list, reference: list) -> dict[str, list]:
    """Return what a claim's statement may name, by placeholder."""
    labels = {"curve": claim["curves"]}
    if claim["reference"] is not None:
        labels["reference"] = [claim["reference"]]
    if claim["test"] in OF_OPERATIONS:
        counts = config["operation_counts"][claim["figure"]]
        values = {"T": [counts["frames"]], "σ": [counts["measurement_noise"]], "K": claim["x"]}
        return values | labels
    chosen = {"first": claim["x"][:1], "last": claim["x"][-1:]}.get(claim.get("at", "all"), claim["x"])
    parts = {
        role: [point for points in of_role for point in points if point[0] in chosen]
        for role, of_role in (("curve", curves), ("reference", reference))
    }
    values = statements.values_of(plan, parts["curve"] + parts["reference"])
    for role, points in parts.items():
        own = statements.values_of(plan, points)
        values |= {f"{role}_{name}": found for name, found in own.items()}
    if "margin" in claim:
        values["margin"] = [f"{100 * claim['margin']:g}"]
    return values | labels


def _is_drawn(config: dict, path: str, claim: dict) -> bool:
    kind = "operation_counts" if claim["test"] in OF_OPERATIONS else "studies"
    for key in ("figure", "reference_figure"):
        if claim[key] not in config[kind]:
            raise StudyError(
                f"{path}.{key}: {claim[key]!r} is none of the {kind}, and the test {claim['test']} is of them"
            )
    return all(config[kind][claim[key]] is not None for key in ("figure", "reference_figure"))


def _points(config: dict, plan: Plan, path: str, figure: str, label: str) -> list:
    """Return the points (x, dataset, tracker) of a curve; of operations, the lookbacks."""
    if figure in plan.curves:
        curves: dict[str, list] = {curve.label: sorted(curve.points) for curve in plan.curves[figure]}
    else:
        counts = config["operation_counts"][figure]
        labels = [
            f"{name}, {variant}"
            for counted, name in plan.counted
            if counted == figure
            for variant in _variants(plan, figure, name)
        ]
        curves = {label: [(lookback,) for lookback in sorted(counts["lookbacks"])] for label in labels}
    if figure not in plan.curves and label in UNCOUNTED:
        raise StudyError(
            f"{path}: the operations of {label!r} are counted only where the processor lets them be; a claim "
            "needs a curve that is counted everywhere, such as 'mht, enumerate'"
        )
    if label not in curves:
        raise StudyError(f"{path}: {figure} has no curve {label!r}; it has {', '.join(map(repr, curves))}")
    return curves[label]


def _variants(plan: Plan, figure: str, method: str) -> list[str]:
    """Return the variants of a method that are counted: those declared, or the values of an option."""
    counting = plan.methods[method].counting
    assert counting is not None
    declared = counting["variants"]
    return plan.counted[figure, method].get(declared, []) if isinstance(declared, str) else declared


def _with_controls(config: dict, plan: Plan, figure: str) -> dict:
    controls: dict[str, str] = {}
    curves: dict[str, list] = {}
    for curve in plan.curves[figure]:
        name = curve.control
        if name is not None:
            # One control may be drawn more than once, told this and that.
            same = sum(other == name or other.startswith(f"{name}_") for other in controls)
            controls[f"{name}_{same + 1}" if same else name] = curve.label
            curves[curve.label] = sorted(curve.points)
    log_x = config["studies"][figure].get("scale") == "log"
    return {"log_x": log_x, "controls": controls, "curves": curves}


def _shared_x(config: dict, plan: Plan, path: str, claim: dict, curves: list) -> list[float]:
    """Return the x at which every curve of a claim has a point: one figure may have more than another."""
    if claim["test"] in OF_SCORES:
        varied = [config["studies"][claim[key]]["x"] for key in ("figure", "reference_figure")]
        if len(set(varied)) > 1:
            raise StudyError(f"{path}.reference_figure: it varies {varied[1]}, {claim['figure']} {varied[0]}")
    shared = sorted(set.intersection(*({x for x, *_ in curve} for curve in curves)))
    least = (OF_SCORES | OF_OPERATIONS)[claim["test"]]
    if len(shared) < least:
        raise StudyError(
            f"{path}: the test {claim['test']} needs {least} x at which all its curves have a point; "
            f"they have {len(shared)}"
        )
    if claim["test"] == "limit":
        _check_law(plan, path, curves)
    return shared


def _check_law(plan: Plan, path: str, curves: list) -> None:
    """Refuse a limit where the law has none: x at or below 0, or sequences that cannot be paired."""
    least = min(x for points in curves for x, *_ in points)
    if least <= 0:
        raise StudyError(f"{path}: the test limit fits a law c − a x^(−α), which needs x > 0, not {least}")
    counts = {plan.test_sets[dataset]["experiments"] for points in curves for _, dataset, _ in points}
    if len(counts) > 1:
        raise StudyError(
            f"{path}: the test limit pairs test sequences, but the data sets have different numbers of "
            f"experiments: {', '.join(sorted(map(str, counts)))}"
        )
