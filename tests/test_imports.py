"""The scanner of imports finds every file of the project that Python runs for a script."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from planning.imports import modules

SOURCES = Path(__file__).parents[1] / "src"
# What `python -c` prints: the project's files among the modules that importing a script brings in.
LOADED = (
    "import sys, importlib; sys.path.insert(0, sys.argv[1]); importlib.import_module(sys.argv[2]); "
    "print(*(m.__file__ for m in list(sys.modules.values()) if getattr(m, '__file__', None)), sep='\\n')"
)
# The digest of scripts: a process takes it once.
DIGEST = (
    "import sys, pathlib; sys.path.insert(0, sys.argv[1]); from planning.imports import digest; "
    "root, *scripts = map(pathlib.Path, sys.argv[2:]); print(digest(tuple(scripts), root))"
)


def write(files: dict[str, str], directory: Path) -> None:
    for name, text in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)


@pytest.mark.parametrize("script", ["track_mht", "score", "tabulate_scores", "simulate"])
def test_what_python_loads_is_among_what_the_scanner_finds(script):
    result = subprocess.run(
        [sys.executable, "-c", LOADED, SOURCES, script], capture_output=True, text=True, check=True
    )
    loaded = {Path(line) for line in result.stdout.splitlines() if Path(line).is_relative_to(SOURCES)}
    assert loaded - {SOURCES / f"{script}.py"} <= set(modules(SOURCES / f"{script}.py", SOURCES))


def test_what_lies_beside_a_script_elsewhere_is_found_before_the_projects_own(tmp_path):
    files = {
        "theirs/script.py": "import shared, deep.down, numpy\n",
        "theirs/shared.py": "from house import door\n",
        "theirs/deep/__init__.py": "",
        "theirs/deep/down.py": "from . import up\n",
        "theirs/deep/up.py": "",
        "root/shared.py": "",
        "root/house/__init__.py": "",
        "root/house/door.py": "",
    }
    write(files, tmp_path)
    found = modules(tmp_path / "theirs/script.py", tmp_path / "root")
    assert {str(path.relative_to(tmp_path)) for path in found} == files.keys() - {
        "theirs/script.py",
        "root/shared.py",
    }


def test_the_trackers_of_others_are_made_of_what_they_share():
    trackers = SOURCES.parent / "trackers"
    found = modules(trackers / "stonesoup_jpda.py", SOURCES)
    shared = [trackers / name for name in ("following.py", "stonesoup_frames.py", "stonesoup_model.py")]
    assert {*shared, SOURCES / "mpt/tables/tracks.py"} <= set(found)


def test_packages_and_relative_imports_are_found(tmp_path):
    files = {
        "script.py": "from house.room import chair\n",
        "house/__init__.py": "from . import door\n",
        "house/door.py": "",
        "house/room/__init__.py": "",
        "house/room/chair.py": "from ..garden import tree\nfrom .table import TOP\nimport numpy\n",
        "house/room/table.py": "TOP = 1\n",
        "house/garden.py": "tree = 1\n",
        "house/cellar.py": "",
    }
    write(files, tmp_path)
    found = {str(path.relative_to(tmp_path)) for path in modules(tmp_path / "script.py", tmp_path)}
    assert found == set(files) - {"script.py", "house/cellar.py"}


@pytest.fixture
def digest_now(tmp_path):
    """Return digest_now(): the digest of a script and of a program in another language."""
    files = {
        "script.py": "if True:\n    from house import door\n",
        "program.c": "int one;",
        "house/__init__.py": "",
        "house/door.py": "",
        "house/cellar.py": "",
    }
    write(files, tmp_path)

    def run() -> str:
        scripts = [tmp_path / name for name in ("script.py", "program.c")]
        command = [sys.executable, "-c", DIGEST, SOURCES, tmp_path, *scripts]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    return run


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("script.py", "from house import door\n"),
        ("program.c", "int two;"),
        ("house/door.py", "# A comment.\n"),
        ("house.py", ""),
    ],
)
def test_a_digest_changes_with_any_file_that_a_script_is_made_of(name, text, digest_now, tmp_path):
    before = digest_now()
    write({name: text}, tmp_path)
    assert digest_now() != before


def test_a_digest_stays_when_files_are_touched_or_others_change(digest_now, tmp_path):
    before = digest_now()
    os.utime(tmp_path / "house/door.py")
    write({"house/cellar.py": "deep = 1\n", "house/attic.py": ""}, tmp_path)
    assert digest_now() == before
