"""Run the project's scripts by their command lines in forks of this process, and say what each took.

A fork has torch imported already, which takes seconds, but no GPU: every script begins as it would by itself,
with a context of its own on the card. So this process must never touch the GPU.
"""

import importlib
import json
import os
import runpy
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter

import torch

# Whether there is a GPU is asked of its driver's library, so that asking does not keep forks from it.
os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"
# What an optimiser imports when it is made, in a second.
importlib.import_module("torch._dynamo")

MEBIBYTE = 2**20


class OutOfTime(Exception):
    """The work was not done in its seconds."""


class Failed(Exception):
    """The work ended otherwise than well; the message is its own."""


@dataclass(frozen=True)
class Took:
    """Time in s and memory in MiB.

    seconds: elapsed; processor_seconds: of all threads. memory: the most that tensors had of the card, or,
    where no GPU was used, that the process had.
    """

    seconds: float
    processor_seconds: float
    memory: float


def run_script(script: Path, arguments: list[str], seconds: float, tf32: bool = False) -> Took:
    """Run a script; raises OutOfTime after so many seconds, and Failed if it fails.

    tf32: multiply single-precision matrices in TF32 on the card, as TORCH_ALLOW_TF32_CUBLAS_OVERRIDE=1 does.
    """
    begin = perf_counter()
    memory, usage = _forked(partial(_be_script, script, arguments, tf32), seconds)
    elapsed = perf_counter() - begin
    if memory is None:
        memory = usage.ru_maxrss / 1024
    return Took(elapsed, usage.ru_utime + usage.ru_stime, memory)


def name_of_gpu(seconds: float) -> str | None:
    """Return the name and the memory of the card that torch uses, None where there is none."""
    return _forked(_gpu, seconds)[0]


def _gpu() -> str | None:
    if not torch.cuda.is_available():
        return None
    card = torch.cuda.get_device_properties(0)
    return f"{card.name}, {card.total_memory / MEBIBYTE:.0f} MiB"


def _be_script(script: Path, arguments: list[str], tf32: bool) -> float | None:
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    sys.argv = [str(script), *arguments]
    runpy.run_path(str(script), run_name="__main__")
    return torch.cuda.max_memory_allocated() / MEBIBYTE if torch.cuda.is_initialized() else None


def _forked(work: Callable[[], object], seconds: float):
    """Return what work() returns, of plain JSON, and what the fork used of the machine."""
    if seconds <= 0:
        raise OutOfTime
    sys.stdout.flush()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _end_after(work, seconds, writer)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        said = pipe.read()
    _, status, usage = os.wait4(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM:
        raise OutOfTime
    if status or not said:
        raise Failed(said or f"ended with status {os.waitstatus_to_exitcode(status)}")
    return json.loads(said), usage


def _end_after(work: Callable[[], object], seconds: float, writer: int) -> None:
    status, said = 1, ""
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        # What scripts print is of no interest; what they complain of is.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        said, status = json.dumps(work()), 0
    except BaseException as error:
        if isinstance(error, SystemExit) and error.code == 128 + signal.SIGALRM:
            # A script's own handler has cleared up behind it: now end as the parent expects.
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGALRM)
        said = repr(error)
        if not isinstance(error, SystemExit):
            traceback.print_exc()
    finally:
        os.write(writer, said.encode())
        sys.stderr.flush()
        os._exit(status)
