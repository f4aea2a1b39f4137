"""The targets of the command line: one that no rule makes, or no study asks for, is refused in words."""

import logging
import os
from collections.abc import Iterable
from functools import cache

from snakemake_interface_logger_plugins.common import LogEvent

from planning.recordings import recording_of
from planning.targets import refusal

ALWAYS, NEVER = {()}, set()


@cache
def asked_for() -> dict[str, tuple[tuple[str, ...], set[tuple[str, ...]]]]:
    """Return by rule its wildcards and the values of them that the config asks for; other rules are not limited."""
    told, tests, scenes = set(PLAN.told), ones(PLAN.test_sets), scenes_of_parts()
    trained = {pair for pair in told if pair[0] in PLAN.model_of}
    recorded = {dataset for dataset in tests if recording_of(*dataset)}
    of_choices = ALWAYS if scenes else NEVER
    of_readings = ALWAYS if choices.scenes(CONFIG, choices.CROSSED) else NEVER
    of_calibration = ALWAYS if PLAN.calibrated() else NEVER
    of_scaling = NEVER if SCALING is None else ALWAYS
    return {
        "simulate_test_set": (("dataset",), tests - recorded),
        "import_recording": (("dataset",), recorded),
        "simulate_training_set": (("training_set",), ones(PLAN.training_sets)),
        "train": (("model",), ones(PLAN.models)),
        "track": (("tracker", "dataset"), told - trained),
        "track_trained": (("tracker", "dataset"), trained),
        "score_tracks": (("study", "dataset"), set(PLAN.scored)),
        "count_operations": (("operations", "method"), set(PLAN.counted)),
        "import_movie": (("recording",), ones(CONFIG["recordings"])),
        "judge_choices": (("part", "scene"), scenes),
        "judge_claims": ((), ALWAYS if claims_files() else NEVER),
        **dict.fromkeys(("tabulate_choices", "draw_choices"), ((), of_choices)),
        **dict.fromkeys(("summarise_readings", "draw_readings"), ((), of_readings)),
        **dict.fromkeys(("calibrate", "draw_calibration"), ((), of_calibration)),
        **dict.fromkeys(("fit_scaling_law", "draw_scaling_law"), ((), of_scaling)),
    }


def ones(names: Iterable[str]) -> set[tuple[str]]:
    return {(name,) for name in names}


def scenes_of_parts() -> set[tuple[str, str]]:
    """Return the parts of the study of readings, each with each of its scenes."""
    return {(part, scene) for part in choices.PARTS for scene in choices.scenes(CONFIG, part)}


def looked_at() -> dict[str, Iterable[str]]:
    """Return the values of the wildcards of what people look at."""
    return {
        "study": PLAN.curves,
        "operations": sorted({figure for figure, _ in PLAN.counted}),
        "figure": TOGETHER,
        "picture": [*SEQUENCES, *CLOSENESS, *MOVIES],
        "exported": EXPORTED,
    }


def is_made(target: str) -> bool:
    """Say whether a target is a rule, or a file that a rule makes of what the config asks for."""
    if workflow.is_rule(target) or not target:
        return bool(target)
    path = target if os.path.isabs(target) else os.path.relpath(target)
    producers = [rule for rule in workflow.rules if rule.is_producer(path)]
    return any(is_asked_for(rule.name, rule.get_wildcards(path)) for rule in producers)


def is_asked_for(rule: str, wildcards: dict[str, str]) -> bool:
    names, asked = asked_for().get(rule, ((), ALWAYS))
    return tuple(wildcards[name] for name in names) in asked


def likely_targets() -> list[str]:
    """Return what is made and looked at, pictures first, then the rules that are targets."""
    values, files = looked_at(), []
    for rule in workflow.rules:
        for output in rule.output:
            if not rule.has_wildcards():
                files += [str(output)] if is_asked_for(rule.name, {}) else []
            elif len(rule.wildcard_names) == 1:
                (name,) = rule.wildcard_names
                made = (output.apply_wildcards({name: value}) for value in values.get(name, ()))
                files += [path for path in made if rule.is_producer(path)]
    files.sort(key=lambda path: not path.endswith(".png"))
    return files + [rule.name for rule in workflow.rules if not rule.has_wildcards() and not rule.output]


class NearestNamed(logging.Filter):
    """Says in place of Snakemake's error which of the targets nothing makes.

    Targets are not known before Snakemake looks for the rules that make them.
    """

    def filter(self, record) -> bool:
        if getattr(record, "event", None) is LogEvent.ERROR and workflow.dag_settings is not None:
            unknown = sorted(each for each in workflow.dag_settings.targets if not is_made(each))
            if unknown:
                made = likely_targets()
                record.msg = "\n".join(refusal(target, made) for target in unknown)
        return True


logger.addFilter(NearestNamed())
