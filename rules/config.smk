"""The config: its files are looked at before Snakemake reads config.yaml, and a bad one is refused in words."""

import os
import sys
from pathlib import Path
from typing import NoReturn

from snakemake.logging import logger

# One name for the checkout, through whatever link it is reached.
PROJECT = Path(workflow.basedir).resolve()
# The sources, wherever `--directory` puts the results: relative to the results, so that a moved project finds its
# results up to date.
SOURCES = Path(os.path.relpath(PROJECT / "src"))
sys.path.insert(0, str(SOURCES))

from planning.config_files import read, unreadable
from planning.configuration import canonical, ordered, problems


def refuse(lines: list[str]) -> NoReturn:
    """Stop with a line for each thing wrong; an error that Snakemake catches would come with a traceback."""
    logger.error("\n".join(["The config is refused.", *lines]))
    sys.exit(1)


if {"{", "}"} & set(str(PROJECT)):
    logger.error(
        f"{PROJECT}: Snakemake takes the braces in the checkout's path for wildcards; give it another name."
    )
    sys.exit(1)


def config_files() -> list[Path]:
    """Return the files that make up the config, those of the command line after the workflow's own."""
    return [PROJECT / "config.yaml", *workflow.config_settings.configfiles]


if unreadable_lines := [line for path in config_files() for line in unreadable(path)]:
    refuse(unreadable_lines)
