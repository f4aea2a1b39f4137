"""TrackMate's files: the CSV table of its spots, and its XML.

Its tracks are what its linker made of the spots, not a truth, and are read as one only when asked for.
"""

import os
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np

from mpt.errors import InputError
from mpt.recordings.columns import movie_from_columns
from mpt.recordings.elements import Element, read_root, write_root
from mpt.recordings.links import Links
from mpt.recordings.movie import Movie
from mpt.tables.foreign import ForeignTable

COLUMNS = {"frame": "FRAME", "x": "POSITION_X", "y": "POSITION_Y", "particle": "TRACK_ID"}
# After the names of the columns: their long names, their short names, their units.
EXTRA_HEADER_ROWS = 3
# The version whose reader the XML is written for.
VERSION = "7.11.1"
# TrackMate draws a circle of this radius about each spot, in the unit of the positions; nothing else uses it.
RADIUS = 2.5

_SPOT_FEATURES = {
    "QUALITY": ("Quality", "QUALITY", False),
    "POSITION_X": ("X", "POSITION", False),
    "POSITION_Y": ("Y", "POSITION", False),
    "POSITION_Z": ("Z", "POSITION", False),
    "POSITION_T": ("T", "TIME", False),
    "FRAME": ("Frame", "NONE", True),
    "RADIUS": ("Radius", "LENGTH", False),
    "VISIBILITY": ("Visibility", "NONE", True),
}
_EDGE_FEATURES = {
    "SPOT_SOURCE_ID": ("Source spot ID", "NONE", True),
    "SPOT_TARGET_ID": ("Target spot ID", "NONE", True),
    "EDGE_TIME": ("Edge time", "TIME", False),
}
_MARGIN_FEATURE = {"MARGIN": ("Margin", "NONE", False)}
_TRACK_FEATURES = {
    "TRACK_INDEX": ("Track index", "NONE", True),
    "TRACK_ID": ("Track ID", "NONE", True),
}


def read(path: str | os.PathLike, columns: Mapping[str, str], truth: bool | None) -> Movie:
    """Read a movie from a table of spots (.csv) or from TrackMate's XML.

    columns: names other than COLUMNS, in a table. truth: true to read the tracks as the truth. Raises
    InputError, naming the line.
    """
    if Path(path).suffix.lower() != ".csv":
        if columns:
            raise InputError(f"{path}: XML has no columns to name")
        return _read_xml(path, bool(truth))
    names = {**COLUMNS, **columns}
    table = ForeignTable(path)
    if not table.begins_with_number(names["frame"]):
        table = table.without(EXTRA_HEADER_ROWS)
    return movie_from_columns(table, names, bool(truth), "POSITION_Z", ("None", "nan", "NaN"))


def _read_xml(path: str | os.PathLike, truth: bool) -> Movie:
    """Read the spots that TrackMate's filters leave visible and, if asked for, the tracks it kept."""
    model = read_root(path, "TrackMate").only("Model")
    spots = [
        spot
        for frame in model.only("AllSpots").all("SpotsInFrame")
        for spot in frame.all("Spot")
        if spot.number("VISIBILITY", default=1.0)
    ]
    if not spots:
        raise InputError(f"{path}: has no visible <Spot>")
    depth = spots[0].number("POSITION_Z", default=0.0)
    for spot in spots:
        if spot.number("POSITION_Z", default=0.0) != depth:
            raise spot.error("attribute 'POSITION_Z' varies: only positions in a plane can be tracked")
    owner = _owners(model) if truth else {}
    return Movie(
        np.array([spot.integer("FRAME") for spot in spots], np.int64),
        np.array([(spot.number("POSITION_X"), spot.number("POSITION_Y")) for spot in spots]),
        np.array([owner.get(spot.integer("ID"), -1) for spot in spots], np.int64) if truth else None,
    )


def _owners(model: Element) -> dict[int, int]:
    """Return the track of each spot in a track that TrackMate's filters kept."""
    kept = {track.integer("TRACK_ID") for track in model.only("FilteredTracks").all("TrackID")}
    owner = {}
    for track in model.only("AllTracks").all("Track"):
        number = track.integer("TRACK_ID")
        if number in kept:
            for edge in track.all("Edge"):
                owner[edge.integer("SPOT_SOURCE_ID")] = number
                owner[edge.integer("SPOT_TARGET_ID")] = number
    return owner


