"""HDR10 static metadata of a decoded frame as encoder settings."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from fractions import Fraction

_Point = tuple[Fraction, Fraction]


def hdr10_settings(encoder: str, found: Mapping[str, bytes]) -> tuple[dict[str, str], bool]:
    """(encoder options, whether metadata is lost) for the HDR10 static metadata in the side data of a frame.

    The structures are FFmpeg's AVMasteringDisplayMetadata and AVContentLightMetadata. x264 and x265 take chromaticities
    in units of 0.00002 and luminance in 0.0001 cd/m2 (SMPTE ST 2086 as HEVC's SEI has it), SVT-AV1 takes decimals.
    """
    display, light = _mastering_display(found), _content_light(found)
    if display is None and light is None:
        return {}, False
    if encoder in ("libx265", "libx264"):
        params = []
        if display:
            (r, g, b), white, (low, high) = display
            points = "".join(
                f"{n}({round(x * 50000)},{round(y * 50000)})" for n, (x, y) in zip("GBR", (g, b, r), strict=True)
            )
            wp = f"WP({round(white[0] * 50000)},{round(white[1] * 50000)})"
            luminance = f"L({round(high * 10000)},{round(low * 10000)})"
            key = "master-display" if encoder == "libx265" else "mastering-display"
            params.append(f"{key}={points}{wp}{luminance}")
        if light:
            params.append(f"{'max-cll' if encoder == 'libx265' else 'cll'}={light[0]},{light[1]}")
        return {f"{encoder[3:]}-params": ":".join(params)}, False
    if encoder == "libsvtav1":
        params = []
        if display:
            (r, g, b), white, (low, high) = display
            points = "".join(
                f"{n}({float(x):.5f},{float(y):.5f})"
                for n, (x, y) in zip(("G", "B", "R", "WP"), (g, b, r, white), strict=True)
            )
            params.append(f"mastering-display={points}L({float(high):.4f},{float(low):.4f})")
        if light:
            params.append(f"content-light={light[0]},{light[1]}")
        return {"svtav1-params": ":".join(params)}, False
    return {}, True


def _mastering_display(found: Mapping[str, bytes]) -> tuple[tuple[_Point, _Point, _Point], _Point, _Point] | None:
    """((red, green, blue), white point, (lowest, highest luminance)) of the display that graded the video.

    FFmpeg flags primaries and luminance separately, and marks values outside the ranges of ST 2086 as missing. They are
    kept all the same; values that are really missing are zero.
    """
    data = found.get("MASTERING_DISPLAY_METADATA")
    if data is None or len(data) < 88:
        return None
    numbers = struct.unpack("=22i", data[:88])
    values = [Fraction(n, d) if d else Fraction(0) for n, d in zip(numbers[0:20:2], numbers[1:20:2], strict=True)]
    if not any(values):
        return None
    points = [(values[i], values[i + 1]) for i in range(0, 10, 2)]
    return (points[0], points[1], points[2]), points[3], points[4]


def _content_light(found: Mapping[str, bytes]) -> tuple[int, int] | None:
    """(MaxCLL, MaxFALL) in cd/m2."""
    data = found.get("CONTENT_LIGHT_LEVEL")
    return None if data is None or len(data) < 8 else struct.unpack("=2I", data[:8])
