"""How far a job is, in its log."""

import math
import time

# Jobs that are shorter print one line, or none.
SECONDS_BETWEEN_LINES = 5.0


class Progress:
    """Lines that say how much of some work is done, a few seconds apart."""

    def __init__(self, total: int, unit: str, done: int = 0):
        """Start the clock. total: the work, in units; done: what was done of it before."""
        self._total, self._unit, self._first = total, unit, done
        self._start, self._printed = time.monotonic(), -math.inf

    def at(self, done: int, more: str = "", always: bool = False) -> None:
        """Print how much is done, the rate, the seconds left, and what more there is to say.

        done: in units. It prints nothing if it printed a moment ago, unless it shall always.
        """
        now = time.monotonic()
        if not always and now - max(self._printed, self._start) < SECONDS_BETWEEN_LINES:
            return
        self._printed = now
        rate = (done - self._first) / max(now - self._start, 1e-9)
        left = (self._total - done) / rate if rate else math.inf
        line = f"{done} of {self._total} {self._unit}  {rate:.1f} {self._unit}/s  {left:.0f} s left"
        print(f"{line}  {more}" if more else line, flush=True)
