"""Splits packets of H.264 and HEVC into NAL units (ITU-T H.264 and H.265, 7.3.1 and annex B)."""

from __future__ import annotations

from collections.abc import Iterator


def length_size(extradata: bytes | None, hevc: bool) -> int:
    """Size in bytes of the length before each unit; 0 for Annex B, which uses start codes."""
    least = 22 if hevc else 5
    if not extradata or len(extradata) < least or extradata[0] != 1:
        return 0
    return (extradata[least - 1] & 3) + 1


def units(packet: bytes, prefix: int) -> Iterator[bytes]:
    """Yield the units of a packet, including damaged ones; `prefix` is its `length_size`."""
    at = 0
    if prefix:
        while at + prefix < len(packet):
            length = int.from_bytes(packet[at : at + prefix], "big")
            at += prefix
            if length > 2:
                yield packet[at : at + length]
            at += length
        return
    at = packet.find(b"\0\0\1")
    while at >= 0:
        end = packet.find(b"\0\0\1", at + 3)
        unit = packet[at + 3 : end if end >= 0 else len(packet)]
        if len(unit) > 2:
            yield unit if end < 0 else unit.rstrip(b"\0")
        at = end


def unescaped(data: bytes) -> bytes:
    """Remove emulation prevention bytes (7.4.1)."""
    return data.replace(b"\0\0\3", b"\0\0")


def escaped(data: bytes) -> bytes:
    """Insert emulation prevention bytes (7.4.1)."""
    out, zeros = bytearray(), 0
    for byte in data:
        if zeros >= 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = 0 if byte else zeros + 1
    return bytes(out)
