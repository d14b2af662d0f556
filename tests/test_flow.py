"""Optical flow: the same frames have the same flow, whatever the estimator saw before."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
import pytest
from skimage import data

from vdeblur.flow import dis


@pytest.mark.parametrize("preset", ["fast", "medium"])
def test_frames_of_another_size_do_not_affect_later_ones(preset: Literal["fast", "medium"]) -> None:
    """OpenCV's estimator changes its patches and scales for good when it is shown a small frame."""
    luma = np.asarray(cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2GRAY), np.uint8)
    one, two = luma[:240, :320].copy(), luma[4:244, 6:326].copy()
    sides = (16, 40, 64)
    large = dis(one, two, preset)
    small = [dis(one[:side, :side].copy(), two[:side, :side].copy(), preset) for side in sides]
    for side, before in zip(sides, small, strict=True):
        np.testing.assert_array_equal(dis(one[:side, :side].copy(), two[:side, :side].copy(), preset), before)
        np.testing.assert_array_equal(dis(one[:side, :side].copy(), two[:side, :side].copy(), preset), before)
        np.testing.assert_array_equal(dis(one, two, preset), large)
