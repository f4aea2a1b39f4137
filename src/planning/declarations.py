"""Where scripts and recordings lie that a config declares: relative to the config file that names them."""

import os
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

# Keys of a method that hold paths of scripts.
SCRIPTS = (
    ("script",),
    ("training", "script"),
    ("counting", "script"),
    ("counting", "sources"),
    ("calibration",),
)


def located(config: dict, files: dict[Path, dict], project: Path) -> tuple[dict, list[str]]:
    """Return the config with paths of files relative to here, and a line for each that is not there.

    files: what each config file says, the later laid over the earlier. A path that is not beside the file
    that names it is looked for in the project, so that a config written with results can be used again.
    """
    config, missing = deepcopy(config), []
    for name, method in config["methods"].items():
        for keys in SCRIPTS:
            *parents, last = keys
            place = _at(method, parents)
            if not isinstance(place, dict) or last not in place:
                continue
            texts = place[last] if isinstance(place[last], list) else [place[last]]
            paths = [_path(text, ("methods", name, *keys), files, project) for text in texts]
            for text, path in zip(texts, paths, strict=True):
                if not path.is_file():
                    missing.append(f"methods.{name}.{'.'.join(keys)}: {text}: there is no file {path}")
            found = [os.path.relpath(path) for path in paths]
            place[last] = found if isinstance(place[last], list) else found[0]
    for name, recording in config["recordings"].items():
        if recording is not None:
            path = _path(recording["path"], ("recordings", name, "path"), files, project)
            if not path.is_file():
                missing.append(f"recordings.{name}.path: {recording['path']}: there is no file {path}")
            recording["path"] = os.path.relpath(path)
    return config, missing


def _path(text: str, keys: tuple[str, ...], files: dict[Path, dict], project: Path) -> Path:
    candidates = [directory / text for directory in (*_directories(text, keys, files), project)]
    return next((path for path in candidates if path.is_file()), candidates[0])


def _directories(text: str, keys: tuple[str, ...], files: dict[Path, dict]) -> Iterator[Path]:
    """Yield the directory of the last config file that says the text there, or else, of --config, this."""
    for path, content in reversed(files.items()):
        said = _at(content, keys)
        if said is not None:
            if said == text or (isinstance(said, list) and text in said):
                yield path.resolve().parent
                return
            break
    yield Path.cwd()


def _at(content: object, keys) -> object:
    for key in keys:
        content = content.get(key) if isinstance(content, dict) else None
    return content
