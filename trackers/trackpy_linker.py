"""trackpy's linker (Crocker and Grier's): the least sum of squared displacements within a search range."""

import numpy as np
import trackpy
from following import parser, track_dataset

trackpy.quiet()


def link(points: np.ndarray, search_range: float, memory: int) -> np.ndarray:
    """Return the label (T, N) of each of the points (T, N, 2).

    search_range: the largest displacement between two frames, a length. memory: how many frames a particle
    may be lost and found again.
    """
    frames = trackpy.link_iter(enumerate(points), search_range, memory=memory)
    return np.array([labels for _, labels in frames])


def main() -> None:
    """Read the flags, link every experiment."""
    flags = parser(__doc__)
    flags.add_argument("--search-range", type=float, required=True, help="largest displacement [length]")
    flags.add_argument("--memory", type=int, default=0, help="frames that a particle may be lost, default 0")
    values = flags.parse_args()
    values.script = __file__
    track_dataset(values, lambda points: link(points, values.search_range, values.memory))


if __name__ == "__main__":
    main()
