"""What a figure of scores draws, a row per point."""

import pyarrow as pa

from mpt.tables.files import make_table

# How a fitted law's label begins, before that of the curve that it is fitted to, and its method.
FITTED_TO = "fit to "
FIT = "fit"

# What a figure of scores draws: a curve's number and name, a point's x, and the mean over test sequences and
# replicates between the ends of its 95 % interval; the mean of the median replicate; how many replicates
# failed, and the 95 % interval of that rate, null where nothing was trained or it was not asked.
CURVES = make_table(
    "curves",
    {"score": pa.string(), "curve": pa.int16(), "x": pa.float64()},
    {
        "label": pa.string(),
        "method": pa.string(),
        "dataset": pa.string(),
        "tracker": pa.string(),
        "replicates": pa.int16(),
        "experiments": pa.int32(),
        "mean": pa.float64(),
        "low": pa.float64(),
        "high": pa.float64(),
        "sequence_half_width": pa.float64(),
        "median": pa.float64(),
        "failed": pa.int32(),
        "failed_low": pa.float64(),
        "failed_high": pa.float64(),
    },
    nullable=("failed", "failed_low", "failed_high"),
)
