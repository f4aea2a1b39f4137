"""How the config becomes a list of jobs: the union of what its studies ask for, each job once.

The result is dictionaries of plain Python values. Nothing is imported that takes time, since every cluster
job reads this again.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise, product

KNOWN = "known"
# The sections of the config whose keys a tracker may set, by method.
SECTIONS = {
    "mht": ("mht",),
    "bayes": ("bayes",),
    "control": ("control",),
    "transformer": ("training_data", "transformer", "training"),
}
# Controls that are told no noise.
UNFILTERED = ("frozen", "random")
# Keys of a tracker that say how its curve is drawn.
DRAWING = ("label", "fit")
# What a tracker told `known` is told: the key of the test dataset, where it goes by another name.
DATASET_KEYS = {"velocity_spread": "drift_spread"}
# Of a file system: 255 bytes, with suffixes.
LONGEST_NAME = 240
# The least that a law of three parameters is fitted to.
FITTED_POINTS = 4
DATASET_SYMBOLS = {"frames": "T", "measurement_noise": "σ", "process_noise": "μ", "particles": "N"}
TRACKER_SYMBOLS = {
    "frames": "T",
    "measurement_noise": "ν′",
    "process_noise": "η′",
    "lookback": "K_MHT",
    "encoder_lookback": "K_E",
    "decoder_lookback": "K_D",
    "experiments_per_batch": "i",
}


class StudyError(ValueError):
    """A study that makes no sense although each of its values does; starts with the path of its key."""


@dataclass
class Curve:
    """What a figure draws as one line: points are (x, dataset, tracker); fit names a law fitted to them."""

    label: str
    method: str
    fit: str | None
    points: list[tuple[float, str, str]] = field(default_factory=list)


@dataclass
class Plan:
    """Everything to be made, by its name in the paths below results/."""

    test_sets: dict[str, dict] = field(default_factory=dict)
    training_sets: dict[str, dict] = field(default_factory=dict)
    models: dict[str, dict] = field(default_factory=dict)
    training_set_of: dict[str, str] = field(default_factory=dict)
    # What the other trackers are told, by tracker and test set.
    told: dict[tuple[str, str], dict] = field(default_factory=dict)
    trackers_on: dict[str, set[str]] = field(default_factory=dict)
    curves: dict[str, list[Curve]] = field(default_factory=dict)


def plan(config: dict) -> Plan:
    """Return the jobs of all studies of a config that its schema accepts; raises StudyError."""
    if all(part is None for section in ("studies", "operation_counts") for part in config[section].values()):
        raise StudyError("studies: all are null, and all operation_counts; nothing is left to do")
    result = Plan()
    for name, study in config["studies"].items():
        if study is not None:
            if config["operation_counts"].get(name) is not None:
                raise StudyError(f"operation_counts.{name}: a study has that name too")
            result.curves[name] = _curves(config, f"studies.{name}", study, result)
    return result


def combinations(settings: dict) -> Iterator[dict]:
    """Yield one dictionary per combination of the values that lists stand for."""
    values = (value if isinstance(value, list) else [value] for value in settings.values())
    for combination in product(*values):
        yield dict(zip(settings, combination, strict=True))


def tracker_settings(config: dict, tracker: dict) -> dict:
    """Return one combination of a tracker with its method's sections for the keys it leaves out."""
    settings = {"method": tracker["method"]}
    for section in SECTIONS[tracker["method"]]:
        settings |= config[section]
    return settings | {key: value for key, value in tracker.items() if key not in DRAWING}


def dataset_settings(config: dict, dataset: dict) -> dict:
    """Return one combination of a test dataset with what the config says of the keys it leaves out."""
    settings = {"frames": None, "measurement_noise": None} | config["simulation"] | dataset
    settings.setdefault("experiments", experiments_for(config["test_experiments"], settings["frames"]))
    return settings


