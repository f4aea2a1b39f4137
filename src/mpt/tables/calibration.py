"""How reliable the Bayes reference is, a row per bin of probability."""

import pyarrow as pa

from mpt.tables.files import make_table

# How reliable the Bayes reference is on a dataset: of the links whose probability is in a bin, how many there
# are, their mean probability, the fraction that is true with its 95 % interval, and, over all bins, the
# expected calibration error.
CALIBRATION = make_table(
    "calibration",
    {"dataset": pa.string(), "bin": pa.int16()},
    {
        "links": pa.int32(),
        "probability": pa.float64(),
        "frequency": pa.float64(),
        "low": pa.float64(),
        "high": pa.float64(),
        "expected_calibration_error": pa.float64(),
    },
)
