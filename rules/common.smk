"""What the rules share: the checked config, the plan made from it, and the functions that look a job up in it."""

import gc
import json
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

import yaml

# The jobs of a large study are millions of objects that stay. To look among them for garbage, as often as Python does,
# takes a sixth of the time to plan them.
gc.set_threshold(1_000_000)

# From here the sources are found wherever `--directory` puts the results; written relative to the results, so that a
# moved project finds its results up to date.
SOURCES = os.path.relpath(Path(workflow.basedir) / "src")

from planning import choices, imports
from planning import flags as commands
from planning.flags import flags
from planning.configuration import canonical, problems
from planning.ledger import OF_OPERATIONS, ledger
from planning.studies import plan


def checked(config: dict) -> dict:
    """Return the config with one spelling per number, or stop with a line for each thing wrong."""
    config = canonical(config)
    found = problems(config, Path(workflow.basedir) / "schemas/config.schema.yaml")
    if found:
        refuse(found)
    return config


CONFIG = checked(config)
PLAN = plan(CONFIG)
LEDGER = ledger(CONFIG, PLAN)
REPLICATES = range(CONFIG["replicates"])
COSTS = {name: cost for name, cost in CONFIG["operation_counts"].items() if cost is not None}
FORMATS = ["png", "pdf", "parquet", "csv"]

# command_line.py logs how long the interpreter and the imports took, summarise_run.py adds it up.
shell.prefix("export JOB_STARTED=${{EPOCHREALTIME:-}}; ")


wildcard_constraints:
    dataset=r"T\d+_sigma[^/]+",
    training_set=r"T\d+_i[^/]+",
    model=r"transformer_[^/]+",
    mht=r"mht_[^/]+",
    bayes=r"bayes[^/]*",
    control=r"(frozen|random|oracle)[^/]*",
    study="|".join(PLAN.curves) or "$^",
    cost="|".join(COSTS) or "$^",
    part="|".join(choices.PARTS),
    scene=r"[^/]+",


def growing(first: int) -> Callable:
    """Return a resource that a retry asks for in multiples: memory or minutes may have been too few."""

    def resource(wildcards, attempt: int) -> int:
        return first * attempt

    return resource


def figures() -> list[str]:
    return [*PLAN.curves, *COSTS]


def script(name: str) -> str:
    return f"{SOURCES}/{name}.py"


@cache
def modules(name: str) -> list[str]:
    """Return the files of this project that a script imports, directly or not."""
    return [str(path) for path in imports.modules(Path(script(name)), Path(SOURCES))]


def test_set_flags(wildcards) -> str:
    return commands.test_set(CONFIG, PLAN, wildcards.dataset)


def training_set_flags(wildcards) -> str:
    return commands.training_set(CONFIG, PLAN, wildcards.training_set)


def training_set_directory(wildcards) -> str:
    return f"results/data/training/{PLAN.training_set_of[wildcards.model]}"


def training_set_files(wildcards) -> list[str]:
    directory = training_set_directory(wildcards)
    return [f"{directory}/{table}.parquet" for table in ("truth", "initial", "measurements")]


def training_flags(wildcards) -> str:
    return flags(PLAN.models[wildcards.model])


def mht_flags(wildcards) -> str:
    return flags(PLAN.told[wildcards.mht, wildcards.dataset])


def bayes_flags(wildcards) -> str:
    return flags(PLAN.told[wildcards.bayes, wildcards.dataset])


def control_flags(wildcards) -> str:
    return flags(PLAN.told[wildcards.control, wildcards.dataset])


def tracks_on(dataset: str) -> list[tuple[str, int]]:
    """Return the trackers that any study wants on a test set, each with its replicates."""
    return [
        (tracker, replicate)
        for tracker in sorted(PLAN.trackers_on[dataset])
        for replicate in (REPLICATES if tracker in PLAN.models else (0,))
    ]


def tracks_files(wildcards) -> list[str]:
    return [
        f"results/tracks/{tracker}/{wildcards.dataset}/{replicate}.parquet"
        for tracker, replicate in tracks_on(wildcards.dataset)
    ]


def score_flags(wildcards) -> str:
    trackers, replicates = zip(*tracks_on(wildcards.dataset))
    return flags(CONFIG["scores"] | {"tracker": list(trackers), "replicate": list(replicates)})


def scores_files(wildcards) -> list[str]:
    datasets = {dataset for curve in PLAN.curves[wildcards.study] for _, dataset, _ in curve.points}
    return [f"results/scores/{dataset}.parquet" for dataset in sorted(datasets)]


