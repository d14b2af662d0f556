"""Picture and motion metrics: plain functions on 8-bit pictures, and METRICS, the table that evaluation goes through.

A picture is uint8 of shape (height, width, channels): RGB in evaluation. Every metric compares with a reference of the
same shape: the truth where there is one, or the input where the input should come back as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..flow import optical_flow

Picture: TypeAlias = NDArray[np.uint8]


def psnr(picture: Picture, reference: Picture) -> float:
    """Peak signal-to-noise ratio in dB, over all pixels and channels; infinite for equal pictures."""
    _check_same_shape(picture, reference)
    squared_error = np.square(picture.astype(np.int32) - reference).mean()
    return 10 * math.log10(255**2 / squared_error) if squared_error > 0 else math.inf


def ssim(picture: Picture, reference: Picture) -> float:
    """Structural similarity, -1..1 (Wang, Bovik, Sheikh and Simoncelli, 2004), per channel and then averaged.

    11x11 Gaussian window of sigma 1.5, K1 = 0.01, K2 = 0.03, population variances. The border of 5 pixels, where the
    window leaves the picture, does not count; a picture under 11 pixels in either direction counts whole, mirrored.
    """
    import cv2

    _check_same_shape(picture, reference)

    def smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
        blurred = np.asarray(cv2.GaussianBlur(values, (11, 11), 1.5, borderType=cv2.BORDER_REFLECT), np.float64)
        blurred = blurred.reshape(values.shape)  # OpenCV drops a single channel's axis
        return blurred if min(values.shape[:2]) < 11 else blurred[5:-5, 5:-5]

    x, y = picture.astype(np.float64), reference.astype(np.float64)
    mean_x, mean_y = smooth(x), smooth(y)
    variance_x, variance_y = smooth(x * x) - mean_x**2, smooth(y * y) - mean_y**2
    covariance = smooth(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similarity = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    similarity /= (mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2)
    return float(similarity.mean())


def tof(previous: Picture, picture: Picture, previous_reference: Picture, reference: Picture) -> float:
    """Temporal error of motion, tOF of TecoGAN (Chu et al., 2020): how far optical flow strays from the reference's.

    Mean length in pixels of the difference between the flow of the output and that of the reference from one frame to
    the next; 0 is best. The flow is DIS (Kroeger et al., 2016), OpenCV's medium preset, on luma.
    """
    _check_same_shape(picture, reference)
    difference = optical_flow(previous, picture) - optical_flow(previous_reference, reference)
    return float(np.linalg.norm(difference, axis=2).mean())


def flicker(previous: Picture, picture: Picture, previous_reference: Picture, reference: Picture) -> float:
    """Temporal change beyond the reference's: mean of max(0, |change| - |change of the reference|), in levels of 255.

    0 is best: no sample changed more than it does in the reference. It is most telling on a still clip, where the
    reference changes by noise alone or not at all. Calm samples cannot make up for restless ones.
    """
    _check_same_shape(picture, reference)
    change = np.abs(picture.astype(np.int16) - previous)
    allowed = np.abs(reference.astype(np.int16) - previous_reference)
    return float(np.maximum(change - allowed, 0).mean())


def _check_same_shape(picture: Picture, reference: Picture) -> None:
    if picture.ndim != 3 or picture.shape != reference.shape:
        raise ValueError(f"pictures are (height, width, channels) alike, got {picture.shape} and {reference.shape}")


@dataclass(frozen=True, slots=True)
class Metric:
    """How a metric is called, averaged and read. Exactly one of `of_frame` and `of_step` is given."""

    label: str
    unit: str
    higher_is_better: bool
    digits: int
    """Digits after the point in tables."""
    ceiling: float = math.inf
    """What a value counts at most in a mean, so that one infinite value does not make all of it infinite."""
    of_frame: Callable[[Picture, Picture], float] | None = None
    """f(picture, reference)"""
    of_step: Callable[[Picture, Picture, Picture, Picture], float] | None = None
    """f(previous, picture, previous_reference, reference); a clip has one value less than it has frames."""


METRICS: dict[str, Metric] = {
    "psnr": Metric("PSNR", "dB", True, 2, ceiling=100.0, of_frame=psnr),
    "ssim": Metric("SSIM", "", True, 4, of_frame=ssim),
    "tof": Metric("tOF", "px", False, 3, of_step=tof),
    "flicker": Metric("flicker", "levels", False, 3, of_step=flicker),
}
"""Every metric of `vdeblur eval`. A new one is a function above and a line here."""
