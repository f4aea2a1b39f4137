"""The pictures that show more than one study, or a sequence itself, from what the config says of them."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from planning import recordings
from planning.methods import KNOWN, Method, StudyError, combinations
from planning.statements import title
from planning.studies import Plan


@dataclass(frozen=True)
class Together:
    """Studies drawn beside each other, with the title of each column."""

    studies: list[str]
    titles: list[str]
    x: str
    scale: str | None


@dataclass(frozen=True)
class Sequence:
    """A sequence at several noises or lengths, as some trackers see it.

    trackers: by label, the method and the tracker's name on each dataset.
    """

    datasets: list[str]
    scene_titles: list[str]
    trackers: dict[str, tuple[str, list[str]]]
    hardest_for: str


@dataclass(frozen=True)
class Closeness:
    """A study's trackers on one dataset, whose scores are told apart by how close particles are.

    trackers: by label, the method whose look the curve has and the tracker's name.
    """

    dataset: str
    trackers: dict[str, tuple[str, str]]
    edges: list[float]


@dataclass(frozen=True)
class MovieTracker:
    """A tracker of a recording: the curve's label, its method, and the options that it is told."""

    label: str
    method: Method
    told: dict


@dataclass(frozen=True)
class Movie:
    """A recording as some trackers see it, which no truth is needed for; trackers are by name."""

    recording: str
    frames: int
    trackers: dict[str, MovieTracker]


def looks(config: dict, plan: Plan) -> dict[str, dict]:
    """Return the look of each method; one that declares none has one of the spare palettes.

    A method that a study has as a control is drawn so in its own colour: this look is by Curve.drawn_as.
    """
    spare = itertools.cycle(config["figures"]["spare_palettes"])
    found = {
        name: (
            {"role": "reference", **method.style}
            if method.role
            else dict(method.style) or {"palette": next(spare)}
        )
        for name, method in plan.methods.items()
    }
    for curve in itertools.chain.from_iterable(plan.curves.values()):
        if (drawn := curve.drawn_as(plan.methods)) != curve.method:
            found[drawn] = {"role": "reference", "palette": found[curve.method]["palette"]}
    return found


def dashes(plan: Plan, looks: Mapping[str, dict]) -> dict[str, dict[str, int]]:
    """Return by look and label the place of each reference's dashes, each its own.

    The places are given over all studies, so that a reference looks the same in each. The first, solid, is of
    none in the colour of a method, where it would look like the curve that is compared.
    """
    found: dict[str, dict[str, int]] = {}
    taken = set()
    for curve in itertools.chain.from_iterable(plan.curves.values()):
        drawn = curve.drawn_as(plan.methods)
        if looks[drawn].get("role") == "reference" and curve.label not in found.setdefault(drawn, {}):
            free = itertools.count(1 if "palette" in looks[drawn] else 0)
            found[drawn][curve.label] = next(place for place in free if place not in taken)
            taken.add(found[drawn][curve.label])
    return found


def together(config: dict, plan: Plan) -> dict[str, Together]:
    """Return the joint figures by name, those of dropped studies left out; raises StudyError."""
    found = {}
    for name, studies in config["figures"]["together"].items():
        path = f"figures.together.{name}"
        for study in studies or ():
            if study not in config["studies"]:
                raise StudyError(f"{path}: {study!r} is none of the studies")
        drawn = [study for study in studies or () if config["studies"][study] is not None]
        if len(drawn) < 2:
            continue
        if name in plan.curves or any(figure == name for figure, _ in plan.counted):
            raise StudyError(f"{path}: another figure has that name too")
        shared = {(config["studies"][study]["x"], config["studies"][study].get("scale")) for study in drawn}
        if len(shared) > 1:
            raise StudyError(f"{path}: its studies vary different keys, or on different scales")
        titles = [title(config, plan, study) for study in drawn]
        if len(set(titles)) < len(titles):
            raise StudyError(f"{path}: two of its studies have the title {titles[0]!r}")
        ((x, scale),) = shared
        found[name] = Together(drawn, titles, x, scale)
    return found


def _is_drawn(config: dict, path: str, picture: dict | None) -> bool:
    """Say whether neither the picture nor its study is dropped; raises StudyError for an unknown study."""
    if picture is None:
        return False
    if picture["study"] not in config["studies"]:
        raise StudyError(f"{path}.study: {picture['study']!r} is none of the studies")
    return config["studies"][picture["study"]] is not None


