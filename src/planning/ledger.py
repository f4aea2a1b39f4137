"""How the config's claims become what judge_claims.py judges, with the curves that they are about.

A claim about a study that is dropped is dropped with it; one about a study or curve that never was is
refused.
"""

from math import factorial

from planning.methods import StudyError
from planning.studies import Plan

# How profile_transformer.py lets the transformer track.
TRANSFORMER_VARIANTS = ("incremental", "re_encoded")
# The least x that a test makes sense of: of scores, and of counted operations.
OF_SCORES = {"difference": 1, "trend": 2, "rise": 1, "variation": 2, "returns": 3, "limit": 4}
OF_OPERATIONS = {"exponential": 3, "linear": 3, "crossing": 2}


def ledger(config: dict, plan: Plan) -> dict:
    """Return the claims, each with its x, and by figure the curves that they name and the controls.

    Raises StudyError.
    """
    claims, figures = {}, {}
    for name, declared in config["claims"].items():
        if declared is None:
            continue
        claim = {"scores": config["judgement"]["scores"], "reference": None} | declared
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
        claim["x"] = _shared_x(config, path, claim, curves + reference)
        claims[name] = claim
        if claim["test"] == "exponential":
            claim["base"] = factorial(config["simulation"]["particles"])
        if claim["test"] in OF_SCORES:
            for figure in (claim["figure"], claim["reference_figure"]):
                figures.setdefault(figure, _with_controls(config, plan, figure))
            figures[claim["figure"]]["curves"] |= dict(zip(claim["curves"], curves, strict=True))
            if reference:
                figures[claim["reference_figure"]]["curves"][claim["reference"]] = reference[0]
    return {"claims": claims, "figures": figures}


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
        curves = {curve.label: sorted(curve.points) for curve in plan.curves[figure]}
    else:
        counts = config["operation_counts"][figure]
        labels = [f"mht, {solver}" for solver in counts["solvers"]]
        labels += [f"transformer, {variant}" for variant in TRANSFORMER_VARIANTS]
        curves = {label: [(lookback,) for lookback in sorted(counts["lookbacks"])] for label in labels}
    if label not in curves:
        raise StudyError(f"{path}: {figure} has no curve {label!r}; it has {', '.join(map(repr, curves))}")
    return curves[label]


def _with_controls(config: dict, plan: Plan, figure: str) -> dict:
    controls = {c.label: sorted(c.points) for c in plan.curves[figure] if c.method == "control"}
    log_x = config["studies"][figure].get("scale") == "log"
    return {"log_x": log_x, "controls": list(controls), "curves": controls}


def _shared_x(config: dict, path: str, claim: dict, curves: list) -> list[float]:
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
    return shared
