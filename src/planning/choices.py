"""What the paper leaves open, as choices: the config with other values here and there, and what is judged.

A choice takes one value of every axis. There are two parts. Along the axes, at most one value is not the
config's own, and every claim about scores is judged; over the grid, all combinations are taken, and the
claims that need no training are judged. Choices with the same simulation share a scene: one job, in which
what two of them have in common is made once.
"""

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from itertools import product
from typing import Any

from planning import flags as commands
from planning.flags import flags
from planning.ledger import OF_OPERATIONS, ledger
from planning.methods import SHARED_DATA, SHARED_TRAINING, StudyError
from planning.studies import Plan, plan

PARTS = ("axes", "grid")
DEFAULT = "default"
# Linux hands over 128 KiB at most as one word, such as a command.
LONGEST_WORK = 120_000


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
    """Return the config in the sizes of the sensitivity study."""
    sizes = {key: value for key, value in config["sensitivity"]["reduced"].items() if value is not None}
    return changed(config, sizes, "sensitivity.reduced")


def axes(config: dict) -> dict[str, dict[str, dict]]:
    """Return by axis, and by the value in words, what the value changes: nothing, for the config's own value.

    An axis whose values are all the config's own, such as one of a study that is dropped, is left out.
    """
    found = {}
    for name, axis in config["sensitivity"]["axes"].items():
        if axis is None:
            continue
        path = f"sensitivity.axes.{name}"
        changes = [dict.fromkeys(axis["keys"], value) for value in axis["values"]]
        own = [all(_is_set(config, key, value, path) for key, value in change.items()) for change in changes]
        if all(own):
            continue
        words = ["none" if value is None else str(value) for value in axis["values"]]
        found[name] = {
            word: {} if same else change for word, change, same in zip(words, changes, own, strict=True)
        }
        if not any(own):
            found[name] = {DEFAULT: {}} | found[name]
    return found


def trial_configs(config: dict) -> Iterator[tuple[str, dict]]:
    """Yield reduced configs that between them have every value of every axis, each after the path to blame.

    The first has the config's own values only.
    """
    sizes = reduced(config)
    yield "sensitivity.reduced", sizes
    values = [sorted(changes.values(), key=bool) for changes in axes(config).values()]
    for number in range(1, max(map(len, values), default=1)):
        together = {key: value for changes in values for key, value in changes[number % len(changes)].items()}
        yield "sensitivity.axes", changed(sizes, together, "sensitivity.axes")


def scenes(config: dict, part: str) -> dict[str, list[dict[str, str]]]:
    """Return the choices of a part, each its values by axis, by scene; none if no claim is judged."""
    found = axes(config)
    of_simulation = [name for name in found if _touches(config, name, r"simulation\.")]
    grouped: dict[str, list[dict[str, str]]] = {}
    if not _judged(reduced(config), plan(reduced(config)), part)["claims"]:
        return grouped
    for choice in _along_axes(found) if part == "axes" else _over_grid(config, found):
        scene = "_".join(f"{name}-{choice[name]}" for name in of_simulation) or DEFAULT
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


def work(config: dict, part: str, scene: str) -> dict:
    """Return what judge_choices.py does in a scene, as plain values; what two choices have in common, once.

    By short names: models, the flags of simulate.py and of train.py; trackers, a script and its flags or a
    model and its replicates; datasets, the flags of simulate.py and of score.py, and the trackers on each;
    claims, those of ledgers. choices: what each is, and its ledger, the claims by their short name.
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
        of_choice = changed(sizes, _changes(found, choice), "sensitivity.axes")
        jobs = plan(of_choice)
        judged = _judged(of_choice, jobs, part)
        for figure in judged["figures"].values():
            for points in figure["curves"].values():
                points[:] = [
                    [x, *_add(of_choice, jobs, dataset, tracker, result)] for x, dataset, tracker in points
                ]
        claims = _name(result["claims"], "c", judged["claims"])
        result["choices"].append({"choice": choice, "claims": claims, "figures": judged["figures"]})
    return result


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


def _touches(config: dict, name: str, keys: str) -> bool:
    """Say whether an axis sets a key that begins as the pattern says."""
    return any(re.match(keys, key) for key in config["sensitivity"]["axes"][name]["keys"])


def _trains(config: dict, name: str) -> bool:
    return _touches(config, name, rf"({SHARED_DATA}|{SHARED_TRAINING}|methods\.\w+\.training)\.")


def _along_axes(found: dict) -> list[dict[str, str]]:
    own = {name: _own(changes) for name, changes in found.items()}
    others = [
        own | {name: word} for name, changes in found.items() for word, change in changes.items() if change
    ]
    return [own, *others]


def _over_grid(config: dict, found: dict) -> list[dict[str, str]]:
    """Return every combination; an axis of the training has its own value only."""
    words = [[_own(changes)] if _trains(config, name) else list(changes) for name, changes in found.items()]
    return [dict(zip(found, combination, strict=True)) for combination in product(*words)]


def _judged(config: dict, jobs: Plan, part: str) -> dict:
    """Return the ledger of the claims about scores; over the grid, of those without a transformer."""
    claims = ledger(config, jobs)["claims"]
    kept = {
        name: config["claims"][name]
        for name, claim in claims.items()
        if claim["test"] not in OF_OPERATIONS
        and (part == "axes" or not any(jobs.methods[name].is_trained for name in _methods(jobs, claim)))
    }
    return ledger(config | {"claims": kept}, jobs)


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
    tables = {"simulate": commands.test_set(config, jobs, dataset), "score": flags(config["scores"])}
    unique = _name(result["datasets"], "d", tables)
    trackers = result["tracked"].setdefault(unique, [])
    method = jobs.methods[jobs.method_of[tracker]]
    how: dict[str, Any] = {"script": method.script, "flags": flags(jobs.told[tracker, dataset])}
    if "truth" in method.needs:
        how["truth"] = True
    if name := jobs.model_of.get(tracker):
        data = commands.training_set(config, jobs, jobs.training_set_of[name])
        model = {"simulate": data, "script": method.training_script, "train": flags(jobs.models[name])}
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


def judging_flags(config: dict, part: str, scene: str) -> str:
    """Return the flags of judge_choices.py."""
    text = json.dumps(work(config, part, scene), ensure_ascii=False, separators=(",", ":"))
    if len(text.encode()) > LONGEST_WORK:
        raise StudyError(f"sensitivity.axes: the choices of {scene} are too many for the command of one job")
    return flags({"work": text, "part": part})
