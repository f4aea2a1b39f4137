"""Run the rows of a benchmark and keep what they found, beside their bars, as .csv and .md.

A row is a function that yields (quantity, value, bar, reached); bar and reached are None where nothing is
to be reached. Its docstring says what it measures.
"""

import argparse
import csv
import platform
import subprocess
import sys
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).parents[2]
COLUMNS = ("row", "quantity", "value", "bar", "reached", "how")

Finding = tuple[str, float, float | None, bool | None]
Row = Callable[[bool], Iterable[Finding]]


class CannotMeasure(Exception):
    """This machine lacks what a row needs; the message says what."""


def main(name: str, description: str, rows: dict[str, Row], packages: tuple[str, ...]) -> None:
    """Measure the rows asked for on the command line, and replace them in the tables called `name`.

    Each row is called with whether it should only show that it runs; one that raises CannotMeasure stays as
    it was. The versions of those of `packages` that are installed are recorded.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="row", help=", ".join(rows) + "; default all")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, whose numbers mean nothing")
    parser.add_argument("--output", type=Path, metavar="DIR", help="default results/reference/benchmarks")
    flags = parser.parse_args()
    unknown = set(flags.rows) - set(rows)
    if unknown:
        parser.error(f"no row is called {unknown.pop()!r}")
    if flags.quick and flags.output is None:
        parser.error("--quick needs --output")
    directory = flags.output or ROOT / "results" / "reference" / "benchmarks"
    text = ""
    for row in flags.rows or rows:
        try:
            how = f"python tests/benchmarks/benchmark_{name}.py {row}; {circumstances(packages)}"
            found = measure(row, rows[row](flags.quick), how)
        except CannotMeasure as reason:
            print(f"{row}: not measured: {reason}", file=sys.stderr)
            continue
        text = write(directory / name, list(rows), row, found)
    print(f"\n{text}")


def measure(row: str, findings: Iterable[Finding], how: str) -> list[dict[str, str]]:
    """Print what a row finds as it is found, and return it as lines of the table.

    how: the command, and what it was measured with.
    """
    lines = []
    for quantity, value, bar, reached in findings:
        line = {
            "row": row,
            "quantity": quantity,
            "value": f"{value:.4g}",
            "bar": "" if bar is None else f"{bar:g}",
            "reached": "" if reached is None else "yes" if reached else "no",
            "how": how,
        }
        lines.append(line)
        print(f"{quantity}: {line['value']}  (bar: {line['bar']}) {line['reached']}", flush=True)
    return lines


def write(path: Path, order: list[str], row: str, found: list[dict[str, str]]) -> str:
    """Replace one row in path.csv and path.md; return what the latter says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = path.with_suffix(".csv")
    lines = list(csv.DictReader(table.open())) if table.exists() else []
    lines = sorted(
        [line for line in lines if line["row"] != row] + found, key=lambda line: order.index(line["row"])
    )
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
    shown = COLUMNS[:-1]
    text = ["| " + " | ".join(shown) + " |", "|" + "---|" * len(shown)]
    text += ["| " + " | ".join(line[name] for name in shown) + " |" for line in lines]
    how = {line["row"]: line["how"] for line in lines}
    text = "\n".join([*text, "", *(f"- `{name}`: {words}" for name, words in how.items()), ""])
    path.with_suffix(".md").write_text(text)
    return text


def circumstances(packages: tuple[str, ...]) -> str:
    """Say what this is measured with."""
    commit = git("describe", "--always")
    # Other rows' results are none of the sources.
    if git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!results"):
        commit += " with changes"
    versions = ", ".join(f"{package} {number}" for package in packages if (number := installed(package)))
    return f"Python {platform.python_version()}, {versions}; {processor()}; {commit}"


def installed(package: str) -> str | None:
    """Return the version of a package; None if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def git(*arguments: str) -> str:
    """Return what git says of this repository."""
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def processor() -> str:
    """Return the name of this machine's processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]}, {len(names)} cores" if names else platform.machine()
