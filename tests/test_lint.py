"""What Snakemake's linter finds in the workflow: nothing but one habit of this project."""

import re
import subprocess
import sys

from workflow import PROJECT, environment

# Here an input function stands beside the rule that it is the input of, as in PyPSA-Eur, so that both are
# read together; the linter would have all functions in one file.
WANTED = {"Mixed rules and functions in same snakefile."}


def test_the_linter_finds_only_functions_beside_their_rules():
    command = [sys.executable, "-m", "snakemake", "--lint"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, env=environment())
    output = result.stdout + result.stderr
    assert "Lints for snakefile" in output
    assert set(re.findall(r"^    \* (.*):$", output, re.MULTILINE)) == WANTED
    assert "Lints for rule" not in output
