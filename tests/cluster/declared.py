"""What the rules say of themselves, read from their text and not by Snakemake."""

import re
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).parents[2]


class Rule(NamedTuple):
    """A rule that makes something."""

    script: str | None
    memory_mb: int
    gpu: bool
    # Runs beside the Snakemake that submits the others.
    local: bool
    # Made by `snakemake sensitivity`, not by `all`.
    apart: bool


def rules() -> dict[str, Rule]:
    """Return the rules of rules/ by name."""
    (local,) = re.findall(r"^localrules:\n((?: +\w+,\n)+)", (PROJECT / "Snakefile").read_text(), re.MULTILINE)
    found = {}
    for path in (PROJECT / "rules").glob("*.smk"):
        for name, body in re.findall(r"^rule (\w+):\n((?:[ \n].*\n?)*)", path.read_text(), re.MULTILINE):
            script = re.search(r'script=script\("(\w+)"\)', body)
            found[name] = Rule(
                script=script and script[1],
                memory_mb=int(re.search(r"mem_mb=growing\((\d+)\)", body)[1]),
                gpu="gpu=1" in body,
                local=name in re.findall(r"\w+", local),
                apart=path.name == "sensitivity.smk",
            )
    return found
