"""Boxes of a video track in MP4 and MOV that cannot be set through PyAV: reads, makes and inserts them.

They follow those of the codec in the sample entry of the track (ISO/IEC 14496-12, 8.5.2). Our outputs have their index
at the end of the file, where it can grow without moving a frame.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

_ENTRY_FIELDS = 78
"""Bytes of a VisualSampleEntry before its boxes."""
_MAX_INDEX = 1 << 30
_STEREO = {0: 0, 2: 1, 1: 2}
"""AVStereo3DType (one view, side by side, top and bottom) -> mode of `st3d`."""
_EQUIRECTANGULAR, _CUBE, _TILE = 0, 1, 2
"""AVSphericalProjection."""
_DOLBY_VISION = (b"dvcC", b"dvvC", b"dvwC")


def view_boxes(side_data: Mapping[str, bytes]) -> dict[str, bytes]:
    """The boxes of Google's Spherical Video V2 for the side data of a frame, by kind of side data.

    The structures are FFmpeg's AVSphericalMapping and AVStereo3D; what the boxes cannot express is omitted.
    """
    boxes = {}
    mapping, stereo = side_data.get("SPHERICAL", b""), side_data.get("STEREO3D", b"")
    if len(mapping) >= 36 and (projection := _projection(mapping)):
        boxes["SPHERICAL"] = _box(b"sv3d", _full(b"svhd", b"\0") + _box(b"proj", projection))
    if len(stereo) >= 8:
        kind, flags = struct.unpack("=2i", stereo[:8])
        if kind in _STEREO and not flags:  # a flag: the right eye comes first
            boxes["STEREO3D"] = _full(b"st3d", bytes([_STEREO[kind]]))
    return boxes


def dolby_vision_box(file: str, track: int) -> bytes | None:
    """The Dolby Vision configuration box of a track (by its ID) in an MP4, unchanged; None if there is none.

    Also None if it states an enhancement layer, which is not kept.
    """
    try:
        with open(file, "rb") as opened:
            index = _index(opened)
    except OSError:
        return None
    place = _entry(index[1], track) if index else None
    if index is None or place is None:
        return None
    for kind, start, body, end in _boxes(index[1], place[-1][1] + _ENTRY_FIELDS, place[-1][2]):
        if kind in _DOLBY_VISION and end - body >= 4:
            has_enhancement_layer = index[1][body + 3] >> 1 & 1
            return None if has_enhancement_layer else index[1][start:end]
    return None


def add_to_entry(path: Path, track: int, boxes: bytes) -> None:
    """Append boxes to the sample entry of a track. Raises OSError, and ValueError if there is no such entry."""
    with path.open("r+b") as file:
        found = _index(file)
        place = _entry(found[1], track) if found else None
        if found is None or place is None or not found[2]:
            raise ValueError("no index with this track at the end of the file")
        at, index, _ = found
        changed = bytearray(index)
        changed[place[-1][2] : place[-1][2]] = boxes
        for start, _, _ in place:
            (length,) = struct.unpack_from(">I", changed, start)
            struct.pack_into(">I", changed, start, length + len(boxes))
        file.seek(at)
        file.write(changed)


def _projection(mapping: bytes) -> bytes | None:
    kind, yaw, pitch, roll, left, top, right, bottom, padding = struct.unpack("=4i5I", mapping[:36])
    pose = _full(b"prhd", struct.pack(">3i", yaw, pitch, roll))
    if kind in (_EQUIRECTANGULAR, _TILE):
        return pose + _full(b"equi", struct.pack(">4I", top, bottom, left, right))
    return pose + _full(b"cbmp", struct.pack(">2I", 0, padding)) if kind == _CUBE else None


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + kind + body


def _full(kind: bytes, body: bytes) -> bytes:
    return _box(kind, bytes(4) + body)  # version and flags


def _index(file: BinaryIO) -> tuple[int, bytes, bool] | None:
    """(position, contents, whether it is the last box) of the `moov` box of a file; None if there is none."""
    at, length = 0, file.seek(0, 2)
    while at + 8 <= length:
        file.seek(at)
        head = file.read(16)
        (size,) = struct.unpack_from(">I", head)
        if size == 1 and len(head) == 16:
            (size,) = struct.unpack_from(">Q", head, 8)
        size = size or length - at
        if head[4:8] == b"moov" and size <= _MAX_INDEX:
            file.seek(at)
            return at, file.read(size), at + size == length
        at += max(size, 8)
    return None


def _entry(index: bytes, track: int) -> list[tuple[int, int, int]] | None:
    """(start, start of the body, end) of the boxes from `moov` down to the first sample entry of a track."""
    moov = (0, 8, len(index))
    for kind, *trak in _boxes(index, 8, len(index)):
        if kind != b"trak" or _track_id(index, trak[1], trak[2]) != track:
            continue
        place = [moov, (trak[0], trak[1], trak[2])]
        for wanted, fields in ((b"mdia", 0), (b"minf", 0), (b"stbl", 0), (b"stsd", 0), (None, 8)):
            inside = _boxes(index, place[-1][1] + fields, place[-1][2])
            found = next((box[1:] for box in inside if wanted in (None, box[0])), None)
            if found is None:
                return None
            place.append(found)
        return place
    return None


def _track_id(index: bytes, body: int, end: int) -> int | None:
    for kind, _, inner, until in _boxes(index, body, end):
        if kind == b"tkhd" and until - inner >= 24:
            (number,) = struct.unpack_from(">I", index, inner + (20 if index[inner] == 1 else 12))
            return int(number)
    return None


def _boxes(data: bytes, at: int, until: int) -> Iterator[tuple[bytes, int, int, int]]:
    """Yield (kind, start, start of the body, end) of consecutive boxes, up to the first damaged one."""
    while at + 8 <= until:
        (size,) = struct.unpack_from(">I", data, at)
        if size < 8 or at + size > until:
            return
        yield data[at + 4 : at + 8], at, at + 8, at + size
        at += size
