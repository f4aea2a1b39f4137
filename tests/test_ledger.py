"""The ledger: controls by their own names, statements that name the config's values, and what it refuses."""

from pathlib import Path

import pytest
import yaml

from planning import statements
from planning.configuration import canonical
from planning.ledger import check_statements, ledger
from planning.studies import StudyError, plan

ROOT = Path(__file__).parents[1]
MINE = {
    "statement": "The MHT beats a tracker that stays.",
    "figure": "s",
    "test": "difference",
    "curve": "MHT",
    "reference": "stays",
    "direction": "better",
}


@pytest.fixture
def config():
    """Return the default config."""
    return canonical(yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8")))


@pytest.fixture
def small(config):
    """Return a config of one study of six frames and a claim about it."""
    study = {
        "title": "Six frames",
        "datasets": {"frames": 6, "measurement_noise": [1, 7]},
        "x": "measurement_noise",
        "trackers": [
            {"method": "control", "control": "frozen", "label": "stays"},
            {"method": "mht", "lookback": 2, "measurement_noise": "known"},
        ],
    }
    return config | {"studies": {"s": study}, "operation_counts": {}, "claims": {"mine": dict(MINE)}}


def stated(config, text, **changes):
    """Return the statement that the claim `mine` ends up with."""
    config["claims"]["mine"] |= {"statement": text, **changes}
    return ledger(config, plan(config))["claims"]["mine"]["statement"]


def test_a_control_with_a_label_keeps_its_column(small):
    found = ledger(small, plan(small))["figures"]["s"]
    assert found["controls"] == {"frozen": "stays"}
    assert [tracker for _, _, tracker in found["curves"]["stays"]] == ["frozen", "frozen"]


def test_a_control_that_is_drawn_twice_has_two_columns(small):
    models = {"process_noise_model": ["position", "literal"]}
    small["studies"]["s"]["trackers"].append({"method": "control", "control": "oracle", **models})
    controls = ledger(small, plan(small))["figures"]["s"]["controls"]
    assert list(controls) == ["frozen", "oracle", "oracle_process_noise_model-literal"]
    assert len(set(controls.values())) == 3


def test_the_default_controls_are_in_the_order_of_the_config(config):
    for figure in ledger(config, plan(config))["figures"].values():
        assert list(figure["controls"].items()) == [
            *((name, name) for name in ("frozen", "random", "oracle")),
            ("oracle_estimate-smoothed", "oracle, smoothed"),
            ("untrained", "untrained"),
            ("untrained_geometric", "untrained geometric"),
        ]


def test_the_default_statements_are_the_papers(config):
    found = {name: claim["statement"] for name, claim in ledger(config, plan(config))["claims"].items()}
    assert found["1a"] == "With the noise known and K = 1, the transformer beats the MHT at T = 150."
    assert found["2a"] == "Believing the noise to be 1, the MHT does worse than if it knows it."
    assert found["3a"] == "With K = 8 the MHT does better than with K = 1."
    assert found["4a"] == "At T = 8 the MHT beats transformer_{8,1}."
    assert found["9a"] == "6 experiments are enough to come within 5 % of the MHT at T = 150."


def test_a_changed_value_changes_the_words(config):
    figure = config["studies"]["figure_2c"]
    figure["trackers"][1] |= {"lookback": 3}
    figure["trackers"][2] |= {"decoder_lookback": 3}
    figure["datasets"] |= {"frames": 120}
    found = {name: claim["statement"] for name, claim in ledger(config, plan(config))["claims"].items()}
    assert found["3a"] == "With K = 3 the MHT does better than with K = 1."
    assert found["3c"] == "With K = 3, too, the transformer beats the MHT."
    figure["trackers"][1] |= {"lookback": 2}
    found = {name: claim["statement"] for name, claim in ledger(config, plan(config))["claims"].items()}
    assert found["3c"] == "With K = 3 and 2, too, the transformer beats the MHT."


@pytest.mark.parametrize(
    ("text", "changes", "expected"),
    [
        ("At σ = {σ} and T = {T}, N = {N}.", {}, "At σ = 1 and 7 and T = 6, N = 2."),
        ("At σ = {σ}.", {"at": "last"}, "At σ = 7."),
        ("{curve} with K = {K} against {reference}.", {}, "MHT with K = 2 against stays."),
        ("Within {margin} %.", {"margin": 0.125}, "Within 12.5 %."),
        ("transformer_{8,1} and model_{K} stay.", {}, "transformer_{8,1} and model_{K} stay."),
        ("{input} {} {lookback} {0} stay.", {}, "{input} {} {lookback} {0} stay."),
    ],
)
def test_placeholders_are_filled_with_the_claims_own_values(small, text, changes, expected):
    assert stated(small, text, **changes) == expected


def test_of_many_values_the_least_and_the_greatest_are_named():
    assert statements.filled("", "{x}", {"x": [8, 25, 0.5, 150]}) == "0.5 to 150"


@pytest.mark.parametrize("text", ["With {i}.", "With {reference_K}."])
def test_a_placeholder_without_a_value_is_refused_with_those_that_have_one(small, text):
    with pytest.raises(StudyError, match=r"^claims\.mine\.statement: \{.*\} has no value here; there are \{"):
        stated(small, text)


def test_a_number_that_is_not_the_configs_is_refused(small):
    small["claims"]["mine"]["statement"] = "With K = 8 the MHT beats a tracker that stays."
    with pytest.raises(
        StudyError, match=r"^claims\.mine\.statement: it says K = 8, but K is 2; write K = \{K\}$"
    ):
        check_statements(small, plan(small))
    small["claims"]["mine"]["statement"] = "With K = 2 the MHT wins at σ = 7 and T = 6, i = 3."
    check_statements(small, plan(small))


def test_the_default_config_says_nothing_that_is_not_so(config):
    check_statements(config, plan(config))


def law_claim(small, values, experiments=None):
    """Let the claim be about the limit of a law over the process noise."""
    small["studies"]["s"] |= {"x": "process_noise"}
    small["studies"]["s"]["datasets"] = {"frames": 6, "measurement_noise": 7, "process_noise": values}
    if experiments:
        small["studies"]["s"] |= {"x": "frames"}
        small["studies"]["s"]["datasets"] = {"frames": values, "measurement_noise": 7}
        small["test_experiments"] = experiments
    small["claims"]["mine"]["test"] = "limit"
    return small


def test_a_limit_over_x_with_zero_or_over_unequal_samples_is_refused(small):
    config = law_claim(small, [0, 1, 2, 3])
    with pytest.raises(StudyError, match=r"^claims\.mine: .* needs x > 0, not 0$"):
        ledger(config, plan(config))
    config = law_claim(small, [1, 2, 3, 4])
    assert ledger(config, plan(config))["claims"]["mine"]["x"] == [1, 2, 3, 4]
    table = [{"frames": 6, "experiments": 20}, {"frames": 9, "experiments": 11}]
    config = law_claim(small, [6, 7, 8, 9], table)
    with pytest.raises(
        StudyError, match=r"^claims\.mine: .* different numbers of experiments: 11, 14, 17, 20$"
    ):
        ledger(config, plan(config))


def test_a_claim_about_operations_that_may_not_be_counted_is_refused(config):
    config["claims"]["7f"] |= {"curve": "mht, assignment"}
    with pytest.raises(
        StudyError, match=r"^claims\.7f\.curve: the operations of 'mht, assignment' are counted"
    ):
        ledger(config, plan(config))
