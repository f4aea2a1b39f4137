"""What config.yaml may say, and what jobs it asks for."""

import copy
import re
from pathlib import Path

import pytest
import yaml

from planning.config_files import MOST_VALUES, unreadable
from planning.configuration import canonical, problems
from planning.ledger import ledger
from planning.methods import REQUIRED, UNLIMITED, methods
from planning.studies import experiments_for, plan

PROJECT = Path(__file__).parents[1]
SCHEMA = PROJECT / "schemas/config.schema.yaml"
TEXT = (PROJECT / "config.yaml").read_text()
# What the paper states of the sections below; of every other key config.yaml says that it does not.
STATED = {"simulation": {"particles", "process_noise"}, "training": set()}
NO_READINGS = {"axes": {}, "crossed": [], "not_judged": [], "shown": "9b", "best": 1, "reduced": {}}
NOT_OF_THE_SCIENCE = {"validation_experiments", "validate_every"}


@pytest.fixture
def config():
    return canonical(yaml.safe_load(TEXT))


def change(config: dict, path: str, value) -> dict:
    """Set the key at a path such as studies.figure_2a.trackers[1].lookback."""
    *parents, last = [int(key) if key.isdigit() else key for key in re.findall(r"[^.\[\]]+", path)]
    place = config
    for key in parents:
        place = place[key]
    place[last] = value
    return config


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"studies.figure_2a.datasets.measurement_noise": [0, 7], "studies.figure_2a.scale": "log"},
            "studies.figure_2a.scale: 0, a value of measurement_noise, has no place on a logarithmic axis",
        ),
        (
            {"studies.figure_2a.datasets.measurement_noise": 0, "simulation.process_noise": 0},
            "studies.figure_2a.datasets: T150_sigma0: process_noise and measurement_noise are both 0",
        ),
        (
            dict.fromkeys(
                [f"studies.figure_{name}" for name in ("2a", "2b", "2c", "3", "4", "6")]
                + ["operation_counts.figure_5"]
            ),
            "studies: all are null",
        ),
    ],
)
def test_what_cannot_be_run_or_drawn_is_refused(changes, told, config):
    config["claims"] = dict.fromkeys(config["claims"])
    config["readings"]["axes"] = dict.fromkeys(config["readings"]["axes"])
    for path, value in changes.items():
        change(config, path, value)
    (line,) = problems(config, SCHEMA)
    assert line.startswith(told)


