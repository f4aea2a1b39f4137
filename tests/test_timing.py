"""How often a piece of work is timed, and which time counts, by a clock that the test sets."""

import pytest

from mpt.operations import timing


@pytest.mark.parametrize(
    ("took", "calls"),
    [([0.125, 0.0625, 0.125, 9], 3), ([0.03125, 0.0625, 0.015625, 0.0625, 0.03125, 9], 5), ([30, 9], 1)],
)
def test_the_least_time_of_a_few_calls_counts(monkeypatch, took, calls):
    now = [0.0]
    monkeypatch.setattr(timing, "process_time", lambda: now[0])
    called = []

    def work():
        now[0] += took[len(called)]
        called.append(now[0])

    assert timing.processor_seconds(work) == min(took[:calls])
    assert len(called) == calls
