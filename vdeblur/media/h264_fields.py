"""Detects packets of H.264 that contain only the second field of a frame, and so give no frame of their own.

Broadcasters code moving frames as two fields (PAFF), and many containers store each field as a packet. Syntax by
ITU-T H.264, 7.3.2.1.1 (sequence parameter sets) and 7.3.3 (slice headers).
"""

from __future__ import annotations

from .nal_units import length_size, unescaped, units

_WITH_CHROMA = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
"""Values of profile_idc whose parameter sets contain the chroma format."""
_SLICES, _SEQUENCE = (1, 5), 7
_HEAD = 64
"""Number of bytes of a unit to parse; enough except for unusually long scaling matrices."""


class FieldPairs:
    """Pairs the fields of a stream; call it for every packet in coding order."""

    def __init__(self, extradata: bytes | None) -> None:
        """`extradata` is that of the codec, in Annex B or in the format of MP4 and Matroska."""
        self._length_size = length_size(extradata, hevc=False)
        self.possible = False
        """Whether frames may be coded as fields, by the sequence parameter set."""
        self._frame_number_bits = 0
        self._separate_planes = False
        self._open: bool | None = None
        """The field that waits for the other one: True is the bottom field, None is none."""
        for unit in _parameter_sets(extradata, self._length_size):
            self._read_sequence(unit)

    def is_second(self, packet: bytes) -> bool:
        """Whether a packet holds only the second field of a frame."""
        first: bool | None = None
        last: bool | None = None
        for unit in units(packet, self._length_size):
            kind = unit[0] & 31
            if kind == _SEQUENCE:
                self._read_sequence(unit)
            elif kind in _SLICES and self.possible:
                last = self._field(unit)
                if last is None:
                    break
                first = last if first is None else first
        if last is None or first != last:  # a frame, or both of its fields
            self._open = None
            return False
        is_second = self._open is not None and self._open != last
        self._open = None if is_second else last
        return is_second

    def _field(self, unit: bytes) -> bool | None:
        """The field of a slice: True is the bottom field, False the top field, None a frame."""
        try:
            bits = _Bits(unit)
            bits.skip_codes(3)  # first macroblock, type of slice, picture parameter set
            bits.take(self._frame_number_bits + 2 * self._separate_planes)
            return bool(bits.take(1)) if bits.take(1) else None
        except IndexError:
            return None

    def _read_sequence(self, unit: bytes) -> None:
        try:
            bits = _Bits(unit)
            profile = bits.take(24) >> 16  # with constraints and level
            bits.skip_codes(1)
            self._separate_planes = False
            if profile in _WITH_CHROMA:
                if bits.code() == 3:
                    self._separate_planes = bool(bits.take(1))
                bits.skip_codes(2)  # bit depths
                bits.take(1)
                if bits.take(1):
                    _skip_matrices(bits, 12 if self._separate_planes else 8)
            self._frame_number_bits = bits.code() + 4
            order = bits.code()
            if order == 0:
                bits.skip_codes(1)
            elif order == 1:
                bits.take(1)
                bits.skip_codes(2)
                bits.skip_codes(bits.code())
            bits.skip_codes(1)  # reference frames
            bits.take(1)
            bits.skip_codes(2)  # width and height
            self.possible = not bits.take(1)
        except IndexError:  # damaged
            self.possible = False


def _parameter_sets(extradata: bytes | None, length: int) -> list[bytes]:
    if not extradata or len(extradata) < 7:
        return []
    if not length:
        return [unit for unit in units(extradata, 0) if unit[0] & 31 == _SEQUENCE]
    found, at = [], 6  # ISO/IEC 14496-15, 5.3.3.1
    for _ in range(extradata[5] & 31):
        size = int.from_bytes(extradata[at : at + 2], "big")
        found.append(extradata[at + 2 : at + 2 + size])
        at += 2 + size
    return [unit for unit in found if unit]


def _skip_matrices(bits: _Bits, count: int) -> None:
    """Scaling lists (7.3.2.1.1.1)."""
    for index in range(count):
        last = following = 8
        for _ in range((16 if index < 6 else 64) if bits.take(1) else 0):
            if following:
                following = (last + bits.signed_code()) % 256
            last = following or last


class _Bits:
    """Reads the payload of a NAL unit bit by bit. Raises IndexError past its end."""

    def __init__(self, unit: bytes) -> None:
        body = unescaped(unit[1 : 1 + _HEAD])
        self._text = f"{int.from_bytes(body, 'big'):0{8 * len(body)}b}"
        self._at = 0

    def take(self, count: int) -> int:
        """An unsigned number of `count` bits."""
        end = self._at + count
        if end > len(self._text):
            raise IndexError("the unit has ended")
        value = int(self._text[self._at : end] or "0", 2)
        self._at = end
        return value

    def code(self) -> int:
        """An Exp-Golomb code (9.1)."""
        zeros = self._text.index("1", self._at) - self._at if "1" in self._text[self._at :] else len(self._text)
        self.take(zeros)
        return self.take(zeros + 1) - 1

    def signed_code(self) -> int:
        """An Exp-Golomb code for signed numbers (9.1.1)."""
        code = self.code()
        return (code + 1) // 2 if code % 2 else -(code // 2)

    def skip_codes(self, count: int) -> None:
        """Skip `count` codes."""
        for _ in range(count):
            self.code()