def test_the_default_config_is_accepted(config):
    assert problems(config, SCHEMA) == []
    assert unreadable(PROJECT / "config.yaml") == []


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("seeed", 1, "the config: .*'seeed'"),
        ("simulation.drift", 1, r"simulation: .*'drift'"),
        ("methods.mht.gating", 3, r"methods\.mht: .*'gating'"),
        ("studies.figure_2a.colour", "red", r"studies\.figure_2a: .*'colour'"),
        ("studies.figure_2a.datasets.noise", 1, r"studies\.figure_2a\.datasets: .*'noise'"),
        ("studies.figure_2a.trackers[1].lookbak", 1, r"studies\.figure_2a\.trackers\[1\]: .*'lookbak'"),
        ("studies.figure_2a.trackers[1].dimension", 8, r"studies\.figure_2a\.trackers\[1\]: .*'dimension'"),
        ("training.weight_decay", "1e-3", r"training\.weight_decay: '1e-3'.*1\.0e-3"),
        ("training.gradient_clip", 0, r"training\.gradient_clip: 0 "),
        ("training.validate_every", 1.5, r"training\.validate_every: 1\.5 "),
        ("studies.figure_2a.trackers[2].learning_rate", "1e-3", r"learning_rate: '1e-3'.*1\.0e-3"),
        ("studies.figure_2a.trackers[2].epochs", 1.5, r"trackers\[2\]\.epochs: 1\.5 "),
        ("test_experiments[0].experiments", 1, r"test_experiments\[0\]\.experiments: 1 "),
        ("studies.figure_2a.datasets.experiments", 1, r"studies\.figure_2a\.datasets\.experiments: 1 "),
        ("replicates", True, "replicates: True "),
        ("simulation.process_noise", -1, r"simulation\.process_noise: -1 "),
        ("simulation.process_noise", float("nan"), r"simulation\.process_noise: nan "),
        ("simulation.process_noise", float("inf"), r"simulation\.process_noise: inf "),
        ("simulation.confinement", 0, r"simulation\.confinement: 0 "),
        ("studies.figure_2a.datasets.measurement_noise", [1, -7], r"datasets\.measurement_noise: -7 "),
        ("studies.figure_2a.datasets.measurement_noise", [7, 7], r"datasets\.measurement_noise: \[7, 7\]"),
        ("studies.figure_2a.datasets.measurement_noise", [], r"datasets\.measurement_noise: \[\]"),
        ("studies.figure_2a.datasets.measurement_noise", "known", r"measurement_noise: 'known' "),
        ("studies.figure_2a.datasets.frames", 1, r"studies\.figure_2a\.datasets\.frames: 1 "),
        ("studies.figure_2a.datasets", {}, r"studies\.figure_2a\.datasets: 'frames'"),
        ("studies.figure_2a.trackers", [], r"studies\.figure_2a\.trackers: \[\]"),
        ("studies.figure_2a", {}, r"studies\.figure_2a: 'title'"),
        ("studies", {}, r"studies: "),
        ("studies.figure_2a.trackers[1].lookback", 0, r"studies\.figure_2a\.trackers\[1\]\.lookback: 0 "),
        ("studies.figure_2a.trackers[1].measurement_noise", "knwon", r"noise: 'knwon' is not 'known'"),
        ("studies.figure_2a.trackers[1].estimate", "best", r"trackers\[1\]\.estimate: 'best'"),
        ("studies.figure_2a.trackers[2].encoder_lookback", [150, 0], r"trackers\[2\]\.encoder_lookback: 0 "),
        ("studies.figure_2a.trackers[0].control", ["frozen", "frozen"], r"trackers\[0\]\.control: "),
        ("studies.figure_2a.x", "sigma", r"studies\.figure_2a\.x: .*sigma"),
        (
            "studies.figure_3.trackers[3].frames",
            7,
            r"studies\.figure_3\.trackers\[3\]\.frames: .*7 frames.*8",
        ),
        ("studies.figure_4.trackers[4].experiments_per_batch", [3, 10], r"figure_4\.trackers\[3\]\.fit: "),
        ("operation_counts.figure_5.lookbacks", [1, 1], r"operation_counts\.figure_5\.lookbacks: \[1, 1\]"),
        ("operation_counts.figure_5.lookbacks", [0], r"operation_counts\.figure_5\.lookbacks\[0\]: 0 "),
        ("figures.panels", ["jacard"], r"figures\.panels\[0\]: 'jacard'"),
        ("test_experiments[0].experiments", 0, r"test_experiments\[0\]\.experiments: 0 "),
        ("claims.1a.figure", "figure_9", r"claims\.1a\.figure: 'figure_9' is none of the studies"),
        ("claims.1a.figure", "figure_5", r"claims\.1a\.figure: 'figure_5' is none of the studies"),
        ("claims.7b.figure", "figure_3", r"claims\.7b\.figure: 'figure_3' is none of the operation_counts"),
        ("claims.2a.reference_figure", "2a", r"claims\.2a\.reference_figure: '2a' is none of the studies"),
        ("claims.1a.curve", "MTH", r"claims\.1a\.curve: figure_2a has no curve 'MTH'; it has .*'MHT'"),
        ("claims.1a.reference", "Bayes", r"claims\.1a\.reference: figure_2a has no curve 'Bayes'"),
        ("claims.7f.reference", "plain", r"claims\.7f\.reference: figure_5 has no .*incremental"),
        (
            "claims.2a.reference_figure",
            "figure_6",
            r"claims\.2a\.reference_figure: it varies frames, figure_2b measurement_noise",
        ),
        (
            "studies.figure_2a.datasets.measurement_noise",
            [0.75, 1.5],
            r"claims\.2a: the test difference needs 1 x at which all its curves have a point; they have 0",
        ),
        ("claims.1a.direction", "above", r"claims\.1a\.direction: 'above'"),
        ("claims.1a.test", "duel", r"claims\.1a\.test: 'duel'"),
        ("claims.1a.test", "variation", r"claims\.1a: .*'direction'"),
        ("claims.1a.at", "second", r"claims\.1a\.at: 'second'"),
        ("claims.1a.tolerance", 0.1, r"claims\.1a: .*'tolerance'"),
        ("claims.9a.margin", 2, r"claims\.9a\.margin: 2 "),
        ("claims.4b.curve", "MHT", r"claims\.4b\.curve: 'MHT'"),
        ("claims.1a", {"test": "difference"}, r"claims\.1a: 'statement'"),
        ("claims.1a", "better", r"claims\.1a: 'better'"),
        ("judgement.scores", ["jacard"], r"judgement\.scores\[0\]: 'jacard'"),
        (
            "studies.figure_3.datasets.frames",
            "8",
            r"datasets\.frames: '8' is not of type 'integer'",
        ),
        ("claims.1a.figure", ["figure_2a"], r"claims\.1a\.figure: \['figure_2a'\] is not of type 'string'"),
        ("studies.figure_2a.title", "two\nlines", r"figure_2a\.title: 'two\\nlines' is not one line of char"),
        ("studies.figure_2a.title", "\0", r"figure_2a\.title: '\\x00' is not one line of characters"),
        ("studies.figure_2a.trackers[1].label", "\ud800", r"trackers\[1\]\.label: '\\ud800' is not one line"),
        ("simulation.process_noise", 1e300, r"simulation\.process_noise: .* is greater than the maximum"),
        ("replicates", 10**30, r"replicates: .* is greater than the maximum"),
        ("readings.axes.estimate.values", ["filtered", "best"], r"^readings\.axes: .*estimate: 'best'"),
        (
            "readings.axes.drift_spread.values",
            [0, -1],
            r"^readings\.axes: simulation\.drift_spread: -1 ",
        ),
        (
            "readings.axes.drift_spread.values",
            [1, 1],
            r"readings\.axes\.drift_spread\.values: \[1, 1\]",
        ),
        ("readings.axes.drift_spread.keys", ["simulation.drift"], r"^readings\.axes: .*'drift'"),
        ("readings.axes.drift_spread.keys", ["methods..x"], r"readings\.axes\.drift_spread\.keys\[0\]"),
        (
            "readings.axes.drift_spread.keys",
            ["studies.figure_9.x"],
            r"readings\.axes\.drift_spread: the config has no studies\.figure_9\.x",
        ),
        (
            "readings.axes.drift_spread.keys",
            ["studies.figure_2a.trackers[7].frames"],
            r"the config has no studies\.figure_2a\.trackers\[7\]\.frames",
        ),
        ("readings.axes.drift_spread", {"values": [1]}, r"readings\.axes\.drift_spread: 'keys' is missing"),
        (
            "readings.axes.transformer.keys",
            ["seed"],
            r"readings\.axes\.transformer\.keys: each of its values",
        ),
        (
            "readings.axes.transformer.values",
            {"best": {"training.mode": "best"}},
            r"^readings\.axes: training: it has no key 'mode'",
        ),
        ("readings.crossed", ["estimates"], r"^readings\.crossed: there is no axis 'estimates'"),
        ("readings.shown", "9z", r"^readings\.shown: there is no claim '9z'"),
        ("readings.axes.claim", {"keys": ["seed"], "values": [1]}, r"readings\.axes: 'claim' "),
        ("readings.axes.seed", {"keys": ["seed"]}, r"readings\.axes\.seed: 'values'"),
        ("readings.not_judged", ["8z"], r"^readings\.not_judged: there is no claim '8z'"),
        ("readings.not_judged", ["9b"], r"^readings\.not_judged: '9b' is shown"),
        ("readings.reduced", {"replicates": 0}, r"^readings\.reduced: replicates: 0 "),
        (
            "readings.reduced",
            {"simulation.x.y": 0},
            r"^readings\.reduced: the config has no simulation\.x\.y",
        ),
        (
            "readings.reduced",
            {"studies.figure_3.trackers[4].experiments_per_batch": [3]},
            r"^readings\.reduced: claims\.4b\.curve: figure_3 has no curve 'transformer_\{8,10\}'",
        ),
    ],
)
def test_a_wrong_value_is_refused_with_the_path_of_its_key(config, path, value, told):
    found = problems(change(config, path, value), SCHEMA)
    assert [line for line in found if re.match(told, line) or re.search(told, line)], found
    assert all("\n" not in line for line in found)


