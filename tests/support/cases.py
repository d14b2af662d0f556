"""Clips of every layout, colour, time base and set of streams that must come through untouched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Any

from support.videos import ROTATED_90, Recipe, frames, noise
from vdeblur.frames import Color, Layout
from vdeblur.media.planes import CHROMA_SHIFTS

PQ = Color(9, 16, 9, False, 3)
HLG = Color(9, 18, 9, False, 1)

LAYOUTS = {
    **{
        f"{sub} {bits} bit": Layout("yuv", bits, CHROMA_SHIFTS[sub])
        for sub in ("420", "422", "444")
        for bits in (8, 10, 12)
    },
    "440": Layout("yuv", 8, (0, 1)),
    "411": Layout("yuv", 8, (2, 0)),
    "16 bit": Layout("yuv", 16, (0, 0)),
    "grey": Layout("gray"),
    "grey 10 bit": Layout("gray", 10),
    "rgb": Layout("rgb"),
    "rgb 10 bit": Layout("rgb", 10),
    "rgb 16 bit": Layout("rgb", 16),
    "rgb with alpha": Layout("rgb", alpha=True),
    "yuv with alpha": Layout("yuv", 8, (1, 1), alpha=True),
    "yuv 10 bit with alpha": Layout("yuv", 10, (0, 0), alpha=True),
}


def noise_of(layout: Layout, width: int, height: int, index: int) -> Any:
    return noise(layout, width, height, index)


def noisy(layout: Layout) -> Recipe:
    return Recipe(frames(3, layout, make=noise_of), codec="ffv1")


CASES: dict[str, Callable[[], Recipe]] = {
    **{name: partial(noisy, layout) for name, layout in LAYOUTS.items()},
    "odd size": lambda: Recipe(frames(3, size=(35, 21)), codec="ffv1"),
    "2 x 2": lambda: Recipe(frames(3, size=(2, 2)), codec="ffv1"),
    "full range": lambda: Recipe(frames(3, color=Color(1, 1, 1, True, 1)), codec="ffv1"),
    "limited 601": lambda: Recipe(frames(3, color=Color(6, 6, 6, False, 2)), codec="ffv1"),
    "PQ": lambda: Recipe(frames(3, Layout("yuv", 10, (1, 1)), color=PQ), codec="ffv1"),
    "HLG": lambda: Recipe(frames(3, Layout("yuv", 10, (1, 1)), color=HLG), codec="ffv1"),
    "B-frames": lambda: Recipe(frames(12), bframes=3),
    "variable rate": lambda: Recipe(frames(6, pts=[0, 33, 50, 133, 134, 400], time_base=Fraction(1, 1000)), bframes=2),
    "late start": lambda: Recipe(frames(6, pts=range(250, 256)), bframes=2, audio="libopus", audio_start=9.9),
    "rotation": lambda: Recipe(frames(3), matrix=ROTATED_90),
    "sound": lambda: Recipe(frames(8), audio="libopus"),
    "all streams": lambda: Recipe(frames(8), audio="libopus", subtitles="ass", attachment=True, chapters=2),
    "hevc": lambda: Recipe(frames(5), codec="libx265"),
    "mpeg2": lambda: Recipe(frames(5), codec="mpeg2video"),
    "vp9": lambda: Recipe(frames(5), codec="libvpx-vp9"),
    "mjpeg": lambda: Recipe(frames(5, Layout("yuv", 8, (1, 0)), color=Color(full_range=True)), codec="mjpeg"),
}


def same_tags(before: Color, after: Color) -> bool:
    """Equal; but H.264 and HEVC know no unspecified chroma siting, theirs is then the left one."""
    unsaid = before.chroma_location == 0 and after.chroma_location == 1
    return after == (replace(before, chroma_location=1) if unsaid else before)
