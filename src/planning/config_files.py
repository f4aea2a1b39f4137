"""Whether a file is a config at all, whatever its bytes: a look at it before Snakemake reads it.

Snakemake's reader answers some files with a traceback. What the values may be is another question:
configuration.py has the answer.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from yaml import SafeLoader
else:
    # libyaml reads ten times faster, where PyYAML was built with it.
    SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# Far from what a config needs, and from where a reader runs out of stack or time.
MOST_LEVELS = 50
MOST_VALUES = 100_000
# Keys that Snakemake acts on: one has Python in the file run, one gives placeholders in paths a meaning.
OF_SNAKEMAKE = ("__use_yte__", "pathvars")


class _Loader(SafeLoader):
    """Refuse by its line a key that stands twice, of which YAML keeps the last, and a value that is none."""

    def construct_mapping(self, node, deep=False):
        keys = set()
        for key_node, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            key = key_node.value
            if key_node.tag != "tag:yaml.org,2002:merge" and isinstance(key, str):
                if key in keys:
                    raise _error(key_node, f"the key {key} stands twice")
                keys.add(key)
        return super().construct_mapping(node, deep)

    def construct_object(self, node, deep=False):
        try:
            value = super().construct_object(node, deep)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            # What int(), date() and the like raise.
            kind = node.tag.rpartition(":")[2]
            raise _error(node, f"not a valid {kind}: {node.value}") from None
        if isinstance(value, int) and abs(value) > sys.float_info.max:
            raise _error(node, f"too large a number: {node.value}")
        return value


def _error(at: yaml.Node | yaml.Event, problem: str) -> yaml.MarkedYAMLError:
    # PyYAML's or libyaml's, which serve alike.
    mark: Any = at.start_mark
    return yaml.constructor.ConstructorError(problem=problem, problem_mark=mark)


def read(path: str | Path) -> dict:
    """Return what a config file says that is not unreadable."""
    return yaml.load(Path(path).read_bytes().decode(), _Loader)


def unreadable(path: str | Path) -> list[str]:
    """Return a line that says what keeps the file from being a config, and where; none if nothing does."""
    return [f"{path}: {line}" for line in _problems(Path(path))]


def _problems(path: Path) -> Iterator[str]:
    try:
        text = path.read_bytes().decode()
        _look_at_shape(text)
        config = yaml.load(text, _Loader)
    except OSError as error:
        yield str(error.strerror)
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        yield f"line {line}: the byte {error.object[error.start]:#04x} is not UTF-8"
    except yaml.reader.ReaderError:
        # The error tells a place in bytes or in characters, as the reader is libyaml's or not.
        character = yaml.reader.Reader.NON_PRINTABLE.search(text)
        assert character is not None
        line = text.count("\n", 0, character.start()) + 1
        yield f"line {line}: YAML has no character {character[0]!r}"
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        assert mark is not None
        problem = _printable(", ".join(filter(None, (error.context, error.problem))))
        yield f"line {mark.line + 1}: {problem}"
    else:
        if not isinstance(config, dict):
            yield "it has no keys"
        else:
            yield from (f"the key {key} is for Snakemake" for key in OF_SNAKEMAKE if key in config)


def _look_at_shape(text: str) -> None:
    """Raise an error where the readers, which follow levels and aliases, would not come back."""
    sizes: dict[str | None, int] = {}
    opened: list[list[Any]] = [[None, 0]]
    for event in yaml.parse(text, SafeLoader):
        size = 0
        if isinstance(event, yaml.CollectionStartEvent):
            opened.append([event.anchor, 1])
            if len(opened) > MOST_LEVELS:
                raise _error(event, f"more than {MOST_LEVELS} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, size = opened.pop()
            sizes[anchor] = size
        elif isinstance(event, yaml.ScalarEvent):
            size = sizes[event.anchor] = 1
        elif isinstance(event, yaml.AliasEvent):
            if any(event.anchor == anchor for anchor, _ in opened):
                raise _error(event, f"the alias {event.anchor} stands in what it is an alias of")
            size = sizes.get(event.anchor, 1)
        opened[-1][1] += size
        if opened[-1][1] > MOST_VALUES:
            raise _error(event, f"more than {MOST_VALUES:,} values, aliases counted wherever they stand")


def _printable(text: str) -> str:
    text = text if len(text) < 200 else f"{text[:200]}…"
    return text if text.isprintable() else text.encode("unicode_escape").decode()
