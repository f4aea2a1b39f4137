"""The targets of the command line: one that no rule makes, or no study asks for, is refused in words."""

import logging
import os
from collections.abc import Container, Iterable

from snakemake_interface_logger_plugins.common import LogEvent

from planning.targets import refusal


def asked_for() -> dict[tuple[str, ...], Container]:
    """Return by the wildcards of a rule what the config asks for."""
    return {
        ("dataset",): PLAN.test_sets,
        ("training_set",): PLAN.training_sets,
        ("model",): PLAN.models,
        ("tracker", "dataset"): PLAN.told,
        ("study", "dataset"): PLAN.scored,
        ("operations", "method"): PLAN.counted,
        ("part", "scene"): [
            (part, scene) for part in choices.PARTS for scene in choices.scenes(CONFIG, part)
        ],
        ("recording",): {movie.recording for movie in MOVIES.values()},
    }


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
    if workflow.is_rule(target):
        return True
    path = target if os.path.isabs(target) else os.path.relpath(target)
    return any(is_asked_for(rule.get_wildcards(path)) for rule in workflow.rules if rule.is_producer(path))


def is_asked_for(wildcards: dict[str, str]) -> bool:
    for names, asked in asked_for().items():
        if wildcards.keys() == set(names):
            values = tuple(wildcards[name] for name in names)
            return (values if len(values) > 1 else values[0]) in asked
    return True


def likely_targets() -> list[str]:
    """Return what is made and looked at, pictures first, then the rules that are targets."""
    values, files = looked_at(), []
    for rule in workflow.rules:
        for output in rule.output:
            if not rule.has_wildcards():
                files.append(str(output))
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
