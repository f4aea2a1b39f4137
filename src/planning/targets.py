"""What a run is asked to make: a word for one who asks for what nothing makes."""

import difflib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePath


def refusal(target: str, made: Iterable[str]) -> str:
    """Return the line that refuses a target, with the nearest by name of what is made.

    made: names of rules and paths of files, the likeliest first.
    """
    asked = PurePath(target)
    by_name: dict[str, list[PurePath]] = defaultdict(list)
    for path in map(PurePath, made):
        by_name[path.stem.lower()].append(path)
    shown = target if target.isprintable() and target else repr(target)
    close = difflib.get_close_matches(asked.stem.lower(), by_name, n=1)
    if not close:
        return f"{shown}: nothing that this config asks for; snakemake --list-target-rules names the targets"
    nearest = min(
        by_name[close[0]], key=lambda path: (path.parent != asked.parent, path.suffix != asked.suffix)
    )
    return f"{shown}: nothing that this config asks for; did you mean {nearest}?"
