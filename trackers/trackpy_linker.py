"""trackpy's linker (Crocker and Grier's): the least sum of squared displacements within a search range."""

import numpy as np
import trackpy
from following import parser, track_dataset
from search_range import add_flags, search_range

trackpy.quiet()


def link(points: np.ndarray, reach: float, memory: int) -> np.ndarray:
    """Return the label (T, N) of each of the points (T, N, 2).

    reach: the largest displacement between two frames, a length. memory: how many frames a particle
    may be lost and found again.
    """
    frames = trackpy.link_iter(enumerate(points), reach, memory=memory)
    return np.array([labels for _, labels in frames])


def main() -> None:
    """Read the flags, link every experiment."""
    flags = parser(__doc__)
    add_flags(flags)
    flags.add_argument("--memory", type=int, default=0, help="frames that a particle may be lost, default 0")
    values = flags.parse_args()
    values.script = __file__
    reach = search_range(values, lambda points, reach: link(points, reach, values.memory))
    track_dataset(values, lambda points: link(points, reach, values.memory))


if __name__ == "__main__":
    main()
