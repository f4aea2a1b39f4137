"""laptrack's linker (Jaqaman's first step): a linear assignment of squared displacements below a cutoff."""

from functools import partial

import laptrack
import numpy as np
import pandas as pd
from following import track_by_flags
from search_range import add_flags, search_range


def link(points: np.ndarray, reach: float) -> np.ndarray:
    """Return the label (T, N) of each of the points (T, N, 2); reach: the largest displacement, a length."""
    T, N, _ = points.shape
    frame = pd.DataFrame(points.reshape(T * N, 2), columns=["x", "y"]).assign(
        frame=np.repeat(np.arange(T), N)
    )
    tracker = laptrack.LapTrack(
        metric="sqeuclidean",
        cutoff=reach**2,
        gap_closing_cutoff=False,
        splitting_cutoff=False,
        merging_cutoff=False,
    )
    linked, _, _ = tracker.predict_dataframe(frame, ["x", "y"], only_coordinate_cols=True)
    # Its rows are (frame, number within the frame), as in the points.
    return linked.sort_index()["track_id"].to_numpy().reshape(T, N)


def main() -> None:
    """Read the flags, link every experiment."""
    track_by_flags(
        __file__, __doc__, add_flags, lambda values: partial(link, reach=search_range(values, link))
    )


if __name__ == "__main__":
    main()
