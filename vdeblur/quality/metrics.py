"""Image and motion metrics as functions on 8-bit images, and METRICS, the table of them that evaluation uses.

Every metric compares with a reference of the same shape: the truth, or the input if the input should stay unchanged.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..flow import optical_flow
from ..frames import Image


def psnr(image: Image, reference: Image) -> float:
    """Peak signal-to-noise ratio in dB, over all pixels and channels; infinite for equal images."""
    _check_same_shape(image, reference)
    squared_error = np.square(image.astype(np.int32) - reference).mean()
    return 10 * math.log10(255**2 / squared_error) if squared_error > 0 else math.inf


def ssim(image: Image, reference: Image) -> float:
    """Structural similarity, -1..1 (Wang, Bovik, Sheikh and Simoncelli, 2004), per channel and then averaged.

    11x11 Gaussian window of sigma 1.5, K1 = 0.01, K2 = 0.03, population variances. The border of 5 pixels, where the
    window leaves the image, is left out; images under 11 pixels in either direction are mirrored and counted whole.
    """
    import cv2

    _check_same_shape(image, reference)

    def smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
        blurred = np.asarray(cv2.GaussianBlur(values, (11, 11), 1.5, borderType=cv2.BORDER_REFLECT), np.float64)
        blurred = blurred.reshape(values.shape)  # OpenCV drops a single channel's axis
        return blurred if min(values.shape[:2]) < 11 else blurred[5:-5, 5:-5]

    x, y = image.astype(np.float64), reference.astype(np.float64)
    mean_x, mean_y = smooth(x), smooth(y)
    variance_x, variance_y = smooth(x * x) - mean_x**2, smooth(y * y) - mean_y**2
    covariance = smooth(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similarity = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    similarity /= (mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2)
    return float(similarity.mean())


def tof(previous: Image, image: Image, previous_reference: Image, reference: Image) -> float:
    """Temporal error of motion, tOF of TecoGAN (Chu et al., 2020): deviation of the optical flow from the reference's.

    Mean length in pixels of the difference between the flow of the output and that of the reference from one frame to
    the next; 0 is best. The flow is DIS (Kroeger et al., 2016), OpenCV's medium preset, on luma.
    """
    _check_same_shape(image, reference)
    difference = optical_flow(previous, image) - optical_flow(previous_reference, reference)
    return float(np.linalg.norm(difference, axis=2).mean())


def flicker(previous: Image, image: Image, previous_reference: Image, reference: Image) -> float:
    """Temporal change beyond the reference's: mean of max(0, |change| - |change of the reference|), in levels of 255.

    0 is best: no sample changed more than in the reference. It says most on a still clip, where the reference changes
    only by noise or not at all. Samples that change less do not offset others that change more.
    """
    _check_same_shape(image, reference)
    change = np.abs(image.astype(np.int16) - previous)
    allowed = np.abs(reference.astype(np.int16) - previous_reference)
    return float(np.maximum(change - allowed, 0).mean())


def _check_same_shape(image: Image, reference: Image) -> None:
    if image.ndim != 3 or image.shape != reference.shape:
        raise ValueError(
            f"images must be (height, width, channels) of the same shape, got {image.shape} and {reference.shape}"
        )


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric with its label, averaging and format. Exactly one of `of_frame` and `of_step` is set."""

    label: str
    unit: str
    higher_is_better: bool
    digits: int
    """Decimals in tables."""
    ceiling: float = math.inf
    """Upper limit of a value in a mean, so that an infinite value does not make the mean infinite."""
    of_frame: Callable[[Image, Image], float] | None = None
    """f(image, reference)"""
    of_step: Callable[[Image, Image, Image, Image], float] | None = None
    """f(previous, image, previous_reference, reference); a clip has one value fewer than frames."""


METRICS: dict[str, Metric] = {
    "psnr": Metric("PSNR", "dB", True, 2, ceiling=100.0, of_frame=psnr),
    "ssim": Metric("SSIM", "", True, 4, of_frame=ssim),
    "tof": Metric("tOF", "px", False, 3, of_step=tof),
    "flicker": Metric("flicker", "levels", False, 3, of_step=flicker),
}
"""The metrics of `vdeblur eval`. To add one, write a function above and a line here."""