def experiments_for(table: list[dict], frames: int) -> int:
    """Return the number of test experiments of that length, by linear interpolation in the config's table."""
    rows = sorted((row["frames"], row["experiments"]) for row in table)
    for (left, many), (right, few) in pairwise(rows):
        if left <= frames <= right:
            return round(many + (few - many) * (frames - left) / (right - left))
    return rows[0][1] if frames < rows[0][0] else rows[-1][1]


def _curves(config: dict, path: str, study: dict, jobs: Plan) -> list[Curve]:
    datasets = []
    for dataset in combinations(study["datasets"]):
        name = f"T{dataset['frames']}_sigma{dataset['measurement_noise']}"
        name += _differences(dataset, config["simulation"] | {"experiments": None})
        _check_length(f"{path}.datasets", name)
        jobs.test_sets[name] = dataset_settings(config, dataset)
        datasets.append((name, dataset))
    curves = {}
    all_positions = _positions(path, study)
    for index, entry in enumerate(study["trackers"]):
        where = f"{path}.trackers[{index}]"
        for tracker in combinations(entry):
            for dataset_name, dataset in datasets:
                name = _add_tracker(config, where, tracker, dataset_name, jobs)
                _check_length(where, name)
                label = _label(study, entry, dataset, tracker)
                new = Curve(label, tracker["method"], tracker.get("fit"))
                owner, curve = curves.setdefault(label, (index, new))
                if owner != index:
                    raise StudyError(f"{where}: another tracker's curve is {label!r} too; give it a label")
                x = (dataset if study["x"] in dataset else tracker).get(study["x"])
                positions = all_positions if x is None else [x]
                curve.points += [(position, dataset_name, name) for position in positions]
    for index, curve in curves.values():
        if curve.fit and len(curve.points) < FITTED_POINTS:
            raise StudyError(f"{path}.trackers[{index}].fit: a law needs at least {FITTED_POINTS} points")
    return [curve for _, curve in curves.values()]


def _check_length(path: str, name: str) -> None:
    if len(name) > LONGEST_NAME:
        raise StudyError(
            f"{path}: it differs in so many keys from the config's sections that its name is too "
            f"long for a file: {name[:60]}…; set in the sections what trackers have in common"
        )


def _positions(path: str, study: dict) -> list[float]:
    """Return the x of the study's points; a tracker that has none of its own is the same at each."""
    x = study["x"]
    owners = [study["datasets"]] if x in study["datasets"] else study["trackers"]
    positions = [settings[x] for owner in owners for settings in combinations(owner) if x in settings]
    if not positions:
        raise StudyError(f"{path}.x: no dataset and no tracker of the study sets {x!r}")
    for position in positions:
        if not isinstance(position, int | float):
            raise StudyError(f"{path}.x: {position!r}, a value of {x}, is no position on an axis")
        if position <= 0 and study.get("scale") == "log":
            raise StudyError(f"{path}.scale: {position}, a value of {x}, has no place on a logarithmic axis")
    return sorted(set(positions))


def _label(study: dict, entry: dict, dataset: dict, tracker: dict) -> str:
    """Return the curve's name in the paper's symbols, transformer_{T,i}, and what else sets it apart."""
    told = {"method", "control", *DRAWING} | (set() if study["x"] in dataset else {study["x"]})
    label = tracker.get("label")
    if label is None and tracker["method"] != "transformer":
        label = {"mht": "MHT", "bayes": "Bayes"}.get(tracker["method"]) or tracker["control"]
    if label is None:
        told |= {"frames", "experiments_per_batch"}
        frames = "T" if tracker["frames"] == KNOWN else tracker["frames"]
        batch = "i" if study["x"] == "experiments_per_batch" else tracker["experiments_per_batch"]
        label = f"transformer_{{{frames},{batch}}}"
    suffixes = _varied(tracker, entry, TRACKER_SYMBOLS, told)
    suffixes += _varied(dataset, study["datasets"], DATASET_SYMBOLS, {study["x"]})
    return ", ".join([label, *suffixes])


