"""The pictures that show more than one study, or a sequence itself, from what the config says of them."""

from dataclasses import dataclass

from planning.methods import StudyError
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
