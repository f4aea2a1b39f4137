"""The comparison with trackers of others: what they cost beside how well they track."""

from snakemake.exceptions import WorkflowError


def peers_files(wildcards) -> list[str]:
    """Return the figures and tables of the studies in which a tracker is not the project's."""
    others = {name for name, method in PLAN.methods.items() if not is_own(Path(method.script))}
    compared = [study for study, curves in PLAN.curves.items() if others & {curve.method for curve in curves}]
    if not compared:
        raise WorkflowError("No study has a tracker of others: add --configfile trackers/peers.yaml")
    return expand("results/costs/{study}.{format}", study=compared, format=FORMATS) + claims_files()
