"""What a picture of closeness draws: scores apart by the distance to the nearest particle."""

import pyarrow as pa

from mpt.tables.files import make_table

CLOSENESS = make_table(
    "closeness",
    {"score": pa.string(), "curve": pa.int16(), "stratum": pa.int16()},
    {
        "label": pa.string(),
        "method": pa.string(),
        "replicates": pa.int16(),
        "experiments": pa.int32(),
        "places": pa.int64(),
        "distance": pa.float64(),
        "mean": pa.float64(),
        "low": pa.float64(),
        "high": pa.float64(),
    },
    meanings={
        "score": "jaccard: of the links that end there; own_particle: share of places with the own track",
        "curve": "the tracker's number",
        "stratum": "0 below the first edge, K − 1 from the last edge on; edges are in the metadata",
        "replicates": "trainings",
        "experiments": "experiments with places in the stratum",
        "places": "particles and frames in the stratum, over all experiments",
        "distance": "mean distance to the nearest particle, in standard deviations of the innovation",
        "low": "lower end of the 95 % interval of the mean, over experiments and trainings",
        "high": "upper end of that interval",
    },
)
