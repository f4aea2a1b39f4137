"""What a config declares of a way to track: its script, its options, how it is named, labelled and drawn.

A method that needs training has two more kinds of options: those of its training data, which all such methods
share (the section training_data), and those of its training (the section training, then its own).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from itertools import product
from string import Formatter
from typing import Any

KNOWN = "known"
# An option that has no default: a study's tracker says it.
REQUIRED = "required"
# The encoder's lookback: as many frames as the network is trained on.
FRAMES = "frames"
UNLIMITED = "unlimited"
SHARED_DATA, SHARED_TRAINING = "training_data", "training"
# Keys of a tracker that are not options: how its curve is drawn, and what it is in the comparison.
OF_THE_CURVE = ("label", "fit", "role")
CONTROL = "control"
# The kinds of number that an option may be declared to be, each a definition of the schema.
KINDS = (
    "count",
    "natural",
    "sequence_length",
    "scale",
    "positive",
    "fraction",
    "confinement",
    "text",
)
DATASET_SYMBOLS = {
    "frames": "T",
    "measurement_noise": "σ",
    "process_noise": "μ",
    "particles": "N",
    "density": "ρ",
}


class StudyError(ValueError):
    """A study that makes no sense although each of its values does; starts with the path of its key."""


@dataclass(frozen=True)
class Method:
    """A declared method, with the sections that it shares with others.

    options, training_options and data_options hold the defaults; REQUIRED stands for none.
    """

    name: str
    script: str
    options: Mapping[str, Any]
    training_script: str | None
    training_options: Mapping[str, Any]
    data_options: Mapping[str, Any]
    values: Mapping[str, Any]
    known: Mapping[str, str]
    limits: tuple[str, ...]
    file_name: str
    label: str
    symbols: Mapping[str, str]
    role: str | None
    style: Mapping[str, Any]
    needs: tuple[str, ...]
    counting: Mapping[str, Any] | None
    calibration: str | None
    # Whether its script takes --margin F and writes there how sure it is of each link.
    margins: bool
    seconds: float

    @property
    def is_trained(self) -> bool:
        """Whether it tracks with a model."""
        return self.training_script is not None

    @property
    def word(self) -> str:
        """What texts call it: its label up to the subscript or the options that tell its curves apart."""
        return re.split(r"_?\{", self.label)[0] or self.name

    @property
    def defaults(self) -> dict[str, Any]:
        """The defaults of all options, in the order of their sections."""
        return {**self.data_options, **self.training_options, **self.options}

    def settings(self, tracker: Mapping[str, Any]) -> dict[str, Any]:
        """Return one combination of a study's tracker with the defaults of what it leaves out."""
        chosen = {key: value for key, value in tracker.items() if key not in ("method", *OF_THE_CURVE)}
        return {**self.defaults, **chosen}

    def resolved(self, settings: Mapping[str, Any], scene: Mapping[str, Any]) -> dict[str, Any]:
        """Return settings with the test dataset's value where it is known."""
        return {
            key: scene[self.known.get(key, key)] if value == KNOWN else value
            for key, value in settings.items()
        }

    def problem(self, settings: Mapping[str, Any], scene: Mapping[str, Any]) -> str | None:
        """Return what its script would refuse of resolved settings on a scene, if anything."""
        for limit in self.limits:
            module, _, function = limit.rpartition(".")
            try:
                message = getattr(import_module(module), function)(settings, scene)
            except (ImportError, AttributeError):
                return f"methods.{self.name}.limits: there is no function {limit}"
            except (ArithmeticError, LookupError, TypeError, ValueError) as error:
                return f"methods.{self.name}.limits: {limit} is not for the method's options: {error!r}"
            if message:
                return message
        return None

    def as_named(self, settings: Mapping[str, Any], resolved: Mapping[str, Any]) -> dict[str, Any]:
        """Return settings as a name says them: resolved where its template has a place for them."""
        told = set(placeholders(self.file_name))
        return {key: (resolved if key in told else settings)[key] for key in settings}

    def named(self, settings: Mapping[str, Any], **more: object) -> str:
        """Return the name template filled in, and after it each setting that is not its default."""
        told = set(placeholders(self.file_name))
        name = self.file_name.format(**settings, **more)
        return name + differences(settings, {key: v for key, v in self.options.items() if key not in told})


def methods(config: dict) -> dict[str, Method]:
    """Return the methods that a config declares, by name; one set to null is not there."""
    return {
        name: _method(config, name, declared)
        for name, declared in config["methods"].items()
        if declared is not None
    }


def _method(config: dict, name: str, declared: dict) -> Method:
    training = declared.get("training")
    data = config[SHARED_DATA] if training else {}
    shared = {**config[SHARED_TRAINING], "replicates": config["replicates"]} if training else {}
    options = declared.get("options", {})
    own = {**shared, **training.get("options", {})} if training else {}
    return Method(
        name=name,
        script=declared["script"],
        options=options,
        training_script=training["script"] if training else None,
        training_options=own,
        data_options=data,
        values=declared.get("values", {}),
        known=declared.get("known", {}),
        limits=tuple(declared.get("limits", ())),
        file_name=declared.get("name", name),
        label=declared.get("label", name),
        symbols={**config["symbols"], **declared.get("symbols", {})},
        role=declared.get("role"),
        style=declared.get("style", {}),
        needs=tuple(declared.get("needs", ())),
        counting=declared.get("counting"),
        calibration=declared.get("calibration"),
        margins=declared.get("margins", False),
        seconds=declared.get("seconds", 3600),
    )


def combinations(settings: Mapping[str, Any]) -> Iterator[dict]:
    """Yield one dictionary per combination of the values that lists stand for."""
    values = (value if isinstance(value, list) else [value] for value in settings.values())
    for combination in product(*values):
        yield dict(zip(settings, combination, strict=True))


def placeholders(template: str) -> list[str]:
    """Return the names of the options that a template has a place for."""
    return [field for _, field, _, _ in Formatter().parse(template) if field]


def differences(settings: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    """Return what sets a name apart: each setting that is not the default."""
    return "".join(
        f"_{key}-{settings[key]}"
        for key, default in defaults.items()
        if key in settings and settings[key] != default
    )
