"""What a linker of detections makes of N tracks that start at known positions."""

import argparse
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np

from mpt.tables.dataset import dataset_parameters, read_scenes
from mpt.tables.tracks import TrackWriter


def track_by_flags(script: str, description: str, add_flags: Callable, linker: Callable) -> None:
    """Read a script's flags and link the dataset that they name.

    script: its file, whose stem is the tracker's name. add_flags: adds to an ArgumentParser what the tracker
    takes beside the flags of all. linker: makes of the parsed flags what track_dataset() links by.
    """
    flags = argparse.ArgumentParser(description=description, allow_abbrev=False)
    for name in ("measurements", "initial", "output"):
        flags.add_argument(f"--{name}", type=Path, required=True, metavar="F", help=f"{name}.parquet")
    add_flags(flags)
    values = flags.parse_args()
    track_dataset(values, Path(script).stem, linker(values))


def track_dataset(flags: argparse.Namespace, tracker: str, link: Callable) -> None:
    """Link each experiment's detections, write the tracks, print what that took and how many links differ.

    link: takes points (T, N, 2), lengths, whose frame 0 are the starts instead of the detections, and returns
    the label (T, N) of each: points with one label are one trajectory. It may return the tracks' own
    positions (T, N, 2) beside, which are the detections' otherwise.
    """
    dataset = dataset_parameters(flags.measurements)
    begin, left_out, added = time.process_time(), 0, 0
    with TrackWriter(flags.output, {"tracker": tracker, "dataset": dataset}) as writer:
        for scenes in read_scenes(flags.measurements, flags.initial):
            points = scenes.measurements.copy()
            points[:, 0] = scenes.initial
            positions, detection = points.copy(), np.empty(points.shape[:3], np.int16)
            for b, scene in enumerate(points):
                linked = link(scene)
                labels, estimates = linked if isinstance(linked, tuple) else (linked, None)
                positions[b], detection[b] = follow(scene, labels)
                if estimates is not None:
                    positions[b] = estimates
                added += links_added(labels)
            left_out += int(np.count_nonzero(detection[:, 1:] < 0))
            writer.write(scenes.experiments, positions, detection)
    seconds = time.process_time() - begin
    print(f"tracked in {seconds:.6f} processor seconds, {left_out} links left out, {added} added")


def follow(points: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the tracks' positions (T, N, 2) and detections (T, N), −1 where a linker gives none.

    points (T, N, 2) and labels (T, N) as in track_dataset(). A track is the trajectory of its start. Where
    that has no detection, the track has none and stays where it last was: a link left out stays left out,
    also if the linker begins another trajectory with the detection.
    """
    T, N, _ = points.shape
    positions, detection = np.empty_like(points), np.full((T, N), -1)
    positions[0] = points[0]
    for t in range(1, T):
        same = labels[t] == labels[0][:, None]
        found = same.any(axis=1)
        detection[t, found] = same[found].argmax(axis=1)
        positions[t] = np.where(found[:, None], points[t, detection[t]], positions[t - 1])
    return positions, detection


def links_added(labels: np.ndarray) -> int:
    """Count the links of trajectories that no track follows: those that begin after frame 0.

    labels (T, N): the trajectory of each point, −1 for none. A link joins two points of successive frames.
    """
    return sum(
        len((set(now.tolist()) & set(then.tolist())) - set(labels[0].tolist()) - {-1})
        for then, now in pairwise(labels)
    )
