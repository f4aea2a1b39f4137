"""The config files of the command line, looked at before Snakemake reads them.

Snakemake reads them before it reads the Snakefile, and answers some with a traceback, some without a line's
number. Only profiles are read earlier, and they may run Python: each of ours calls `look`.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

FLAGS = ("--configfile", "--configfiles")


def look(arguments: Sequence[str]) -> None:
    """Exit with a line for each thing wrong with the config files that a command names."""
    # PyYAML is there wherever Snakemake is.
    from planning.config_files import unreadable

    files = list(named(arguments))
    lines = [line for path in files for line in unreadable(path)]
    if len(files) > 1 and not all(path.exists() for path in files):
        lines.append(f"Every word after {FLAGS[0]} is a file: name targets before it.")
    if lines:
        print("\n".join(["The config is refused.", *lines]), file=sys.stderr)
        sys.exit(1)


def named(arguments: Sequence[str]) -> Iterator[Path]:
    """Yield the config files that a command of Snakemake names."""
    files = False
    for word in arguments:
        flag, equals, value = word.partition("=")
        if flag in FLAGS and equals:
            yield Path(value)
        if word.startswith("-"):
            files = word in FLAGS
        elif files:
            yield Path(word)
