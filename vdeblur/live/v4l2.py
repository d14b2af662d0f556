"""Frame sizes and rates of a camera on Linux, from Video4Linux (linux/videodev2.h)."""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from fractions import Fraction

if sys.platform == "linux":
    from fcntl import ioctl as _ioctl
else:
    _ioctl = None

ENUM_FMT, ENUM_FRAMESIZES, ENUM_FRAMEINTERVALS = 0xC0405602, 0xC02C564A, 0xC034564B
"""_IOWR('V', 2 and 74 and 75, the structures below)."""
FORMAT = struct.Struct("=3I32s2I3I")
"""v4l2_fmtdesc: index, type, flags, description, pixelformat, mbus_code, reserved."""
SIZE = struct.Struct("=3I6I2I")
"""v4l2_frmsizeenum: index, pixel_format, type, width, height (or smallest, largest and step of each), reserved."""
INTERVAL = struct.Struct("=5I6I2I")
"""v4l2_frmivalenum: index, pixel_format, width, height, type, shortest interval as a fraction, ..., reserved."""
CAPTURE, DISCRETE = 1, 1
MOST = 64
"""Limit on the entries read from a list."""

Call = Callable[[int, int, bytearray], object]
Sizes = dict[tuple[int, int], Fraction | None]


def sizes_of(device: str) -> Sizes:
    """(width, height) -> the highest rate in frames per second, largest sizes first; empty if it cannot be queried."""
    if _ioctl is None:
        return {}
    try:
        file = os.open(device, os.O_RDWR | os.O_NONBLOCK)
    except OSError:
        return {}
    try:
        return listed_sizes(file, _ioctl)
    finally:
        os.close(file)


def listed_sizes(file: int, call: Call) -> Sizes:
    """As `sizes_of`, for an open device; `call` is `fcntl.ioctl`."""
    found: Sizes = {}
    for index in range(MOST):
        answer = _query(file, call, ENUM_FMT, FORMAT, index, CAPTURE, 0, b"", 0, 0, 0, 0, 0)
        if answer is None:
            break
        for size in _frame_sizes(file, call, answer[4]):
            rate = _highest_rate(file, call, answer[4], size)
            if size not in found or (rate or 0) > (found[size] or 0):
                found[size] = rate
    return dict(sorted(found.items(), reverse=True))


def _frame_sizes(file: int, call: Call, pixel_format: int) -> Iterator[tuple[int, int]]:
    for index in range(MOST):
        answer = _query(file, call, ENUM_FRAMESIZES, SIZE, index, pixel_format, *(0,) * 9)
        if answer is None:
            return
        _, _, kind, *sides = answer
        if kind == DISCRETE:
            yield sides[0], sides[1]
        else:  # any size up to the largest, in steps
            yield sides[1], sides[4]
            return


def _highest_rate(file: int, call: Call, pixel_format: int, size: tuple[int, int]) -> Fraction | None:
    rates = []
    for index in range(MOST):
        answer = _query(file, call, ENUM_FRAMEINTERVALS, INTERVAL, index, pixel_format, *size, *(0,) * 9)
        if answer is None:
            break
        kind, seconds, parts = answer[4:7]
        if seconds and parts:
            rates.append(Fraction(parts, seconds))
        if kind != DISCRETE:  # the first of a range is the shortest interval
            break
    return max(rates, default=None)


def _query(file: int, call: Call, request: int, layout: struct.Struct, *fields: int | bytes) -> tuple[int, ...] | None:
    data = bytearray(layout.pack(*fields))
    with suppress(OSError):  # EINVAL ends a list; ENOTTY means that the device has no lists
        call(file, request, data)
        return layout.unpack(data)
    return None
