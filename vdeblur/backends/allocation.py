"""How much freed memory a process keeps for the next frame.

A frame passes through arrays of megabytes that live for milliseconds: 60 MB of them at 1280x720. glibc gives memory
back to the system as soon as little more than its largest array is free, and the next frame gets it again page by page:
7,000 page faults, which took more time there than the warping whose arrays they are.
"""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache

KEPT = 128 << 20
"""Bytes of freed memory that are kept; enough for 1920x1080."""
LARGEST_KEPT = 32 << 20
"""Bytes of the largest array that is taken from what is kept, which is the most that glibc allows."""
SETTINGS = ("GLIBC_TUNABLES", "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_")
"""The user's own, which are left as they are."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


@cache
def keep_freed_memory() -> None:
    """Tell the C library to keep up to KEPT bytes that are free; where it is not glibc, nothing changes."""
    if sys.platform != "linux" or any(name in os.environ for name in SETTINGS):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, LARGEST_KEPT)
        mallopt(_M_TRIM_THRESHOLD, KEPT)
