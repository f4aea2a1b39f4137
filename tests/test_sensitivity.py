"""What the sensitivity study asks for, and how its tables are put together and drawn."""

import copy
import json
import shlex
from itertools import product
from math import prod
from pathlib import Path

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
import yaml

from mpt.judgement.choices import distinct
from mpt.tables.files import TableWriter
from mpt.tables.verdicts import choices_table
from planning.choices import axes, changed, columns, own_choice, scenes, work
from planning.configuration import canonical

PROJECT = Path(__file__).parents[1]
TEXT = (PROJECT / "config.yaml").read_text()
# Of the axes that matter without training.
GRID = {
    "initial_spread": 4,
    "drift_spread": 4,
    "confinement": 3,
    "process_noise_model": 2,
    "estimate": 3,
    "prior": 3,
}


@pytest.fixture
def config():
    return canonical(yaml.safe_load(TEXT))


def test_the_study_has_the_choices_of_the_default_config_counted_by_hand(config):
    along, over = scenes(config, "axes"), scenes(config, "grid")
    # The default and, of each axis, what is not the default.
    assert sum(map(len, along.values())) == 1 + 3 + 3 + 2 + 1 + 2 + 2 + 1 == len(columns(config))
    assert sum(map(len, over.values())) == prod(GRID.values())
    # Where the motion is the same there is one job.
    assert len(along) == 1 + 3 + 3 + 2
    assert len(over) == 4 * 4 * 3
    assert len({tuple(choice.values()) for choices in over.values() for choice in choices}) == prod(
        GRID.values()
    )


def test_the_default_is_the_value_that_changes_nothing(config):
    assert own_choice(config) == {
        "initial_spread": "5",
        "drift_spread": "0.1",
        "confinement": "none",
        "process_noise_model": "position",
        "estimate": "filtered",
        "prior": "default",
        "training": "closed_loop",
    }
    config["simulation"]["initial_spread"] = 20
    assert own_choice(config)["initial_spread"] == "20"
    assert axes(config)["initial_spread"]["20"] == {}
    assert sum(map(len, scenes(config, "grid").values())) == prod(GRID.values())


def test_a_change_sets_its_keys_and_leaves_the_config_alone(config):
    before = copy.deepcopy(config)
    after = changed(config, {"studies.figure_2b.trackers[1].measurement_noise": 3, "seed": 1}, "here")
    assert config == before
    assert after["studies"]["figure_2b"]["trackers"][1]["measurement_noise"] == 3
    after["studies"]["figure_2b"]["trackers"][1]["measurement_noise"] = 1
    after["seed"] = before["seed"]
    assert after == before


def test_what_is_said_of_a_dropped_study_is_dropped_with_it(config):
    for study in ("figure_2b", "figure_2c", "figure_3"):
        config["studies"][study] = None
    assert "prior" not in axes(config)
    for part in ("axes", "grid"):
        scene = next(iter(scenes(config, part)))
        (claims,) = work(config, part, scene)["claims"].values()
        assert {claim["figure"] for claim in claims.values()} <= {"figure_2a", "figure_4", "figure_6"}


def test_a_part_without_claims_asks_for_nothing(config):
    config["claims"] |= {"2a": None, "3a": None, "8a": None}
    assert scenes(config, "grid") == {}
    config["claims"] = dict.fromkeys(config["claims"])
    assert scenes(config, "axes") == {}


def test_nothing_is_trained_for_the_grid(config):
    for scene in scenes(config, "grid"):
        found = work(config, "grid", scene)
        assert found["models"] == {}
        assert {how["script"] for how in found["trackers"].values()} == {
            "src/track_mht.py",
            "src/track_control.py",
        }


def test_choices_share_what_they_have_in_common(config):
    (own, *others) = scenes(config, "axes")
    # 2a: a model per σ, of which 2b has one; 2c one; 3 and 4 four each; 6: T = 25 and 150 with i = 30, and
    # transformer_{150,1} with K_D = 8.
    models = 3 + 1 + 4 + 4 + 2 + 1
    for scene in others:
        assert len(work(config, "axes", scene)["models"]) == models
    # Neither the filter's model nor what the MHT reports matters to a transformer; what it learns from does:
    # at σ = 3 instead of 1 and 1.2, at each σ instead, and everything by teacher forcing.
    found = work(config, "axes", own)
    at_three, at_each = 1 + 1 + 4, 2 + 3 * 4
    assert len(found["models"]) == models + at_three + at_each + models
    assert len(found["choices"]) == 7
    for kind in ("models", "trackers", "datasets"):
        contents = [json.dumps(content) for content in found[kind].values()]
        assert len(set(contents)) == len(contents)


