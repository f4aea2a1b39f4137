"""What a config may be: every refusal is a line that starts with the path of the key to change."""

import difflib
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from mpt.numerals import is_number
from planning.choices import trial_configs
from planning.config_files import SafeLoader
from planning.ledger import check_statements
from planning.methods import (
    KINDS,
    REQUIRED,
    SHARED_DATA,
    SHARED_TRAINING,
    Method,
    StudyError,
    methods,
    placeholders,
)
from planning.pictures import closeness, movies, sequences, together
from planning.recordings import NOISES
from planning.scaling import scaling
from planning.statements import title
from planning.studies import dataset_entries, plan

# Letters of a line about a config.
LONGEST_LINE = 500

# Of jobs that are planned before the first one runs, an estimate can be no part.
ESTIMATE = "'estimate' is not a number; src/estimate_noise.py estimates one to write here"


def canonical(value):
    """Return the value with 7.0 as 7 and 0.30000000000000004 as 0.3: one number, one name, one job."""
    if isinstance(value, dict):
        return {key: canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [canonical(item) for item in value]
    if isinstance(value, float) and math.isfinite(value):
        value = float(f"{value:.12g}")
        return int(value) if value.is_integer() else value
    return value


def ordered(config: dict, reference: dict) -> dict:
    """Return the config with its keys in the order of another, then those that only it has.

    An overlay that says again what the other says then changes nothing, not even an order.
    """
    if not isinstance(config, dict) or not isinstance(reference, dict):
        return config
    known = {key: ordered(config[key], value) for key, value in reference.items() if key in config}
    return known | {key: value for key, value in config.items() if key not in known}


def problems(config: dict, schema_path: str | Path) -> list[str]:
    """Return what is wrong with a config, a line each; none if the workflow can run it."""
    schema = yaml.load(Path(schema_path).read_text(encoding="utf-8"), SafeLoader)
    found = _problems(config, schema) or [*_repeated_box(config), *_problems_of_choices(config, schema)]
    # A key or a text of the config may be of any length.
    return [line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}…" for line in found]


def _problems(config: dict, schema: dict) -> list[str]:
    found = list(_mismatches(config, schema, ""))
    found = found or list(_mismatches_of_methods(config))
    found = found or [
        *_repeated_lengths(config),
        *_mismatches_of_combinations(config, schema),
        *_mismatches_of_movies(config, schema),
        *_mismatches_of_claims(config, schema),
    ]
    if not found:
        try:
            jobs = plan(config)
            check_statements(config, jobs)
            for study in jobs.curves:
                title(config, jobs, study)
            together(config, jobs)
            sequences(config, jobs)
            closeness(config, jobs)
            movies(config, jobs)
            scaling(config, jobs)
        except StudyError as error:
            found = [str(error)]
    return found


def _repeated_lengths(config: dict) -> Iterator[str]:
    lengths = [row["frames"] for row in config["test_experiments"]]
    for frames in sorted({frames for frames in lengths if lengths.count(frames) > 1}):
        yield f"test_experiments: it names {frames} frames {_times(lengths.count(frames))}; once is enough"


def _repeated_box(config: dict) -> Iterator[str]:
    # A reading that confines particles leaves alone those whose density says their box.
    settings = config["simulation"]
    if settings["density"] is not None and settings["confinement"] is not None:
        yield "simulation.confinement: the density says it; set one of the two"


def _times(count: int) -> str:
    return "twice" if count == 2 else f"{count} times"


def _mismatches_of_methods(config: dict) -> Iterator[str]:
    """Check that a method's declaration agrees with itself and that each study's trackers name one."""
    for name, method in methods(config).items():
        path = f"methods.{name}"
        for key, kinds in method.values.items():
            if key not in method.defaults:
                yield f"{path}.values.{key}: the method has no option {key}"
            for kind in kinds if isinstance(kinds, list) else [kinds]:
                if not isinstance(kinds, list) and kind not in KINDS:
                    yield f"{path}.values.{key}: {kind!r} is none of {', '.join(KINDS)}, nor a list of words"
        for key in method.known:
            if key not in method.defaults:
                yield f"{path}.known.{key}: the method has no option {key}"
        for template, text in (("name", method.file_name), ("label", method.label)):
            places = {*method.defaults, "training_set"} if method.is_trained else {*method.defaults}
            try:
                unknown = set(placeholders(text)) - places
            except ValueError as error:
                yield f"{path}.{template}: {text!r} is no template: {error}"
                continue
            for key in sorted(unknown):
                yield f"{path}.{template}: {{{key}}} is none of the method's options"
    declared = [name for name, method in config["methods"].items() if method is not None]
    for section, parts in (
        ("studies", config["studies"]),
        ("figures.recordings", config["figures"]["recordings"]),
    ):
        for part, settings in parts.items():
            for index, tracker in enumerate(settings["trackers"] if settings else ()):
                if tracker["method"] not in declared:
                    yield (
                        f"{section}.{part}.trackers[{index}].method: {tracker['method']!r} is none of the "
                        f"methods{_nearest(tracker['method'], declared)}; there are {', '.join(declared)}"
                    )


def _problems_of_choices(config: dict, schema: dict) -> Iterator[str]:
    """Check each value of the study of readings where it is set, as far as something is wrong."""
    try:
        for path, trial in trial_configs(config):
            if found := _problems(trial, schema):
                yield from (f"{path}: {line}" for line in found)
                return
    except StudyError as error:
        yield str(error)


def _mismatches(value, schema: dict, path: str) -> Iterator[str]:
    errors = Draft202012Validator(schema).iter_errors(value)
    for error in sorted(errors, key=lambda error: list(map(str, error.absolute_path))):
        yield f"{_join(path, error.absolute_path)}: {_message(error)}{_misnamed(value, error)}"
    yield from (f"{place}: {number} is not a finite number" for place, number in _not_finite(value, path))


def _mismatches_of_combinations(config: dict, schema: dict) -> Iterator[str]:
    """Check each dataset and tracker with the defaults of its section in place."""
    lines: dict[str, None] = {}
    declared = methods(config)
    for name, study in config["studies"].items():
        if study is None:
            continue
        for where, datasets in dataset_entries(study).items():
            for dataset in _covering(datasets):
                settings = config["simulation"] | dataset
                found = _mismatches(settings, _definition(schema, "dataset"), f"studies.{name}.{where}")
                lines |= dict.fromkeys(found)
        for index, entry in enumerate(study["trackers"]):
            found = _mismatches_of_tracker(
                declared[entry["method"]], entry, schema, f"studies.{name}.trackers[{index}]"
            )
            lines |= dict.fromkeys(found)
    yield from lines


def _mismatches_of_movies(config: dict, schema: dict) -> Iterator[str]:
    """Check each tracker of a picture of a recording with the defaults of its method in place."""
    declared = methods(config)
    for name, picture in config["figures"]["recordings"].items():
        for index, entry in enumerate(picture["trackers"] if picture else ()):
            path = f"figures.recordings.{name}.trackers[{index}]"
            estimated = [f"{path}.{key}: {ESTIMATE}" for key in NOISES if entry.get(key) == "estimate"]
            yield from estimated or dict.fromkeys(
                _mismatches_of_tracker(declared[entry["method"]], entry, schema, path)
            )


def _mismatches_of_tracker(method: Method, entry: dict, schema: dict, path: str) -> Iterator[str]:
    options = _options_schema(method, schema)
    for tracker in _covering(entry):
        settings = {key: value for key, value in method.settings(tracker).items() if value != REQUIRED}
        yield from _mismatches(settings, options, path)


def _options_schema(method: Method, schema: dict) -> dict:
    """Return the schema of a tracker's options: the kinds that the sections and the method declare."""
    kinds: dict[str, Any] = dict.fromkeys(method.defaults, True)
    for section in (SHARED_DATA, SHARED_TRAINING) if method.is_trained else ():
        kinds |= schema["$defs"][section]["properties"]
    if method.is_trained:
        kinds["replicates"] = schema["properties"]["replicates"]
    kinds |= {key: _kind(kinds) for key, kinds in method.values.items()}
    return {
        "$defs": schema["$defs"],
        "type": "object",
        "additionalProperties": False,
        "required": [key for key, default in method.defaults.items() if default == REQUIRED],
        "properties": {
            key: {"anyOf": [{"type": ["number", "boolean", "null"]}, {"$ref": "#/$defs/text"}]}
            if kind is True
            else kind
            for key, kind in kinds.items()
        },
    }


def _kind(declared: str | list[str]) -> dict:
    """Return the schema of a declared kind of value: a number, some words, or either."""
    names = [declared] if isinstance(declared, str) else declared
    words = [name for name in names if name not in KINDS]
    numbers = [{"$ref": f"#/$defs/{name}"} for name in names if name in KINDS]
    of_words = {"const": words[0]} if len(words) == 1 and numbers else {"enum": words}
    if not numbers:
        return of_words
    of_numbers = numbers[0] if len(numbers) == 1 else {"anyOf": numbers}
    return {"if": {"type": "string"}, "then": of_words, "else": of_numbers} if words else of_numbers


def _covering(settings: dict) -> Iterator[dict]:
    """Yield combinations in which each value occurs: keys are checked one by one, not together."""
    values = [value if isinstance(value, list) else [value] for value in settings.values()]
    for index in range(max(map(len, values))):
        yield dict(zip(settings, (each[index % len(each)] for each in values), strict=True))


def _mismatches_of_claims(config: dict, schema: dict) -> Iterator[str]:
    """Check each claim by its test."""
    for name, claim in config["claims"].items():
        if claim is not None:
            yield from _mismatches(claim, _definition(schema, f"{claim['test']}_claim"), f"claims.{name}")


def _definition(schema: dict, name: str) -> dict:
    return {"$defs": schema["$defs"], "$ref": f"#/$defs/{name}"}


def _join(path: str, keys) -> str:
    for key in keys:
        name = key if str(key).isprintable() else repr(key)
        path += f"[{key}]" if isinstance(key, int) else f".{name}" if path else str(name)
    return path or "the config"


def _nearest(word: object, words: Iterable[object]) -> str:
    """Return in words which of these a mistyped word may have been meant to be."""
    close = difflib.get_close_matches(str(word), list(map(str, words)), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _misnamed(config: dict, error) -> str:
    """Return in words which name of its section may be meant by one that lacks what it must say."""
    if error.validator != "required" or len(error.absolute_path) != 2:
        return ""
    section, name = error.absolute_path
    names = config[section] if isinstance(config[section], dict) else ()
    return _nearest(name, [other for other in names if other != name])


def _message(error) -> str:
    message = error.message if len(error.message) < 200 else f"{error.message[:200]}…"
    if error.validator == "const":
        message = f"{error.instance!r} is not {error.validator_value!r}"
    if error.validator == "pattern":
        message = f"{error.instance!r} is not {error.schema['description']}"
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        allowed = error.schema.get("properties", {})
        unknown = [key for key in error.instance if key not in allowed]
        message = f"it has no key {', '.join(map(repr, unknown))}{_nearest(unknown[0], allowed)}"
    if isinstance(error.instance, str) and is_number(error.instance):
        message += " (YAML reads this as text; scientific notation needs a dot and a sign: 1.0e-3)"
    return message


def _not_finite(value, path: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, float) and not math.isfinite(value):
        yield path, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from _not_finite(item, _join(path, [key]))