def write(path: str | os.PathLike, links: Links) -> None:
    """Write the XML that TrackMate loads: spots, tracks and the settings its reader asks for.

    An edge has the feature MARGIN where it is known. Positions are pixels and times frames to TrackMate; the
    movie itself is not named, so that TrackMate shows an empty image.
    """
    root = ET.Element("TrackMate", version=VERSION)
    model = ET.SubElement(root, "Model", spatialunits="pixel", timeunits="frame")
    declared = ET.SubElement(model, "FeatureDeclarations")
    edge_features = _EDGE_FEATURES if links.margin is None else _EDGE_FEATURES | _MARGIN_FEATURE
    for name, features in (
        ("SpotFeatures", _SPOT_FEATURES),
        ("EdgeFeatures", edge_features),
        ("TrackFeatures", _TRACK_FEATURES),
    ):
        _declare(ET.SubElement(declared, name), features)
    _add_spots(model, links)
    _add_tracks(model, links)
    _add_settings(root, links)
    ET.SubElement(root, "GUIState", state="ConfigureViews")
    write_root(path, root)


def _declare(parent: ET.Element, features: Mapping[str, tuple[str, str, bool]]) -> None:
    for feature, (name, dimension, is_integer) in features.items():
        ET.SubElement(
            parent,
            "Feature",
            feature=feature,
            name=name,
            shortname=name,
            dimension=dimension,
            isint=str(is_integer).lower(),
        )


def _add_spots(model: ET.Element, links: Links) -> None:
    spots = ET.SubElement(model, "AllSpots", nspots=str(len(links.frame)))
    for frame, points in links.by(links.frame):
        of_frame = ET.SubElement(spots, "SpotsInFrame", frame=str(frame))
        for i in points:
            x, y = map(float, links.position[i])
            ET.SubElement(
                of_frame,
                "Spot",
                ID=str(i),
                name=f"ID{i}",
                QUALITY="1.0",
                POSITION_X=repr(x),
                POSITION_Y=repr(y),
                POSITION_Z="0.0",
                POSITION_T=repr(float(frame)),
                FRAME=str(frame),
                RADIUS=repr(RADIUS),
                VISIBILITY="1",
            )


def _add_tracks(model: ET.Element, links: Links) -> None:
    tracks = ET.SubElement(model, "AllTracks")
    kept = ET.SubElement(model, "FilteredTracks")
    for index, (particle, points) in enumerate(links.by(links.particle)):
        track = ET.SubElement(
            tracks, "Track", name=f"Track_{particle}", TRACK_ID=str(particle), TRACK_INDEX=str(index)
        )
        ET.SubElement(kept, "TrackID", TRACK_ID=str(particle))
        for source, target in pairwise(points):
            edge = {
                "SPOT_SOURCE_ID": str(source),
                "SPOT_TARGET_ID": str(target),
                "EDGE_TIME": repr(float(links.frame[source] + links.frame[target]) / 2),
            }
            if links.margin is not None and np.isfinite(links.margin[target]):
                edge["MARGIN"] = repr(float(links.margin[target]))
            ET.SubElement(track, "Edge", edge)


def _add_settings(root: ET.Element, links: Links) -> None:
    width, height = (int(np.ceil(max(0.0, side))) + 1 for side in links.position.max(axis=0))
    frames = int(links.frame.max()) + 1
    settings = ET.SubElement(root, "Settings")
    ET.SubElement(
        settings,
        "ImageData",
        filename="",
        folder="",
        width=str(width),
        height=str(height),
        nslices="1",
        nframes=str(frames),
        pixelwidth="1.0",
        pixelheight="1.0",
        voxeldepth="1.0",
        timeinterval="1.0",
    )
    ET.SubElement(
        settings,
        "BasicSettings",
        xstart="0",
        xend=str(width - 1),
        ystart="0",
        yend=str(height - 1),
        zstart="0",
        zend="0",
        tstart="0",
        tend=str(frames - 1),
    )
    ET.SubElement(settings, "DetectorSettings", DETECTOR_NAME="MANUAL_DETECTOR", RADIUS=repr(RADIUS))
    ET.SubElement(settings, "InitialSpotFilter", feature="QUALITY", value="0.0", isabove="true")
    ET.SubElement(settings, "SpotFilterCollection")
    ET.SubElement(settings, "TrackerSettings", TRACKER_NAME="MANUAL_TRACKER")
    ET.SubElement(settings, "TrackFilterCollection")
    analyzers = ET.SubElement(settings, "AnalyzerCollection")
    for kind in ("SpotAnalyzers", "EdgeAnalyzers", "TrackAnalyzers"):
        ET.SubElement(analyzers, kind)
