"""Run Snakemake with a SLURM plugin that looks at its jobs every second.

As it is, it waits ten seconds longer each time that none has ended, up to three minutes, whatever it is told.
"""

import asyncio
import sys

from snakemake.cli import main
from snakemake_executor_plugin_slurm import Executor


async def sleep(self) -> None:
    await asyncio.sleep(1)


Executor.sleep = sleep
main(sys.argv[1:])