def _varied(settings: dict, lists: dict, symbols: dict, told: set) -> list[str]:
    return [
        f"{symbols.get(key, key.replace('_', ' '))} = {settings[key]}"
        for key, values in lists.items()
        if isinstance(values, list) and len(values) > 1 and key not in told
    ]


def _add_tracker(config: dict, path: str, tracker: dict, dataset: str, jobs: Plan) -> str:
    """Add what the tracker needs on the test dataset to the jobs and return its name."""
    known = jobs.test_sets[dataset]
    unresolved = tracker_settings(config, tracker)
    settings = _resolve(unresolved, known)
    method = settings.pop("method")
    filters = method != "transformer" and settings.get("control") not in UNFILTERED
    if filters and settings["process_noise"] == settings["measurement_noise"] == 0:
        raise StudyError(f"{path}: told process noise 0 and measurement noise 0 there is no filter")
    if method == "transformer":
        name = _add_model(config, path, settings, known, jobs)
    elif method == "mht":
        name = f"mht_K{settings['lookback']}_r{settings['measurement_noise']}"
        name += _differences(settings, _resolve(config["mht"], config["simulation"]))
        jobs.told[name, dataset] = settings
    elif method == "bayes":
        name = "bayes" + _differences(unresolved, config["bayes"])
        jobs.told[name, dataset] = settings
    else:
        name = settings["control"] + _differences(unresolved, config["control"])
        jobs.told[name, dataset] = settings | {"seed": config["seed"]}
    jobs.trackers_on.setdefault(dataset, set()).add(name)
    return name


def _add_model(config: dict, path: str, settings: dict, known: dict, jobs: Plan) -> str:
    frames = settings.pop("frames")
    if frames < known["frames"]:
        raise StudyError(
            f"{path}.frames: a transformer trained on {frames} frames cannot track "
            f"the {known['frames']} of a test sequence"
        )
    for key in ("heads", "pointers"):
        if settings["dimension"] % settings[key]:
            raise StudyError(
                f"{path}.{key}: the dimension {settings['dimension']} is not a multiple of {settings[key]}"
            )
    if settings["encoder_lookback"] == "frames":
        settings["encoder_lookback"] = frames
    data = {
        "frames": frames,
        "measurement_noise": settings.pop("measurement_noise"),
        "particles": known["particles"],
    }
    data |= {key: settings.pop(key) for key in config["training_data"] if key != "batches"}
    data_defaults = config["simulation"] | {"batches": config["training_data"]["batches"]}
    data_name = f"T{frames}_i{settings['experiments_per_batch']}_sigma{data['measurement_noise']}"
    data_name += _differences(data | {"batches": settings["batches"]}, data_defaults)
    # Where batches are unlimited, training simulates its own by the parameters of this one.
    batches = 1 if settings["batches"] == "unlimited" else settings["batches"]
    experiments = batches * settings["experiments_per_batch"] * config["replicates"]
    jobs.training_sets[data_name] = data | {"experiments": experiments}

    name = f"transformer_{data_name}_KE{settings['encoder_lookback']}_KD{settings['decoder_lookback']}"
    name += _differences(settings, config["transformer"] | config["training"])
    jobs.models[name] = settings | {"replicates": config["replicates"], "seed": config["seed"]}
    jobs.training_set_of[name] = data_name
    return name


def _resolve(settings: dict, known: dict) -> dict:
    return {
        key: known[DATASET_KEYS.get(key, key)] if value == KNOWN else value for key, value in settings.items()
    }


def _differences(settings: dict, defaults: dict) -> str:
    """Return what sets a name apart: each setting that is not the config's default."""
    return "".join(
        f"_{key}-{settings[key]}"
        for key, default in defaults.items()
        if key in settings and settings[key] != default
    )
