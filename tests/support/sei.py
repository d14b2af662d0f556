"""H.264 and HEVC streams with SEI messages of every kind, made bit by bit, as cameras and broadcasters add them."""

from __future__ import annotations

import io
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

USER_DATA = bytes(range(16)) + b"a sensor's words"
"""Unregistered user data: an identifier of 16 bytes, and what it says."""


def bits(*fields: tuple[int, int]) -> bytes:
    """(value, width) one after the other, filled up with zeros to whole bytes."""
    text = "".join(f"{value:0{width}b}" for value, width in fields)
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


MESSAGES: dict[str, tuple[int, bytes]] = {
    # CTA-708: a provider code of ATSC's, one pair of 608 bytes.
    "A53_CC": (4, b"\xb5\x00\x31GA94\x03\x41\xff\xfc\x94\x20\xff"),
    "AFD": (4, b"\xb5\x00\x31DTG1\x41\xf8"),
    # SMPTE ST 2094-40 version 1 with one window.
    "DYNAMIC_HDR_PLUS": (
        4,
        b"\xb5\x00\x3c\x00\x01\x04\x01"
        + bits((1, 2), (400, 27), (0, 1), *[(1000, 17)] * 3, (500, 17), (1, 4), (50, 7), (4000, 17), (0, 10), (0, 3)),
    ),
    "SEI_UNREGISTERED": (5, USER_DATA),
    # Frame packing arrangement, top and bottom.
    "STEREO3D": (
        45,
        bits((1, 1), (0, 1), (4, 7), (0, 1), (1, 6), *[(0, 1)] * 6, *[(0, 4)] * 4, (0, 8), (1, 1), (0, 1)),
    ),
    # Time code of HEVC: 05:02:03:07.
    "S12M_TIMECODE": (
        136,
        bits((1, 2), (1, 1), (0, 1), (0, 5), (1, 1), (0, 2), (7, 9), (3, 6), (2, 6), (5, 5), (0, 5)),
    ),
    # 314 lux, the white point in units of 0.00002.
    "AMBIENT_VIEWING_ENVIRONMENT": (148, bits((3_140_000, 32), (15_635, 16), (16_450, 16))),
}
"""FFmpeg's name of the side data -> (type, payload) of the SEI message that becomes it."""
HEVC_ONLY = ("S12M_TIMECODE", "DYNAMIC_HDR_PLUS", "AMBIENT_VIEWING_ENVIRONMENT")


def nal_unit(kind: int, payload: bytes, hevc: bool) -> bytes:
    """An SEI NAL unit with one message, in Annex B."""
    body = b""
    for number in (kind, len(payload)):
        body += b"\xff" * (number // 255) + bytes([number % 255])
    escaped, zeros = bytearray(), 0
    for byte in body + payload + b"\x80":
        if zeros >= 2 and byte <= 3:
            escaped.append(3)
            zeros = 0
        escaped.append(byte)
        zeros = 0 if byte else zeros + 1
    return b"\0\0\0\1" + (b"\x4e\x01" if hevc else b"\x06") + bytes(escaped)


def inserted(access_unit: bytes, unit: bytes, hevc: bool) -> bytes:
    """The access unit with one more NAL unit before its first slice."""
    at = access_unit.find(b"\0\0\1")
    while at >= 0:
        kind = access_unit[at + 3] >> 1 & 63 if hevc else access_unit[at + 3] & 31
        if kind < 32 if hevc else kind in (1, 5):
            at -= at > 0 and access_unit[at - 1] == 0
            return access_unit[:at] + unit + access_unit[at:]
        at = access_unit.find(b"\0\0\1", at + 3)
    raise ValueError("an access unit without a slice")


def encoded(
    codec: str, messages: Iterable[str | tuple[int, bytes]], count: int = 6, first: int = 0, pix_fmt: str = "yuv420p"
) -> bytes:
    """A raw stream of gray frames, from the `first` on with these messages (names, or types and payloads)."""
    hevc = codec == "libx265"
    context: Any = av.CodecContext.create(codec, "w")
    context.width, context.height, context.pix_fmt = 128, 96, pix_fmt
    context.time_base, context.framerate = Fraction(1, 25), Fraction(25)
    own = {"x265-params": "log-level=none:repeat-headers=1:bframes=0:info=0"} if hevc else {"bf": "0"}
    context.options = {"preset": "ultrafast", **own}
    packets = []
    for index in range(count):
        frame = av.VideoFrame(128, 96, pix_fmt)
        for plane in frame.planes:
            plane.update(bytes([40 + index]) * plane.buffer_size)
        frame.pts, frame.time_base = index, context.time_base
        packets += context.encode(frame)
    packets += context.encode(None)
    stream = io.BytesIO()
    for number, packet in enumerate(packets):
        data = bytes(packet)
        for message in messages if number >= first else ():
            kind, payload = MESSAGES[message] if isinstance(message, str) else message
            data = inserted(data, nal_unit(kind, payload, hevc), hevc)
        stream.write(data)
    return stream.getvalue()


def write(path: Path, codec: str, messages: Iterable[str], **settings: Any) -> str:
    """The raw stream as a file, named .h264 or .hevc."""
    path.write_bytes(encoded(codec, messages, **settings))
    return str(path)
