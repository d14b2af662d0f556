"""H.264 in which a frame is two coded fields (PAFF), as broadcasters' encoders write it and x264 does not.

Made bit by bit: every macroblock is I_PCM, its samples as they are. Syntax by ITU-T H.264, 7.3.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from vdeblur.frames import Plane

SIZE = (64, 64)
_MACROBLOCK = 16
_PCM = 25
"""mb_type of I_PCM in an I slice."""


class Bits:
    """A NAL unit's payload, written bit by bit."""

    def __init__(self) -> None:
        self.text = ""

    def u(self, width: int, *values: int) -> Bits:
        """Numbers of a fixed width."""
        self.text += "".join(f"{value:0{width}b}" for value in values)
        return self

    def ue(self, *values: int) -> Bits:
        """Exp-Golomb codes; 0 is the same as a signed one."""
        for value in values:
            code = f"{value + 1:b}"
            self.text += "0" * (len(code) - 1) + code
        return self

    def aligned(self, data: bytes) -> Bits:
        """Whole bytes after zeros up to the next one."""
        self.text += "0" * (-len(self.text) % 8) + "".join(f"{byte:08b}" for byte in data)
        return self

    def unit(self, reference: int, kind: int) -> bytes:
        """As a NAL unit in Annex B."""
        text = self.text + "1"
        text += "0" * (-len(text) % 8)
        body = int(text, 2).to_bytes(len(text) // 8, "big")
        escaped, zeros = bytearray(), 0
        for byte in body:
            if zeros >= 2 and byte <= 3:
                escaped.append(3)
                zeros = 0
            escaped.append(byte)
            zeros = 0 if byte else zeros + 1
        return b"\0\0\0\1" + bytes([reference << 5 | kind]) + bytes(escaped)


def headers() -> bytes:
    """Sequence and picture parameter sets: Main profile, 25 frames of two fields a second."""
    width, height = (side // _MACROBLOCK for side in SIZE)
    sequence = Bits().u(8, 77, 0, 30).ue(0, 0, 0, 4, 2).u(1, 0).ue(width - 1, height // 2 - 1)
    sequence.u(1, 0, 0, 1, 0, 1)  # fields, none within a frame's macroblocks; no cropping; VUI follows
    sequence.u(1, 0, 0, 0, 0, 1).u(32, 1, 50).u(1, 1, 0, 0, 0, 0)  # of which only the rate of fields is given
    pictures = Bits().ue(0, 0).u(1, 0, 0).ue(0, 0, 0).u(1, 0).u(2, 0).ue(0, 0, 0).u(1, 1, 0, 0)
    return sequence.unit(3, 7) + pictures.unit(3, 8)


def access_units(
    pictures: Sequence[tuple[Plane, ...]], whole: Collection[int] = (), group: int = 12
) -> list[list[bytes]]:
    """For each 4:2:0 frame its two coded fields, or the one coded frame for those in `whole`."""
    return [list(_coded(number, planes, number in whole, group)) for number, planes in enumerate(pictures)]


def _coded(number: int, planes: tuple[Plane, ...], whole: bool, group: int) -> Iterator[bytes]:
    within = number % group
    for field in (None,) if whole else (0, 1):
        first = not within and not field
        slice_ = Bits().ue(0, 7, 0).u(4, within % 16).u(1, field is not None)
        if field is not None:
            slice_.u(1, field)
        if first:
            slice_.ue(number // group % 2)
        slice_.u(8, (2 * within + (field or 0)) % 256)
        slice_.u(1, 0, 0) if first else slice_.u(1, 0)
        slice_.ue(0, 1)
        lines = slice(field, None, 2) if field is not None else slice(None)
        for block in _macroblocks([plane[lines] for plane in planes]):
            slice_.ue(_PCM).aligned(block)
        yield (headers() if first else b"") + slice_.unit(3, 5 if first else 1)


def _macroblocks(planes: Sequence[Plane]) -> Iterator[bytes]:
    height, width = planes[0].shape
    for y in range(0, height, _MACROBLOCK):
        for x in range(0, width, _MACROBLOCK):
            sides = [_MACROBLOCK // (1 if index == 0 else 2) for index in range(3)]
            yield b"".join(
                plane[y * side // 16 : y * side // 16 + side, x * side // 16 : x * side // 16 + side].tobytes()
                for plane, side in zip(planes, sides, strict=True)
            )


def write(path: Path, units: Sequence[Sequence[bytes]], apart: bool = False) -> str:
    """A raw stream (.h264), or a container of any name; `apart` makes every field a packet."""
    raw = path.with_suffix(".h264")
    raw.write_bytes(b"".join(b"".join(fields) for fields in units))
    if path == raw:
        return str(path)
    with av.open(str(raw)) as given, av.open(str(path), "w") as container:
        stream: Any = container.add_stream_from_template(given.streams.video[0], opaque=True)
        stream.time_base = Fraction(1, 50)
        for number, fields in enumerate(units):
            for field, data in enumerate(fields if apart else [b"".join(fields)]):
                packet: Any = av.Packet(data)
                packet.stream, packet.time_base = stream, Fraction(1, 50)
                packet.pts = packet.dts = 2 * number + field
                packet.duration = 1 if apart and len(fields) > 1 else 2
                packet.is_keyframe = number % 12 == 0 and field == 0
                container.mux(packet)
    return str(path)
