"""Export tracks as a file of another program, in the movie's own frame numbers and unit of length.

A track of experiment e of N particles has the number N e + track. With --margins each link has its margin:
the tracker's cost of the best other choice, as twice the log likelihood ratio. It stands at the later point.
Other columns of the imported file, such as an intensity, do not come back: they can be joined by frame and
position.
"""

from pathlib import Path

import numpy as np

from command_line import (
    ArgumentParser,
    InputError,
    existing_file,
    non_negative_int,
    output_file,
    positive_float,
    run,
)
from mpt.recordings.formats import FORMATS
from mpt.recordings.links import Links, in_pixels
from mpt.tables.dataset import dataset_parameters, read_measurements
from mpt.tables.margins import read_margins
from mpt.tables.tracks import read_tracks
from table_flags import add_tracked_measurements_flag

POSITIONS = ("detections", "tracks")


def main() -> None:
    """Read the flags, export the tracks."""
    parser = ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--tracks", type=existing_file, required=True, metavar="F", help="tracks.parquet of a tracker")
    add_tracked_measurements_flag(parser)
    add("--margins", type=existing_file, metavar="F", help="margins.parquet that the tracker wrote beside")
    add(
        "--format",
        choices=FORMATS,
        required=True,
        help="trackpy: CSV or Parquet (suffix .parquet); trackmate, isbi: XML; napari: CSV",
    )
    add(
        "--positions",
        choices=POSITIONS,
        default=POSITIONS[0],
        help="whose positions to write: of the detections that a track links (default), or of the tracks, "
        "which is what a tracker estimated",
    )
    add(
        "--experiment",
        type=non_negative_int,
        metavar="n",
        help="export this experiment only; one is needed of a simulation of several, whose frames coincide",
    )
    add(
        "--pixel-size",
        type=positive_float,
        metavar="p",
        help="length by which positions are divided, default that of the import",
    )
    add("--output", type=output_file, required=True, metavar="F", help="file to write")
    export_tracks(**vars(parser.parse_args()))


def export_tracks(
    tracks: Path,
    measurements: Path,
    format: str,
    output: Path,
    *,
    margins: Path | None = None,
    positions: str = POSITIONS[0],
    experiment: int | None = None,
    pixel_size: float | None = None,
) -> None:
    """Write tracks.parquet of the dataset of `measurements` as another program's file; raises InputError."""
    parameters = dataset_parameters(measurements)
    first_frames = parameters.get("first_frames")
    if first_frames is None and parameters["experiments"] > 1 and experiment is None:
        raise InputError(
            f"{measurements}: its {parameters['experiments']} experiments have the same frames: "
            "choose one with --experiment"
        )
    first_frames = first_frames or [0] * parameters["experiments"]
    pixel_size = pixel_size or parameters.get("pixel_size", 1.0)
    margin_blocks = None if margins is None else read_margins(margins, tracks)
    parts, number = [], 0
    for (_, detections), block in zip(
        read_measurements(measurements), read_tracks(tracks, dataset=parameters), strict=True
    ):
        _, T, N, _ = block.positions.shape
        margin = None
        if margin_blocks is not None and margins is not None:
            margin = _margins_of(margin_blocks, block.experiments, margins)
        points = block.positions if positions == "tracks" else _linked(tracks, detections, block)
        for b, name in enumerate(block.experiments.tolist()):
            if experiment in (None, name):
                frame = np.arange(T) + first_frames[number]
                parts.append(
                    Links(
                        frame=np.tile(frame, N),
                        position=in_pixels(points[b].swapaxes(0, 1).reshape(T * N, 2), pixel_size),
                        particle=np.repeat(np.arange(N) + number * N, T),
                        margin=None if margin is None else margin[b].T.ravel(),
                    )
                )
            number += 1
    if not parts:
        raise InputError(f"{tracks}: has no experiment {experiment}")
    links = Links(
        frame=np.concatenate([part.frame for part in parts]),
        position=np.concatenate([part.position for part in parts]),
        particle=np.concatenate([part.particle for part in parts]),
        margin=None if margins is None else np.concatenate([part.margin for part in parts]),
    )
    FORMATS[format].write(output, links)


def _margins_of(blocks, experiments: np.ndarray, path: Path) -> np.ndarray:
    """Return the next block of margins (B, T, N), which must be of these experiments (B,)."""
    found, margin = next(blocks, (np.array([], np.int32), None))
    if not np.array_equal(found, experiments):
        raise InputError(
            f"{path}: experiment {np.setxor1d(found, experiments)[0]} is not in both it and the tracks"
        )
    assert margin is not None
    return margin


def _linked(path: Path, detections: np.ndarray, block) -> np.ndarray:
    """Return the positions (B, T, N, 2) of the tracks' detections; at frame 0, of their starts."""
    missing = np.argwhere(block.detection[:, 1:] < 0)
    if len(missing):
        b, frame, track = missing[0]
        raise InputError(
            f"{path}: experiment {block.experiments[b]}, frame {frame + 1}: track {track} has no detection: "
            "--positions tracks exports its own positions"
        )
    points = np.take_along_axis(detections, np.maximum(block.detection, 0)[..., None], axis=2)
    points[:, 0] = block.positions[:, 0]
    return points


if __name__ == "__main__":
    run(main)
