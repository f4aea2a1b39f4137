"""The formats by name: each a module with read(path, columns, truth) and write(path, links)."""

from mpt.recordings import isbi, napari, trackmate, trackpy

FORMATS = {"trackpy": trackpy, "trackmate": trackmate, "isbi": isbi, "napari": napari}