def test_sizes_are_reduced_and_the_science_is_not(config):
    (own, *_) = scenes(config, "axes")
    found = work(config, "axes", own)
    for model in found["models"].values():
        data, training = (
            dict(zip(words[::2], words[1::2], strict=True)) for words in map(shlex.split, model.values())
        )
        assert training["--replicates"] == str(config["sensitivity"]["reduced"]["replicates"])
        assert training["--batches"] == "6"
        assert data["--process-noise"] == "1.5"
        assert data["--stream"] == "training"
    for dataset in found["datasets"].values():
        assert "--seed 2024" in dataset["simulate"]
        assert "--stream test" in dataset["simulate"]


AXES = ["estimate", "prior"]


def choices_file(path, rows, axes=AXES, controls=("frozen",), **others):
    """Write a table of choices: rows are part, a value per axis, claim, score, verdict; others, columns."""
    table = choices_table(axes, controls)
    found = dict(zip([*table.key, "verdict"], zip(*sorted(rows), strict=True), strict=True))
    columns = {}
    for field in table.schema:
        kind = field.type.to_pandas_dtype()
        empty = np.full(len(rows), "") if kind is np.object_ else np.zeros(len(rows), kind)
        columns[field.name] = np.ma.masked_all(len(rows)) if field.nullable else empty
    columns |= {name: np.array(values) for name, values in found.items()} | others
    with TableWriter(path, table, {"axes": axes}) as writer:
        writer.write(columns)
    return path


ROWS = [
    (part, estimate, prior, "1", score, verdict)
    for part in ("axes", "grid")
    for estimate, prior, verdict in [
        ("filtered", "default", "supported"),
        ("smoothed", "default", "contradicted"),
        ("filtered", "3", "undecided"),
    ]
    for score in ("jaccard", "gated_jaccard")
]


def test_tables_of_scenes_become_one_in_order(run_script, tmp_path):
    paths = [choices_file(tmp_path / f"{n}.parquet", ROWS[n::2]) for n in (0, 1)]
    output, text = tmp_path / "all.parquet", tmp_path / "all.csv"
    result = run_script("tabulate_choices.py", "--choices", *paths, "--output", output, "--csv", text)
    assert (result.returncode, result.stderr) == (0, "")
    found = pd.read_parquet(output)
    names = ["part", *AXES, "claim", "score", "verdict"]
    assert list(found[names].itertuples(index=False, name=None)) == sorted(ROWS)
    assert found.effect.isna().all()
    assert len(pd.read_csv(text)) == len(ROWS)


def test_a_table_of_all_choices_has_the_controls_of_each(run_script, tmp_path):
    paths = [
        choices_file(tmp_path / f"{n}.parquet", ROWS[n::2], controls=controls)
        for n, controls in enumerate([["frozen"], ["frozen", "untrained"]])
    ]
    output = tmp_path / "all.parquet"
    flags = ["--choices", *paths, "--output", output, "--csv", tmp_path / "all.csv"]
    result = run_script("tabulate_choices.py", *flags)
    assert (result.returncode, result.stderr) == (0, "")
    found = pd.read_parquet(output)
    assert len(found) == len(ROWS)
    assert {"frozen_mean", "frozen_verdict", "untrained_mean", "untrained_verdict"} <= set(found.columns)
    assert list(found.untrained_verdict) == [""] * len(ROWS)


def test_tables_of_other_axes_are_refused(refusal, tmp_path):
    paths = [
        choices_file(tmp_path / "a.parquet", ROWS),
        choices_file(tmp_path / "b.parquet", ROWS, ["estimate", "training"]),
    ]
    output = tmp_path / "all.parquet"
    line = refusal("tabulate_choices.py", "--choices", *paths, "--csv", tmp_path / "c", output=output)
    assert f"{paths[1]}: its axes are not those of {paths[0]}" in line
    paths[0].write_bytes(b"no table")
    line = refusal("tabulate_choices.py", "--choices", *paths, "--csv", tmp_path / "c", output=output)
    assert f"{paths[0]}: not a sound Parquet file" in line