@pytest.mark.parametrize("name", ["two words", "a/b", "$(touch x)", "a;b", "", "é", "a'b", "a\n", 1, None])
def test_a_study_has_a_name_that_is_safe_as_a_file(config, name):
    config["studies"][name] = config["studies"]["figure_2a"]
    assert any(line.startswith("studies: ") for line in problems(config, SCHEMA))


def test_a_study_and_an_operation_count_do_not_share_a_name(config):
    config["studies"]["figure_5"] = config["studies"]["figure_2a"]
    assert problems(config, SCHEMA) == ["operation_counts.figure_5: a study has that name too"]


def test_a_tracker_whose_name_no_file_can_have_is_refused(config):
    tracker = config["studies"]["figure_2a"]["trackers"][2]
    defaults = methods(config)["plain"].defaults
    tracker |= {
        key: another(key, value)
        for key, value in defaults.items()
        if value != REQUIRED and key not in ("network", "fed_back", "density", "particles")
    }
    (line,) = problems(config, SCHEMA)
    assert line.startswith("studies.figure_2a.trackers[2]: it differs in so many keys")


def test_a_network_is_trained_on_other_numbers_of_particles_if_it_can_track_them(config):
    study = config["studies"]["figure_2a"]
    study["datasets"]["particles"] = 20
    study["trackers"] = [study["trackers"][3] | {"particles": 5}]
    jobs = plan(config | {"studies": {"figure_2a": study}})
    assert {scene["particles"] for scene in jobs.training_sets.values()} == {5}
    assert {scene["particles"] for scene in jobs.test_sets.values()} == {20}
    study["trackers"][0]["method"] = "plain"
    (line,) = problems(config, SCHEMA)
    assert line.startswith("studies.figure_2a.trackers[0]: ")
    assert "an embedding of each of 5 tracks cannot track 20 particles" in line


