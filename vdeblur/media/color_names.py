"""Names of colour tags."""

from __future__ import annotations

from ..frames import MATRIX_BT709, MATRIX_RGB, MATRIX_UNSPECIFIED, Color

_UNSPECIFIED = "unspecified"
# Names of the code points of ITU-T H.273, tables 2 to 4.
_PRIMARIES = {
    1: "BT.709",
    2: _UNSPECIFIED,
    4: "BT.470 M",
    5: "BT.601 (625 lines)",
    6: "BT.601 (525 lines)",
    7: "SMPTE 240M",
    8: "film",
    9: "BT.2020",
    10: "CIE 1931 XYZ",
    11: "DCI-P3",
    12: "Display P3",
    22: "EBU 3213",
}
_TRANSFERS = {
    1: "BT.709",
    2: _UNSPECIFIED,
    4: "gamma 2.2",
    5: "gamma 2.8",
    6: "BT.601",
    7: "SMPTE 240M",
    8: "linear",
    9: "logarithmic (100:1)",
    10: "logarithmic (316:1)",
    11: "IEC 61966-2-4",
    12: "BT.1361",
    13: "sRGB",
    14: "BT.2020 (10 bit)",
    15: "BT.2020 (12 bit)",
    16: "PQ (SMPTE ST 2084)",
    17: "SMPTE ST 428-1",
    18: "HLG (ARIB STD-B67)",
}
_MATRICES = {
    MATRIX_RGB: "RGB",
    MATRIX_BT709: "BT.709",
    MATRIX_UNSPECIFIED: _UNSPECIFIED,
    4: "FCC",
    5: "BT.601 (625 lines)",
    6: "BT.601 (525 lines)",
    7: "SMPTE 240M",
    8: "YCgCo",
    9: "BT.2020",
    10: "BT.2020 constant luminance",
    11: "SMPTE ST 2085",
    12: "derived from the primaries",
    13: "derived, constant luminance",
    14: "ICtCp",
}
_HDR = {16: "HDR (PQ)", 18: "HDR (HLG)"}


def color_text(color: Color) -> str:
    """`BT.709 limited`, or with each tag by its own name if they differ: `BT.2020 / Display P3 / PQ full`."""
    names = (
        _MATRICES.get(color.matrix, f"matrix {color.matrix}"),
        _PRIMARIES.get(color.primaries, f"primaries {color.primaries}"),
        _TRANSFERS.get(color.transfer, f"transfer {color.transfer}"),
    )
    extent = {None: "unspecified range", False: "limited", True: "full"}[color.full_range]
    short = [name.partition(" (")[0] for name in names]
    named = short[0] if len({name.partition(" ")[0] for name in short}) == 1 else " / ".join(short)
    return f"{named} {extent}"


def long_color_text(color: Color, height: int) -> str:
    """`BT.709, limited range`, with each tag by its own name if they differ, and how untagged frames are treated."""
    named = (
        _PRIMARIES.get(color.primaries, f"number {color.primaries}"),
        _TRANSFERS.get(color.transfer, f"number {color.transfer}"),
        _MATRICES.get(color.matrix, f"number {color.matrix}"),
    )
    extent = {None: "range unspecified", True: "full range", False: "limited range"}[color.full_range]
    if color.matrix == MATRIX_UNSPECIFIED and len(set(named)) == 1:
        taken = "BT.709" if height >= 720 else "BT.601"
        return f"unspecified (taken for {taken}), {extent}"
    if len(set(named)) == 1:
        return f"{named[0]}, {extent}"
    hdr = f"{_HDR[color.transfer]}: " if color.transfer in _HDR else ""
    return f"{hdr}primaries {named[0]}, transfer {named[1]}, matrix {named[2]}, {extent}"
