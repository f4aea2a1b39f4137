"""Floating-point operations that the processor counted itself, read through PAPI.

PAPI's presets differ between processors: some are missing, some count all lanes of a vector or a fused
multiply–add as one operation. So each set of events counts loops of known work before it is believed.
"""

from collections.abc import Callable
from statistics import median

from mpt.operations import known_work
from mpt.operations.known_work import CannotCount

# Names in pypapi.events, most telling first; a set's counts add up.
EVENT_SETS = (("PAPI_DP_OPS", "PAPI_SP_OPS"), ("PAPI_DP_OPS",), ("PAPI_FP_OPS",))
# A count is repeated until this many in a row spread by less than SPREAD of their median.
_IN_A_ROW = 3
_AT_MOST = 30
SPREAD = 0.01


class HardwareCounters:
    """The first set of events that counts known work right.

    Raises CannotCount, saying why each was refused, if there is none.
    """

    def __init__(self):
        """Look for the events."""
        try:
            from pypapi import events, papi_low
            from pypapi.exceptions import PapiError
        except ImportError as error:
            raise CannotCount(f"python-papi cannot be imported: {error}") from error
        self._papi, self._error = papi_low, PapiError
        try:
            papi_low.library_init()
        except PapiError as error:
            raise CannotCount(f"PAPI does not start: {error}") from error
        refused = []
        for names in EVENT_SETS:
            self.events = names
            self._codes = [getattr(events, name) for name in names]
            try:
                known_work.check({name: self.count(loop) for name, (loop, _) in known_work.loops().items()})
                return
            except CannotCount as error:
                refused.append(f"{' and '.join(names)}: {error}")
        raise CannotCount("; ".join(refused))

    def count(self, work: Callable[[], object]) -> float:
        """Return the operations of a call that this thread executes: the median of repeated counts.

        Raises CannotCount if PAPI refuses, or if the counts do not settle.
        """
        counts: list[float] = []
        while len(counts) < _AT_MOST:
            counts.append(self._count_once(work))
            last = counts[-_IN_A_ROW:]
            if len(last) == _IN_A_ROW and max(last) - min(last) <= SPREAD * median(last):
                return median(last)
        raise CannotCount(
            f"{_AT_MOST} counts of the same work did not come within {SPREAD:.0%} of each other"
        )

    def _count_once(self, work: Callable[[], object]) -> int:
        papi = self._papi
        try:
            event_set = papi.create_eventset()
            try:
                for code in self._codes:
                    papi.add_event(event_set, code)
                papi.start(event_set)
                try:
                    work()
                finally:
                    counts = papi.stop(event_set)
            finally:
                papi.cleanup_eventset(event_set)
                papi.destroy_eventset(event_set)
        except self._error as error:
            raise CannotCount(str(error)) from error
        return sum(counts)
