"""trackpy's linker (Crocker and Grier's): the least sum of squared displacements within a search range."""

import argparse
from collections.abc import Callable
from functools import partial

import numpy as np
import trackpy
from following import track_by_flags
from search_range import add_flags as add_range_flags
from search_range import search_range

trackpy.quiet()


def link(points: np.ndarray, reach: float, memory: int) -> np.ndarray:
    """Return the label (T, N) of each of the points (T, N, 2).

    reach: the largest displacement between two frames, a length. memory: how many frames a particle
    may be lost and found again.
    """
    frames = trackpy.link_iter(enumerate(points), reach, memory=memory)
    return np.array([labels for _, labels in frames])


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the search range, and --memory."""
    add_range_flags(parser)
    parser.add_argument("--memory", type=int, default=0, help="frames that a particle may be lost, default 0")


def linker(flags: argparse.Namespace) -> Callable:
    """Return link() with the search range and the memory that the flags tell."""
    remembering = partial(link, memory=flags.memory)
    return partial(remembering, reach=search_range(flags, remembering))


def main() -> None:
    """Read the flags, link every experiment."""
    track_by_flags(__file__, __doc__, add_flags, linker)


if __name__ == "__main__":
    main()
