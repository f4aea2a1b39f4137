"""How the config becomes a list of jobs: the union of what its studies ask for, each job once.

The result is dictionaries of plain Python values. Nothing is imported that takes time, since every cluster
job reads this again.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from mpt.scoring.definitions import needs_a_length
from planning import density, recordings
from planning.methods import (
    CONTROL,
    DATASET_SYMBOLS,
    FRAMES,
    KNOWN,
    UNLIMITED,
    Method,
    StudyError,
    combinations,
    differences,
    methods,
    placeholders,
)

# Of a file system: 255 bytes, with suffixes.
LONGEST_NAME = 240
# The least that a law of three parameters is fitted to.
LEAST_FITTED = 4


@dataclass
class Curve:
    """What a figure draws as one line: points are (x, dataset, tracker); fit names a law fitted to them.

    control is the control's own name, whatever the curve's label, or None.
    """

    label: str
    method: str
    fit: str | None
    control: str | None = None
    points: list[tuple[float, str, str]] = field(default_factory=list)

    def drawn_as(self, methods: Mapping[str, Method]) -> str:
        """Return the method whose look the curve has: its own, or that method's as a control."""
        as_control = self.control is not None and methods[self.method].role is None
        return f"{self.method}, control" if as_control else self.method


@dataclass
class Plan:
    """Everything to be made, by its name in the paths below results/."""

    methods: dict[str, Method]
    test_sets: dict[str, dict] = field(default_factory=dict)
    training_sets: dict[str, dict] = field(default_factory=dict)
    # How each model is trained, on which training set, and by which method.
    models: dict[str, dict] = field(default_factory=dict)
    training_set_of: dict[str, str] = field(default_factory=dict)
    # Each tracker's method, and the model of those that have one.
    method_of: dict[str, str] = field(default_factory=dict)
    model_of: dict[str, str] = field(default_factory=dict)
    # The options that trackers are told on a test set.
    told: dict[tuple[str, str], dict] = field(default_factory=dict)
    curves: dict[str, list[Curve]] = field(default_factory=dict)
    # The trackers that a study scores on a test set.
    scored: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    # What the counting of operations is told, by figure and method.
    counted: dict[tuple[str, str], dict] = field(default_factory=dict)

    def replicates(self, tracker: str) -> range:
        """Return the numbers of the tracks that a tracker makes of a test set: one each training."""
        return range(self.models[self.model_of[tracker]]["replicates"] if tracker in self.model_of else 1)

    def calibrated(self) -> dict[str, tuple[str, dict]]:
        """Return by test set the method whose probabilities are checked there, and what it is told."""
        found: dict[str, tuple[str, dict]] = {}
        for (tracker, dataset), settings in sorted(self.told.items()):
            if self.methods[self.method_of[tracker]].calibration:
                found.setdefault(dataset, (self.method_of[tracker], settings))
        return dict(sorted(found.items()))


def plan(config: dict) -> Plan:
    """Return the jobs of all studies of a config that its schema accepts; raises StudyError."""
    if is_empty(config):
        raise StudyError("studies: all are null, and all operation_counts; nothing is left to do")
    result = Plan(methods(config))
    for name, study in config["studies"].items():
        if study is not None:
            if config["operation_counts"].get(name) is not None:
                raise StudyError(f"operation_counts.{name}: a study has that name too")
            result.curves[name] = _curves(config, f"studies.{name}", study, result)
            for curve in result.curves[name]:
                for _, dataset, tracker in curve.points:
                    result.scored.setdefault((name, dataset), set()).add(tracker)
    for figure, counts in config["operation_counts"].items():
        if counts is not None:
            _add_counts(config, figure, counts, result)
    return result


def is_empty(config: dict) -> bool:
    """Say whether a config asks for nothing."""
    return all(
        part is None for section in ("studies", "operation_counts") for part in config[section].values()
    )


def dataset_settings(config: dict, dataset: dict) -> dict:
    """Return one combination of a test dataset with what the config says of the keys it leaves out."""
    settings = {"frames": None, "measurement_noise": None} | config["simulation"] | dataset
    settings.setdefault("experiments", experiments_for(config["test_experiments"], settings["frames"]))
    return density.boxed(settings)


