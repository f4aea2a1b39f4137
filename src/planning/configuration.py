"""What a config may be: every refusal is a line that starts with the path of the key to change."""

import math
from collections.abc import Iterator
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator

from planning.choices import trial_configs
from planning.config_files import SafeLoader
from planning.ledger import ledger
from planning.studies import StudyError, plan, tracker_settings


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


def problems(config: dict, schema_path: str | Path) -> list[str]:
    """Return what is wrong with a config, a line each; none if the workflow can run it."""
    schema = yaml.load(Path(schema_path).read_text(encoding="utf-8"), SafeLoader)
    return _problems(config, schema) or list(_problems_of_choices(config, schema))


def _problems(config: dict, schema: dict) -> list[str]:
    found = list(_mismatches(config, schema, ""))
    found = found or [*_mismatches_of_combinations(config, schema), *_mismatches_of_claims(config, schema)]
    if not found:
        try:
            ledger(config, plan(config))
        except StudyError as error:
            found = [str(error)]
    return found


def _problems_of_choices(config: dict, schema: dict) -> Iterator[str]:
    """Check each value of the sensitivity study where it is set, as far as something is wrong."""
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
        yield f"{_join(path, error.absolute_path)}: {_message(error)}"
    yield from (f"{place}: {number} is not a finite number" for place, number in _not_finite(value, path))


def _mismatches_of_combinations(config: dict, schema: dict) -> Iterator[str]:
    """Check each dataset and tracker with the defaults of its section in place."""
    lines = {}
    for name, study in config["studies"].items():
        if study is None:
            continue
        expanded = [
            (f"studies.{name}.datasets", "dataset", config["simulation"] | dataset)
            for dataset in _covering(study["datasets"])
        ]
        expanded += [
            (
                f"studies.{name}.trackers[{index}]",
                f"{entry['method']}_tracker",
                tracker_settings(config, tracker),
            )
            for index, entry in enumerate(study["trackers"])
            for tracker in _covering(entry)
        ]
        for path, kind, settings in expanded:
            lines |= dict.fromkeys(_mismatches(settings, _definition(schema, kind), path))
    yield from lines


def _covering(settings: dict) -> Iterator[dict]:
    """Yield combinations that have each value once or more: keys are checked by themselves, not together."""
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


def _message(error) -> str:
    message = error.message if len(error.message) < 200 else f"{error.message[:200]}…"
    if error.validator == "const":
        message = f"{error.instance!r} is not {error.validator_value!r}"
    if error.validator == "pattern":
        message = f"{error.instance!r} is not {error.schema['description']}"
    if isinstance(error.instance, str) and _is_number(error.instance):
        message += " (YAML reads this as text; scientific notation needs a dot and a sign: 1.0e-3)"
    return message


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _not_finite(value, path: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, float) and not math.isfinite(value):
        yield path, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from _not_finite(item, _join(path, [key]))
