"""The flags of the scripts, from a config and the plan made from it."""

import shlex

from planning.density import simulated
from planning.studies import Plan


def flags(settings: dict) -> str:
    """Return settings as the flags of a script, sorted, without those that are null.

    One text holds names and values: Snakemake compares params as a set of values without names, and two that
    swap values would go unseen.
    """
    words = []
    for key, value in sorted(settings.items()):
        flag = f"--{key.replace('_', '-')}"
        if isinstance(value, str) and value.startswith("-"):
            # Alone it would be read as a flag.
            words.append(f"{flag}={value}")
        elif value is not None:
            words += [flag, *(value if isinstance(value, list) else [value])]
    return shlex.join(map(str, words))


def test_set(config: dict, plan: Plan, dataset: str) -> str:
    """Return the flags of simulate.py for a test set."""
    return flags(simulated(plan.test_sets[dataset]) | {"seed": config["seed"], "stream": "test"})


def training_set(config: dict, plan: Plan, name: str) -> str:
    """Return the flags of simulate.py for a training set."""
    return flags(simulated(plan.training_sets[name]) | {"seed": config["seed"], "stream": "training"})
