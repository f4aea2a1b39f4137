"""The XML of the ISBI particle tracking challenge (Chenouard et al. 2014): <particle>s of <detection>s."""

import os
import xml.etree.ElementTree as ET
from collections.abc import Mapping

import numpy as np

from mpt.errors import InputError
from mpt.recordings.elements import read_root, write_root
from mpt.recordings.links import Links
from mpt.recordings.movie import Movie

CONTENT = "TrackContestISBI2012"


def read(path: str | os.PathLike, columns: Mapping[str, str], truth: bool | None) -> Movie:
    """Read a movie whose particles are its truth unless `truth` is false.

    Raises InputError, naming the line and the element.
    """
    if columns:
        raise InputError(f"{path}: XML has no columns to name")
    content = read_root(path, "root").only(CONTENT)
    frame, position, particle, depth = [], [], [], set()
    for number, element in enumerate(content.all("particle")):
        for detection in element.all("detection"):
            frame.append(detection.integer("t"))
            position.append((detection.number("x"), detection.number("y")))
            particle.append(number)
            depth.add(detection.number("z", default=0.0))
            if len(depth) > 1:
                raise detection.error("attribute 'z' varies: only positions in a plane can be tracked")
    if not frame:
        raise InputError(f"{path}: has no <detection> of a <particle>")
    return Movie(
        np.array(frame, np.int64),
        np.array(position),
        np.array(particle, np.int64) if truth is not False else None,
    )


def write(path: str | os.PathLike, links: Links) -> None:
    """Write tracks; a detection has an attribute `margin` where its link's is known."""
    root = ET.Element("root")
    content = ET.SubElement(root, CONTENT)
    for _, points in links.by(links.particle):
        element = ET.SubElement(content, "particle")
        for i in points:
            x, y = map(float, links.position[i])
            point = {"t": str(links.frame[i]), "x": repr(x), "y": repr(y), "z": "0"}
            if links.margin is not None and np.isfinite(links.margin[i]):
                point["margin"] = repr(float(links.margin[i]))
            ET.SubElement(element, "detection", point)
    write_root(path, root)
