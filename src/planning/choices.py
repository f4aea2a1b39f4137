"""What the paper leaves open, as choices: the config with other values here and there, and what is judged.

A choice takes one value of every axis. There are three parts. Along the axes, at most one value is not the
config's own, and every claim about scores is judged; over the grid, all combinations are taken of what needs
no training, and the claims that need none are judged; crossed, all combinations of the axes that the config
lists as crossed, and every claim about scores is judged. What the crossed part has, the part along the axes
leaves to it. One job does a scene: the choices that share simulations and, in the crossed part, trainings
too. What two of its choices have in common is made once.
"""

import re
from collections.abc import Iterator
from copy import deepcopy
from itertools import product
from typing import Any

from planning.density import simulated as told_of_scene
from planning.ledger import OF_OPERATIONS, ledger
from planning.methods import CONTROL, SHARED_DATA, SHARED_TRAINING, StudyError
from planning.recordings import recording_of
from planning.studies import Plan, is_empty, plan

AXES, GRID, CROSSED = PARTS = ("axes", "grid", "crossed")
DEFAULT = "default"
SIMULATES = r"simulation\."
TRAINS = rf"({SHARED_DATA}|{SHARED_TRAINING}|methods\.\w+\.training)\."
# What a network sees of the future, beside a tracker that smooths and one that does not.
EQUAL, MORE, LESS = "equal", "the network sees more", "the network sees less"
INFORMATION = {
    ("whole", True): EQUAL,
    ("past", False): EQUAL,
    ("whole", False): MORE,
    ("past", True): LESS,
}


def changed(config: dict, changes: dict, path: str) -> dict:
    """Return a copy of the config with other values at keys such as studies.figure_2a.trackers[1].lookback.

    What is said of a study that is dropped is dropped with it. Raises StudyError, with the path of the
    changes, where the config has no such place.
    """
    result = deepcopy(config)
    for key, value in changes.items():
        place, last = _place(result, key, path)
        if place is not None:
            place[last] = value
    return result


def reduced(config: dict) -> dict:
    """Return the config in the sizes of the study of readings, with the claims that are judged there.

    Studies that no claim is about are dropped, and networks that are drawn as controls are left out: they
    would be as many jobs again, and judge no claim.
    """
    sizes = {key: value for key, value in config["readings"]["reduced"].items() if value is not None}
    result = changed(config, sizes, "readings.reduced")
    for name in config["readings"]["not_judged"]:
        result["claims"].pop(name, None)
    claimed = {claim["figure"] for claim in result["claims"].values() if claim is not None}
    for name, study in result["studies"].items():
        if study is not None and name in claimed:
            study["trackers"] = [entry for entry in study["trackers"] if entry.get("role") != CONTROL]
        else:
            result["studies"][name] = None
    return result


def axes(config: dict) -> dict[str, dict[str, dict]]:
    """Return by axis, and by the value in words, what the value changes: nothing, for the config's own value.

    Of two values that are both the config's own the first is kept. An axis whose values are all the config's
    own, such as one of a study that is dropped, is left out.
    """
    found = {}
    for name, axis in config["readings"]["axes"].items():
        if axis is None:
            continue
        path = f"readings.axes.{name}"
        values = {}
        for word, change in _values(axis, path).items():
            # Every key is looked at, so that one that is not there is refused.
            own = [_is_set(config, key, value, path) for key, value in change.items()]
            if not all(own):
                values[word] = change
            elif {} not in values.values():
                values[word] = {}
        if any(values.values()):
            found[name] = values if {} in values.values() else {DEFAULT: {}} | values
    return found


def _values(axis: dict, path: str) -> dict[str, dict]:
    """Return what each value of a declared axis sets, by the value in words."""
    values = axis["values"]
    if isinstance(values, dict):
        if "keys" in axis:
            raise StudyError(f"{path}.keys: each of its values says its own keys")
        return {word: change for word, change in values.items() if change is not None}
    if "keys" not in axis:
        raise StudyError(f"{path}: 'keys' is missing: what its values are set at")
    return {"none" if value is None else str(value): dict.fromkeys(axis["keys"], value) for value in values}


def crossed_axes(config: dict) -> list[str]:
    """Return the axes whose combinations make the crossed part; raises StudyError for an unknown one."""
    for name in config["readings"]["crossed"]:
        if name not in config["readings"]["axes"]:
            raise StudyError(f"readings.crossed: there is no axis {name!r}")
    found = axes(config)
    return [name for name in config["readings"]["crossed"] if name in found]


