"""The pixel aspect ratio in Matroska: PyAV cannot pass it to FFmpeg's muxer, so the written header is edited.

The track is first written with a placeholder as its name. Then DisplayWidth, DisplayHeight and DisplayUnit (RFC 9559,
5.1.4.1.28) replace the name, and a Void element fills the rest, so that the header keeps its length.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from fractions import Fraction
from math import gcd

PLACEHOLDER = "(place for the shape of pixels)"
"""Appended to the title of the track before the header is written."""
MAX_HEADER_BYTES = 1 << 24
"""Largest header, including the decoder configuration (CodecPrivate)."""

_SEGMENT, _TRACKS, _ENTRY, _NAME, _VIDEO = 0x18538067, 0x1654AE6B, 0xAE, 0x536E, 0xE0
_CRC32, _VOID, _WIDTH, _HEIGHT, _UNIT = 0xBF, 0xEC, 0x54B0, 0x54BA, 0x54B2
_DISPLAY = (_WIDTH, _HEIGHT, _UNIT)  # FFmpeg writes a unit that means "unknown"
_ASPECT = 3
"""DisplayUnit: a display aspect ratio instead of pixels."""


class Incomplete(ValueError):
    """The header is not complete yet."""


def with_aspect(head: bytes, ratio: Fraction, size: tuple[int, int]) -> bytes:
    """Set the pixel aspect `ratio` of the track with the placeholder, in the first bytes of a file.

    `size` is (width, height) of the stored frames. The length stays the same; without a placeholder nothing changes.
    Raises Incomplete if `head` does not contain all tracks.
    """
    for name, start, body, end in _elements(head, 0, len(head), master=_SEGMENT):
        if name == _TRACKS:
            if end > len(head):
                raise Incomplete
            return head[:start] + head[start:body] + _tracks(head[body:end], ratio, size) + head[end:]
    raise Incomplete


def _tracks(tracks: bytes, ratio: Fraction, size: tuple[int, int]) -> bytes:
    parts, has_crc = [], False
    for name, start, body, end in _elements(tracks, 0, len(tracks)):
        if name == _CRC32:
            has_crc = True
        elif name == _ENTRY:
            parts.append(tracks[start:body] + _entry(tracks[body:end], ratio, size))
        else:
            parts.append(tracks[start:end])
    whole = b"".join(parts)
    return _element(_CRC32, zlib.crc32(whole).to_bytes(4, "little")) + whole if has_crc else whole


def _entry(entry: bytes, ratio: Fraction, size: tuple[int, int]) -> bytes:
    mark, parts, found = PLACEHOLDER.encode(), [], False
    for name, start, body, end in _elements(entry, 0, len(entry)):
        part = entry[start:end]
        if name == _NAME and part.endswith(mark):
            found = True
            title = entry[body:end].removesuffix(mark)
            part = _element(_NAME, title) if title else b""
        elif name == _VIDEO:
            inner = entry[body:end]
            kept = (inner[a:c] for name, a, _, c in _elements(inner, 0, len(inner)) if name not in _DISPLAY)
            part = _element(_VIDEO, b"".join(kept) + _display(ratio, size))
        parts.append(part)
    return _padded(b"".join(parts), len(entry)) if found else entry


def _display(ratio: Fraction, size: tuple[int, int]) -> bytes:
    """The display size in pixels if it is an integer, else as a ratio."""
    width, height = size[0] * ratio.numerator, size[1] * ratio.denominator
    if width % ratio.denominator == 0:
        return _number(_WIDTH, width // ratio.denominator) + _number(_HEIGHT, size[1])
    common = gcd(width, height)
    return _number(_WIDTH, width // common) + _number(_HEIGHT, height // common) + _number(_UNIT, _ASPECT)


def _padded(data: bytes, length: int) -> bytes:
    left = length - len(data)
    return data + bytes([_VOID]) + (0x4000 | left - 3).to_bytes(2, "big") + bytes(left - 3)


def _number(name: int, value: int) -> bytes:
    return _element(name, value.to_bytes(max((value.bit_length() + 7) // 8, 1), "big"))


def _element(name: int, body: bytes) -> bytes:
    sized = len(body).bit_length() // 7 + 1  # all ones would mean an unknown length
    return (
        name.to_bytes((name.bit_length() + 7) // 8, "big") + (1 << 7 * sized | len(body)).to_bytes(sized, "big") + body
    )


def _elements(data: bytes, at: int, until: int, master: int | None = None) -> Iterator[tuple[int, int, int, int]]:
    """Yield (id, start, start of the body, end) of consecutive elements; `master` is entered instead of yielded."""
    while at < until:
        start = at
        name, at = _vint(data, at, marker=True)
        length, at = _vint(data, at)
        if name == master:
            continue
        yield name, start, at, at + length
        at += length


def _vint(data: bytes, at: int, marker: bool = False) -> tuple[int, int]:
    """A variable-length integer and its end (RFC 8794, 4); an id keeps its marker."""
    if at >= len(data) or not data[at]:
        raise Incomplete
    length = 9 - data[at].bit_length()
    if at + length > len(data):
        raise Incomplete
    value = int.from_bytes(data[at : at + length], "big")
    return (value if marker else value & (1 << 7 * length) - 1), at + length
