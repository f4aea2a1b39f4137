"""What a run will make and about how long it will take, in words, before it begins.

A rule's jobs are expected to take what they took in an earlier run: the start-up of each as it was, the rest
in proportion to the work. The work of a job is the number of positions that it simulates, learns from, tracks
or scores, repetitions included; of rules that do nothing of that, the number of their jobs.
"""

import csv
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from planning.config_files import read, unreadable
from planning.configuration import canonical
from planning.methods import UNLIMITED, StudyError
from planning.studies import Plan, plan

# What a rule makes, one and several.
MADE = {
    "simulate_test_set": ("test set", "test sets"),
    "import_recording": ("recording", "recordings"),
    "import_movie": ("recording", "recordings"),
    "simulate_training_set": ("training set", "training sets"),
    "train": ("model", "models"),
    "track": ("tracker run", "tracker runs"),
    "track_trained": ("tracker run", "tracker runs"),
    "track_movie": ("tracker run", "tracker runs"),
    "track_movie_with_margins": ("tracker run", "tracker runs"),
    "score_tracks": ("table of scores", "tables of scores"),
    "count_operations": ("count of operations", "counts of operations"),
    "draw_scores": ("figure", "figures"),
    "draw_together": ("figure", "figures"),
    "draw_closeness": ("figure", "figures"),
    "draw_costs": ("figure", "figures"),
    "draw_sequence": ("figure", "figures"),
    "draw_operations": ("figure", "figures"),
    "draw_calibration": ("figure", "figures"),
    "draw_movie": ("figure", "figures"),
    "judge_claims": ("ledger of claims", "ledgers of claims"),
    "judge_choices": ("scene judged under other choices", "scenes judged under other choices"),
}
WIDTH = 79


@dataclass(frozen=True)
class Measured:
    """What an earlier run took: by rule its jobs, their seconds in all, their start-up; and its work."""

    jobs: Mapping[str, int]
    seconds: Mapping[str, float]
    start_up: Mapping[str, float]
    work: Mapping[str, float]


def work(jobs: Plan) -> dict[str, float]:
    """Return by rule the positions that all jobs of a plan have to do with."""
    positions = {}
    for name, scene in jobs.test_sets.items():
        # How long a recording is, is seen when it is imported.
        simulated = isinstance(scene["experiments"], int)
        positions[name] = scene["frames"] * scene["particles"] * scene["experiments"] if simulated else 0
    found = {"simulate_test_set": float(sum(positions.values()))}
    found |= dict.fromkeys(("track", "track_trained", "score_tracks", "train"), 0.0)
    for tracker, dataset in jobs.told:
        rule = "track_trained" if tracker in jobs.model_of else "track"
        found[rule] += positions[dataset] * len(jobs.replicates(tracker))
    for (_, dataset), trackers in jobs.scored.items():
        found["score_tracks"] += positions[dataset] * sum(
            len(jobs.replicates(tracker)) for tracker in trackers
        )
    sets = jobs.training_sets
    found["simulate_training_set"] = float(
        sum(data["frames"] * data["particles"] * data["experiments"] for data in sets.values())
    )
    for name, model in jobs.models.items():
        batches = 1 if model["batches"] == UNLIMITED else model["batches"]
        experiments = batches * model["experiments_per_batch"] * model["replicates"] * model.get("epochs", 1)
        data = sets[jobs.training_set_of[name]]
        found["train"] += experiments * data["frames"] * data["particles"]
    return found


def measured(results: Path) -> Measured | None:
    """Return what the run took whose results these are, None if it does not say."""
    try:
        with (results / "run.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        columns = [
            {row["rule"]: float(row[name]) for row in rows}
            for name in ("jobs", "seconds", "start_up_seconds")
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    jobs, seconds, start_up = columns
    of_run = _work_of(results / "config.yaml")
    return Measured({rule: int(number) for rule, number in jobs.items()}, seconds, start_up, of_run)


def _work_of(config: Path) -> dict[str, float]:
    """Return the work of a config, nothing if it is of another version and makes no plan."""
    if any(unreadable(config)):
        return {}
    try:
        return work(plan(canonical(read(config))))
    except (KeyError, TypeError, AttributeError, StudyError):
        return {}


def expected_seconds(
    counts: Mapping[str, int], planned: Mapping[str, int], of_plan: Mapping[str, float], run: Measured
) -> dict[str, float]:
    """Return by rule the seconds that its jobs are expected to take, one after the other.

    counts: the jobs to run, by rule. planned: all jobs of the config, whether or not they have been run;
    of_plan: their work. A rule that the earlier run does not have is left out.
    """
    found = {}
    for rule, number in counts.items():
        before = run.jobs.get(rule, 0)
        if not before:
            continue
        larger = 1.0
        if run.work.get(rule) and of_plan.get(rule) and planned.get(rule):
            larger = (of_plan[rule] / planned[rule]) / (run.work[rule] / before)
        start_up = min(run.start_up[rule], run.seconds[rule])
        found[rule] = number / before * (start_up + larger * (run.seconds[rule] - start_up))
    return found


def in_words(
    counts: Mapping[str, int],
    planned: Mapping[str, int],
    of_plan: Mapping[str, float],
    runs: Mapping[str, Measured],
    cores: int | None,
) -> str:
    """Return what will be made and how long it will take, by the first of the earlier runs that has the rule.

    counts, planned and of_plan are those of expected_seconds; runs are by name. cores is None where the jobs
    run elsewhere.
    """
    things: dict[tuple[str, str], int] = {}
    for rule, words in MADE.items():
        if counts.get(rule):
            things[words] = things.get(words, 0) + counts[rule]
    if not things:
        return ""
    told = ", ".join(_count(number, words) for words, number in things.items())
    seconds: dict[str, float] = {}
    used = []
    for name, run in runs.items():
        new = expected_seconds({r: n for r, n in counts.items() if r not in seconds}, planned, of_plan, run)
        seconds |= new
        used += [name] if new else []
    unknown = [rule for rule in counts if rule in MADE and rule not in seconds]
    lines = [f"To be made: {told}.", _duration(sum(seconds.values()), cores, used, unknown)]
    return "\n".join(textwrap.fill(line, WIDTH, break_on_hyphens=False) for line in lines)


def _duration(seconds: float, cores: int | None, used: Sequence[str], unknown: Sequence[str]) -> str:
    if not used:
        return "Nothing is known of how long that takes."
    minutes = max(1, round(seconds / 60 / (cores or 1)))
    where = "of one core" if cores is None else f"on {_count(cores, ('core', 'cores'))}"
    text = f"{_count(minutes, ('minute', 'minutes'))} {where}, by the times of {' and '.join(used)}"
    return f"At least {text}, which have none of {', '.join(unknown)}." if unknown else f"About {text}."


def _count(number: int, words: tuple[str, str]) -> str:
    return f"{number} {words[number > 1]}"
