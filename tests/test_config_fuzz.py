"""A thousand mutations of the config, and of its text: each goes through, or is refused in words."""

import copy
import re
from datetime import date
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from snakemake.common.configfile import load_configfile
from snakemake.exceptions import WorkflowError

from planning import choices
from planning.config_files import unreadable
from planning.configuration import canonical, problems
from planning.ledger import ledger
from planning.studies import plan
from workflow import clone, snakemake

PROJECT = Path(__file__).parents[1]
SCHEMA = PROJECT / "schemas/config.schema.yaml"
DEFAULT = canonical(yaml.safe_load((PROJECT / "config.yaml").read_text()))
# A study of each kind: short sequences, a fitted law, several lengths, operation counts.
DEFAULT["studies"] = {name: DEFAULT["studies"][name] for name in ("figure_3", "figure_4", "figure_6")}
DEFAULT["studies"]["figure_3"]["datasets"]["measurement_noise"] = [1, 7]
DEFAULT["figures"] |= {"together": {}, "sequences": {}, "closeness": {}}
DEFAULT["claims"] = {name: DEFAULT["claims"][name] for name in ("4b", "4c", "5a", "6a", "7b", "8b")}
DEFAULT["readings"]["axes"] = {
    name: DEFAULT["readings"]["axes"][name] for name in ("drift_spread", "estimate", "transformer")
}
DEFAULT["readings"] |= {"crossed": ["estimate", "transformer"], "not_judged": [], "shown": "8b"}
DEFAULT["readings"]["reduced"] = {
    key: value
    for key, value in DEFAULT["readings"]["reduced"].items()
    if "figure_2" not in key
    and "sequences" not in key
    # What is set of a claim is set of one that is left.
    and key.split(".")[:2] not in [["claims", name] for name in ("8c", "8c_gap", "8f", "8g", "8h")]
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

# Sections, a study, anchors, aliases and a merge.
TEXT = (PROJECT / "tests/config.yaml").read_bytes().partition(b"  figure_2c:")[0]
# Each means something to YAML, to Snakemake, or to what makes a value of a text.
FRAGMENTS = [
    *(b"\t", b"\r", b"\n", b" ", b"\x00", b"\xff", b"\xe9", b"\xef\xbb\xbf", b"\xc2\x85", b"\xe2\x80\xa8"),
    *(b": ", b"- ", b"? ", b", ", b"[", b"]", b"{", b"}", b"# ", b"'", b'"', b"|\n", b">\n", b"%YAML 1.1\n"),
    *(
        b"---\n",
        b"...\n",
        b"&a ",
        b"*a ",
        b"&noise ",
        b"*noise ",
        b"*transformer ",
        b"<<: ",
        b"&b [*b]",
        b"@",
    ),
    *(b"!a ", b"!!int ", b"!!float ", b"!!bool ", b"!!timestamp ", b"!!binary ", b"!!set ", b"!!omap "),
    *(b"!!python/tuple ", b"!!python/name:os.system ", b"!!python/object/apply:os.system [exit] "),
    *(b"2024-13-45 ", b"2024-02-30 ", b"12:30:99 ", b"1e999 ", b".nan ", b"-.inf ", b"0x_ ", b"0b1 ", b"+."),
    *(b"9" * 5000, b"1:" * 3000 + b"1", b"[" * 60, b"[" * 2000, b"- " * 2000, b'"\\ud800"', b'"\\U00110000"'),
    *(b"__use_yte__: true\n", b"pathvars: 1\n", b"?1/0 ", b"2024-01-01: 1\n", b"replicates: 2\n", b"null: 1"),
]


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


def test_readings_in_the_sizes_of_the_studies_are_planned():
    """Claims are then judged once more of another network, too."""
    config = copy.deepcopy(DEFAULT)
    config["readings"]["reduced"] = {}
    assert problems(config, SCHEMA) == []
    for part in choices.PARTS:
        for scene in choices.scenes(config, part):
            assert choices.work(config, part, scene)["choices"]


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
            for part in choices.PARTS:
                for scene in choices.scenes(config, part):
                    assert re.fullmatch(r"[A-Za-z0-9_.+-]{1,240}", scene)
                    assert choices.work(config, part, scene)["choices"]
            for name in [*jobs.test_sets, *jobs.training_sets, *jobs.models, *(t for t, _ in jobs.told)]:
                assert re.fullmatch(r"[A-Za-z0-9_.+-]{1,240}", name)

    check()
    # Neither is all refused nor all let through.
    assert 50 < sum(outcomes) < 950


@st.composite
def texts(draw) -> bytes:
    """Draw a text with one to three parts removed, put in, or taken from elsewhere in it."""
    text = TEXT
    for _ in range(draw(st.sampled_from([1, 1, 2, 3]))):
        start = draw(st.integers(0, len(text)))
        stop = start + draw(st.sampled_from([0, 0, 1, 5, 50]))
        piece = draw(st.integers(0, len(TEXT)))
        parts = [b"", TEXT[piece : piece + 50], draw(st.sampled_from(FRAGMENTS)), draw(st.binary(max_size=3))]
        text = text[:start] + draw(st.sampled_from(parts)) + text[stop:]
    return text


def test_a_thousand_mutations_of_the_text_are_read_or_refused_in_a_line(tmp_path):
    path = tmp_path / "mine.yaml"
    outcomes = []

    @settings(max_examples=1000, suppress_health_check=list(HealthCheck), database=None)
    @given(texts())
    @example(TEXT + b"  scalar: !!set 1\n")
    @example(TEXT + "  figure_3: {\ufeff: 1}\n".encode())
    def check(text):
        path.write_bytes(text)
        lines = unreadable(path)
        outcomes.append(not lines)
        if lines:
            (line,) = lines
            assert re.match(rf"{re.escape(str(path))}: .", line)
            assert line.isprintable(), repr(line)
            assert len(line) < 600
            return
        try:
            config = load_configfile(path)
        except WorkflowError:
            # Snakemake's own line; any other error is a traceback on the user's screen.
            return
        for line in problems(canonical(config), SCHEMA):
            assert line.isprintable(), repr(line)
            assert len(line) < 600

    check()
    assert 50 < sum(outcomes) < 950


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"simulation: {particles: 2}\n# caf\xe9\n", "line 2: the byte 0xe9 is not UTF-8"),
        (b"studies:\n  mine: &a {copy: *a}\n", "line 2: the alias a stands in what it is an alias of"),
        (b"seed: 1\nreplicates: 2024-13-45\n", "line 2: not a valid timestamp: 2024-13-45"),
        (b"seed: " + b"9" * 5000, "line 1: not a valid int: 999"),
        (b"seed: " + b"[" * 100_000, "line 1: more than 50 levels"),
        (b"seed: 1\nseed: 1\n", "line 2: the key seed stands twice"),
        (
            b"seed: !!python/object/apply:os.system ['touch pwned']",
            "line 1: could not determine a constructor",
        ),
        (b"__use_yte__: true\nseed: ?open('pwned', 'w').fileno()\n", "the key __use_yte__ is for Snakemake"),
        (b"", "it has no keys"),
        (None, "Is a directory"),
    ],
)
def test_whatever_config_yaml_is_the_user_reads_one_line(tmp_path, content, told):
    clone(tmp_path)
    path = tmp_path / "config.yaml"
    path.unlink()
    path.mkdir() if content is None else path.write_bytes(content)
    result = snakemake(tmp_path, "--dry-run", configs=(), project=tmp_path)
    assert result.returncode == 1
    # A dry run speaks on stdout.
    assert result.stdout.startswith(f"The config is refused.\n{path}: {told}")
    assert result.stdout.count("\n") == 2
    assert "Traceback" not in result.stderr
    assert not list(tmp_path.rglob("pwned"))
