"""Compilation by numba, kept on disk where there is a place for it."""

import os
import sys
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial
from typing import Literal

# Numba cannot be imported where its number of threads is none. No kernel here uses its threads.
if not os.environ.get("NUMBA_NUM_THREADS", "1").strip().lstrip("0").isdecimal():
    os.environ["NUMBA_NUM_THREADS"] = "1"

from numba import njit
from numba.core.caching import FunctionCache


def compiled(
    function: Callable | None = None,
    *,
    fastmath: Collection[str] = (),
    error_model: Literal["python", "numpy"] = "python",
    forceinline: bool = False,
) -> Callable:
    """Compile `function` at its first call; it runs without Python's lock, so that threads share work.

    The machine code is cached in __pycache__ beside the source, else in the user's cache directory
    (NUMBA_CACHE_DIR overrides both). Where neither can be written each process compiles anew, as it does
    where the cache is damaged or its disk is full. The cache of a function does not see a change in another
    module's: kernels call only what is in their own module.

    fastmath: how arithmetic may be rewritten, in LLVM's words; not at all by default. It is rewritten
    otherwise in a kernel by itself than in one that calls it, and what was in the cache decides which of the
    two runs: so such a kernel may be called only where it is inlined. error_model: whether a
    division by zero raises an error, as in `python`, or gives ±∞ or NaN, as in `numpy`: that runs in vectors.
    forceinline: whether what calls this kernel gets a copy of its own, made for the constants that it passes.
    """
    if function is None:
        return partial(compiled, fastmath=fastmath, error_model=error_model, forceinline=forceinline)
    kernel = njit(nogil=True, fastmath=set(fastmath), error_model=error_model, forceinline=forceinline)(
        function
    )
    # Numba finds no place to write to.
    with suppress(RuntimeError):
        # An attribute that only Numba's own dispatcher, not the type that it shows, has.
        kernel._cache = _Cache(function)  # type: ignore[attr-defined]
    return kernel


class _Cache(FunctionCache):
    """Numba's cache on disk, but that no fault of a file or a disk is an error: then it is as if empty."""

    def load_overload(self, sig, target_context):
        """Return the machine code, or None if there is none that can be read."""
        try:
            return super().load_overload(sig, target_context)
        except Exception:
            # Bytes that are cut off or changed raise whatever unpickling them happens to meet.
            with suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig, data):
        """Keep the machine code if there is room for it."""
        try:
            super().save_overload(sig, data)
        except OSError as error:
            _warn_once(f"{self.cache_path}: compiled code is not kept: {error.strerror or error}")
            self.disable()


_warned: set[str] = set()


def _warn_once(warning: str) -> None:
    if warning not in _warned:
        _warned.add(warning)
        print(warning, file=sys.stderr)
