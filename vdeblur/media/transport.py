"""What the last bytes of an MPEG transport stream tell: it states no length, and FFmpeg reads a cut one in silence.

A stream is cut for certain where its last packet is not whole, or where a PES packet of stated length is not (ISO/IEC
13818-1, 2.4.3). A picture's PES packet mostly states no length. Its last transport packet is then filled up with
stuffing, but for one picture in 184, which happens to fit: so a last packet without stuffing is a hint and no proof. A
cut between two PES packets leaves no trace here at all.
"""

from __future__ import annotations

from dataclasses import dataclass

TAIL_BYTES = 1 << 20
"""How much of the end is looked at: no picture's packet is likely to be longer."""
PACKET_SIZES = (188, 192, 204)
"""Plain, with a time in front of each packet (Blu-ray, AVCHD), with parity behind (DVB)."""

_SYNC = 0x47
_LEAST_PACKETS = 5


@dataclass(slots=True)
class _Pes:
    is_picture: bool
    stated: int
    """Bytes; 0 where it does not say."""
    held: int
    is_full: bool = True
    """Its latest packet has no stuffing."""


def end_of(tail: bytes) -> tuple[bool, str | None]:
    """(whether the stream is cut for certain, what tells so or lets one suspect it) from its last bytes."""
    for size in PACKET_SIZES:
        for first in range(min(size, len(tail))):
            starts = range(first, len(tail), size)
            if tail[starts[-1]] != _SYNC:  # what follows the last packet is no packet
                starts = starts[:-1]
            if len(starts) >= _LEAST_PACKETS and all(tail[start] == _SYNC for start in starts):
                return _end_of(tail, starts, 204 if size == 204 else 188)
    return False, None


def _end_of(tail: bytes, starts: range, whole: int) -> tuple[bool, str | None]:
    if len(tail) - starts[-1] < whole:
        return True, "its last packet is not whole"
    open_ones: dict[int, _Pes] = {}
    for start in starts:
        pid, begins, kind = (tail[start + 1] & 0x1F) << 8 | tail[start + 2], tail[start + 1] & 0x40, tail[start + 3]
        if not kind & 0x10:
            continue  # no payload
        at = start + 4 + (1 + tail[start + 4] if kind & 0x20 else 0)
        payload = tail[at : start + 188]
        if begins and payload[:3] == b"\0\0\1" and len(payload) > 6:
            stated = payload[4] << 8 | payload[5]
            open_ones[pid] = _Pes(payload[3] & 0xF0 == 0xE0, stated, len(payload) - 6)
        elif pid in open_ones:
            open_ones[pid].held += len(payload)
        if pid in open_ones:
            open_ones[pid].is_full = not (kind & 0x20 and _is_stuffed(tail[start + 4 : at]))
    if any(pes.held < pes.stated for pes in open_ones.values()):
        return True, "the last packet of one of its streams is not whole"
    last = open_ones.get((tail[starts[-1] + 1] & 0x1F) << 8 | tail[starts[-1] + 2])
    if last is not None and last.is_picture and not last.stated and last.is_full:
        return False, "its last picture may not be whole"
    return False, None


def _is_stuffed(field: bytes) -> bool:
    """Whether an adaptation field, its length included, is longer than what it carries."""
    if len(field) < 2 or field[1] & 0x03:  # a lone byte; or private data, which only its owner can measure
        return True
    clocks = (field[1] >> 4 & 1) + (field[1] >> 3 & 1)
    return len(field) > 2 + 6 * clocks + (field[1] >> 2 & 1)
