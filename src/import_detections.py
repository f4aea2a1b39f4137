"""Import a movie's detections: make a dataset that the trackers take from a file of another program.

Writes initial.parquet and measurements.parquet into a directory, and truth.parquet if the file says whose
each detection is: truth of that kind says which detections belong together, and its positions are the
detections themselves. The starts are the first frame's detections, and the dataset says that they are
measured.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from command_line import (
    ArgumentParser,
    InputError,
    existing_file,
    int_at_least,
    non_negative_float,
    output_directory,
    positive_float,
    positive_int,
    refuse_overwriting,
    run,
)
from mpt.recordings.columns import ROLES
from mpt.recordings.formats import FORMATS
from mpt.recordings.movie import Movie, Recording, cut
from mpt.tables.dataset import DatasetWriter


def main() -> None:
    """Read the flags, import the file."""
    parser = ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--input", type=existing_file, required=True, metavar="F", help="file of detections")
    add(
        "--format",
        choices=FORMATS,
        required=True,
        help="trackpy: columns frame, x, y and perhaps particle, CSV or Parquet (suffix .parquet); "
        "trackmate: table of spots (suffix .csv) or XML; isbi: XML of the challenge; "
        "napari: columns track_id, t, y, x",
    )
    add(
        "--columns",
        nargs="+",
        action="extend",
        default=[],
        metavar="ROLE=NAME",
        help=f"a table's own names of the columns {', '.join(ROLES)}",
    )
    add(
        "--pixel-size",
        type=positive_float,
        default=1.0,
        metavar="p",
        help="length by which the file's positions are multiplied, default 1",
    )
    truth = parser.add_mutually_exclusive_group()
    truth.add_argument(
        "--truth",
        action="store_true",
        default=None,
        dest="truth",
        help="the file's particles are the truth: the default but for trackmate, whose tracks are estimates",
    )
    truth.add_argument(
        "--no-truth", action="store_false", default=None, dest="truth", help="leave the particles unread"
    )
    add(
        "--particles",
        type=positive_int,
        metavar="N",
        help="detections of a complete frame, default as many as most frames have",
    )
    add(
        "--split",
        nargs="?",
        type=int_at_least(2),
        const=0,
        metavar="T",
        help="cut the runs of complete frames into experiments of T frames and leave the rest out; "
        "without T, of as many frames as the longest run has. Default: the whole movie must be complete",
    )
    for name, flag, what in (
        ("process_noise", "--process-noise", "a particle's random step [length per frame]"),
        ("measurement_noise", "--measurement-noise", "a detection about its particle [length]"),
    ):
        add(
            flag,
            dest=name,
            type=non_negative_float,
            metavar="s",
            help=f"standard deviation of {what}, where it is known or estimated: scores need it",
        )
    add("--output", type=output_directory, required=True, metavar="DIR", help="directory for the tables")
    flags = parser.parse_args()
    refuse_overwriting(
        [flags.output / f"{table}.parquet" for table in ("truth", "initial", "measurements")], [flags.input]
    )
    recording = import_detections(
        flags.input,
        flags.format,
        flags.output,
        columns=_columns(flags.columns),
        pixel_size=flags.pixel_size,
        truth=flags.truth,
        particles=flags.particles,
        split=flags.split,
        noise={
            name: value
            for name in ("process_noise", "measurement_noise")
            if (value := getattr(flags, name)) is not None
        },
    )
    B, T, N, _ = recording.measurements.shape
    print(f"experiments: {B}, each of {T} frames and {N} particles")
    print(
        f"left out: {recording.left_out} of the movie's {recording.frames} frames "
        f"({recording.incomplete} are not complete)"
    )


def import_detections(
    path: Path,
    format: str,
    directory: Path,
    *,
    columns: Mapping[str, str] | None = None,
    pixel_size: float = 1.0,
    truth: bool | None = None,
    particles: int | None = None,
    split: int | None = None,
    noise: Mapping[str, float] | None = None,
) -> Recording:
    """Write the dataset of the file at `path` into a directory and return what it holds.

    columns: the table's own names of some of ROLES. pixel_size: length by which positions are multiplied.
    truth, particles, split: as in the formats' read() and in cut(). noise: process_noise and
    measurement_noise, standard deviations, where they are known. Raises InputError.
    """
    movie = FORMATS[format].read(path, columns or {}, truth)
    with np.errstate(over="ignore"):
        position = movie.position * pixel_size
    if not np.isfinite(position).all():
        raise InputError(f"{path}: positions overflow: the pixel size {pixel_size:g} is too large")
    recording = cut(Movie(movie.frame, position, movie.particle), str(path), particles, split)
    B, T, N, _ = recording.measurements.shape
    parameters = {
        "experiments": B,
        "frames": T,
        "particles": N,
        "start": "measured",
        "first_frames": recording.first_frame.tolist(),
        "pixel_size": pixel_size,
        "source": {"name": Path(path).name, "format": format, "sha256": _sha256(path)},
        **(noise or {}),
    }
    experiments = np.arange(B)
    with DatasetWriter(directory, parameters, with_truth=recording.detection is not None) as writer:
        if recording.detection is None:
            writer.write_without_truth(experiments, recording.measurements)
        else:
            writer.write(experiments, recording.positions, recording.measurements, recording.detection)
    return recording


def _columns(texts: list[str]) -> dict[str, str]:
    columns = {}
    for text in texts:
        role, equals, name = text.partition("=")
        if role not in ROLES or not equals or not name:
            raise InputError(f"argument --columns: {text!r} is not one of {', '.join(ROLES)}, then =NAME")
        if role in columns:
            raise InputError(f"argument --columns: {role} is given twice")
        columns[role] = name
    return columns


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    run(main)
