"""The scanner of imports finds every file of the project that Python runs for a script."""

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


@pytest.mark.parametrize("script", ["track_mht", "score", "tabulate_scores", "simulate"])
def test_what_python_loads_is_among_what_the_scanner_finds(script):
    result = subprocess.run(
        [sys.executable, "-c", LOADED, SOURCES, script], capture_output=True, text=True, check=True
    )
    loaded = {Path(line) for line in result.stdout.splitlines() if Path(line).is_relative_to(SOURCES)}
    assert loaded - {SOURCES / f"{script}.py"} <= set(modules(SOURCES / f"{script}.py", SOURCES))


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
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = {str(path.relative_to(tmp_path)) for path in modules(tmp_path / "script.py", tmp_path)}
    assert found == set(files) - {"script.py", "house/cellar.py"}
