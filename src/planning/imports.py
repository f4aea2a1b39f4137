"""The files of this project that a script is made of: what it imports, directly or not, packages included."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path


@cache
def modules(script: Path, root: Path) -> tuple[Path, ...]:
    """Return the files that a script imports from `root` or beside it, sorted; it is not among them itself.

    A script that lies elsewhere finds what lies beside it, as Python does, before what `root` has.
    """
    beside = script.parent
    places = [root] if beside.resolve() == root.resolve() else [beside, root]
    found: set[Path] = set()
    pending = [script]
    while pending:
        path = pending.pop()
        for name in imported(path, root if path.is_relative_to(root) else beside):
            for file in next(filter(None, (list(files_of(name, place)) for place in places)), ()):
                if file not in found and file != script:
                    found.add(file)
                    pending.append(file)
    return tuple(sorted(found))


def files_of(name: str, root: Path) -> Iterator[Path]:
    """Yield the files that Python runs when it imports a module of `root`: its packages', then its own."""
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        place = root.joinpath(*parts[:length])
        for path in (place.with_suffix(".py"), place / "__init__.py"):
            if path.is_file():
                yield path


def imported(path: Path, root: Path) -> set[str]:
    """Return the names that a file imports, in full: of `from a import b` both a and a.b."""
    if path.suffix != ".py" or not path.is_file():
        # Of another language, or missing: then Snakemake says which rule misses it.
        return set()
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = ".".join(filter(None, (_package(path, root, node.level), node.module)))
            names |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return names


def _package(path: Path, root: Path, level: int) -> str:
    """Return the package that a relative import of that level starts from; of level 0, none."""
    if not level:
        return ""
    return ".".join(path.relative_to(root).parts[:-level])
