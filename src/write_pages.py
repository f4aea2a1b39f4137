"""Write the pages of the report: tables that a reader can sort, the config, and the versions of everything.

A page loads nothing and opens in any browser. The versions are those of the environment in which this script
runs.
"""

import csv
import importlib.metadata
import os
import platform
import re
import subprocess
from pathlib import Path

from command_line import ArgumentParser, InputError, existing_file, output_directory, run
from mpt.drawing.pages import table_page, text_page

PROJECT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Read the flags, write a page for each file that is given, and versions.html."""
    parser = ArgumentParser(description=__doc__)
    add = parser.add_argument
    add(
        "--claims",
        type=existing_file,
        metavar="F",
        help="claims.csv, for claims.html; without it there is no page",
    )
    add("--run", type=existing_file, required=True, metavar="F", help="run.csv, for run.html")
    add("--config", type=existing_file, required=True, metavar="F", help="config.yaml, for config.html")
    add("--output", type=output_directory, required=True, metavar="DIR", help="where the pages go")
    arguments = parser.parse_args()

    pages = {
        "run": table_page("Jobs by rule", *_table(arguments.run)),
        "config": text_page("The config of this run", arguments.config.read_text(encoding="utf-8")),
        "versions": table_page("Versions", ["what", "version"], versions()),
    }
    if arguments.claims is not None:
        pages["claims"] = table_page("Which claims hold", *_table(arguments.claims))
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        (arguments.output / f"{name}.html").write_text(text, encoding="utf-8")


def versions() -> list[list[str]]:
    """Return rows (what, version): the project, Python, the machine, and each package of requirements.txt."""
    return [
        ["this project", _project()],
        ["Python", platform.python_version()],
        ["operating system", platform.platform()],
        ["processor", f"{platform.machine()}, {os.cpu_count()} cores"],
        *([name, _installed(name)] for name in _required()),
    ]


def _project() -> str:
    """Return the version of pyproject.toml, with the commit where the project is a repository of git."""
    text = (PROJECT / "pyproject.toml").read_text(encoding="utf-8")
    version = re.search(r'^version = "(.*)"$', text, re.MULTILINE)
    command = ["git", "-C", str(PROJECT), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        commit = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        commit = ""
    return " ".join(part for part in (version[1] if version else "", commit and f"(commit {commit})") if part)


def _required() -> list[str]:
    lines = (PROJECT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [name[0] for line in lines if (name := re.match(r"[A-Za-z0-9][\w.-]*", line))]


def _installed(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _table(path: Path) -> tuple[list[str], list[list[str]]]:
    """Return the head and the rows of a table of comma-separated values. Raises InputError if it is none."""
    with path.open(encoding="utf-8", newline="") as file:
        head, *rows = list(csv.reader(file)) or [[]]
    for number, row in enumerate(rows, 2):
        if len(row) != len(head):
            raise InputError(f"{path}: line {number} has {len(row)} cells, the heading {len(head)}")
    if not head:
        raise InputError(f"{path}: is empty")
    return head, rows


if __name__ == "__main__":
    run(main)
