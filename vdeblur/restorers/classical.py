"""Classical filters as restorers: unsharp mask, non-local means, Richardson-Lucy; baselines for networks.

They change luma only. Their parameters were chosen by mean PSNR on photographs blurred
along random camera paths in linear light (blurred PSNR 18 to 34 dB, a little sensor noise), not on evaluation clips.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..flow import Flow, optical_flow
from ..frames import Frame
from ..restorer import Restorer, State
from ..windows import Window

FloatLuma: TypeAlias = NDArray[np.float32]
"""(height, width), 0..1 over the range of the sample codes."""


def unsharp_mask(luma: FloatLuma, sigma: float = 2.0, amount: float = 0.2) -> FloatLuma:
    """Add `amount` times the difference to a Gaussian blur of `sigma` pixels."""
    import cv2

    smooth = cv2.GaussianBlur(luma, (0, 0), sigma)
    return np.asarray(luma + amount * (luma - smooth), np.float32)


def nonlocal_means(luma: FloatLuma, h: float = 1.0, template: int = 7, search: int = 21) -> FloatLuma:
    """Average similar patches (Buades, Coll and Morel, 2005): a denoiser, to show how much of a gain is noise.

    `h` is the filter strength in levels of 255 (more than 1 reduced PSNR on blur with little noise), `template` the
    patch and `search` the window in pixels. OpenCV's 16-bit variant, which compares patches by mean absolute
    difference, is used for every bit depth.
    """
    import cv2

    samples = np.rint(np.clip(luma, 0, 1) * 65535).astype(np.uint16)
    smooth = cv2.fastNlMeansDenoising(
        samples, h=[h * 257], templateWindowSize=template, searchWindowSize=search, normType=cv2.NORM_L1
    )
    return smooth.astype(np.float32) / np.float32(65535)


def richardson_lucy(
    previous: FloatLuma,
    luma: FloatLuma,
    following: FloatLuma,
    exposure: float = 0.65,
    iterations: int = 3,
    max_taps: int = 33,
) -> FloatLuma:
    """Deconvolve each pixel's own motion (Richardson, 1972; Lucy, 1974): x <- x * H'(y / H(x)).

    H averages along the pixel's optical flow over the part of the frame's time that the shutter is open, `exposure`,
    in steps of about a pixel. The flow changes slowly in space, so H also approximates its adjoint H'. Static areas
    do not change. At the ends of a scene, where a neighbour is the frame itself, only the other one is used.
    """
    neighbours = [(following, 1.0), (previous, -1.0)]
    flows = [sign * _flow(luma, neighbour) for neighbour, sign in neighbours if neighbour is not luma]
    if not flows:
        return luma
    motion = np.asarray(np.mean(flows, axis=0) * exposure, np.float32)
    taps = min(int(np.linalg.norm(motion, axis=2).max()) + 2, max_taps) | 1  # odd: one lies on the pixel
    estimate = luma
    for _ in range(iterations):
        ratio = np.asarray(luma / np.maximum(_smear(estimate, motion, taps), 1e-6), np.float32)
        estimate = np.asarray(estimate * _smear(ratio, motion, taps), np.float32)
    return estimate


def _flow(start: FloatLuma, end: FloatLuma) -> Flow:
    first, second = (np.rint(np.clip(luma, 0, 1) * 255).astype(np.uint8)[..., None] for luma in (start, end))
    return optical_flow(first, second)


def _smear(luma: FloatLuma, motion: Flow, taps: int) -> FloatLuma:
    """Average `taps` samples of `luma` along the motion of each pixel, from half of it behind to half of it ahead."""
    import cv2

    height, width = luma.shape
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    total = np.zeros_like(luma)
    for t in np.linspace(-0.5, 0.5, taps, dtype=np.float32):
        total += cv2.remap(
            luma, x + t * motion[..., 0], y + t * motion[..., 1], cv2.INTER_LINEAR, None, cv2.BORDER_REFLECT
        )
    return np.asarray(total / taps, np.float32)


@dataclass(slots=True)
class LumaFilter:
    """Restores luma with `filter_luma`, called with the lumas of the window; keeps colour, alpha and time."""

    name: str
    filter_luma: Callable[..., FloatLuma]
    past: int = 0
    future: int = 0
    device: str = "cpu"
    precision: str = "native"

    def restore(self, window: Window, state: State) -> tuple[Frame, State]:
        """Return the filtered centre; the state passes through unread."""
        frame = window.centre
        lumas = {id(other): _luma(other) for other in window.frames}
        peak = 2**frame.layout.bits - 1
        change = self.filter_luma(*[lumas[id(other)] for other in window.frames]) - lumas[id(frame)]
        codes = np.rint(change * peak).astype(np.int32)
        # Adding the change of luma to R, G and B keeps Cb and Cr.
        coloured = 3 if frame.layout.model == "rgb" else 1
        planes = [np.clip(plane + codes, 0, peak).astype(frame.layout.dtype) for plane in frame.planes[:coloured]]
        return replace(frame, planes=(*planes, *frame.planes[coloured:])), state


def _luma(frame: Frame) -> FloatLuma:
    luma = frame.planes[0].astype(np.float32)
    if frame.layout.model == "rgb":
        kr, kb = frame.color.luma_weights(frame.size[1])
        luma = kr * luma + (1 - kr - kb) * frame.planes[1] + kb * frame.planes[2]
    return np.asarray(luma / (2**frame.layout.bits - 1), np.float32)


CLASSICAL: dict[str, Callable[[], Restorer]] = {
    "unsharp": lambda: LumaFilter("unsharp", unsharp_mask),
    "nlm": lambda: LumaFilter("nlm", nonlocal_means),
    "richardson-lucy": lambda: LumaFilter("richardson-lucy", richardson_lucy, past=1, future=1),
}
"""Model name -> factory of each filter."""
