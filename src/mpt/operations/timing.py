"""How long something takes that a single thread does."""

from collections.abc import Callable
from time import process_time

_AT_MOST = 5
_SECONDS_IN_ALL = 0.3


def processor_seconds(work: Callable[[], object]) -> float:
    """Return the least processor time of a few calls: what other programs do can only add to it."""
    times: list[float] = []
    while len(times) < _AT_MOST and sum(times) < _SECONDS_IN_ALL:
        begin = process_time()
        work()
        times.append(process_time() - begin)
    return min(times)
