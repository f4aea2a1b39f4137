"""Loops whose floating-point operations are known: whoever claims to count must count these right first."""

from collections.abc import Callable, Mapping
from functools import cache, partial

import numpy as np

from mpt.compiled import compiled

# What a counter may be wrong by: hardware counts the code around a loop, too.
TOLERANCE = 0.01
_MILLION = 10**6


class CannotCount(Exception):
    """A source of operation counts is not there, or counts wrong; the message says why."""


@cache
def loops() -> dict[str, tuple[Callable[[], object], int]]:
    """Return loops by what they do, each with the number of its operations, compiled and ready to count."""
    added, terms = np.zeros(1000), np.ones(1000)
    known: dict[str, tuple[Callable[[], object], int]] = {
        "10⁶ fused multiply–adds": (partial(_multiply_and_add, _MILLION, 0.5, 1.0), 2 * _MILLION),
        "10⁶ additions in vectors": (partial(_add, added, terms, _MILLION // len(terms)), _MILLION),
    }
    for loop, _ in known.values():
        loop()
    return known


def check(counted: Mapping[str, float]) -> None:
    """Raise CannotCount unless each loop, by its name, was counted right to within TOLERANCE."""
    for name, (_, operations) in loops().items():
        if abs(counted[name] - operations) > TOLERANCE * operations:
            raise CannotCount(f"{name} are {operations} operations; it counts {counted[name]:.0f}")


# Each step needs the one before it, so that none is left out.
@compiled(fastmath={"contract"})
def _multiply_and_add(steps, factor, term):
    x = 0.0
    for _ in range(steps):
        x = x * factor + term
    return x


@compiled
def _add(added, terms, times):
    for _ in range(times):
        for k in range(len(added)):
            added[k] += terms[k]