@pytest.mark.parametrize("order", [("geometric", "hybrid"), ("hybrid", "geometric")])
def test_the_hybrid_tracks_with_the_model_of_the_geometric_network(config, order):
    study = config["studies"]["figure_2a"]
    network = study["trackers"][3]
    entries = {"geometric": network, "hybrid": {**network, "method": "hybrid", "lookback": [1, 2]}}
    study["trackers"] = [entries[name] for name in order]
    jobs = plan(config | {"studies": {"figure_2a": study}, "operation_counts": {}})
    noises = len(study["datasets"]["measurement_noise"])
    assert len(jobs.models) == len(jobs.training_sets) == noises
    methods_of = [jobs.method_of[tracker] for tracker in jobs.model_of]
    assert (methods_of.count("geometric"), methods_of.count("hybrid")) == (noises, 2 * noises)
    for tracker, model in jobs.model_of.items():
        assert (jobs.method_of[tracker] == "geometric") == (tracker == model)


def test_what_is_said_of_a_key_of_any_length_is_a_line(config):
    config["test_experiments"][1] = {"fr" + "9" * 5000: 12}
    (line, *_) = problems(config, SCHEMA)
    assert line.startswith("test_experiments[1]: ")
    assert len(line) < 600


def test_a_study_cannot_have_two_curves_of_one_name(config):
    trackers = config["studies"]["figure_2a"]["trackers"]
    trackers.append(copy.deepcopy(trackers[1]))
    (line,) = problems(config, SCHEMA)
    assert line.startswith("studies.figure_2a.trackers[7]: ")
    assert "'MHT'" in line
    trackers[-1]["label"] = "MHT again"
    assert problems(config, SCHEMA) == []


def test_trackers_with_places_of_their_own_make_one_curve(config):
    (curve,) = [curve for curve in plan(config).curves["figure_4"] if curve.label == "transformer_{8,i}"]
    assert [x for x, *_ in curve.points] == [1, 3, 10, 30, 100]
    assert [plan(config).replicates(tracker) for *_, tracker in curve.points] == [range(60)] + [range(30)] * 4