def dataset_entries(study: dict) -> dict[str, dict]:
    """Return what a study says of its test datasets, by the entry's path in the study."""
    datasets = study["datasets"]
    if isinstance(datasets, dict):
        return {"datasets": datasets}
    return {f"datasets[{index}]": entry for index, entry in enumerate(datasets)}


def experiments_for(table: list[dict], frames: int) -> int:
    """Return the number of test experiments of that length, by linear interpolation in the config's table."""
    rows = sorted((row["frames"], row["experiments"]) for row in table)
    for (left, many), (right, few) in pairwise(rows):
        if left <= frames <= right:
            return round(many + (few - many) * (frames - left) / (right - left))
    return rows[0][1] if frames < rows[0][0] else rows[-1][1]


def _curves(config: dict, path: str, study: dict, jobs: Plan) -> list[Curve]:
    datasets: dict[str, dict] = {}
    for where, entry in dataset_entries(study).items():
        for dataset in combinations(entry):
            name, scene = _test_set(config, f"{path}.{where}", dataset)
            if name in datasets:
                raise StudyError(f"{path}.{where}: the study has the dataset {name} already")
            jobs.test_sets[name] = scene
            if message := needs_a_length(scene):
                raise StudyError(f"{path}.{where}: {name}: {message}")
            datasets[name] = dataset
    curves: dict[str, tuple[int, Curve]] = {}
    all_positions = _positions(path, study)
    apart = _apart(study["x"], config["simulation"], datasets)
    for index, entry in enumerate(study["trackers"]):
        where = f"{path}.trackers[{index}]"
        method = jobs.methods[entry["method"]]
        for tracker in combinations(entry):
            for dataset_name, dataset in datasets.items():
                name = _add_tracker(config, where, method, tracker, dataset_name, jobs)
                _check_length(where, name)
                label = _label(method, study["x"], entry, dataset, tracker, apart[dataset_name])
                new = Curve(label, method.name, tracker.get("fit"), _control(method, tracker, label))
                owner, curve = curves.setdefault(label, (index, new))
                # Trackers that have places of their own along x may be one curve.
                placed = study["x"] in tracker and study["x"] not in dataset
                alike = (curve.method, curve.fit, curve.control) == (new.method, new.fit, new.control)
                if owner != index and not (placed and alike):
                    raise StudyError(f"{where}: another tracker's curve is {label!r} too; give it a label")
                varied = study["x"]
                x = (dataset if varied in dataset else method.settings(tracker)).get(varied)
                own = varied in dataset or isinstance(entry.get(varied), list)
                if entry.get("role") == CONTROL and not own:
                    # What others are held against at every place.
                    x = None
                positions = all_positions if x is None else [x]
                curve.points += [(position, dataset_name, name) for position in positions]
    for index, curve in curves.values():
        _check_curve(config, f"{path}.trackers[{index}]", study, curve, jobs)
    return [curve for _, curve in curves.values()]


def _test_set(config: dict, path: str, dataset: dict) -> tuple[str, dict]:
    """Return the name and the settings of a test dataset, simulated or recorded."""
    if "recording" in dataset:
        scene = recordings.scored_scene(config, f"{path}.recording", dataset["recording"])
        return recordings.name_of(dataset), scene
    name = f"T{dataset['frames']}_sigma{dataset['measurement_noise']}"
    name += differences(dataset, config["simulation"] | {"experiments": None})
    if twice := density.said_twice(dataset, config["simulation"] | dataset):
        raise StudyError(f"{path}.{twice}: the density says it; set one of the two")
    _check_length(path, name)
    return name, dataset_settings(config, dataset)


