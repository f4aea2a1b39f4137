"""The README: every command in it runs, and what it says of the results is what the reference run found."""

import csv
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from workflow import PROJECT, SMALL, environment, snakemake

TEXT = (PROJECT / "README.md").read_text(encoding="utf-8")
REFERENCE = PROJECT / "results/reference"
BLOCKS = {
    language: re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    for language in ("sh", "yaml", "text")
}
PROGRAMS = ("make", "snakemake", "python", "source")


def commands() -> list[str]:
    """Return every command, of blocks and in the text, without its comment."""
    lines = [line for block in BLOCKS["sh"] for line in block.splitlines()]
    lines += re.findall(rf"`((?:{'|'.join(PROGRAMS)})\s[^`]+)`", TEXT)
    lines += [f"python {script} --check" for script in re.findall("<!-- .*?python (\\S+) -->", TEXT)]
    return list(dict.fromkeys(shlex.join(shlex.split(line, comments=True)) for line in lines))


@pytest.fixture(scope="module")
def mine(tmp_path_factory) -> Path:
    """Return the README's own overlay as the file that it says it is."""
    (text,) = (block for block in BLOCKS["yaml"] if block.startswith("# mine.yaml"))
    path = tmp_path_factory.mktemp("overlay") / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def places(mine, finished) -> dict[str, str]:
    """Return where the files and the results that the README names are, in this test."""
    return {"mine.yaml": str(mine), "small": str(finished)}


@pytest.mark.parametrize("command", commands())
def test_a_command_runs(command, places, tmp_path):
    program, *words = shlex.split(command)
    words = [places.get(word, word) for word in words]
    if program == "make":
        # What a target runs takes up to hours and installs packages: only Snakemake's part of it is tried.
        # The others are tests of their own, or the run of all tests.
        result = run(["make", "--dry-run", *words])
        assert result.returncode == 0, result.stderr
        for line in re.findall(r"^snakemake .*$", result.stdout, re.MULTILINE):
            small = ["--configfile", "tests/config.yaml", "--directory", places["small"]]
            tried(shlex.split(line)[1:] + (small if "--report" in line else []), tmp_path)
    elif program == "snakemake":
        tried(words, tmp_path)
    elif program == "source":
        # What `make` creates; the tests run in an environment already.
        assert words == [".venv/bin/activate"]
    else:
        result = run([sys.executable, *words])
        assert result.returncode == 0, result.stderr


def tried(words: list[str], directory: Path) -> None:
    """Run Snakemake: a report is made, and of a run only its plan; the small run is made for these tests."""
    if "--directory" not in words:
        words = [*words, "--directory", str(directory)]
    makes_report = "--report" in words
    result = run([sys.executable, "-m", "snakemake", *words, *([] if makes_report else ["--dry-run"])])
    output = result.stdout + result.stderr
    assert result.returncode == 0, output
    assert (
        "Report created" in output if makes_report else re.search("To be made: |Nothing to be done", output)
    )


def run(command: list[str]) -> subprocess.CompletedProcess:
    return subprocess.run(command, cwd=PROJECT, env=environment(), capture_output=True, text=True)


def test_the_change_makes_what_the_readme_says(finished, mine):
    result = snakemake(finished, "--dry-run", "--quiet", "rules", configs=(SMALL, mine))
    (said,) = (block for block in BLOCKS["text"] if block.startswith("To be made: "))
    assert said in result.stdout + result.stderr


def test_the_readme_is_short_and_its_verdicts_are_those_of_the_reference_run():
    assert len(TEXT.splitlines()) <= 120
    assert run([sys.executable, "docs/fill_verdicts.py", "--check"]).returncode == 0


def test_the_numbers_of_the_readme_are_those_of_the_reference_run():
    with (REFERENCE / "claims.csv").open(encoding="utf-8", newline="") as file:
        rows = {(row["claim"], row["score"]): row for row in csv.DictReader(file)}
    least = float(re.search(r"never moves looks good \(its Jaccard coefficient is above ([\d.]+)\)", TEXT)[1])
    assert float(rows["1a", "jaccard"]["frozen_mean"]) > least
    config = yaml.safe_load((REFERENCE / "config.yaml").read_text(encoding="utf-8"))
    assert config["claims"]["9a"]["margin"] == float(re.search(r"within (\d+) % of the MHT", TEXT)[1]) / 100
    lookbacks = [config["studies"][f"figure_2{part}"]["trackers"][1]["lookback"] for part in "bc"]
    assert f"K = {lookbacks[0]} and K = {lookbacks[1]}" in TEXT


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        (["1a", "1a_geometric"], ["✓", "✓", "✗", "✗"]),
        # A run with the geometric network only has its claims without a suffix.
        (["1a"], ["–", "–", "✓", "✓"]),
    ],
)
def test_the_table_knows_the_networks_of_a_run(claims, expected):
    sys.path.insert(0, str(PROJECT / "docs"))
    import fill_verdicts

    said = {"1a": "supported", "1a_geometric": "contradicted"}
    verdicts = {(claim, score): said[claim] for claim in claims for score in ("jaccard", "position_error")}
    line = fill_verdicts.table(verdicts, *fill_verdicts.suffixes(claims)).splitlines()[2]
    assert [cell.strip() for cell in line.split("|")[2:6]] == expected


def test_the_readme_names_only_targets_and_configs_that_exist():
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"\bmake (\w+)", TEXT)) - {"and"}
    assert targets
    assert [target for target in targets if not re.search(rf"^{target}:", makefile, re.MULTILINE)] == []
    for config in re.findall(r"--configfile (\S+)", TEXT):
        assert (PROJECT / config).exists()


def test_pictures_of_the_readme_are_there_and_small():
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", TEXT)
    assert pictures
    for picture in pictures:
        assert (PROJECT / picture).stat().st_size <= 3e6


def test_what_it_says_of_readings_is_what_was_found():
    with (REFERENCE / "readings/readings.csv").open(newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    most = max(int(reading["jaccard_held"]) for reading in found)
    best = [reading for reading in found if int(reading["jaccard_held"]) == most]
    assert len(best) == 3
    assert most < int(best[0]["judged"])
    # The first of them, as readings.md ranks.
    nearest = max(best, key=lambda reading: int(reading["position_error_held"]))
    errors = [float(nearest[f"position_error_of_{name}"]) for name in ("curve", "reference", "frozen")]
    transformer, mht, frozen = (f"{error:.1f}" for error in errors)
    told = [
        f"of {len(found)} [readings]",
        f"none gives all of {nearest['judged']} claims by links. Three readings give {most}, the most",
        f"transformer is {transformer} from",
        f"the MHT {mht}, and a tracker that never moves {frozen}.",
    ]
    text = " ".join(TEXT.split())
    assert [words for words in told if words not in text] == []
