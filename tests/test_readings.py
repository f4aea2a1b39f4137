"""What the study of readings asks for, and how its tables are put together, summed up and drawn."""

import copy
import json
import subprocess
import sys
from itertools import product
from math import prod
from pathlib import Path

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
import yaml

import judge_choices
import simulate
from mpt.errors import InputError
from mpt.judgement import readings_report
from mpt.judgement.choices import distinct
from mpt.judgement.readings import Reading
from mpt.tables.files import TableWriter
from mpt.tables.verdicts import choices_table
from planning.choices import PARTS, axes, changed, columns, own_choice, scenes, trial_configs, work
from planning.configuration import canonical

PROJECT = Path(__file__).parents[1]
TEXT = (PROJECT / "config.yaml").read_text()
# Of the axes that matter without training.
GRID = {
    "initial_spread": 2,
    "drift_spread": 2,
    "confinement": 2,
    "start": 2,
    "process_noise_model": 3,
    "estimate": 4,
    "prior": 2,
}
TRAINED = 5


@pytest.fixture
def config():
    return canonical(yaml.safe_load(TEXT))


def test_the_study_has_the_choices_of_the_default_config_counted_by_hand(config):
    along, over, crossed = (scenes(config, part) for part in ("axes", "grid", "crossed"))
    # The default and, of each axis, what is not the default.
    assert len(columns(config)) == 1 + sum(values - 1 for values in GRID.values()) + TRAINED - 1
    # What is crossed isn't judged again along its axes.
    assert sum(map(len, along.values())) == 1 + 1 + 1 + 1
    assert sum(map(len, over.values())) == prod(GRID.values())
    # Where the motion is the same there is one job.
    assert len(along) == 1 + 1 + 1 + 1
    assert len(over) == 2 * 2 * 2 * 2
    # A job per scene and training.
    assert len(crossed) == 2 * TRAINED
    assert {len(choices) for choices in crossed.values()} == {3 * 4}
    for found in (over, crossed):
        every = [tuple(choice.values()) for choices in found.values() for choice in choices]
        assert len(set(every)) == len(every)


def test_every_column_of_the_map_is_judged_once(config):
    own = own_choice(config)
    judged = [
        tuple(choice.values())
        for part in ("axes", "crossed")
        for choices in scenes(config, part).values()
        for choice in choices
    ]
    for axis, value in columns(config):
        choice = own | ({axis: value} if value else {})
        assert judged.count(tuple(choice.values())) == 1, (axis, value)


def test_the_default_is_the_value_that_changes_nothing(config):
    assert own_choice(config) == {
        "initial_spread": "5",
        "drift_spread": "0.1",
        "confinement": "none",
        "start": "known",
        "process_noise_model": "position",
        "estimate": "filtered",
        "prior": "default",
        "transformer": "teacher_forcing",
    }
    config["simulation"]["initial_spread"] = 0
    assert own_choice(config)["initial_spread"] == "0"
    assert axes(config)["initial_spread"]["0"] == {}
    assert sum(map(len, scenes(config, "grid").values())) == prod(GRID.values())


def test_a_value_of_several_settings_sets_each(config):
    (choice, *_) = [each for each in scenes(config, "crossed") if each.endswith("position_past")]
    for model in work(config, "crossed", choice)["models"].values():
        training = model["train"]
        assert (training["mode"], training["head"], training["encoder_sees"]) == (
            "teacher_forcing",
            "position",
            "past",
        )


def test_information_is_equal_where_network_and_tracker_see_as_far(config):
    found = {}
    for scene in ("start-known_transformer-closed_loop", "start-known_transformer-closed_loop_past"):
        for each in work(config, "crossed", scene)["choices"]:
            found[scene.rpartition("-")[2], each["choice"]["estimate"]] = each["information"]
    assert found["closed_loop", "smoothed"] == found["closed_loop_past", "filtered"] == "equal"
    assert found["closed_loop_past", "online"] == "equal"
    assert found["closed_loop", "filtered"] == "the network sees more"
    assert found["closed_loop_past", "smoothed"] == "the network sees less"


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
    for part in ("axes", "grid", "crossed"):
        scene = next(iter(scenes(config, part)))
        (claims,) = work(config, part, scene)["claims"].values()
        assert {claim["figure"] for claim in claims.values()} <= {"figure_2a", "figure_4", "figure_6"}


def test_a_study_that_no_claim_is_about_is_no_part_of_it(config):
    config["studies"]["mine"] = copy.deepcopy(config["studies"]["figure_2a"])
    trials = [trial for _, trial in trial_configs(config)]
    assert len(trials) == max(len(changes) for changes in axes(config).values())
    for trial in trials:
        kept = {name for name, study in trial["studies"].items() if study is not None}
        assert kept == {f"figure_{figure}" for figure in ("2a", "2b", "2c", "3", "4", "6")}


