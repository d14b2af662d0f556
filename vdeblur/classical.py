"""Classical filters as restorers: unsharp mask, non-local means, Richardson-Lucy. The rows a network has to beat.

Each works on luma alone and leaves chroma as it is. Their parameters were chosen by mean PSNR on photographs blurred
along random camera paths in linear light (blurred PSNR 20 to 33 dB, a little sensor noise), not on evaluation clips.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from .frames import Frame, Plane
from .restorer import Restorer, State
from .windows import Window

Luma: TypeAlias = NDArray[np.float32]
"""(height, width), 0..1 over the range of the sample codes."""


def unsharp_mask(luma: Luma, sigma: float = 2.0, amount: float = 0.2) -> Luma:
    """Add `amount` times the difference to a Gaussian blur of `sigma` pixels."""
    import cv2

    smooth = cv2.GaussianBlur(luma, (0, 0), sigma)
    return np.asarray(luma + amount * (luma - smooth), np.float32)


def nonlocal_means(luma: Luma, h: float = 1.0, template: int = 7, search: int = 21) -> Luma:
    """Average alike patches (Buades, Coll and Morel, 2005); a denoiser, so it tells how much of a gain is only noise.

    `h` is the filter strength in levels of 255, `template` the patch and `search` the window in pixels. OpenCV's 16-bit
    kind, which compares patches by mean absolute difference, serves every bit depth.
    """
    import cv2

    samples = np.rint(np.clip(luma, 0, 1) * 65535).astype(np.uint16)
    smooth = cv2.fastNlMeansDenoising(
        samples, h=[h * 257], templateWindowSize=template, searchWindowSize=search, normType=cv2.NORM_L1
    )
    return smooth.astype(np.float32) / np.float32(65535)


def richardson_lucy(luma: Luma, sigma: float = 1.3, iterations: int = 1) -> Luma:
    """Deconvolve a Gaussian point spread of `sigma` pixels (Richardson, 1972; Lucy, 1974).

    The true point spread of footage is unknown and differs from pixel to pixel; a small isotropic one is the usual
    assumption where nothing is estimated. x <- x * H(y / H(x)), H being the blur, which is its own adjoint.
    """
    import cv2

    estimate = luma
    for _ in range(iterations):
        ratio = luma / np.maximum(cv2.GaussianBlur(estimate, (0, 0), sigma), np.float32(1e-6))
        estimate = estimate * cv2.GaussianBlur(ratio, (0, 0), sigma)
    return np.asarray(estimate, np.float32)


@dataclass(slots=True)
class LumaFilter:
    """Restores each frame on its own with `filter_luma`; colour differences, alpha and time stay as they are."""

    name: str
    filter_luma: Callable[[Luma], Luma]
    device: str = "cpu"
    precision: str = "native"
    past: int = 0
    future: int = 0

    def restore(self, window: Window, state: State) -> tuple[Frame, State]:
        """Return the filtered centre; the state passes through unread."""
        frame = window.centre
        peak = np.float32(2**frame.layout.bits - 1)
        coloured = 3 if frame.layout.model == "rgb" else 1
        samples = [plane.astype(np.float32) / peak for plane in frame.planes[:coloured]]
        luma = samples[0]
        if coloured == 3:
            kr, kb = frame.color.luma_weights(frame.size[1])
            luma = np.asarray(kr * samples[0] + (1 - kr - kb) * samples[1] + kb * samples[2], np.float32)
        # Adding one change of luma to R, G and B keeps Cb and Cr.
        change = self.filter_luma(luma) - luma
        planes: list[Plane] = [_to_codes(s + change, peak, frame.layout.dtype) for s in samples]
        return replace(frame, planes=(*planes, *frame.planes[coloured:])), state


def _to_codes(samples: Luma, peak: np.float32, dtype: type[np.uint8] | type[np.uint16]) -> Plane:
    codes: Plane = np.rint(np.clip(samples, 0, 1) * peak).astype(dtype)
    return codes


CLASSICAL: dict[str, Callable[[], Restorer]] = {
    "unsharp": lambda: LumaFilter("unsharp", unsharp_mask),
    "nlm": lambda: LumaFilter("nlm", nonlocal_means),
    "richardson-lucy": lambda: LumaFilter("richardson-lucy", richardson_lucy),
}
"""What `-m` calls each filter, and how it is made."""
