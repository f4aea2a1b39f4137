"""What the rules share: the checked config, the plan made from it, and the sources of a script."""

import gc
import re
from collections.abc import Callable

from planning.declarations import located
from planning.flags import flags
from planning.imports import digest
from planning.kept import kept
from planning.ledger import ledger
from planning.studies import plan

# The jobs of a large study are millions of objects that stay. To look among them for garbage, as often as Python does,
# takes a sixth of the time to plan them.
gc.set_threshold(1_000_000)


def checked(config: dict) -> tuple[dict, dict]:
    """Return the config with one spelling and one order, and with its scripts found; or say what is wrong and stop."""
    files = {path: read(path) for path in config_files()}
    config = ordered(canonical(config), files[PROJECT / "config.yaml"])
    if found := problems(config, PROJECT / "schemas/config.schema.yaml"):
        refuse(found)
    found, missing = located(config, files, PROJECT)
    if missing:
        refuse(missing)
    return config, found


DECLARED, CONFIG = checked(config)
PLAN = plan(CONFIG)
LEDGER = ledger(CONFIG, PLAN)
FORMATS = ["png", "pdf", "parquet", "csv"]

# Of the report, in the order in which its menu sorts them.
CLAIMS = "1. Claims"
OF_THE_PAPER = "2. The paper's figures"
COST = "3. Cost"
BEYOND = "4. Beyond the paper"
HOW_IT_WAS_MADE = "5. How it was made"
# Last, for it is there only where `readings` was made.
READINGS = "6. Readings of the paper"


def category(*studies: str) -> str:
    """Return where the report shows a figure of studies: the paper's are those that its claims are about."""
    claims = read(PROJECT / "config.yaml")["claims"].values()
    return OF_THE_PAPER if {claim["figure"] for claim in claims}.issuperset(studies) else BEYOND


# command_line.py logs how long the interpreter and the imports took, summarise_run.py adds it up. A tracker of the
# user's own imports mpt, wherever it lies.
shell.prefix(
    'export JOB_STARTED=${{EPOCHREALTIME:-}} PYTHONPATH="'
    + str(SOURCES).replace("{", "{{").replace("}", "}}")
    + '"${{PYTHONPATH:+:$PYTHONPATH}}; '
)


def one_of(names) -> str:
    """Return the pattern of a wildcard that is one of these names."""
    return "|".join(map(re.escape, sorted(names))) or "$^"


wildcard_constraints:
    dataset=r"T\d+_sigma[^/]+|recording_\w+",
    training_set=r"T\d+_i[^/]+",
    model=r"[^/]+",
    tracker=r"[^/]+",
    method=r"[^/]+",
    study=one_of(PLAN.curves),
    operations=one_of({figure for figure, _ in PLAN.counted}),
    part=r"[a-z]+",
    scene=r"[^/]+",


def growing(first: int) -> Callable:
    """Return a resource that a retry asks for in multiples: memory or minutes may have been too few."""

    def resource(wildcards, attempt: int) -> int:
        return first * attempt

    return resource


def sources(*scripts: str) -> Callable:
    """Return the param of a rule whose jobs all have the same scripts, below src/."""
    return lambda wildcards: made_of(*(SOURCES / script for script in scripts))


# As a param: a job is made again when one changes, as when an input does. But of inputs, here a dozen files, Snakemake
# looks at each for each job, in planning and again whenever a job ends.
def made_of(*scripts: str | Path) -> list[str]:
    """Return the first of a job's scripts, and a digest of them all with what they import."""
    return [str(scripts[0]), digest(tuple(map(Path, scripts)), SOURCES)]


def resolution() -> dict:
    return {"dots_per_inch": CONFIG["figures"]["dots_per_inch"]}


def figures() -> list[str]:
    return [*PLAN.curves, *sorted({figure for figure, _ in PLAN.counted})]


def test_set_tables(dataset: str, *names: str) -> list[str]:
    return [f"results/data/test/{dataset}/{name}.parquet" for name in names]
