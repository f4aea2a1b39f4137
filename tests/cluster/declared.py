"""What the rules say of themselves, read from their text and not by Snakemake."""

import re
from pathlib import Path
from typing import NamedTuple

from workflow import scripts_of_rules

PROJECT = Path(__file__).parents[2]
# Rules of targets of their own, and of what the small config has not.
NOT_IN_THE_SMALL_CONFIG = ("recordings.smk", "movies.smk", "scaling_law.smk", "costs.smk")


class Rule(NamedTuple):
    """A rule that makes something."""

    scripts: list[str]
    memory_mb: int
    gpu: bool
    # Runs beside the Snakemake that submits the others.
    local: bool
    # Made by `snakemake readings`, not by `all`.
    apart: bool


def rules() -> dict[str, Rule]:
    """Return the rules of rules/ that the small config has, by name."""
    scripts = scripts_of_rules()
    found = {}
    for path in (PROJECT / "rules").glob("*.smk"):
        if path.name in NOT_IN_THE_SMALL_CONFIG:
            continue
        for name, body in re.findall(r"^rule (\w+):\n((?:[ \n].*\n?)*)", path.read_text(), re.MULTILINE):
            found[name] = Rule(
                scripts=[Path(name).stem for name in scripts.get(name, ())],
                memory_mb=int(re.search(r"mem_mb=growing\((\d+)\)", body)[1]),
                gpu="gpu=1" in body,
                local="localrule: True" in body,
                apart=path.name == "readings.smk",
            )
    return found
