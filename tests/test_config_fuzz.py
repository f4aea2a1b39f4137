"""A thousand mutations of the config: each is planned, or refused in lines that a reader can act on."""

import copy
import re
from datetime import date
from pathlib import Path

import sensitivity
import yaml
from configuration import canonical, problems
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger import ledger
from studies import plan

PROJECT = Path(__file__).parents[1]
SCHEMA = PROJECT / "schemas/config.schema.yaml"
DEFAULT = canonical(yaml.safe_load((PROJECT / "config.yaml").read_text()))
# A study of each kind: short sequences, a fitted law, several lengths, operation counts.
DEFAULT["studies"] = {name: DEFAULT["studies"][name] for name in ("figure_3", "figure_4", "figure_6")}
DEFAULT["studies"]["figure_3"]["datasets"]["measurement_noise"] = [1, 7]
DEFAULT["claims"] = {name: DEFAULT["claims"][name] for name in ("4b", "4c", "5a", "6a", "7b", "8b")}
DEFAULT["sensitivity"]["axes"] = {
    name: DEFAULT["sensitivity"]["axes"][name] for name in ("drift_spread", "estimate", "training")
}
DEFAULT["sensitivity"]["reduced"] = {
    key: value for key, value in DEFAULT["sensitivity"]["reduced"].items() if "figure_2" not in key
}

NUMBERS = st.one_of(
    st.integers(-3, 200),
    st.integers(),
    st.floats(0, 20),
    st.floats(),
)
TEXTS = st.one_of(
    st.sampled_from(
        ["known", "frames", "unlimited", "1e-3", "-x", "a; touch x", "$(touch x)", "{wildcards}"]
    ),
    st.text(max_size=8),
    st.sampled_from(
        [str(key) for section in DEFAULT.values() if isinstance(section, dict) for key in section]
    ),
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS, st.just(date(2024, 1, 1)))
KEYS = st.one_of(TEXTS, st.none(), st.integers(0, 3))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=2),
    max_leaves=4,
)


def places(value, path=()) -> list[tuple]:
    """Return the path of every value in the config."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [place for key, item in items for place in places(item, (*path, key))]


def at(config, path):
    for key in path:
        config = config[key]
    return config


@st.composite
def mutations(draw):
    """Draw a config with one or two values replaced, removed, added, or taken from elsewhere in it."""
    config = copy.deepcopy(DEFAULT)
    for _ in range(draw(st.sampled_from([1, 1, 2]))):
        *parents, key = draw(st.sampled_from(places(config)))
        owner = at(config, parents)
        kind = draw(st.sampled_from(["like", "like", "any", "remove", "add", "list", "elsewhere"]))
        if kind == "remove":
            del owner[key]
        elif kind == "add" and isinstance(owner, dict):
            owner[draw(KEYS)] = draw(VALUES)
        elif kind == "list":
            owner[key] = [owner[key], *draw(st.lists(SCALARS, max_size=3))]
        elif kind == "elsewhere":
            owner[key] = copy.deepcopy(at(DEFAULT, draw(st.sampled_from(places(DEFAULT)))))
        elif kind == "like" and isinstance(owner[key], int | float):
            owner[key] = draw(NUMBERS)
        elif kind == "like" and isinstance(owner[key], str):
            owner[key] = draw(TEXTS)
        else:
            owner[key] = draw(VALUES)
    return config


def test_a_thousand_mutations_are_planned_or_refused_readably():
    outcomes = []

    @settings(max_examples=1000, suppress_health_check=list(HealthCheck), database=None)
    @given(mutations())
    def check(config):
        config = canonical(config)
        lines = problems(config, SCHEMA)
        outcomes.append(not lines)
        for line in lines:
            path, _, message = line.partition(": ")
            assert message
            assert line.isprintable(), repr(line)
            assert len(line) < 600
            assert path == "the config" or re.split(r"[.\[]", path)[0] in DEFAULT
        if not lines:
            jobs = plan(config)
            ledger(config, jobs)
            for part in sensitivity.PARTS:
                for scene in sensitivity.scenes(config, part):
                    assert re.fullmatch(r"[A-Za-z0-9_.+-]{1,240}", scene)
                    assert sensitivity.work(config, part, scene)["choices"]
            for name in [*jobs.test_sets, *jobs.training_sets, *jobs.models, *(t for t, _ in jobs.told)]:
                assert re.fullmatch(r"[A-Za-z0-9_.+-]{1,240}", name)

    check()
    # Neither is all refused nor all let through.
    assert 50 < sum(outcomes) < 950
