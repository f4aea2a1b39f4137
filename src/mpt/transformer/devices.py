"""Where and how precisely torch computes."""

import os

import torch

from mpt.errors import InputError

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def set_up(name: str, threads: int) -> torch.device:
    """Make torch deterministic, with so many processor threads; return the device of a name in DEVICES.

    auto is a GPU if there is one. To be called before the first computation.

    Raises InputError if cuda is asked for and there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: this machine has no GPU that torch can use")
    # On a GPU cuBLAS is deterministic only with a workspace of fixed size.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # As use_deterministic_algorithms, which imports torch.compile, to tell it: more than a second.
    torch.set_deterministic_debug_mode("error")
    # Nothing is read before it is written, so that it need not be filled first.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.set_num_threads(threads)
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)
