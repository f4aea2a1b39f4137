"""Compilation by numba, kept on disk where there is a place for it."""

from collections.abc import Callable

from numba import njit


def compiled(function: Callable) -> Callable:
    """Compile `function` at its first call; it runs without Python's lock, so that threads share work.

    The machine code is cached in __pycache__ beside the source, else in the user's cache directory
    (NUMBA_CACHE_DIR overrides both). Where neither can be written each process compiles anew. The cache of a
    function does not see a change in another module's: kernels call only what is in their own module.
    """
    try:
        return njit(cache=True, nogil=True)(function)
    except RuntimeError:
        return njit(nogil=True)(function)