@pytest.mark.parametrize("change", [{"experiments_per_batch": [3, 1]}, {"fit": None}, {"role": "control"}])
def test_trackers_at_one_place_or_drawn_otherwise_make_no_curve_together(config, change):
    tracker = config["studies"]["figure_4"]["trackers"][4]
    tracker |= {"label": "transformer_{8,i}"} | change
    assert [line for line in problems(config, SCHEMA) if line.startswith("studies.figure_4.trackers[")]


def test_an_untrained_network_is_drawn_as_a_control_in_its_methods_colour(config):
    jobs = plan(config)
    drawn = {curve.label: curve.drawn_as(jobs.methods) for curve in jobs.curves["figure_2a"]}
    assert drawn["untrained"] == "plain, control"
    assert drawn["untrained geometric"] == "geometric, control"
    assert drawn["frozen"] == "control"
    assert drawn["transformer_{150,1}"] == "plain"


def keys_of_sections(config: dict) -> list[tuple[str, str]]:
    return [
        (section, key)
        for section, values in config.items()
        if isinstance(values, dict)
        and section not in ("studies", "operation_counts", "claims", "methods", "symbols")
        for key in values
    ]


def test_schema_and_defaults_have_the_same_keys(config):
    schema = yaml.safe_load(SCHEMA.read_text())
    assert set(config) == set(schema["properties"]) == set(schema["required"])
    for section, value in config.items():
        kind = schema["properties"][section]
        kind = schema["$defs"][kind["$ref"].rpartition("/")[2]] if "$ref" in kind else kind
        if kind["type"] == "object" and "properties" in kind:
            assert set(value) == set(kind["properties"]) == set(kind["required"]), section
    for section, key in keys_of_sections(config):
        without = copy.deepcopy(config)
        del without[section][key]
        assert any(line.startswith(f"{section}: {key!r}") for line in problems(without, SCHEMA)), key


def test_a_tracker_may_set_the_options_of_its_method_and_no_others(config):
    for name, method in methods(config).items():
        in_studies = (each for study in config["studies"].values() for each in study["trackers"])
        tracker = next((each for each in in_studies if each["method"] == name), {"method": name})
        for key in {option for other in methods(config).values() for option in other.defaults}:
            changed = copy.deepcopy(config)
            changed["claims"], changed["readings"] = {}, NO_READINGS
            changed["studies"] = {
                "mine": {
                    "title": "Mine",
                    "datasets": {"frames": 8, "measurement_noise": 7},
                    "x": "measurement_noise",
                    "trackers": [{**tracker, "fit": None, key: [None]}],
                }
            }
            del changed["studies"]["mine"]["trackers"][0]["fit"]
            told = [line for line in problems(changed, SCHEMA) if "has no key" in line]
            assert bool(told) == (key not in method.defaults), (name, key)


@pytest.mark.parametrize("key", ["heads", "pointers"])
def test_a_dimension_that_the_heads_do_not_divide_is_refused(config, key):
    options = config["methods"]["geometric"]["training"]["options"]
    options |= {"dimension": 64, "heads": 4, "pointers": 4, key: 3}
    (line,) = problems(config, SCHEMA)
    assert re.match(rf"studies\.figure_2a\.trackers\[3\]: .*64.*{key} 3", line)