def sequences(config: dict, plan: Plan) -> dict[str, Sequence]:
    """Return the pictures of sequences by name, those of dropped studies left out; raises StudyError."""
    found = {}
    for name, picture in config["figures"]["sequences"].items():
        path = f"figures.sequences.{name}"
        if not _is_drawn(config, path, picture):
            continue
        curves = {curve.label: curve for curve in plan.curves[picture["study"]]}
        for label in (*picture["curves"], picture["hardest_for"]):
            if label not in curves:
                raise StudyError(f"{path}: the study has no curve {label!r}; it has {', '.join(curves)}")
        if picture["hardest_for"] not in picture["curves"]:
            raise StudyError(f"{path}.hardest_for: {picture['hardest_for']!r} is not among its curves")
        points = {label: {x: names for x, *names in curves[label].points} for label in picture["curves"]}
        for label, at in points.items():
            for x in picture["x"]:
                if x not in at:
                    raise StudyError(f"{path}.x: {label!r} has no point at {x}")
        first = points[picture["curves"][0]]
        found[name] = Sequence(
            datasets=[first[x][0] for x in picture["x"]],
            scene_titles=[f"{picture['symbol']} = {x}" for x in picture["x"]],
            trackers={
                label: (curves[label].method, [at[x][1] for x in picture["x"]])
                for label, at in points.items()
            },
            hardest_for=picture["hardest_for"],
        )
    return found


def closeness(config: dict, plan: Plan) -> dict[str, Closeness]:
    """Return the pictures of closeness by name, those of dropped studies left out; raises StudyError.

    A picture has those curves of its study that have a point at its x.
    """
    found = {}
    for name, picture in config["figures"]["closeness"].items():
        path = f"figures.closeness.{name}"
        if not _is_drawn(config, path, picture):
            continue
        if picture["edges"] != sorted(picture["edges"]):
            raise StudyError(f"{path}.edges: they are not in increasing order")
        trackers, datasets = {}, []
        for curve in plan.curves[picture["study"]]:
            at = {x: names for x, *names in curve.points}
            if picture["x"] not in at:
                continue
            dataset, tracker = at[picture["x"]]
            trackers[curve.label] = curve.drawn_as(plan.methods), tracker
            datasets.append(dataset)
        if not datasets:
            raise StudyError(f"{path}.x: no curve of the study has a point at {picture['x']}")
        if len(set(datasets)) > 1:
            raise StudyError(f"{path}.x: its curves are of several datasets there: {', '.join(datasets)}")
        if plan.test_sets[datasets[0]]["particles"] < 2:
            raise StudyError(f"{path}.study: {datasets[0]} has one particle, which is close to none")
        found[name] = Closeness(datasets[0], trackers, picture["edges"])
    return found


def movies(config: dict, plan: Plan) -> dict[str, Movie]:
    """Return the pictures of recordings by name; raises StudyError."""
    found: dict[str, Movie] = {}
    exported: set[str] = set()
    for name, picture in config["figures"]["recordings"].items():
        path = f"figures.recordings.{name}"
        if picture is None:
            continue
        recording = picture["recording"]
        scene = recordings.scene(config, f"{path}.recording", recording)
        trackers: dict[str, MovieTracker] = {}
        for index, entry in enumerate(picture["trackers"]):
            where = f"{path}.trackers[{index}]"
            for tracker in combinations(entry):
                tracker_name, new = _movie_tracker(config, where, plan, recording, scene, entry, tracker)
                if tracker_name in trackers:
                    raise StudyError(f"{where}: the picture has this tracker already")
                if new.label in {other.label for other in trackers.values()}:
                    raise StudyError(f"{where}: another tracker is called {new.label!r} too; give it a label")
                if (file := f"{name}_{tracker_name}") in exported:
                    raise StudyError(f"{path}: another picture writes {file}.csv too; give it another name")
                trackers[tracker_name] = new
                exported.add(file)
        found[name] = Movie(recording, scene["frames"], trackers)
    return found


def _movie_tracker(
    config: dict, path: str, plan: Plan, recording: str, scene: dict, entry: dict, tracker: dict
) -> tuple[str, MovieTracker]:
    """Return the name and the settings of a tracker; entry: what the config says, with its lists."""
    method = plan.methods[tracker["method"]]
    if method.is_trained:
        raise StudyError(f"{path}.method: {method.name} is trained, and a picture of a recording trains none")
    unresolved = method.settings(tracker)
    if "truth" in method.needs or "truth" in unresolved.values():
        raise StudyError(f"{path}.method: {method.name} needs the truth, which a recording may not have")
    for key, value in unresolved.items():
        if value == KNOWN and (known := method.known.get(key, key)) not in scene:
            hint = "; src/estimate_noise.py estimates it" if known in recordings.NOISES else ""
            raise StudyError(f"{path}.{key}: recordings.{recording} does not say its {known}{hint}")
    settings = method.resolved(unresolved, scene)
    if message := method.problem(settings, scene):
        raise StudyError(f"{path}: {message}")
    label = tracker.get("label") or method.label.format(**settings)
    varied = [
        f"{method.symbols.get(key, key.replace('_', ' '))} = {tracker[key]}"
        for key, values in entry.items()
        if isinstance(values, list) and len(values) > 1
    ]
    told = {key: settings[key] for key in method.options}
    told |= {"seed": config["seed"]} if "seed" in method.needs else {}
    name = method.named(method.as_named(unresolved, settings))
    return name, MovieTracker(", ".join([label, *varied]), method, told)