def test_studies_without_a_claim_alone_are_accepted(config):
    for name in config["studies"]:
        config["studies"][name] = None
    config["operation_counts"] = dict.fromkeys(config["operation_counts"])
    assert list(trial_configs(config)) == []
    assert all(scenes(config, part) == {} for part in PARTS)


def test_a_part_without_claims_asks_for_nothing(config):
    config["claims"] |= dict.fromkeys(("2a", "3a", "8a", "8a_gap"))
    assert scenes(config, "grid") == {}
    config["claims"] = dict.fromkeys(config["claims"])
    assert scenes(config, "axes") == scenes(config, "crossed") == {}


def test_nothing_is_trained_for_the_grid(config):
    for scene in scenes(config, "grid"):
        found = work(config, "grid", scene)
        assert found["models"] == {}
        assert {how["script"] for how in found["trackers"].values()} == {
            "src/track_mht.py",
            "src/track_control.py",
        }


def test_choices_share_what_they_have_in_common(config):
    # 2a: a model per σ, of which 2b has one; 2c one; 3 three, 4 four; 6: T = 8 and 150 with i = 6, and
    # transformer_{150,1} with K_D = 8.
    models = 2 + 1 + 3 + 4 + 2 + 1
    for part in ("axes", "crossed"):
        for scene, choices in scenes(config, part).items():
            if any(choice["prior"] != "default" for choice in choices):
                continue
            # What the MHT reports and believes does not matter to a transformer.
            assert len(work(config, part, scene)["models"]) == models
    found = work(config, "crossed", "start-known_transformer-closed_loop")
    for kind in ("models", "trackers", "datasets"):
        contents = [json.dumps(content) for content in found[kind].values()]
        assert len(set(contents)) == len(contents)


def test_claims_that_the_paper_does_not_make_are_not_judged(config):
    for part in PARTS:
        for scene in scenes(config, part):
            found = work(config, part, scene)
            judged = {name for choice in found["choices"] for name in choice["claims"]}
            assert judged
            assert judged.isdisjoint(config["readings"]["not_judged"])


def test_sizes_are_reduced_and_the_science_is_not(config):
    (own, *_) = scenes(config, "crossed")
    found = work(config, "crossed", own)
    for model in found["models"].values():
        assert model["train"]["replicates"] == config["readings"]["reduced"]["replicates"]
        assert model["train"]["batches"] == 6
        assert model["simulate"]["process_noise"] == 1.5
        assert model["simulate"]["stream"] == "training"
    for dataset in found["datasets"].values():
        assert (dataset["simulate"]["seed"], dataset["simulate"]["stream"]) == (2024, "test")


AXES = ["estimate", "prior"]


def json_file(directory, content):
    """Write what a script is told in a file."""
    path = directory / "told.json"
    path.write_text(json.dumps(content))
    return path


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
    flags = ["--table", table, "--picture", json_file(tmp_path, picture), "--dots-per-inch", 100]
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
    flags = [
        "--table",
        table,
        "--picture",
        json_file(tmp_path, picture),
        "--dots-per-inch",
        50,
        "--scores",
        "jaccard",
    ]
    result = run_script("draw_choices.py", *flags, "--output", tmp_path / "map.png")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "claim 1 by jaccard, of 2 combinations: supported 1, contradicted 1",
        "claim 2 by jaccard, of 4 combinations: supported 2, contradicted 2",
    ]


def test_work_that_is_not_json_is_refused(refusal, tmp_path):
    line = refusal("judge_choices.py", "--work", "{", "--part", "axes", output=tmp_path / "t.parquet")
    assert "--work" in line


ASKED = {
    "scores": ["jaccard", "position_error"],
    "crossed": AXES,
    "own": {"estimate": "filtered", "prior": "default"},
    "statements": {"1": "One claim.", "2": "Another.", "7": "Not judged."},
    "shown": "2",
    "names": {"curve": "transformer_{150,1}", "reference": "MHT"},
    "best": 2,
}
# Which claims are supported by JC, and by position error.
HELD = {
    ("filtered", "default"): ("1", ""),
    ("filtered", "3"): ("", "1 2"),
    ("smoothed", "default"): ("1 2", ""),
    ("smoothed", "3"): ("2", "1 2"),
}


@pytest.fixture
def crossed(tmp_path):
    """Return a table of four readings of two claims."""
    rows = [
        ("crossed", *choice, claim, score, "supported" if claim in held.split() else "contradicted")
        for choice, of_scores in HELD.items()
        for score, held in zip(ASKED["scores"], of_scores, strict=True)
        for claim in ("1", "2")
    ]
    rows.sort()
    mean = np.arange(len(rows)) / 8
    others = {"mean": mean, "reference_mean": mean + 1, "frozen_mean": mean + 2}
    others["information"] = np.full(len(rows), "equal")
    return choices_file(tmp_path / "verdicts.parquet", rows, **others), rows