def trial_configs(config: dict) -> Iterator[tuple[str, dict]]:
    """Yield reduced configs that between them have every value of every axis, each after the path to blame.

    The first has the config's own values only. Without a claim about anything there is none.
    """
    sizes = reduced(config)
    if not is_empty(sizes):
        yield "readings.reduced", sizes
    crossed_axes(config)
    shown, not_judged = (config["readings"][key] for key in ("shown", "not_judged"))
    for key, name in (("shown", shown), *(("not_judged", name) for name in not_judged)):
        if config["claims"] and name not in config["claims"]:
            raise StudyError(f"readings.{key}: there is no claim {name!r}")
    if shown in not_judged:
        raise StudyError(f"readings.not_judged: {shown!r} is shown, and would not be judged")
    values = [sorted(changes.values(), key=bool) for changes in axes(config).values()]
    if is_empty(sizes):
        return
    for number in range(1, max(map(len, values), default=1)):
        together = {key: value for changes in values for key, value in changes[number % len(changes)].items()}
        yield "readings.axes", changed(sizes, together, "readings.axes")


def scenes(config: dict, part: str) -> dict[str, list[dict[str, str]]]:
    """Return by scene the choices of a part, each its values by axis; none if no claim is judged."""
    found = axes(config)
    apart = [name for name in found if _touches(found, name, SIMULATES)]
    if part == CROSSED:
        apart = [name for name in crossed_axes(config) if name in apart or _touches(found, name, TRAINS)]
    sizes = reduced(config)
    if is_empty(sizes) or not _judged(sizes, plan(sizes), part)["claims"]:
        return {}
    grouped: dict[str, list[dict[str, str]]] = {}
    for choice in _choices(config, found, part):
        scene = "_".join(f"{name}-{choice[name]}" for name in apart) or DEFAULT
        grouped.setdefault(scene, []).append(choice)
    return grouped


def columns(config: dict) -> list[list[str]]:
    """Return the choices along the axes, in order, as [axis, value], the config's own first."""
    others = [
        [name, word] for name, changes in axes(config).items() for word, change in changes.items() if change
    ]
    return [[DEFAULT, ""], *others]


def own_choice(config: dict) -> dict[str, str]:
    """Return the choice that is the config itself."""
    return {name: _own(changes) for name, changes in axes(config).items()}


def asked(config: dict, of_config: dict) -> dict:
    """Return what the study's answer is about: scores, axes, and the claims of the config's own ledger.

    Claims that are judged once more of another network are not among them.
    """
    judged = config["claims"].keys() - config["readings"]["not_judged"]
    told = {name: claim for name, claim in of_config["claims"].items() if name in judged}
    shown = config["readings"]["shown"]
    names = {"curve": "the curve", "reference": "the reference"}
    if shown in told:
        curve = told[shown]["curves"][0]
        names = {"curve": curve, "reference": told[shown]["reference"] or "the reference"}
    return {
        "scores": config["judgement"]["scores"],
        "crossed": crossed_axes(config),
        "own": own_choice(config),
        "statements": {name: claim["statement"] for name, claim in told.items()},
        "shown": shown,
        "names": names,
        "best": config["readings"]["best"],
    }


def work(config: dict, part: str, scene: str) -> dict:
    """Return what judge_choices.py does in a scene, as plain values; what two choices have in common, once.

    Its keys hold, by short names: models, the settings of simulate.py and of training; trackers, a script and
    its settings or a model and its replicates; datasets, the settings of simulate.py and of score.py, and the
    trackers on each; claims, those of a ledger. choices: what each is, whether network and tracker have equal
    information, and its ledger, the claims by their short name.
    """
    sizes, found = reduced(config), axes(config)
    result: dict[str, Any] = {
        "models": {},
        "trackers": {},
        "datasets": {},
        "tracked": {},
        "claims": {},
        "choices": [],
    }
    for choice in scenes(config, part)[scene]:
        of_choice = changed(sizes, _changes(found, choice), "readings.axes")
        jobs = plan(of_choice)
        judged = _judged(of_choice, jobs, part)
        told = [
            (dataset, tracker)
            for figure in judged["figures"].values()
            for points in figure["curves"].values()
            for _, dataset, tracker in points
        ]
        information = _information(jobs, told)
        for figure in judged["figures"].values():
            for points in figure["curves"].values():
                points[:] = [
                    [x, *_add(of_choice, jobs, dataset, tracker, result)] for x, dataset, tracker in points
                ]
        claims = _name(result["claims"], "c", judged["claims"])
        result["choices"].append(
            {"choice": choice, "information": information, "claims": claims, "figures": judged["figures"]}
        )
    return result


def _information(jobs: Plan, points: list[tuple[str, str]]) -> str:
    """Say whether networks and trackers see as much of the future; nothing if they are not all alike."""
    sees, smooths = set(), set()
    for dataset, tracker in points:
        method = jobs.methods[jobs.method_of[tracker]]
        if tracker in jobs.model_of:
            sees.add(jobs.models[jobs.model_of[tracker]].get("encoder_sees"))
        elif method.role != CONTROL and "estimate" in jobs.told[tracker, dataset]:
            smooths.add(jobs.told[tracker, dataset]["estimate"] == "smoothed")
    alike = len(sees) == len(smooths) == 1
    return INFORMATION.get((*sees, *smooths), "") if alike else ""


