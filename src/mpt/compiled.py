"""Compilation by numba, kept on disk where there is a place for it."""

from collections.abc import Callable, Collection
from functools import partial

from numba import njit


def compiled(function: Callable | None = None, *, fastmath: Collection[str] = ()) -> Callable:
    """Compile `function` at its first call; it runs without Python's lock, so that threads share work.

    The machine code is cached in __pycache__ beside the source, else in the user's cache directory
    (NUMBA_CACHE_DIR overrides both). Where neither can be written each process compiles anew. The cache of a
    function does not see a change in another module's: kernels call only what is in their own module.

    fastmath: how arithmetic may be rewritten, in LLVM's words; not at all by default.
    """
    if function is None:
        return partial(compiled, fastmath=fastmath)
    options = {"nogil": True, "fastmath": set(fastmath)}
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:
        return njit(**options)(function)
