"""The lines that say how far a job is."""

import re

import pytest

from mpt import progress


@pytest.fixture
def clock(monkeypatch):
    """Return a list whose one element is the time."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_lines_are_seconds_apart_and_say_what_is_left(clock, capsys):
    report = progress.Progress(200, "steps")
    for done in range(1, 21):
        clock[0] += 1
        report.at(done)
    lines = capsys.readouterr().out.splitlines()
    # At 5, 10, 15 and 20 s; a step a second.
    assert [int(re.match(r"(\d+) of 200 steps", line)[1]) for line in lines] == [5, 10, 15, 20]
    assert lines[0].endswith("1.0 steps/s  195 s left")


def test_what_was_done_before_does_not_count_for_the_rate(clock, capsys):
    report = progress.Progress(100, "steps", done=90)
    clock[0] += 5
    report.at(95, "loss 0.1")
    assert capsys.readouterr().out == "95 of 100 steps  1.0 steps/s  5 s left  loss 0.1\n"


def test_a_short_job_is_silent_unless_told_to_speak(clock, capsys):
    report = progress.Progress(2, "experiments")
    clock[0] += 1
    report.at(2)
    assert capsys.readouterr().out == ""
    report.at(2, always=True)
    assert capsys.readouterr().out.startswith("2 of 2 experiments")
