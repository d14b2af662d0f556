"""Frame: planes with their time and colour tags. No input or output, no tensor library."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.uint8] | NDArray[np.uint16]
Image: TypeAlias = NDArray[np.uint8]
"""An 8-bit image outside the pipeline, (height, width, channels)."""

MATRIX_RGB, MATRIX_BT709, MATRIX_UNSPECIFIED = 0, 1, 2
MATRIX_BT470BG, MATRIX_SMPTE170M, MATRIX_BT2020_NCL = 5, 6, 9

# Kr, Kb of the luma equation, per matrix code point (ITU-T H.273, table 4).
LUMA_WEIGHTS: dict[int, tuple[float, float]] = {
    MATRIX_BT709: (0.2126, 0.0722),
    4: (0.30, 0.11),
    MATRIX_BT470BG: (0.299, 0.114),
    MATRIX_SMPTE170M: (0.299, 0.114),
    7: (0.212, 0.087),
    MATRIX_BT2020_NCL: (0.2627, 0.0593),
}


@dataclass(frozen=True, slots=True)
class Color:
    """Colour tags as code points of ITU-T H.273, which FFmpeg uses as well; 2 is *unspecified*.

    They are kept exactly as in the file; only `luma_weights` makes assumptions about untagged frames.
    """

    primaries: int = 2
    transfer: int = 2
    matrix: int = 2
    full_range: bool | None = None
    """True for 0..2^bits-1, False for limited (16..235 in 8 bit), None if unspecified."""
    chroma_location: int = 0
    """FFmpeg's AVChromaLocation; 0 is unspecified."""

    def luma_weights(self, height: int) -> tuple[float, float]:
        """(Kr, Kb) for this matrix; untagged frames are taken for BT.709 from 720 lines up, else BT.601."""
        guess = MATRIX_BT709 if height >= 720 else MATRIX_SMPTE170M
        return LUMA_WEIGHTS.get(self.matrix, LUMA_WEIGHTS[guess])


SRGB_TAGS = Color(primaries=1, transfer=13, matrix=MATRIX_RGB, full_range=True)
"""Of sRGB images: the primaries of BT.709, the transfer function of IEC 61966-2-1."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How the planes of a frame store its samples.

    `model` "yuv" has planes Y, Cb, Cr; "rgb" has R, G, B (each full size); "gray" has Y alone. `alpha` adds one more
    full-size plane at the end. Chroma planes have ceil(size / 2**shift) samples.
    """

    model: Literal["yuv", "rgb", "gray"]
    bits: int = 8
    """Significant bits of a sample, 8..16; samples of more than 8 bits are in the low bits of uint16."""
    chroma_shift: tuple[int, int] = (0, 0)
    """(horizontal, vertical) log2 of the chroma sub-sampling: (1, 1) is 4:2:0, (1, 0) 4:2:2, (0, 0) 4:4:4."""
    alpha: bool = False

    @property
    def dtype(self) -> type[np.uint8] | type[np.uint16]:
        """Type of a sample."""
        return np.uint8 if self.bits == 8 else np.uint16

    def plane_shapes(self, width: int, height: int) -> list[tuple[int, int]]:
        """(height, width) of every plane, in order."""
        shapes = [(height, width)]
        if self.model == "yuv":
            sx, sy = self.chroma_shift
            shapes += [(-(-height // (1 << sy)), -(-width // (1 << sx)))] * 2
        elif self.model == "rgb":
            shapes += [(height, width)] * 2
        return shapes + ([(height, width)] if self.alpha else [])


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One frame and its time. Planes must not be modified; restorers make new ones."""

    planes: tuple[Plane, ...]
    """Native samples, each (height, width) of its plane, uint8 or uint16, in the order of `layout`."""
    layout: Layout
    color: Color
    pts: int
    """Presentation time in units of `time_base`; never None, never a float."""
    time_base: Fraction
    duration: int = 0
    """In units of `time_base`; 0 if unknown."""
    origin: Any = field(default=None, repr=False)
    """Used only by the source and sink that share it (side data, file name of an image)."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        height, width = self.planes[0].shape
        return width, height

    @property
    def seconds(self) -> float:
        """Presentation time for display; not used in computations."""
        return float(self.pts * self.time_base)


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """Properties of a stream known before its first frame; None if unknown."""

    width: int
    height: int
    layout: Layout
    color: Color
    time_base: Fraction
    frame_rate: Fraction | None = None
    """A hint (FFmpeg's average_rate); exact times are the pts of frames."""
    frames: int | None = None
    """An estimate for progress displays."""
    duration_seconds: float | None = None
    sample_aspect_ratio: Fraction | None = None
    rotation: int = 0
    """Degrees, from the display matrix; frames are not rotated."""
    codec: str = ""
    bit_rate: int | None = None
    """Of the video stream, bits per second."""
