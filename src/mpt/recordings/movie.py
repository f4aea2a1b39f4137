"""A movie's detections, and how they become experiments that a tracker takes.

The methods need the same N detections in each of T consecutive frames. What a movie has otherwise is said by
frame, or left out: then each run of frames that are complete becomes experiments of T frames.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from mpt.errors import InputError

LARGEST_PARTICLES = 2**15 - 1
_NAMED_FAULTS = 5


@dataclass(frozen=True)
class Movie:
    """The n detections of a movie, in any order.

    frame (n,) int64: numbers of any start. position (n, 2) float64: x and y, lengths. particle (n,) int64:
    whose detection it is, −1 where that isn't said; None if the movie doesn't say it of any.
    """

    frame: np.ndarray
    position: np.ndarray
    particle: np.ndarray | None


class Recording(NamedTuple):
    """B experiments of T complete frames, cut from a movie.

    first_frame (B,) int64: the movie's number of each experiment's frame 0. measurements (B, T, N, 2): the
    detections of each frame, sorted by x, then y, so that their order tells nothing but their places.
    detection (B, T, N): the detection of the particle with the p-th smallest number; None if the movie
    doesn't say whose they are. frames: how many frames the movie has from its first to its last. incomplete:
    how many of them aren't in any run of complete frames.
    """

    first_frame: np.ndarray
    measurements: np.ndarray
    detection: np.ndarray | None
    frames: int
    incomplete: int

    @property
    def left_out(self) -> int:
        """How many frames of the movie are in no experiment."""
        return self.frames - self.measurements.shape[0] * self.measurements.shape[1]

    @property
    def positions(self) -> np.ndarray:
        """Each particle's detections (B, T, N, 2), where the movie says whose they are."""
        assert self.detection is not None
        return np.take_along_axis(self.measurements, self.detection[..., None], axis=2)


def cut(movie: Movie, name: str, particles: int | None = None, split: int | None = None) -> Recording:
    """Cut a movie into experiments.

    name: what errors call the movie. particles: N; None for the number of detections that most frames have.
    split: None if the whole movie must be complete; T ≥ 2 to cut each run of complete frames into as many
    experiments of T frames as it holds; 0 for T as long as the longest run. A run goes on while frames follow
    each other, each has N detections and, if the movie says whose they are, they are of the same N particles.

    Raises InputError, in one line, by frame, if the movie isn't complete and isn't to be split, or if no run
    is long enough.
    """
    order = np.lexsort((movie.position[:, 1], movie.position[:, 0], movie.frame))
    position = movie.position[order]
    frames, first, counts = np.unique(movie.frame[order], return_index=True, return_counts=True)
    total = int(frames[-1] - frames[0]) + 1
    if particles is None:
        many, how_often = np.unique(counts, return_counts=True)
        particles = int(many[np.argmax(how_often)])
    if particles > LARGEST_PARTICLES:
        raise InputError(f"{name}: frames of {particles} detections are more than {LARGEST_PARTICLES}")
    complete = counts == particles
    rows = np.where(complete, first, 0)[:, None] + np.where(complete, 1, 0)[:, None] * np.arange(particles)
    labels = None if movie.particle is None else movie.particle[order][rows]
    sound, follows = _runs(frames, complete, labels)
    begins = np.flatnonzero(sound & ~follows)
    ends = np.r_[begins[1:], len(frames)]
    runs = [
        (begin, begin + int(np.argmin(np.r_[sound[begin:end], False])))
        for begin, end in zip(begins, ends, strict=True)
    ]
    incomplete = total - int(sound.sum())
    if split is None:
        if incomplete or len(runs) > 1:
            raise InputError(_incomplete(name, frames, counts, particles, sound, follows, labels, total))
        length = total
    else:
        length = split or max((int(end - begin) for begin, end in runs), default=0)
    if length < 2:
        raise InputError(f"{name}: no two frames that follow each other have {particles} detections each")
    starts = [
        begin + length * i for begin, end in runs for i in range((end - begin) // length) if end - begin >= 2
    ]
    if not starts:
        longest = max((end - begin for begin, end in runs), default=0)
        raise InputError(
            f"{name}: no run of complete frames is as long as the {length} of --split: "
            f"the longest has {longest} of {particles} detections each"
        )
    taken = np.asarray(starts)[:, None] + np.arange(length)
    return Recording(
        first_frame=frames[taken[:, 0]],
        measurements=position[rows[taken]],
        detection=None if labels is None else np.argsort(labels[taken], axis=2, kind="stable"),
        frames=total,
        incomplete=incomplete,
    )


def _runs(
    frames: np.ndarray, complete: np.ndarray, labels: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Tell of each frame (F,) whether it can be tracked, and whether it goes on with the one before."""
    sound = complete.copy()
    follows = np.r_[False, np.diff(frames) == 1]
    if labels is not None:
        ordered = np.sort(labels, axis=1)
        sound &= (ordered[:, 0] >= 0) & (np.diff(ordered, axis=1) > 0).all(axis=1)
        follows[1:] &= (ordered[1:] == ordered[:-1]).all(axis=1)
    follows &= sound
    follows[1:] &= sound[:-1]
    return sound, follows


def _incomplete(name, frames, counts, particles, sound, follows, labels, total: int) -> str:
    """Return the line that says which frames can't be tracked, the first of them by name."""
    faults, affected = [], total - int(sound.sum())
    by_label = False
    for at, (frame, count) in enumerate(zip(frames, counts, strict=True)):
        if at and (gap := int(frame - frames[at - 1]) - 1):
            between = (
                f"frame {frame - 1} has" if gap == 1 else f"frames {frames[at - 1] + 1} to {frame - 1} have"
            )
            faults.append(f"{between} none")
        if not sound[at]:
            if count != particles:
                faults.append(f"frame {frame} has {count}")
            else:
                faults.append(f"frame {frame} {_label_fault(labels[at])}")
                by_label = True
        elif at and not follows[at] and sound[at - 1] and frame - frames[at - 1] == 1:
            lost = np.setdiff1d(labels[at - 1], labels[at])
            faults.append(f"frame {frame} has lost particle {lost[0]}")
            affected += 1
            by_label = True
    if len(faults) > _NAMED_FAULTS:
        faults = [*faults[:_NAMED_FAULTS], f"and {len(faults) - _NAMED_FAULTS} more"]
    hint = "; --no-truth leaves the particles unread" if by_label else ""
    same = "" if labels is None else " of the same particles"
    return (
        f"{name}: {affected} of {total} frames don't have {particles} detections{same}: "
        f"{', '.join(faults)}; --split takes the runs of complete frames{hint}"
    )


def _label_fault(labels: np.ndarray) -> str:
    if (labels < 0).any():
        return "has a detection of no particle"
    ordered = np.sort(labels)
    twice = next(one for one, other in pairwise(ordered) if one == other)
    return f"has particle {twice} twice"
