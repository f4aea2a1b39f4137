"""Run Snakemake with an HTCondor that takes every job and runs none; print the submit descriptions as JSON.

What is printed, a line each, went through Snakemake, its HTCondor plugin and HTCondor's own parser.
"""

import json
import sys

import htcondor2
from snakemake.cli import main


class Submitted:
    """What a schedd answers."""

    def __init__(self, number: int):
        self._number = number

    def cluster(self) -> int:
        return self._number


class Schedd:
    """A schedd that writes down what it is given."""

    submitted = 0

    def submit(self, description: htcondor2.Submit) -> Submitted:
        Schedd.submitted += 1
        print(json.dumps({key.lower(): value for key, value in description.items()}), flush=True)
        return Submitted(Schedd.submitted)

    def act(self, action, jobs):
        raise AssertionError(f"{action} of {jobs}")


htcondor2.Schedd = Schedd
htcondor2.Submit.issue_credentials = lambda self: None
main(sys.argv[1:])