def test_readings_are_summed_up(run_script, tmp_path, crossed):
    verdicts, rows = crossed
    paths = [tmp_path / name for name in ("readings.parquet", "readings.csv", "readings.md")]
    outputs = zip(("--output", "--csv", "--markdown"), paths, strict=True)
    flags = [
        "--verdicts",
        verdicts,
        "--asked",
        json_file(tmp_path, ASKED),
        *(word for pair in outputs for word in pair),
    ]
    result = run_script("summarise_readings.py", *flags)
    assert (result.returncode, result.stderr) == (0, "")
    found = pd.read_parquet(paths[0]).set_index(AXES)
    assert {
        choice: tuple(row) for choice, row in found[["jaccard_claims", "position_error_claims"]].iterrows()
    } == HELD
    assert (found.jaccard_held == found.jaccard_claims.str.split().str.len()).all()
    assert set(found.judged) == {2}
    for choice, row in found.iterrows():
        place = [each[1:5] for each in rows].index((*choice, "2", "jaccard"))
        assert row["jaccard_of_curve"] == place / 8
        assert row["jaccard_of_frozen"] == place / 8 + 2
    assert len(pd.read_csv(paths[1])) == 4
    text = paths[2].read_text()
    assert "Of 4 readings, each of estimate × prior, 1 give all 2 claims by JC at once." in text
    assert "The nearest: estimate smoothed, prior default" in text
    # From filtered to smoothed one verdict turns under either prior; from the default prior to 3, one of two.
    assert "| estimate | filtered → smoothed | 2 | 1.0 | 0.0 |" in text
    assert "| prior | default → 3 | 2 | 1.0 | 2.0 |" in text


def test_readings_that_hold_as_many_claims_as_the_nearest_are_counted():
    found = [
        Reading((value,), "equal", {"jaccard": {"1": verdict}}, {})
        for value, verdict in (("a", "supported"), ("b", "contradicted"), ("c", "supported"))
    ]
    told = {
        "own": {"axis": "a"},
        "crossed": ["axis"],
        "scores": ["jaccard"],
        "statements": {"1": "It holds."},
    }
    text = readings_report.in_words(found, found, ["axis"], names={}, best=3, **told)
    assert "1 of 1 claims hold by JC. As many hold by JC under 1 other reading." in text


def test_the_best_readings_are_drawn(run_script, tmp_path, crossed):
    flags = ["--verdicts", crossed[0], "--asked", json_file(tmp_path, ASKED), "--dots-per-inch", 100]
    output = tmp_path / "readings.png"
    result = run_script("draw_readings.py", *flags, "--output", output)
    assert (result.returncode, result.stderr) == (0, "")
    pixels = (matplotlib.image.imread(output)[..., :3] * 255).round().astype(int)
    # Of the best two three verdicts are supported and one is contradicted.
    areas = [np.all(pixels == colour, axis=-1).sum() for colour in ((59, 127, 182), (209, 102, 42))]
    assert 1.5 * areas[1] < areas[0] < 4 * areas[1]


def test_readings_of_a_table_without_crossed_choices_are_refused(refusal, tmp_path):
    path = choices_file(tmp_path / "verdicts.parquet", ROWS)
    flags = [
        "--verdicts",
        path,
        "--asked",
        json_file(tmp_path, ASKED),
        "--csv",
        tmp_path / "c",
        "--markdown",
        tmp_path / "m",
    ]
    line = refusal("summarise_readings.py", *flags, output=tmp_path / "t.parquet")
    assert f"{path}: has no choice of the part crossed" in line


@pytest.fixture
def scene(tmp_path):
    """Return the directory of a small dataset."""
    noises = {"process_noise": 1.5, "measurement_noise": 2.0, "initial_spread": 5.0, "drift_spread": 0.1}
    simulate.simulate_dataset(
        output=tmp_path / "scene", experiments=4, frames=6, particles=2, seed=1, **noises
    )
    return tmp_path / "scene"


def test_a_choice_tracks_with_a_script_of_the_users_own(scene, tmp_path, monkeypatch):
    script = PROJECT / "examples/nearest_neighbour.py"
    monkeypatch.setenv("PYTHONPATH", str(PROJECT / "src"))
    how = {"method": "nearest", "script": str(script), "seconds": 100, "settings": {"radius": 9}}
    (path,) = judge_choices.track(tmp_path, scene, "t0", how)
    alone = tmp_path / "alone.parquet"
    inputs = ["--measurements", scene / "measurements.parquet", "--initial", scene / "initial.parquet"]
    run = subprocess.run(
        [sys.executable, script, *inputs, "--output", alone, "--radius", "9"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    pd.testing.assert_frame_equal(pd.read_parquet(path), pd.read_parquet(alone))


def test_a_choice_names_the_tracker_that_fails(scene, tmp_path):
    script = tmp_path / "fails.py"
    script.write_text("raise SystemExit(3)")
    how = {"method": "mine", "script": str(script), "seconds": 100, "settings": {}}
    with pytest.raises(InputError, match=r"tracker mine: .*fails\.py ended with status 3"):
        judge_choices.track(tmp_path, scene, "t0", how)
