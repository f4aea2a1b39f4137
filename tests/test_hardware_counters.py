"""The processor's own counters, played by a fake PAPI where this machine has none."""

import inspect
import sys
from types import ModuleType

import pytest
from pypapi import events, exceptions, papi_low

from mpt.operations import known_work
from mpt.operations.hardware_counters import HardwareCounters
from mpt.operations.known_work import CannotCount


class Processor:
    """A processor, and PAPI on it: `presets` says what each preset counts, given the operations executed.

    A preset that is missing is refused as the real one is.
    """

    def __init__(self, presets: dict):
        self.presets = {getattr(events, name): rule for name, rule in presets.items()}
        self.executed = 0
        self.open = {}

    def work(self, operations: int) -> None:
        self.executed += operations

    def library_init(self, version=papi_low.PAPI_VER_CURRENT):
        pass

    def create_eventset(self):
        self.open[7] = []
        return 7

    def add_event(self, eventSet, eventCode):
        if eventCode not in self.presets:
            raise exceptions.PapiNoEventError
        self.open[eventSet].append(eventCode)

    def start(self, eventSet):
        self.began = self.executed

    def stop(self, eventSet):
        return [self.presets[code](self.executed - self.began) for code in self.open[eventSet]]

    def cleanup_eventset(self, eventSet):
        self.open[eventSet].clear()

    def destroy_eventset(self, eventSet):
        del self.open[eventSet]


CALLS = (
    "library_init",
    "create_eventset",
    "add_event",
    "start",
    "stop",
    "cleanup_eventset",
    "destroy_eventset",
)


@pytest.fixture
def processor(monkeypatch):
    """Return processor(**presets), installed as pypapi, with known work that it executes."""

    def make(**presets):
        fake = Processor(presets)
        pypapi = ModuleType("pypapi")
        pypapi.papi_low, pypapi.events, pypapi.exceptions = fake, events, exceptions
        monkeypatch.setitem(sys.modules, "pypapi", pypapi)
        loops = {
            "a million": (lambda: fake.work(10**6), 10**6),
            "two million": (lambda: fake.work(2 * 10**6), 2 * 10**6),
        }
        monkeypatch.setattr(known_work, "loops", lambda: loops)
        return fake

    return make


def nothing(operations):
    return 0


def all_of(operations):
    return operations


def half(operations):
    return operations // 2


@pytest.mark.parametrize("name", CALLS)
def test_the_fake_takes_what_the_real_binding_takes(name):
    real = inspect.signature(getattr(papi_low, name))
    assert list(inspect.signature(getattr(Processor({}), name)).parameters) == list(real.parameters)


def test_double_and_single_precision_add_up(processor):
    fake = processor(PAPI_DP_OPS=half, PAPI_SP_OPS=half)
    counters = HardwareCounters()
    assert counters.events == ("PAPI_DP_OPS", "PAPI_SP_OPS")
    assert counters.count(lambda: fake.work(500)) == 500
    assert not fake.open


def test_a_preset_that_counts_wrong_is_refused_for_one_that_counts_right(processor):
    processor(PAPI_DP_OPS=half, PAPI_SP_OPS=nothing, PAPI_FP_OPS=all_of)
    assert HardwareCounters().events == ("PAPI_FP_OPS",)


def test_a_processor_on_which_all_presets_count_wrong_is_refused(processor):
    processor(PAPI_DP_OPS=half, PAPI_SP_OPS=nothing)
    with pytest.raises(CannotCount, match="PAPI_DP_OPS: a million are 1000000 operations; it counts 500000"):
        HardwareCounters()


def test_a_processor_without_presets_is_refused_in_papis_words(processor):
    processor()
    with pytest.raises(CannotCount, match=r"PAPI_FP_OPS: .*PAPI_ENOEVNT"):
        HardwareCounters()


def test_a_count_is_repeated_until_it_settles(processor):
    disturbance = iter([900, 40, 0, 5, 1] + [0] * 20)
    fake = processor(PAPI_DP_OPS=all_of, PAPI_SP_OPS=nothing)
    counters = HardwareCounters()
    assert counters.count(lambda: fake.work(1000 + next(disturbance))) == 1001


def test_counts_that_do_not_settle_are_refused(processor):
    growing = iter(range(1000, 10**6, 100))
    fake = processor(PAPI_DP_OPS=all_of, PAPI_SP_OPS=nothing)
    counters = HardwareCounters()
    with pytest.raises(CannotCount, match="within 1%"):
        counters.count(lambda: fake.work(next(growing)))


def test_a_machine_without_the_binding_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "pypapi", None)
    with pytest.raises(CannotCount, match="python-papi cannot be imported"):
        HardwareCounters()


def test_the_counters_of_this_machine_count_right_or_say_why_not():
    try:
        counters = HardwareCounters()
    except CannotCount as refusal:
        reason = str(refusal)
    else:
        reason = None
    if reason is not None:
        assert "PAPI" in reason
        return
    for loop, operations in known_work.loops().values():
        assert counters.count(loop) == pytest.approx(operations, rel=0.01)
