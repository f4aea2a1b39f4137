"""What no job would survive is refused before any job runs, in one line that says where and what."""

from pathlib import Path

import pytest
import yaml
from snakemake.utils import update_config

from planning.configuration import canonical, ordered, problems

PROJECT = Path(__file__).parents[1]
SCHEMA = PROJECT / "schemas/config.schema.yaml"
# Every default study off, and one of six frames.
ONE_STUDY = """
studies: {figure_2a: null, figure_2b: null, figure_2c: null, figure_3: null, figure_4: null, figure_6: null,
  s: {title: Six frames, datasets: {frames: 6, measurement_noise: [1, 7]}, x: measurement_noise, trackers:
    [{method: control, control: frozen}, {method: mht, lookback: 2, measurement_noise: known}]}}
operation_counts: {figure_5: null}
test_experiments: [{frames: 6, experiments: 20}]
"""


def merged(*texts: str) -> dict:
    config = yaml.safe_load((PROJECT / "config.yaml").read_text())
    reference = canonical(yaml.safe_load((PROJECT / "config.yaml").read_text()))
    for text in texts:
        update_config(config, yaml.safe_load(text))
    return ordered(canonical(config), reference)


def test_the_study_without_changes_is_accepted():
    assert problems(merged(ONE_STUDY), SCHEMA) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "test_experiments: [{frames: 6, experiments: 8}, {frames: 6, experiments: 10}]",
            "test_experiments: it names 6 frames twice",
        ),
        (
            "studies: {s: {datasets: {frames: 6, measurement_noise: [0, 1, 2, 3]}, trackers:"
            " [{method: mht, lookback: 2, measurement_noise: 1, fit: scaling_law}]}}",
            "studies.s.trackers[0].fit: the law needs x > 0",
        ),
        (
            "studies: {s: {datasets: {frames: [3, 4, 5, 6], measurement_noise: 1}, x: frames, trackers:"
            " [{method: mht, lookback: 2, measurement_noise: 1, fit: scaling_law}]}}\n"
            "test_experiments: [{frames: 3, experiments: 90}, {frames: 6, experiments: 30}]",
            "studies.s.trackers[0].fit: a law is fitted over test sets of one size",
        ),
        (
            "studies: {s: {trackers: [{method: control, control: [frozen, oracle], label: controls}]}}",
            "studies.s.trackers[0]: two curves with one name, 'controls'",
        ),
        (
            "studies: {s: {trackers: [{method: mth, lookback: 2}]}}",
            "studies.s.trackers[0].method: 'mth' is none of the methods; did you mean mht?",
        ),
        (
            "studies: {s: {trackers: [{method: mht, lookbak: 2, measurement_noise: 1}]}}",
            "studies.s.trackers[0]: 'lookback' is a required property",
        ),
        (
            "simulation: {drift_spred: 1}",
            "simulation: it has no key 'drift_spred'; did you mean drift_spread?",
        ),
        (
            "simulation: {density: 0.002, confinement: 30}",
            "simulation.confinement: the density says it; set one of the two",
        ),
        (
            "methods: {mht: {name: 'mht_{depth}'}}",
            "methods.mht.name: {depth} is none of the method's options",
        ),
        ("methods: {mht: {values: {radius: scale}}}", "methods.mht.values.radius: the method has no option"),
        ("methods: {mht: {values: {lookback: kount}}}", "methods.mht.values.lookback: 'kount' is none of"),
        ("methods: {mht: {options: {output: 1}}}", "methods.mht.options: 'output' "),
        ("methods: {mine: {options: {radius: 1}}}", "methods.mine: 'script' is a required property"),
        (
            "studies: {studdy: {datasets: {measurement_noise: 5}}, study: null}",
            "studies.studdy: 'title' is a required property; did you mean study?",
        ),
    ],
)
def test_a_config_that_no_job_would_survive_is_refused(text, told):
    lines = problems(merged(ONE_STUDY, text), SCHEMA)
    assert any(line.startswith(told) for line in lines), lines
    assert all(line.isprintable() for line in lines)


def test_a_density_by_default_stands_beside_a_reading_that_confines_particles():
    assert merged()["readings"]["axes"]["confinement"]["values"] == [None, 10]
    assert problems(merged("simulation: {density: 0.002}"), SCHEMA) == []


def test_a_default_said_again_changes_nothing_not_even_an_order():
    config = merged()
    again = merged("claims: {5b: {direction: worse}}\nseed: 2024", "studies: {figure_2a: {scale: linear}}")
    del again["studies"]["figure_2a"]["scale"]
    assert yaml.safe_dump(again, sort_keys=False) == yaml.safe_dump(config, sort_keys=False)
