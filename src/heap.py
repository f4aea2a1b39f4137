"""Memory that is free in the heap, but that the system does not have back."""

import ctypes
from contextlib import suppress


def trim_heap() -> None:
    """Give the system back what is free, where the C library can.

    Between the large arrays of one block of sequences and those of the next come to lie small things that
    stay, so that the heap would grow with the number of blocks.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
