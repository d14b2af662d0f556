"""Copies SEI messages and Dolby Vision units of H.264 and HEVC from the packets of a source to those of an output.

No encoder in FFmpeg writes HDR10+, an ambient viewing environment or user data, and PyAV cannot pass Dolby Vision to
one. But the messages need no encoder: they precede the slices of their frame, and are inserted there unchanged.
Syntax by ITU-T H.264 and H.265, 7.3 (NAL units) and annex D (messages); a Dolby Vision RPU is a unit of type 62.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from .nal_units import escaped, length_size, unescaped, units

WITH_MESSAGES = ("h264", "hevc")
RPU = -1
"""Used as the message type of a Dolby Vision unit."""

_T35, _USER_DATA, _FRAME_PACKING, _TIME_CODE, _AMBIENT = 4, 5, 45, 136, 148
_CAPTIONS = b"\xb5\x00\x31GA94"  # encoders write these from the side data of a frame
_T35_KINDS = {
    b"\xb5\x00\x31DTG1": "AFD",
    b"\xb5\x00\x3c\x00\x01\x04": "DYNAMIC_HDR_PLUS",
    b"\x26\x00\x04\x00\x05": "DYNAMIC_HDR_VIVID",
}
_KINDS = {
    _USER_DATA: {"SEI_UNREGISTERED"},
    _FRAME_PACKING: {"STEREO3D"},
    _TIME_CODE: {"S12M_TIMECODE"},
    _AMBIENT: {"AMBIENT_VIEWING_ENVIRONMENT"},
    RPU: {"DOVI_RPU_BUFFER", "DOVI_METADATA"},
}
_ENCODERS_OWN = (
    bytes.fromhex("dc45e9bde6d948b7962cd820d923eeef"),  # x264
    bytes.fromhex("2ca2de09b51747dbbb55a4fe7fc2fc4e"),  # x265
)
"""UUIDs of the user data with which encoders describe themselves."""


def is_encoder_info(user_data: bytes) -> bool:
    """Whether unregistered user data is the self-description of an encoder."""
    return user_data[:16] in _ENCODERS_OWN


@dataclass(frozen=True, slots=True)
class Message:
    """A message that belongs to one frame."""

    type: int
    """Type of the SEI message (the same in H.264 and HEVC), or `RPU`."""
    payload: bytes

    @property
    def kinds(self) -> set[str]:
        """Names of the corresponding side data in FFmpeg."""
        if self.type == _T35:
            return {kind for start, kind in _T35_KINDS.items() if self.payload.startswith(start)}
        return _KINDS[self.type]


@dataclass(frozen=True, slots=True)
class Riders:
    """Data in a decoded frame's `opaque` that the decoder does not provide."""

    messages: tuple[Message, ...] = ()
    ratio: Fraction | None = None
    """Pixel aspect ratio, if it differs from that of the first frame."""

    @property
    def has_dolby_vision(self) -> bool:
        """Whether a Dolby Vision unit is among them."""
        return any(message.type == RPU for message in self.messages)


NO_RIDERS = Riders()


def messages_of(packet: bytes, codec: str, extradata: bytes | None) -> tuple[Message, ...]:
    """The messages of an "h264" or "hevc" packet that encoders do not write; damaged ones are omitted."""
    found: list[Message] = []
    hevc = codec == "hevc"
    for unit in units(packet, length_size(extradata, hevc)):
        kind = unit[0] >> 1 & 63 if hevc else unit[0] & 31
        if hevc and kind == 62:
            found.append(Message(RPU, unit[2:]))
        elif kind == 39 if hevc else kind == 6:
            found += _parsed(unescaped(unit[2 if hevc else 1 :]))
    return tuple(found)


def with_messages(packet: bytes, messages: tuple[Message, ...], codec: str) -> bytes:
    """An Annex B packet with messages inserted before its first slice; those that `codec` cannot hold are omitted."""
    hevc = codec == "hevc"
    before = after = b""
    for message in messages:
        if not _is_supported(message, codec):
            continue
        if message.type == RPU:
            after += b"\0\0\0\1\x7c\x01" + message.payload
        else:
            before += b"\0\0\0\1" + (b"\x4e\x01" if hevc else b"\x06") + escaped(_written(message))
    at = _first_slice(packet, hevc)
    return packet[:at] + before + packet[at:] + after


def carried_by(messages: tuple[Message, ...], codec: str) -> set[str]:
    """The kinds of side data that `with_messages` writes."""
    return {kind for message in messages if _is_supported(message, codec) for kind in message.kinds}


def _is_supported(message: Message, codec: str) -> bool:
    """Whether `codec` can hold a message: HEVC holds all; H.264 readers ignore HDR10+ and Dolby Vision, and x264 writes
    frame packing itself."""
    return codec == "hevc" or message.type in (_USER_DATA, _AMBIENT) or "AFD" in message.kinds


def _first_slice(packet: bytes, hevc: bool) -> int:
    """Position of the start code of the first slice, or the end if there is none."""
    at = packet.find(b"\0\0\1")
    while 0 <= at < len(packet) - 3:
        kind = packet[at + 3] >> 1 & 63 if hevc else packet[at + 3] & 31
        if kind < 32 if hevc else kind in (1, 5):
            return at - (at > 0 and packet[at - 1] == 0)
        at = packet.find(b"\0\0\1", at + 3)
    return len(packet)


def _parsed(body: bytes) -> Iterator[Message]:
    at = 0
    while at + 2 < len(body):  # a type, a size and the closing bit at least
        numbers = []
        for _ in range(2):
            start = at
            while at < len(body) and body[at] == 0xFF:
                at += 1
            if at == len(body):
                return
            numbers.append(255 * (at - start) + body[at])
            at += 1
        kind, size = numbers
        payload = body[at : at + size]
        at += size
        if len(payload) == size and _is_copied(kind, payload):
            yield Message(kind, payload)


def _is_copied(kind: int, payload: bytes) -> bool:
    if kind == _T35:
        return not payload.startswith(_CAPTIONS)
    return kind in _KINDS and not (kind == _USER_DATA and is_encoder_info(payload))


def _written(message: Message) -> bytes:
    numbers = b"".join(b"\xff" * (n // 255) + bytes([n % 255]) for n in (message.type, len(message.payload)))
    return numbers + message.payload + b"\x80"
