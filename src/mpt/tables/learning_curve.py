"""How well a model tracks as its training goes on, a row per replicate and epoch."""

import pyarrow as pa

from mpt.tables.files import make_table

# How well the replicates of a model track validation sequences as training goes on; epoch 0 is untrained.
LEARNING_CURVE = make_table(
    "learning curve",
    {"replicate": pa.int16(), "epoch": pa.int32()},
    {"loss": pa.float64(), "jaccard": pa.float64(), "position_error": pa.float64()},
    nullable=("loss",),
)
