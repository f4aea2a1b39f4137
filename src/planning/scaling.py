"""What the law of scaling is fitted to: the networks of the study of its name, and their reference."""

from dataclasses import dataclass

from planning.methods import StudyError
from planning.studies import Plan

STUDY = "scaling_law"


@dataclass(frozen=True)
class Scaling:
    """The networks' trackers on a dataset, the reference beside them, the palette of their method."""

    dataset: str
    trackers: list[str]
    reference: str
    palette: str


def scaling(config: dict, plan: Plan) -> Scaling | None:
    """Return what the law is fitted to, None where the config has no such study; raises StudyError."""
    if config["studies"].get(STUDY) is None:
        return None
    path = f"studies.{STUDY}"
    curves = plan.curves[STUDY]
    datasets = {dataset for curve in curves for _, dataset, _ in curve.points}
    networks = [curve for curve in curves if plan.methods[curve.method].is_trained]
    references = {
        tracker
        for curve in curves
        if plan.methods[curve.method].role == "reference"
        for _, _, tracker in curve.points
    }
    methods = {curve.method for curve in networks}
    if len(datasets) != 1 or len(methods) != 1 or len(references) != 1:
        raise StudyError(
            f"{path}: the law needs one dataset, networks of one method and one reference, and it has "
            f"{len(datasets)}, {len(methods)} and {len(references)}"
        )
    (dataset,), (method,), (reference,) = datasets, methods, references
    palette = plan.methods[method].style.get("palette", config["figures"]["spare_palettes"][0])
    trackers = sorted({tracker for curve in networks for _, _, tracker in curve.points})
    return Scaling(dataset, trackers, reference, palette)