def test_the_config_knows_the_choices_of_the_scripts(config):
    import track_control
    import track_transformer
    from mpt.tables.scores import SCORES
    from mpt.trackers import controls, limits, mht
    from mpt.transformer import devices, geometric, network, networks, plain, training

    of = {name: method.values for name, method in methods(config).items()}
    for filtered in ("mht", "bayes", "control"):
        assert of[filtered]["process_noise_model"] == list(limits.PROCESS_NOISE_MODELS)
    assert of["mht"]["estimate"] == list(mht.ESTIMATES)
    assert of["mht"]["solver"] == list(limits.SOLVERS)
    assert of["control"]["control"] == list(track_control.NEEDED)
    assert of["control"]["estimate"] == list(controls.ESTIMATES)
    assert {of[name]["network"][0] for name in ("plain", "geometric")} == set(networks.NETWORKS)
    for name in ("plain", "geometric"):
        assert set(of[name]["encoder_sees"]) == set(network.ENCODER_SEES)
        assert set(of[name]["mode"]) == set(training.MODES)
        assert set(of[name]["augment"]) == set(training.AUGMENTATIONS)
        assert set(of[name]["fed_back"]) == {track_transformer.OUTPUTS, track_transformer.TRUE_POSITIONS}
    assert of["geometric"]["without"] == list(geometric.WITHOUT)
    assert set(of["plain"]["head"]) == set(plain.HEADS)
    assert set(of["plain"]["time_embedding"]) == set(plain.TIME_EMBEDDINGS)
    definitions = yaml.safe_load(SCHEMA.read_text())["$defs"]
    assert definitions["solver"]["enum"] == list(limits.SOLVERS)
    assert definitions["training"]["properties"]["precision"]["enum"] == list(devices.PRECISIONS)
    assert definitions["training_data"]["properties"]["batches"]["then"]["const"] == UNLIMITED
    counts = {"experiment", "true_positives", "false_positives", "false_negatives"}
    assert set(definitions["score"]["enum"]) == set(SCORES.schema.names) - counts


def test_each_value_that_the_paper_does_not_state_says_so(config):
    for section, stated in STATED.items():
        body = re.search(rf"^{section}:\n((?:  .*\n)+)", TEXT, re.MULTILINE)[1]
        for key in config[section].keys() - NOT_OF_THE_SCIENCE:
            line = re.search(rf"^  {key}: .*$", body, re.MULTILINE)[0]
            assert ("not stated in the paper" in line) == (key not in stated), line


