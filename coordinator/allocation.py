"""Large blocks of memory go back to the system when they are free.

glibc raises by itself the size from which a block is the system's own (mallopt(3), M_MMAP_THRESHOLD), up to
32 MiB as soon as one of that size was freed. A few connections that send messages of the largest size then
leave holes all over the heap. Elsewhere than with glibc nothing changes.
"""

from __future__ import annotations

import ctypes
from typing import Final

_M_MMAP_THRESHOLD: Final = -3  # malloc.h
_M_ARENA_MAX: Final = -8
# Much less than a message of the largest size, much more than what is allocated all the time.
_LARGE_BYTES: Final = 256 * 1024
# Heaps beside each other, each with holes of its own; one thread does most of what is allocated.
_ARENAS: Final = 2


def give_back_large_blocks() -> None:
    """For the whole process, once, before it serves."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        mallopt(_M_ARENA_MAX, _ARENAS)