def _check_curve(config: dict, path: str, study: dict, curve: Curve, jobs: Plan) -> None:
    (x, many), *_ = Counter(x for x, *_ in curve.points).most_common(1)
    if many > 1:
        raise StudyError(
            f"{path}: two curves with one name, {curve.label!r}: they both have a point at "
            f"{study['x']} = {x}; leave out the label, or give each an entry and a label of its own"
        )
    if not curve.fit:
        return
    if len(curve.points) < LEAST_FITTED:
        raise StudyError(f"{path}.fit: a law needs at least {LEAST_FITTED} points")
    if (least := min(x for x, *_ in curve.points)) <= 0:
        raise StudyError(f"{path}.fit: the law needs x > 0, and {study['x']} has the value {least}")
    sizes = {jobs.test_sets[dataset]["experiments"] for _, dataset, _ in curve.points}
    if len(sizes) > 1:
        raise StudyError(
            f"{path}.fit: a law is fitted over test sets of one size, and these have {sorted(sizes)} "
            "experiments; set datasets.experiments"
        )


def _check_length(path: str, name: str) -> None:
    if len(name) > LONGEST_NAME:
        raise StudyError(
            f"{path}: it differs in so many keys from the config's defaults that its name is too "
            f"long for a file: {name[:60]}…; set as defaults what trackers have in common"
        )


def _positions(path: str, study: dict) -> list[float]:
    """Return the x of the study's points; a tracker that has none of its own is the same at each."""
    x = study["x"]
    entries = dataset_entries(study)
    without = [where for where, entry in entries.items() if x not in entry]
    if without and len(without) < len(entries):
        raise StudyError(f"{path}.{without[0]}: it does not say {x}, which is the study's x")
    owners = study["trackers"] if without else entries.values()
    positions = [settings[x] for owner in owners for settings in combinations(owner) if x in settings]
    if not positions:
        raise StudyError(f"{path}.x: no dataset and no tracker of the study sets {x!r}")
    for position in positions:
        if not isinstance(position, int | float):
            raise StudyError(f"{path}.x: {position!r}, a value of {x}, is no position on an axis")
        if position <= 0 and study.get("scale") == "log":
            raise StudyError(f"{path}.scale: {position}, a value of {x}, has no place on a logarithmic axis")
    return sorted(set(positions))


def _apart(x: str, defaults: Mapping, datasets: Mapping[str, dict]) -> dict[str, dict]:
    """Return by dataset what tells it from those that have the same x, for labels to say.

    What changes along with x, such as a box that grows with the number of particles, tells no curves apart.
    """
    keys = dict.fromkeys(key for dataset in datasets.values() for key in dataset if key != x)
    told = {
        name: {key: dataset.get(key, defaults.get(key)) for key in keys} for name, dataset in datasets.items()
    }
    values: dict[tuple, set] = {}
    for name, dataset in datasets.items():
        for key in keys:
            values.setdefault((dataset.get(x), key), set()).add(told[name][key])
    differing = {key for (_, key), found in values.items() if len(found) > 1}
    return {
        name: {key: value for key, value in shown.items() if key in differing} for name, shown in told.items()
    }


def _label(method: Method, varied: str, entry: dict, dataset: dict, tracker: dict, apart: dict) -> str:
    """Return the curve's name: its method's label, filled in, and what else sets it apart."""
    x = None if varied in dataset else varied
    told = {"method", "label", "fit", "role", x}
    label = tracker.get("label")
    if label is None or method.role == CONTROL:
        told |= set(placeholders(method.label))
    if label is None:
        settings = method.settings(tracker)
        shown = {key: _shown(method, key, settings, x) for key in placeholders(method.label)}
        label = method.label.format(**shown)
    if "truth" in method.settings(tracker).values():
        label = f"{label} (leak: told the truth)"
    lists = (key for key, values in entry.items() if isinstance(values, list) and len(values) > 1)
    suffixes = _said({key: tracker[key] for key in lists if key not in told}, method.symbols)
    return ", ".join([label, *suffixes, *_said(apart, DATASET_SYMBOLS)])


def _shown(method: Method, key: str, settings: dict, x: str | None) -> object:
    """Return an option as a label says it: by its symbol where it differs along the curve."""
    if key == x:
        return method.symbols.get(key, key)
    if settings[key] == KNOWN:
        return DATASET_SYMBOLS.get(key, key)
    return settings[key]


def _said(settings: Mapping[str, Any], symbols: Mapping[str, str]) -> list[str]:
    return [f"{symbols.get(key, key.replace('_', ' '))} = {value}" for key, value in settings.items()]