def tabulated_curves(wildcards) -> str:
    return json.dumps([vars(curve) for curve in PLAN.curves[wildcards.study]], ensure_ascii=False)


def tabulation_flags(wildcards) -> str:
    return flags({"columns": CONFIG["figures"]["panels"]})


def drawing_flags(wildcards) -> str:
    study = CONFIG["studies"][wildcards.study]
    return flags({key: study.get(key) for key in ("title", "x", "scale")} | style_flags())


def cost_drawing_flags(wildcards) -> str:
    return flags({"title": COSTS[wildcards.cost]["title"]} | style_flags())


def style_flags() -> dict:
    styles = {method: {"palette": name} for method, name in CONFIG["figures"]["palettes"].items()}
    styles |= {method: {"role": "reference"} for method in ("control", "bayes")}
    return {"styles": json.dumps(styles), "dots_per_inch": CONFIG["figures"]["dots_per_inch"]}


def mht_profile_flags(wildcards) -> str:
    cost = COSTS[wildcards.cost]
    scene = {key: value for key, value in CONFIG["simulation"].items() if key != "confinement"}
    return flags(scene | {key: value for key, value in cost.items() if key != "title"})


def transformer_profile_flags(wildcards) -> str:
    cost = COSTS[wildcards.cost]
    sequence = {"particles": CONFIG["simulation"]["particles"], "frames": cost["frames"]}
    return flags(sequence | {"lookbacks": cost["lookbacks"]} | CONFIG["transformer"])


def calibration_files() -> list[str]:
    return [f"results/calibration.{format}" for format in FORMATS] if weighed() else []


def weighed() -> dict[str, dict]:
    """Return by test set what a Bayes reference is told there, the first of several."""
    told = {}
    for (tracker, dataset), settings in sorted(PLAN.told.items()):
        if "control" not in settings and "lookback" not in settings:
            told.setdefault(dataset, settings)
    return dict(sorted(told.items()))


def weighed_files(wildcards) -> list[str]:
    tables = ("truth", "initial", "measurements")
    return [f"results/data/test/{dataset}/{table}.parquet" for dataset in weighed() for table in tables]


def calibration_flags(wildcards) -> str:
    directories = [f"results/data/test/{dataset}" for dataset in weighed()]
    return flags({"datasets": directories, "models": json.dumps(list(weighed().values()))})


def calibration_drawing_flags(wildcards) -> str:
    look = {"palette": CONFIG["figures"]["palettes"]["mht"]}
    return flags(look | {"dots_per_inch": CONFIG["figures"]["dots_per_inch"]})


def claims_files() -> list[str]:
    return [f"results/claims.{suffix}" for suffix in ("parquet", "csv", "md")] if LEDGER["claims"] else []


def claimed_scores(wildcards) -> list[str]:
    curves = [points for figure in LEDGER["figures"].values() for points in figure["curves"].values()]
    datasets = {dataset for points in curves for _, dataset, _ in points}
    return [f"results/scores/{dataset}.parquet" for dataset in sorted(datasets)]


def claimed_operations(wildcards) -> list[str]:
    claims = LEDGER["claims"].values()
    costs = {claim["figure"] for claim in claims if claim["test"] in OF_OPERATIONS}
    return [f"results/figures/{cost}.parquet" for cost in sorted(costs)]


def judged_ledger(wildcards) -> str:
    return json.dumps(LEDGER, ensure_ascii=False)


def sensitivity_files(wildcards) -> list[str]:
    return [f"results/sensitivity.{format}" for format in FORMATS] if choices_files(wildcards) else []


def choices_files(wildcards) -> list[str]:
    return [
        f"results/sensitivity/{part}/{scene}.parquet"
        for part in choices.PARTS
        for scene in choices.scenes(CONFIG, part)
    ]


def choices_flags(wildcards) -> str:
    return choices.judging_flags(CONFIG, wildcards.part, wildcards.scene)


def sensitivity_drawing_flags(wildcards) -> str:
    statements = {name: claim["statement"] for name, claim in LEDGER["claims"].items()}
    picture = {
        "columns": choices.columns(CONFIG),
        "own": choices.own_choice(CONFIG),
        "statements": statements,
    }
    scores = CONFIG["judgement"]["scores"]
    style = {"scores": scores, "dots_per_inch": CONFIG["figures"]["dots_per_inch"]}
    return flags({"picture": json.dumps(picture, ensure_ascii=False)} | style)


def config_text(wildcards) -> str:
    return yaml.safe_dump(CONFIG, allow_unicode=True, sort_keys=False, width=120)
