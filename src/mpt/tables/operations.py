"""Counted operations and processor time, a row per tracker, variant and lookback."""

import pyarrow as pa

from mpt.tables.files import make_table

OPERATIONS = make_table(
    "operations",
    {"tracker": pa.string(), "variant": pa.string(), "K": pa.int16()},
    {
        "flops": pa.int64(),
        "macs": pa.int64(),
        "source": pa.string(),
        **dict.fromkeys(["seconds", "seconds_together", "gpu_seconds_together"], pa.float64()),
    },
    nullable=("flops", "macs", "seconds_together", "gpu_seconds_together"),
    meanings={
        "flops": "floating-point operations per sequence; a multiply–add is 2; null if no source can count",
        "macs": "of these the multiply–adds of matrix products, each as 1; null if not counted apart",
        "source": "what counted: fvcore, papi (the processor), emulated (one emulated), model (a formula) "
        "or none",
        "seconds": "processor time per sequence, on one thread of the machine that made the table, where "
        "sequences are tracked one by one",
        "seconds_together": "the same where many are tracked at once; how many is in the parameters; null "
        "for a tracker that takes them one by one in any case",
        "gpu_seconds_together": "elapsed time per sequence on a GPU, as many at once; null without a GPU",
    },
)