def _control(method: Method, tracker: dict, label: str) -> str | None:
    """Return a control's name: what its files are called, or in a word its label where it has a model."""
    if tracker.get("role", method.role) != CONTROL:
        return None
    return re.sub(r"\W+", "_", label) if method.is_trained else method.named(method.settings(tracker))


def _add_tracker(config: dict, path: str, method: Method, tracker: dict, dataset: str, jobs: Plan) -> str:
    """Add what the tracker needs on the test dataset to the jobs and return its name."""
    scene = jobs.test_sets[dataset]
    unresolved = method.settings(tracker)
    for key, value in unresolved.items():
        if value == KNOWN and method.known.get(key, key) not in scene:
            raise StudyError(f"{path}.{key}: a test dataset has no {method.known.get(key, key)} to be known")
    settings = method.resolved(unresolved, scene)
    own = {key: value for key, value in unresolved.items() if value != KNOWN}
    if twice := density.said_twice(own, settings):
        raise StudyError(
            f"{path}.{twice}: the density of the training data says it; density: null leaves it to you"
        )
    if message := method.problem(settings, scene):
        raise StudyError(f"{path}: {message}")
    named = method.as_named(unresolved, settings)
    if method.is_trained:
        model = _add_model(config, path, method, dict(settings), scene, jobs)
        name = model + differences(named, dict(method.options))
        jobs.model_of[name] = model
    else:
        name = method.named(named)
    jobs.method_of[name] = method.name
    told = {key: settings[key] for key in method.options}
    jobs.told[name, dataset] = told | ({"seed": config["seed"]} if "seed" in method.needs else {})
    return name


def _add_model(config: dict, path: str, method: Method, settings: dict, scene: dict, jobs: Plan) -> str:
    frames = settings["frames"]
    if frames < scene["frames"]:
        raise StudyError(
            f"{path}.frames: a network trained on {frames} frames cannot track "
            f"the {scene['frames']} of a test sequence"
        )
    training = {key: settings[key] for key in method.training_options}
    if training.get("encoder_lookback") == FRAMES:
        training["encoder_lookback"] = frames
    # Of the training set batches and their size make the number of experiments; the rest is simulated.
    sizes = {key: settings[key] for key in ("batches", "experiments_per_batch")}
    data = {key: settings[key] for key in method.data_options if key not in sizes}
    data = density.boxed(data)
    data_defaults = config["simulation"] | {"batches": config["training_data"]["batches"]}
    data_name = f"T{frames}_i{sizes['experiments_per_batch']}_sigma{data['measurement_noise']}"
    data_name += differences(density.named(data) | {"batches": sizes["batches"]}, data_defaults)
    # Where batches are unlimited, training simulates its own by the parameters of this one.
    batches = 1 if sizes["batches"] == UNLIMITED else sizes["batches"]
    experiments = batches * sizes["experiments_per_batch"] * training["replicates"]
    # Models with more trainings than others share the experiments of the others' trainings.
    before = jobs.training_sets.get(data_name, {}).get("experiments", 0)
    jobs.training_sets[data_name] = data | {"experiments": max(experiments, before)}

    name = method.file_name.format(**training, training_set=data_name)
    told = set(placeholders(method.file_name))
    name += differences(training, {key: v for key, v in method.training_options.items() if key not in told})
    jobs.models[name] = training | sizes | {"seed": config["seed"]}
    jobs.training_set_of[name] = data_name
    # Methods may share models, and a tracker may be called as its model.
    jobs.method_of.setdefault(name, method.name)
    return name


def _add_counts(config: dict, figure: str, counts: dict, jobs: Plan) -> None:
    for name, method in jobs.methods.items():
        if method.counting:
            offered = method.defaults | config["simulation"] | counts
            for key in method.counting["takes"]:
                if key not in offered:
                    raise StudyError(
                        f"methods.{name}.counting.takes: {key!r} is no option of the method, nor a key of "
                        f"simulation or operation_counts.{figure}"
                    )
            variants = method.counting["variants"]
            if isinstance(variants, str) and not isinstance(offered.get(variants), list):
                raise StudyError(f"methods.{name}.counting.variants: {variants!r} is not a list of variants")
            jobs.counted[figure, name] = {key: offered[key] for key in method.counting["takes"]}
