"""XML of other programs: read with line numbers and without trust, written whole or not at all."""

import os
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

import numpy as np

from mpt.errors import InputError
from mpt.tables.foreign import LARGEST_INTEGER, write_whole


@dataclass(slots=True)
class Element:
    """An element of the file at `path`; its text isn't kept, since no format here says anything in it."""

    path: Path
    name: str
    attributes: dict[str, str]
    line: int
    children: list["Element"] = field(default_factory=list)

    def all(self, name: str) -> Iterator["Element"]:
        """Yield the children of that name."""
        return (child for child in self.children if child.name == name)

    def only(self, name: str) -> "Element":
        """Return the one child of that name; raises InputError if there is none."""
        child = next(self.all(name), None)
        if child is None:
            raise self.error(f"has no element <{name}>")
        return child

    def number(self, name: str, default: float | None = None) -> float:
        """Return an attribute that is a finite number; raises InputError if it is not."""
        text = self.attributes.get(name)
        if text is None and default is not None:
            return default
        try:
            value = float(text if text is not None else "")
        except ValueError:
            value = np.nan
        if not np.isfinite(value):
            found = "is missing" if text is None else f"is {text[:40]!r}, not a finite number"
            raise self.error(f"attribute {name!r} {found}")
        return value

    def integer(self, name: str) -> int:
        """Return an attribute that is an integer, perhaps written as 7.0; raises InputError if it isn't."""
        value = self.number(name)
        if value != round(value) or abs(value) > LARGEST_INTEGER:
            raise self.error(f"attribute {name!r} is {self.attributes[name][:40]!r}, not an integer")
        return int(value)

    def error(self, fault: str) -> InputError:
        """Return the error that this element has a fault."""
        return InputError(f"{self.path}: line {self.line}: <{self.name}>: {fault}")


def read_root(path: str | os.PathLike, name: str) -> Element:
    """Return the root element of an XML file.

    Raises InputError if the file isn't well-formed, if its root is not of that name, or if it declares a
    document type: none of the formats has one, and an entity defined there could grow without bound or name
    another file.
    """
    path = Path(path)
    parser = expat.ParserCreate()
    stack: list[Element] = []
    roots: list[Element] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        element = Element(path, tag, attributes, parser.CurrentLineNumber)
        (stack[-1].children if stack else roots).append(element)
        stack.append(element)

    def end(tag: str) -> None:
        stack.pop()

    def refuse(*declaration) -> None:
        raise InputError(
            f"{path}: line {parser.CurrentLineNumber}: declares a document type, which is refused"
        )

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.StartDoctypeDeclHandler = refuse
    try:
        with open(path, "rb") as file:
            parser.ParseFile(file)
    except expat.ExpatError as error:
        reason = expat.errors.messages[error.code]
        raise InputError(f"{path}: line {error.lineno}: not well-formed XML: {reason}") from error
    except (ValueError, LookupError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: not XML: {error}") from error
    root = roots[0]
    if root.name != name:
        raise InputError(f"{path}: line {root.line}: its root is <{root.name}>, not <{name}>")
    return root


def write_root(path: str | os.PathLike, root: ET.Element) -> None:
    """Write an XML file, indented, whole or not at all."""
    tree = ET.ElementTree(root)
    ET.indent(tree)
    write_whole(path, lambda part: tree.write(part, encoding="utf-8", xml_declaration=True))
