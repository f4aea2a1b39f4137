"""The config files, looked at before Snakemake reads config.yaml: a bad one is refused in words."""

import os
import sys
from pathlib import Path
from typing import NoReturn

from snakemake.logging import logger

# Found wherever `--directory` puts the results.
sys.path.insert(0, os.path.relpath(Path(workflow.basedir) / "src"))

from planning.config_files import unreadable


def refuse(lines: list[str]) -> NoReturn:
    """Stop with a line for each thing wrong; an error that Snakemake catches would come with a traceback."""
    logger.error("\n".join(["The config is refused.", *lines]))
    sys.exit(1)


def config_files() -> list[Path]:
    """Return the files that make up the config, those of the command line after the workflow's own."""
    return [Path(workflow.basedir) / "config.yaml", *workflow.config_settings.configfiles]


if unreadable_lines := [line for path in config_files() for line in unreadable(path)]:
    refuse(unreadable_lines)
