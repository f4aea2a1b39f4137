"""Sum by rule what Snakemake's benchmarks and the logs say of a run: jobs, seconds, start-up and memory.

Start-up is the time from a job's shell to its script's first statement: the interpreter and the imports.
"""

import csv
import json
import re
from pathlib import Path

from command_line import ArgumentParser, InputError, existing_directory, existing_file, output_file, run

COLUMNS = ["rule", "jobs", "seconds", "start_up_seconds", "cpu_seconds", "max_rss_mb"]


def main() -> None:
    """Read the flags, write the table, print the share of the start-up."""
    parser = ArgumentParser(description=__doc__)
    add = parser.add_argument
    add(
        "--benchmarks",
        type=existing_directory,
        required=True,
        metavar="DIR",
        help="RULE.tsv, RULE/**/JOB.tsv",
    )
    add(
        "--jobs",
        type=existing_file,
        required=True,
        metavar="F",
        help='JSON: by rule, its jobs, "" if it has one',
    )
    add("--logs", type=existing_directory, required=True, metavar="DIR", help="RULE.log, RULE/**/JOB.log")
    add("--output", type=output_file, required=True, metavar="F", help="the table as comma-separated values")
    arguments = parser.parse_args()

    rows = []
    for rule, jobs in sorted(json.loads(arguments.jobs.read_text(encoding="utf-8")).items()):
        names = [f"{rule}/{job}" if job else rule for job in jobs]
        # A job that was made before it had an account has none.
        found = [
            _job(arguments.benchmarks / f"{name}.tsv", arguments.logs / f"{name}.log")
            for name in names
            if (arguments.benchmarks / f"{name}.tsv").is_file()
        ]
        if not found:
            continue
        seconds, start_up, cpu, memory = zip(*found, strict=True)
        rows.append([rule, len(found), sum(seconds), sum(start_up), sum(cpu), max(memory)])
    if not rows:
        raise InputError(f"{arguments.benchmarks}: has no benchmarks")
    total = [
        "all",
        *(sum(row[column] for row in rows) for column in range(1, 5)),
        max(row[5] for row in rows),
    ]
    with arguments.output.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows([[*row[:2], *(f"{value:.1f}" for value in row[2:])] for row in [*rows, total]])
    print(f"{total[1]} jobs, {total[2]:.0f} s, of which {total[3] / total[2]:.1%} start-up and imports")


def _job(benchmark: Path, log: Path) -> tuple[float, float, float, float]:
    """Return a job's seconds, start-up seconds, processor seconds and largest resident memory in MB."""
    with benchmark.open(encoding="utf-8", newline="") as file:
        row = next(csv.DictReader(file, delimiter="\t"), None)
    if row is None:
        raise InputError(f"{benchmark}: is no benchmark of Snakemake")
    started = re.search(r"^started in ([\d.]+) s$", _text(log), re.MULTILINE)
    seconds, start_up, processor, memory = map(
        _number, (row["s"], started and started[1], row["cpu_time"], row["max_rss"])
    )
    return seconds, start_up, processor, memory


def _text(log: Path) -> str:
    # Programs that a script calls write in whatever encoding they like.
    return log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""


def _number(text: str | None) -> float:
    # Snakemake samples too seldom to know the memory of the shortest jobs.
    return float(text) if text not in (None, "NA", "-") else 0.0


if __name__ == "__main__":
    run(main)
