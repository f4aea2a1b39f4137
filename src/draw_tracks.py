"""Draw one experiment as its trackers see it: truth, detections, tracks and swaps, still or moving.

A row of panels per dataset, a panel per tracker. The experiment is the one that is named, or the hardest: the
one in which the named tracker swaps most often on the last dataset (of several, the first). Datasets of one
seed have the same motion in an experiment, so that the rows differ only in what was measured.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import pictures
from command_line import (
    ArgumentParser,
    InputError,
    existing_file,
    non_negative_int,
    output_file,
    positive_float,
    positive_int,
    run,
)
from mpt.drawing.style import Styles
from mpt.drawing.tracks import Scene, Track, animate_tracks, draw_tracks
from mpt.matching import match
from mpt.scoring.links import swaps
from mpt.tables.dataset import MEASUREMENTS, TRUTH, check_same_dataset, read_measurements, read_truth
from mpt.tables.tracks import TRACKS, read_tracks
from named_trackers import add_tracker_flag, named_tracker

# Of a GIF; more make it larger without being seen.
COLOURS = 128


def main() -> None:
    """Read the flags, draw, write each picture."""
    parser = ArgumentParser(description=__doc__)
    add = parser.add_argument
    several: dict[str, Any] = {"type": existing_file, "nargs": "+", "required": True, "metavar": "F"}
    add("--truth", **several, help="truth.parquet of each dataset")
    add("--measurements", **several, help="measurements.parquet of each dataset")
    add("--scene-title", nargs="+", required=True, metavar="TEXT", help="what to call each dataset")
    add_tracker_flag(parser, "a tracker's label, its method (a key of --styles), its tracks on each dataset")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--experiment", type=non_negative_int, metavar="n", help="the experiment to draw")
    which.add_argument(
        "--hardest-for", metavar="LABEL", help="draw the experiment in which this tracker swaps most often"
    )
    add(
        "--frames",
        type=non_negative_int,
        nargs=2,
        metavar=("FIRST", "LAST"),
        help="frames to show (default: all); swaps are counted in these",
    )
    add("--animation", type=output_file, metavar="F", help="a moving picture to write, .gif or .webp")
    add(
        "--animation-dots-per-inch",
        type=positive_int,
        metavar="n",
        help="resolution of the moving picture (default: that of a PNG)",
    )
    add("--frames-per-second", type=positive_float, default=10, help="of the moving picture (default: 10)")
    add("--trail", type=positive_int, default=15, help="frames that the moving picture shows at a time")
    pictures.add_flags(parser)
    arguments = parser.parse_args()
    pictures.check_suffixes(arguments.output)
    if arguments.animation is not None:
        pictures.check_suffixes([arguments.animation], (".gif", ".webp"))

    datasets = len(arguments.truth)
    needed = f"a label, a method and {datasets} tables of tracks"
    trackers = [named_tracker(words, needed, datasets, datasets) for words in arguments.tracker]
    scenes = read_scenes_of(
        arguments.truth,
        arguments.measurements,
        arguments.scene_title,
        trackers,
        experiment=arguments.experiment,
        hardest_for=arguments.hardest_for,
        frames=arguments.frames,
    )
    styles = Styles(arguments.styles)
    pictures.save(draw_tracks(scenes, arguments.title, styles), arguments.output, arguments.dots_per_inch)
    if arguments.animation is not None:
        resolution = arguments.animation_dots_per_inch or arguments.dots_per_inch
        moving = animate_tracks(scenes, arguments.title, styles, arguments.trail, resolution)
        save_animation(moving, arguments.animation, arguments.frames_per_second)


def read_scenes_of(
    truths: Sequence[Path],
    measurements: Sequence[Path],
    titles: Sequence[str],
    trackers: Sequence[tuple[str, str, Sequence[Path]]],
    *,
    experiment: int | None = None,
    hardest_for: str | None = None,
    frames: Sequence[int] | None = None,
) -> list[Scene]:
    """Return a scene per dataset; trackers are (label, method, tracks on each dataset).

    Raises InputError if files are not of the dataset beside them, or if the experiment, the label or the
    frames do not exist.
    """
    if not len(truths) == len(measurements) == len(titles):
        raise InputError("--truth, --measurements and --scene-title: each needs one per dataset")
    for number, (of_truth, of_measurements) in enumerate(zip(truths, measurements, strict=True)):
        of_tracks = {paths[number]: TRACKS for _, _, paths in trackers}
        check_same_dataset({of_truth: TRUTH, of_measurements: MEASUREMENTS} | of_tracks)
    if hardest_for is not None:
        paths = {label: paths for label, _, paths in trackers}
        if hardest_for not in paths:
            raise InputError(f"--hardest-for: no tracker is labelled {hardest_for!r}, but {', '.join(paths)}")
        experiment = hardest(truths[-1], paths[hardest_for][-1])
    scenes = []
    for number, title in enumerate(titles):
        truth = _of_experiment(truths[number], _positions(read_truth(truths[number])), experiment)
        measured = _of_experiment(measurements[number], read_measurements(measurements[number]), experiment)
        first, last = frames or (0, len(truth) - 1)
        if not first < last < len(truth):
            raise InputError(
                f"--frames {first} {last}: {truths[number]} has frames 0 to {len(truth) - 1}, "
                "and a picture needs two of them"
            )
        shown = slice(first, last + 1)
        tracks = [
            Track(
                label,
                method,
                _of_experiment(paths[number], _positions(read_tracks(paths[number])), experiment)[shown],
            )
            for label, method, paths in trackers
        ]
        scenes.append(Scene(title, truth[shown], measured[shown], tracks, first))
    if len({len(scene.truth) for scene in scenes}) > 1:
        raise InputError("--truth: the datasets differ in their numbers of frames; name some with --frames")
    return scenes


def hardest(truth: Path, tracks: Path) -> int:
    """Return the number of the experiment in which the tracks swap most often, of several the first."""
    most, found = -1, None
    for true, tracked in zip(read_truth(truth), read_tracks(tracks), strict=True):
        counts = swaps(match(tracked.positions, true.positions))
        if counts.max() > most:
            most, found = counts.max(), int(true.experiments[counts.argmax()])
    assert found is not None
    return found


def save_animation(moving: Iterable[np.ndarray], path: Path, frames_per_second: float) -> None:
    """Write pictures (height, width, 3) uint8 as a GIF or WebP that repeats without end."""
    images = [Image.fromarray(picture) for picture in moving]
    duration = round(1000 / frames_per_second)
    part = path.with_name(f".{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        if path.suffix == ".gif":
            # One palette, that of the last and fullest picture: only pixels that change are stored again.
            palette = images[-1].quantize(COLOURS, dither=Image.Dither.NONE)
            images = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
            options: dict[str, Any] = {"optimize": True}
        else:
            options = {"lossless": True, "method": 4}
        images[0].save(
            part,
            path.suffix[1:],
            save_all=True,
            append_images=images[1:],
            duration=duration,
            loop=0,
            **options,
        )
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _positions(blocks: Iterable) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    return ((block.experiments, block.positions) for block in blocks)


def _of_experiment(path: Path, blocks: Iterable, experiment: int | None) -> np.ndarray:
    """Return an experiment's positions (T, N, 2); a block is experiments (B,), positions (B, T, N, 2)."""
    for experiments, positions in blocks:
        if experiment in experiments:
            return positions[int(np.argmax(experiments == experiment))]
    raise InputError(f"{path}: has no experiment {experiment}")


if __name__ == "__main__":
    run(main)
