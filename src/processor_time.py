"""What a tracker's work takes, in its log: tabulate_costs.py reads it there."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def processor_time_logged() -> Iterator[None]:
    """Print the processor seconds of what is done within, where this is a job of the workflow."""
    begin = time.process_time()
    yield
    if os.environ.get("JOB_STARTED"):
        print(f"tracked in {time.process_time() - begin:.6f} processor seconds")
