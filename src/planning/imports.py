"""The files of this project that a script is made of: what it imports, directly or not, packages included."""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path


# Taken once in a process: if a file is edited while jobs run, they keep the digest from before, and the next
# run makes them again.
@cache
def digest(scripts: tuple[Path, ...], root: Path) -> str:
    """Return a text that changes with the path or content of any of the scripts and what they import."""
    paths = dict.fromkeys(path for script in scripts for path in (script, *modules(script, root)))
    told = "\n".join(f"{path} {_digest_of_file(path)}" for path in paths)
    return hashlib.sha256(told.encode()).hexdigest()[:16]


@cache
def _digest_of_file(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


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
            for file in next(filter(None, (files_of(name, place) for place in places)), ()):
                if file not in found and file != script:
                    found.add(file)
                    pending.append(file)
    return tuple(sorted(found))


@cache
def files_of(name: str, root: Path) -> tuple[Path, ...]:
    """Return the files that Python runs when it imports a module of `root`: its packages', then its own."""
    parts = name.split(".")
    places = [root.joinpath(*parts[:length]) for length in range(1, len(parts) + 1)]
    candidates = [path for place in places for path in (place.with_suffix(".py"), place / "__init__.py")]
    return tuple(path for path in candidates if path.is_file())


@cache
def imported(path: Path, root: Path) -> frozenset[str]:
    """Return the names that a file imports, in full: of `from a import b` both a and a.b."""
    if path.suffix != ".py":
        return frozenset()
    names: set[str] = set()
    for node in _statements(ast.parse(path.read_text(encoding="utf-8")).body):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = ".".join(filter(None, (_package(path, root, node.level), node.module)))
            names |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return frozenset(names)


def _statements(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Yield statements and those inside them; to look into expressions too would take six times as long."""
    for node in body:
        yield node
        for part in ("body", "orelse", "handlers", "finalbody", "cases"):
            yield from _statements(getattr(node, part, ()))


def _package(path: Path, root: Path, level: int) -> str:
    """Return the package that a relative import of that level starts from; of level 0, none."""
    if not level:
        return ""
    return ".".join(path.relative_to(root).parts[:-level])
