"""laptrack's linker (Jaqaman's first step): a linear assignment of squared displacements below a cutoff."""

import laptrack
import numpy as np
import pandas as pd
from following import parser, track_dataset


def link(points: np.ndarray, search_range: float) -> np.ndarray:
    """Return the label (T, N) of each of the points (T, N, 2); search_range: the largest displacement."""
    T, N, _ = points.shape
    frame = pd.DataFrame(points.reshape(T * N, 2), columns=["x", "y"]).assign(
        frame=np.repeat(np.arange(T), N)
    )
    tracker = laptrack.LapTrack(
        metric="sqeuclidean",
        cutoff=search_range**2,
        gap_closing_cutoff=False,
        splitting_cutoff=False,
        merging_cutoff=False,
    )
    linked, _, _ = tracker.predict_dataframe(frame, ["x", "y"], only_coordinate_cols=True)
    # Its rows are (frame, number within the frame), as in the points.
    return linked.sort_index()["track_id"].to_numpy().reshape(T, N)


def main() -> None:
    """Read the flags, link every experiment."""
    flags = parser(__doc__)
    flags.add_argument("--search-range", type=float, required=True, help="largest displacement [length]")
    values = flags.parse_args()
    values.script = __file__
    track_dataset(values, lambda points: link(points, values.search_range))


if __name__ == "__main__":
    main()