def _place(config: dict, key: str, path: str) -> tuple[dict | None, str]:
    """Return the mapping that has the key, and the key's name in it; None in a study that is dropped."""
    *parents, last = re.findall(r"[^.\[\]]+", key)
    place = config
    for parent in parents:
        if place is None:
            return None, last
        try:
            place = place[int(parent) if isinstance(place, list) else parent]
        except (KeyError, IndexError, TypeError, ValueError):
            raise StudyError(f"{path}: the config has no {key}") from None
    if place is not None and not isinstance(place, dict):
        raise StudyError(f"{path}: the config has no {key}")
    return place, last


def _is_set(config: dict, key: str, value, path: str) -> bool:
    """Say whether the key has the value, or nothing can have it, as in a study that is dropped."""
    place, last = _place(config, key, path)
    return place is None or (last in place and place[last] == value)


def _changes(found: dict, choice: dict[str, str]) -> dict:
    return {key: value for name, word in choice.items() for key, value in found[name][word].items()}


def _own(changes: dict[str, dict]) -> str:
    (own,) = [word for word, change in changes.items() if not change]
    return own


def _touches(found: dict, name: str, keys: str) -> bool:
    """Say whether an axis sets a key that begins as the pattern says."""
    return any(re.match(keys, key) for change in found[name].values() for key in change)


def _choices(config: dict, found: dict, part: str) -> list[dict[str, str]]:
    own = {name: _own(changes) for name, changes in found.items()}
    if part == AXES:
        crossed = crossed_axes(config)
        others = [
            own | {name: word}
            for name, changes in found.items()
            if name not in crossed
            for word, change in changes.items()
            if change
        ]
        return others if crossed else [own, *others]
    if part == GRID:
        varied = [name for name in found if not _touches(found, name, TRAINS)]
    else:
        varied = crossed_axes(config)
    words = [list(found[name]) if name in varied else [own[name]] for name in found]
    return [dict(zip(found, combination, strict=True)) for combination in product(*words)] if varied else []


def _judged(config: dict, jobs: Plan, part: str) -> dict:
    """Return the ledger of the claims about scores; over the grid, of those without a network.

    What is judged once more of another network follows its claim.
    """
    claims = ledger(config, jobs)["claims"]
    kept = {
        name: config["claims"][name]
        for name, claim in claims.items()
        if name in config["claims"]
        and claim["test"] not in OF_OPERATIONS
        and (part != GRID or not any(jobs.methods[name].is_trained for name in _methods(jobs, claim)))
        and not _is_recorded(jobs, claim)
    }
    return ledger(config | {"claims": kept}, jobs)


def _is_recorded(jobs: Plan, claim: dict) -> bool:
    """Say whether a claim is about a recording: its scene is as it is, whatever is chosen."""
    figures = {claim["figure"], claim["reference_figure"]}
    points = [point for figure in figures for curve in jobs.curves[figure] for point in curve.points]
    return any(recording_of(dataset) for _, dataset, _ in points)


def _methods(jobs: Plan, claim: dict) -> set[str]:
    named = {(claim["figure"], label) for label in claim["curves"]}
    named.add((claim["reference_figure"], claim["reference"]))
    return {
        curve.method
        for figure, curves in jobs.curves.items()
        for curve in curves
        if (figure, curve.label) in named
    }


def _add(config: dict, jobs: Plan, dataset: str, tracker: str, result: dict) -> tuple[str, str]:
    """Add what a point of a curve needs to the work; returns the names of dataset and tracker there."""
    simulated = told_of_scene(jobs.test_sets[dataset]) | {"seed": config["seed"], "stream": "test"}
    unique = _name(result["datasets"], "d", {"simulate": simulated, "score": config["scores"]})
    trackers = result["tracked"].setdefault(unique, [])
    method = jobs.methods[jobs.method_of[tracker]]
    told = jobs.told[tracker, dataset]
    how = {"method": method.name, "script": method.script, "seconds": method.seconds, "settings": told}
    if "truth" in method.needs or "truth" in told.values():
        how["truth"] = True
    if name := jobs.model_of.get(tracker):
        data = told_of_scene(jobs.training_sets[jobs.training_set_of[name]])
        data |= {"seed": config["seed"], "stream": "training"}
        model = {"simulate": data, "script": method.training_script, "train": jobs.models[name]}
        how |= {
            "model": _name(result["models"], "m", model),
            "replicates": len(jobs.replicates(tracker)),
        }
    name = _name(result["trackers"], "t", how)
    if name not in trackers:
        trackers.append(name)
    return unique, name


def _name(named: dict, letter: str, content: dict) -> str:
    """Return the name under which the content stands, a new one if it is new."""
    for name, found in named.items():
        if found == content:
            return name
    name = f"{letter}{len(named)}"
    named[name] = content
    return name
