"""What Snakemake's linter finds in the workflow: nothing but one habit of this project."""

import json
import subprocess
import sys

from workflow import PROJECT, environment

# Here an input function stands beside the rule that it is the input of, as in PyPSA-Eur, so that a rule and what it
# asks for are read together; the linter would have them all in one file.
WANTED = {"Mixed rules and functions in same snakefile."}


def test_the_linter_finds_only_functions_beside_their_rules():
    command = [sys.executable, "-m", "snakemake", "--lint", "json"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, env=environment())
    found = json.loads(result.stdout[result.stdout.index("{") :])
    snakefiles = [lint["title"] for file in found.get("snakefiles", ()) for lint in file["lints"]]
    rules = [(rule["for"]["rule"], lint["title"]) for rule in found.get("rules", ()) for lint in rule["lints"]]
    assert set(snakefiles) <= WANTED
    assert rules == []
