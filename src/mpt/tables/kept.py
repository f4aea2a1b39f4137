"""How much of every frame the hybrid left to the Multiple Hypothesis Tracker to decide."""

import pyarrow as pa

from mpt.tables.dataset import FRAME
from mpt.tables.files import make_table

# Of the frames from 1 on.
KEPT = make_table(
    "kept",
    FRAME,
    {"pairs": pa.int32(), "added": pa.int16(), "hypotheses": pa.float64(), "lost": pa.int32()},
    nullable=("hypotheses", "lost"),
    meanings={
        "pairs": "pairs of track and detection that were kept, of N^2",
        "added": "those of them that were added so that a permutation is among them",
        "hypotheses": "permutations of the frame that have kept pairs only, of N!; null where counting them "
        "takes too long",
        "lost": "pairs that were left out of those of the best hypothesis that the exact tracker has at this "
        "frame; null where it did not run",
    },
)
