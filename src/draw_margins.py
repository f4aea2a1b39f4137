"""Draw a dataset's first experiment as its trackers see it, without a truth: tracks and their margins."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

import pictures
from command_line import ArgumentParser, InputError, run
from mpt.drawing.margins import MarkedTracks, draw_margins
from mpt.drawing.style import Styles
from mpt.tables.dataset import dataset_parameters, read_measurements
from mpt.tables.margins import read_margins
from mpt.tables.tracks import read_tracks
from named_trackers import add_tracker_flag, named_tracker
from table_flags import add_tracked_measurements_flag


def main() -> None:
    """Read the flags, draw, write each picture."""
    parser = ArgumentParser(description=__doc__)
    add_tracked_measurements_flag(parser)
    add_tracker_flag(
        parser,
        "a tracker's label, its method (a key of --styles), its tracks, and its margins if it knows them",
        ("LABEL METHOD TRACKS", "MARGINS"),
    )
    pictures.add_flags(parser)
    arguments = parser.parse_args()
    pictures.check_suffixes(arguments.output)
    parameters = dataset_parameters(arguments.measurements)
    experiments, detections = next(iter(read_measurements(arguments.measurements)))
    trackers = [marked_tracks(words, parameters, int(experiments[0])) for words in arguments.tracker]
    first_frame = parameters.get("first_frames", [0])[0]
    figure = draw_margins(detections[0], trackers, first_frame, arguments.title, Styles(arguments.styles))
    pictures.save(figure, arguments.output, arguments.dots_per_inch)


def marked_tracks(words: Sequence[str], parameters: dict, experiment: int) -> MarkedTracks:
    """Return what the words of --tracker name, of a dataset's first experiment.

    parameters: of the dataset. Raises InputError for too few or too many words, for tables of another
    dataset, and for tables that begin with another experiment.
    """
    label, method, paths = named_tracker(words, "a label, a method, tracks and perhaps margins", most=2)
    tracks = next(read_tracks(paths[0], dataset=parameters))
    _check_first(paths[0], tracks.experiments, experiment)
    margin = None
    if len(paths) == 2:
        numbers, margins = next(read_margins(paths[1], paths[0]))
        _check_first(paths[1], numbers, experiment)
        margin = margins[0]
    return MarkedTracks(label, method, tracks.positions[0], margin)


def _check_first(path: Path, experiments: np.ndarray, experiment: int) -> None:
    if experiments[0] != experiment:
        raise InputError(f"{path}: begins with experiment {experiments[0]}, the dataset with {experiment}")


if __name__ == "__main__":
    run(main)