def test_cells_have_the_colours_of_their_verdicts(run_script, tmp_path):
    table = choices_file(tmp_path / "table.parquet", ROWS)
    picture = {
        "columns": [["default", ""], ["estimate", "smoothed"], ["estimate", "detection"], ["prior", "3"]],
        "own": {"estimate": "filtered", "prior": "default"},
        "statements": {"1": "One claim.", "2": "Another, not judged."},
    }
    flags = ["--table", table, "--picture", json.dumps(picture), "--dots-per-inch", 100]
    output = tmp_path / "map.png"
    result = run_script("draw_choices.py", *flags, "--scores", "jaccard", "gated_jaccard", "--output", output)
    assert (result.returncode, result.stderr) == (0, "")
    pixels = (matplotlib.image.imread(output)[..., :3] * 255).round().astype(int)
    colours = {"supported": (59, 127, 182), "contradicted": (209, 102, 42), "undecided": (226, 226, 226)}
    areas = {name: np.all(pixels == colour, axis=-1).sum() for name, colour in colours.items()}
    # As many cells of each verdict and shares of a third: as much ink, but for marks and letters.
    assert min(areas.values()) > 1000
    assert max(areas.values()) < 2 * min(areas.values())


def test_a_tracker_compared_with_itself_is_told_from_one_that_a_score_cannot_tell_apart(run_script, tmp_path):
    rows = sorted(row for row in ROWS if row[0] == "grid")
    # Under prior 3 no score differs on any sequence; with smoothed positions one does, by the other score.
    itself = np.array([prior == "3" for _, _, prior, *_ in rows])
    alike = itself | np.array([row[1] == "smoothed" and row[4] == "jaccard" for row in rows])
    effects = np.where(alike, 0, 0.1)
    found = {"effect": effects, "low": effects, "high": effects, "mean": effects + 0.5}
    path = choices_file(tmp_path / "grid.parquet", rows, **found, reference_mean=np.full(len(rows), 0.5))
    output = tmp_path / "all.parquet"
    flags = ["--choices", path, "--output", output, "--csv", tmp_path / "all.csv"]
    assert run_script("tabulate_choices.py", *flags).returncode == 0
    told = pd.read_parquet(output)
    assert list(told.verdict == "compared with itself") == list(itself)
    assert list(told.verdict[~itself]) == [
        row[-1] for row, same in zip(rows, itself, strict=True) if not same
    ]


@pytest.mark.parametrize("seen", [(), (0,), (1, 3), (0, 2, 3), (0, 1, 2, 3)])
def test_choices_are_counted_once_for_each_value_of_the_axes_that_matter(seen):
    sizes = (3, 2, 4, 2)
    choices = list(product(*map(range, sizes)))
    counted = distinct({choice: tuple(choice[axis] for axis in seen) for choice in choices})
    assert len(counted) == prod(sizes[axis] for axis in seen)
    assert set(counted) <= set(choices)
    assert len({tuple(choice[axis] for axis in seen) for choice in counted}) == len(counted)
    # Where the same is found by chance they are as many, if each axis changes something somewhere.
    parity = {choice: sum(choice[axis] for axis in seen) % 2 for choice in choices}
    assert len(distinct(parity)) == len(counted)


def test_choices_that_only_several_axes_together_tell_apart_are_all_counted():
    assert len(distinct({("a", "a"): 1, ("b", "b"): 2})) == 2
    assert distinct({}) == []


def test_shares_are_of_combinations_that_differ_and_test_the_claim(run_script, tmp_path):
    judged = {"filtered": "supported", "smoothed": "contradicted"}
    rows = [
        (
            "grid",
            estimate,
            prior,
            claim,
            "jaccard",
            verdict if claim == "1" or prior != "known" else "compared with itself",
        )
        for estimate, verdict in judged.items()
        for prior in ("default", "3", "known")
        for claim in ("1", "2")
    ]
    # Claim 1 does not see the prior; to claim 2 it matters, and known is no test.
    effects = np.array([0.1 if row[3] == "1" else 0.1 * len(row[2]) for row in sorted(rows)])
    table = choices_file(tmp_path / "table.parquet", rows, effect=effects)
    picture = {
        "columns": [["default", ""]],
        "own": {"estimate": "filtered", "prior": "default"},
        "statements": {"1": "One claim.", "2": "Another."},
    }
    flags = ["--table", table, "--picture", json.dumps(picture), "--dots-per-inch", 50, "--scores", "jaccard"]
    result = run_script("draw_choices.py", *flags, "--output", tmp_path / "map.png")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "claim 1 by jaccard, of 2 combinations: supported 1, contradicted 1",
        "claim 2 by jaccard, of 4 combinations: supported 2, contradicted 2",
    ]


def test_work_that_is_not_json_is_refused(refusal, tmp_path):
    line = refusal("judge_choices.py", "--work", "{", "--part", "axes", output=tmp_path / "t.parquet")
    assert "--work" in line
