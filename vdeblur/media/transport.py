"""Detects truncation from the last bytes of an MPEG transport stream, which states no length.

A stream is certainly truncated if its last packet is incomplete, or a PES packet of stated length is (ISO/IEC 13818-1,
2.4.3). The PES packet of a video frame usually states no length. Its last transport packet then ends with stuffing,
except for one frame in 184 that happens to fit: so a last packet without stuffing is a hint but no proof. A cut between
two PES packets cannot be detected.
"""

from __future__ import annotations

from dataclasses import dataclass

TAIL_BYTES = 1 << 20
"""Number of last bytes examined: longer packets of a frame are unlikely."""
PACKET_SIZES = (188, 192, 204)
"""Plain, with a time stamp before each packet (Blu-ray, AVCHD), with parity after it (DVB)."""

_SYNC = 0x47
_LEAST_PACKETS = 5


@dataclass(slots=True)
class _Pes:
    is_video: bool
    stated: int
    """Stated length in bytes; 0 if unstated."""
    received: int
    is_full: bool = True
    """Whether its latest transport packet has no stuffing."""


def truncation_of(tail: bytes) -> tuple[bool, str | None]:
    """(whether the stream is certainly truncated, the reason or a suspicion) from its last bytes."""
    for size in PACKET_SIZES:
        for first in range(min(size, len(tail))):
            starts = range(first, len(tail), size)
            if tail[starts[-1]] != _SYNC:  # bytes after the last packet are not a packet
                starts = starts[:-1]
            if len(starts) >= _LEAST_PACKETS and all(tail[start] == _SYNC for start in starts):
                return _examine_packets(tail, starts, 204 if size == 204 else 188)
    return False, None


def _examine_packets(tail: bytes, starts: range, whole: int) -> tuple[bool, str | None]:
    if len(tail) - starts[-1] < whole:
        return True, "its last packet is incomplete"
    open_packets: dict[int, _Pes] = {}
    for start in starts:
        pid, begins, kind = (tail[start + 1] & 0x1F) << 8 | tail[start + 2], tail[start + 1] & 0x40, tail[start + 3]
        if not kind & 0x10:
            continue  # no payload
        at = start + 4 + (1 + tail[start + 4] if kind & 0x20 else 0)
        payload = tail[at : start + 188]
        if begins and payload[:3] == b"\0\0\1" and len(payload) > 6:
            stated = payload[4] << 8 | payload[5]
            open_packets[pid] = _Pes(payload[3] & 0xF0 == 0xE0, stated, len(payload) - 6)
        elif pid in open_packets:
            open_packets[pid].received += len(payload)
        if pid in open_packets:
            open_packets[pid].is_full = not (kind & 0x20 and _is_stuffed(tail[start + 4 : at]))
    if any(pes.received < pes.stated for pes in open_packets.values()):
        return True, "the last packet of one of its streams is incomplete"
    last = open_packets.get((tail[starts[-1] + 1] & 0x1F) << 8 | tail[starts[-1] + 2])
    if last is not None and last.is_video and not last.stated and last.is_full:
        return False, "its last frame may be incomplete"
    return False, None


def _is_stuffed(field: bytes) -> bool:
    """Whether an adaptation field is longer than its contents, length byte included."""
    if len(field) < 2 or field[1] & 0x03:  # a single byte, or private data of unknown length
        return True
    clocks = (field[1] >> 4 & 1) + (field[1] >> 3 & 1)
    return len(field) > 2 + 6 * clocks + (field[1] >> 2 & 1)