def test_a_merged_mapping_may_set_a_key_anew(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("a: &a {x: 1}\nb: {<<: *a, x: 2}\n")
    assert unreadable(path) == []


def test_values_are_counted_where_their_aliases_stand(tmp_path):
    # A list of nine, a list of nine such lists and so on: 9⁵ = 59,049 values are few enough, 9⁶ are not.
    path = tmp_path / "mine.yaml"
    levels = ["v1: &v1 [1, 2, 3, 4, 5, 6, 7, 8, 9]"]
    levels += [f"v{n}: &v{n} [{', '.join([f'*v{n - 1}'] * 9)}]" for n in range(2, 7)]
    assert 9**5 < MOST_VALUES < 9**6
    path.write_text("\n".join(levels[:5]))
    assert unreadable(path) == []
    path.write_text("\n".join(levels))
    (line,) = unreadable(path)
    assert line.startswith(f"{path}: line 6: more than ")


def test_one_number_has_one_name(config):
    change(config, "studies.figure_2a.datasets.measurement_noise", [0.1 + 0.2, 7.0])
    jobs = plan(canonical(config))
    assert {"T150_sigma0.3", "T150_sigma7"} <= jobs.test_sets.keys()
    assert not [name for name in jobs.test_sets if "0000" in name or name.endswith(".0")]


def test_the_number_of_test_experiments_lies_on_the_line_between_two_lengths():
    table = [{"frames": 50, "experiments": 100}, {"frames": 10, "experiments": 900}]
    assert [experiments_for(table, frames) for frames in (2, 10, 30, 45, 50, 99)] == [
        900,
        900,
        500,
        200,
        100,
        100,
    ]


def test_the_default_studies_ask_for_the_jobs_counted_by_hand(config):
    jobs = plan(config)
    # T = 150 and T = 8 at 11 σ each, and T = 25, 50, 100 at σ = 7.
    assert len(jobs.test_sets) == 11 + 11 + 3
    # For each network: 2a: a model per σ, of which 2b has one; 2c one; 3 and 4 five each; 6: T = 25 to 150
    # with i = 30, and transformer_{150,1} with K_D = 8. In figure 6 the plain one has fewer epochs.
    # Untrained: 2a as many, 2c, 3 and 4 one each, 6 one for each T.
    each = 11 + 1 + 5 + 5 + 4 + 1
    untrained = 11 + 1 + 1 + 1 + 5
    assert len(jobs.models) == 2 * (each + untrained) + 1
    assert sum(name.startswith("geometric") for name in jobs.models) == each + untrained
    assert sum(model["epochs"] == 0 for model in jobs.models.values()) == 2 * untrained
    # Figure 2c shares the training data of 2b.
    assert len(jobs.training_sets) == each - 2
    trackers = {tracker for tracker, _ in jobs.told}
    assert "mht_K1_r1" in jobs.scored["figure_2b", "T150_sigma1"]
    assert jobs.training_set_of.keys() == trackers & jobs.models.keys() == jobs.models.keys()


def test_replicates_train_on_experiments_of_their_own(config):
    jobs = plan(config)
    # Six batches for each of the 30 trainings that the study asks for, and for as many as elsewhere.
    assert jobs.training_sets["T8_i30_sigma1.2"]["experiments"] == 6 * 30 * 30
    assert jobs.training_sets["T150_i1_sigma7"]["experiments"] == 6 * config["replicates"]
    assert config["replicates"] >= 5


def test_known_and_frames_mean_what_the_test_set_and_the_training_have(config):
    jobs = plan(config)
    assert jobs.told["mht_K1_r0.5", "T150_sigma0.5"]["measurement_noise"] == 0.5
    assert jobs.told["mht_K1_r1", "T150_sigma10"]["measurement_noise"] == 1
    assert jobs.told["mht_K1_r1", "T150_sigma10"]["velocity_spread"] == config["simulation"]["drift_spread"]
    assert jobs.models["geometric_T25_i30_sigma7_KE25_KD8"]["encoder_lookback"] == 25
    (fixed,) = [curve for curve in jobs.curves["figure_6"] if curve.label == "transformer_{150,1}"]
    assert {tracker for _, _, tracker in fixed.points} == {"plain_T150_i1_sigma7_KE150_KD8"}
    assert [x for x, _, _ in fixed.points] == [8, 25, 50, 100, 150]


def test_a_tracker_without_the_varied_key_is_level(config):
    (level,) = [curve for curve in plan(config).curves["figure_4"] if curve.label == "MHT"]
    assert level.points == [(i, "T8_sigma7", "mht_K8_r7") for i in (1, 3, 10, 30, 100)]


def test_texts_call_a_method_by_its_label_without_subscript_and_options(config):
    words = {name: method.word for name, method in plan(config).methods.items()}
    named = {"mht": "MHT", "bayes": "Bayes", "plain": "transformer", "geometric": "geometric"}
    assert words == named | {"control": "control", "hybrid": "hybrid"}


def test_every_profile_looks_at_config_files_alike():
    profiles = [yaml.safe_load(path.read_text()) for path in PROJECT.glob("profiles/*/config.yaml")]
    assert len(profiles) == 3
    first = profiles[0]["__definitions__"]
    assert all(profile["__definitions__"] == first for profile in profiles)


def test_a_control_at_one_place_is_level(config):
    (level,) = [curve for curve in plan(config).curves["figure_4"] if curve.label == "untrained"]
    assert [x for x, *_ in level.points] == [1, 3, 10, 30, 100]
    assert len({tracker for *_, tracker in level.points}) == 1


def test_another_noise_adds_its_own_jobs_and_changes_no_other(config):
    before = plan(config)
    noises = config["studies"]["figure_2a"]["datasets"]["measurement_noise"]
    after = plan(change(config, "studies.figure_2a.datasets.measurement_noise", [*noises, 12]))
    for kind in ("test_sets", "training_sets", "models", "told"):
        old, new = getattr(before, kind), getattr(after, kind)
        assert {name: new[name] for name in old} == old
        assert all("sigma12" in "".join(name) for name in new.keys() - old.keys())
    assert after.test_sets.keys() - before.test_sets.keys() == {"T150_sigma12"}


def test_figures_are_compared_at_the_x_that_both_have(config):
    study = config["studies"]["figure_2a"]["datasets"]
    shared = list(study["measurement_noise"])
    study["measurement_noise"] = [*shared, 12]
    claims = ledger(config, plan(config))["claims"]
    assert claims["1a"]["x"] == [*shared, 12]
    assert claims["2a"]["x"] == claims["2b"]["x"] == shared


def test_a_study_set_to_null_asks_for_nothing(config):
    jobs = plan(change(config, "studies.figure_6", None))
    assert "figure_6" not in jobs.curves
    assert "T25_sigma7" not in jobs.test_sets


def another(key: str, value):
    """Return a value of the key that is allowed and not the one given."""
    words = {
        "process_noise_model": "literal",
        "encoder_sees": "past" if value == "whole" else "whole",
        "head": "position",
        "time_embedding": "sinusoidal",
        "augment": "rotations" if value == "none" else "none",
        "fed_back": "truth",
        "start": "measured",
        "estimate": "smoothed",
        "solver": "refilter",
        "without": "rivalry",
        "mode": "closed_loop" if value == "teacher_forcing" else "teacher_forcing",
        "batches": "unlimited",
        "precision": "bfloat16",
    }
    if key in words:
        return words[key]
    if key in ("heads", "pointers"):
        return 1 if value > 1 else 2
    if value == "known":
        return 3
    return 2 * value if isinstance(value, int) else value / 2


@pytest.mark.parametrize(("position", "method"), [(1, "mht"), (2, "plain"), (3, "geometric"), (0, "control")])
def test_a_tracker_that_differs_in_any_key_has_a_name_of_its_own(config, position, method):
    tracker = config["studies"]["figure_2a"]["trackers"][position]
    defaults = methods(config)[method].defaults.items()
    # The plain network tracks as many particles as it learned, and no others.
    fixed = (*tracker, "network", *(["particles"] if method == "plain" else []))
    defaults = {key: value for key, value in defaults if key not in fixed}
    config |= {"claims": {}, "readings": NO_READINGS}
    config["figures"] |= {"together": {}, "sequences": {}, "closeness": {}}
    config["studies"]["figure_2a"]["title"] = "Mine"
    names = []
    for change_of_tracker in [{}, *({key: another(key, value)} for key, value in defaults.items())]:
        config["studies"] = {
            "figure_2a": {**config["studies"]["figure_2a"], "trackers": [tracker | change_of_tracker]}
        }
        assert problems(config, SCHEMA) == []
        names += plan(config).scored["figure_2a", "T150_sigma7"]
    assert len(names) == len(set(names)) >= len(defaults) + 1
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+", name) for name in names)


def test_a_dataset_that_differs_in_any_key_has_a_name_of_its_own(config):
    names = set()
    changes = {"initial_spread": 20, "drift_spread": 1, "process_noise": 3, "particles": 3, "experiments": 9}
    for key, value in [(None, None), ("confinement", 10), *changes.items()]:
        changed = copy.deepcopy(config)
        changed |= {"claims": {}, "readings": NO_READINGS}
        if key:
            changed["studies"]["figure_2a"]["datasets"][key] = value
        assert problems(changed, SCHEMA) == []
        names |= {
            name
            for name in plan(changed).test_sets
            if name.startswith("T150_sigma2_") or name == "T150_sigma2"
        }
    assert len(names) == 2 + len(changes)
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+", name) for name in names)


def test_a_study_of_ones_own_needs_no_python(config):
    config["studies"]["three_particles"] = yaml.safe_load("""
        title: Three particles
        datasets: {particles: 3, frames: 50, measurement_noise: [1, 4]}
        x: measurement_noise
        trackers:
          - {method: control, control: oracle}
          - {method: mht, lookback: [1, 4], measurement_noise: known}
          - {method: plain, frames: 50, experiments_per_batch: 10, measurement_noise: known,
             encoder_lookback: frames, decoder_lookback: 4}
        """)
    assert problems(config, SCHEMA) == []
    jobs = plan(config)
    labels = [curve.label for curve in jobs.curves["three_particles"]]
    assert labels == ["oracle", "MHT, K_MHT = 1", "MHT, K_MHT = 4", "transformer_{50,10}"]
    assert jobs.test_sets["T50_sigma4_particles-3"]["particles"] == 3
    assert jobs.training_sets["T50_i10_sigma4_particles-3"]["particles"] == 3
    assert jobs.told["mht_K4_r4", "T50_sigma4_particles-3"]["lookback"] == 4
