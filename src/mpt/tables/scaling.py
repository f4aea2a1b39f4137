"""How a network's error falls with its size and its training experiments, a row per network."""

import pyarrow as pa

from mpt.tables.files import make_table

SCALING = make_table(
    "scaling",
    {"parameters": pa.int64(), "experiments": pa.int32()},
    {
        "tracker": pa.string(),
        "replicates": pa.int16(),
        "squared_error": pa.float64(),
        "excess": pa.float64(),
        "low": pa.float64(),
        "high": pa.float64(),
        "fitted": pa.float64(),
    },
    meanings={
        "parameters": "P: of one training",
        "experiments": "D: training experiments of one training",
        "tracker": "the network's name in the table of scores",
        "replicates": "trainings",
        "squared_error": "mean squared distance of tracks to the particles they are matched to",
        "excess": "L: that less the reference's",
        "low": "lower end of the 95 % interval of L",
        "high": "upper end of the 95 % interval of L",
        "fitted": "L by the fitted law",
    },
)
