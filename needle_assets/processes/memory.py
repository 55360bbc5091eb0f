"""How this process gets memory for large arrays."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

# Numbers of glibc's malloc.h, the most that each takes, and where glibc begins.
_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1
_LARGE = 2**30
_USUAL_MMAP_BYTES, _USUAL_TRIM_BYTES = 32 * 2**20, 128 * 2**10


@contextmanager
def kept_for_reuse() -> Iterator[None]:
    """
    Keep what is freed for the next array instead of giving it back to the system, until the block ends.

    The maps of a step of training are over the 32 MiB from which glibc asks the system for fresh pages, and every page is filled with
    zeros when it is first touched: a third of the step. Where the C library is another one, nothing changes.
    """
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt"):
        yield
        return
    library.mallopt(_MMAP_THRESHOLD, _LARGE)
    library.mallopt(_TRIM_THRESHOLD, _LARGE)
    try:
        yield
    finally:
        library.mallopt(_MMAP_THRESHOLD, _USUAL_MMAP_BYTES)
        library.mallopt(_TRIM_THRESHOLD, _USUAL_TRIM_BYTES)
        library.malloc_trim(0)
