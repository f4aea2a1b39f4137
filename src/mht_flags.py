"""What scripts share that decide as the Multiple Hypothesis Tracker does: flags, and a warning."""

import sys
from collections.abc import Collection

import numpy as np

from command_line import ArgumentParser, positive_int
from mpt.trackers import mht
from tracker_flags import add_filter_flags

_SOLVERS = {
    "enumerate": "look at every hypothesis",
    "refilter": "and filter each anew in every frame, which only takes longer",
    "assignment": "leave out what cannot be best, for many particles",
}


def add_mht_flags(parser: ArgumentParser, solvers: Collection[str]) -> None:
    """Add the flags of the filter, and of how associations are decided, by one of these solvers."""
    add = parser.add_argument
    add(
        "--lookback",
        type=positive_int,
        required=True,
        metavar="K",
        help="frames in the window; T - 1 or more solves the whole sequence",
    )
    add_filter_flags(parser)
    add(
        "--solver",
        choices=solvers,
        required=True,
        help="; ".join(f"{solver}: {_SOLVERS[solver]}" for solver in solvers),
    )
    add(
        "--estimate",
        choices=mht.ESTIMATES,
        required=True,
        help="the positions written: filtered along the associations that are decided K - 1 frames later; "
        "online: of the best hypothesis so far, which no later frame changes; smoothed along the decided "
        "associations, given all measurements; or the decided detection",
    )
    add(
        "--node-limit",
        type=positive_int,
        default=mht.NODE_LIMIT,
        help="nodes that the assignment solver searches in a window at most",
    )


class Unproven:
    """Counts the frames that were decided without proof, for want of nodes."""

    def __init__(self) -> None:
        """Begin with none."""
        self._frames, self._widest = 0, 0.0

    def count(self, gap: np.ndarray) -> None:
        """Add those of a block of sequences; gap (B, T) is that of mht.Decisions."""
        self._frames += int(np.count_nonzero(gap))
        self._widest = max(self._widest, float(gap.max()))

    def warn(self, script: str, best: str = "the best") -> None:
        """Say on the standard error how many there are, if any, and how far they may be from the best."""
        if self._frames:
            print(
                f"{script}: {self._frames} frames were decided without proof, by hypotheses that cost at "
                f"most {self._widest:.3g} more than {best}: raise --node-limit",
                file=sys.stderr,
            )
