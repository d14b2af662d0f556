"""Optical flow: the same frames have the same flow, whatever the estimator saw before, and the way back leads back."""

from __future__ import annotations

from typing import get_args

import cv2
import numpy as np
import pytest
from skimage import data

from vdeblur.backends.flow import SMALL, flow_back, flow_between
from vdeblur.flow import Search, dis


@pytest.mark.parametrize("search", get_args(Search))
def test_frames_of_another_size_do_not_affect_later_ones(search: Search) -> None:
    """OpenCV's estimator changes its patches and scales for good when it is shown a small frame."""
    luma = np.asarray(cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2GRAY), np.uint8)
    one, two = luma[:240, :320].copy(), luma[4:244, 6:326].copy()
    sides = (16, 40, 64)
    large = dis(one, two, search)
    small = [dis(one[:side, :side].copy(), two[:side, :side].copy(), search) for side in sides]
    for side, before in zip(sides, small, strict=True):
        np.testing.assert_array_equal(dis(one[:side, :side].copy(), two[:side, :side].copy(), search), before)
        np.testing.assert_array_equal(dis(one[:side, :side].copy(), two[:side, :side].copy(), search), before)
        np.testing.assert_array_equal(dis(one, two, search), large)


@pytest.mark.parametrize(("height", "width"), [(96, 160), (97, 63), (40, 200)])
def test_the_way_back_leads_back(height: int, width: int) -> None:
    """Of a turn, a zoom and a shift by up to 12 samples, from what lies within both frames."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    turn, zoom = 0.05, 0.06
    there = (
        np.stack([5 + zoom * (x - width / 2) - turn * y, -2 + turn * (x - width / 2) + zoom * y]) * min(height, 96) / 96
    )
    back = flow_back(there.astype(np.float32))
    assert back.shape == there.shape
    assert back.dtype == np.float32
    columns, rows = (position + way for position, way in zip((x, y), back, strict=True))
    inside = (columns > 1) & (columns < width - 2) & (rows > 1) & (rows < height - 2)
    inside[:4], inside[-4:], inside[:, :4], inside[:, -4:] = (
        False,
        False,
        False,
        False,
    )  # of which half are of 2x2 means
    left = [
        way + np.asarray(cv2.remap(plane, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
        for way, plane in zip(back, there.astype(np.float32), strict=True)
    ]
    assert inside.mean() > 0.3
    assert np.abs(left)[:, inside].max() < 0.1


@pytest.mark.parametrize(("height", "width"), [(8, 8), (8, 200), (24, 8)])
def test_small_frames_have_a_way_back(height: int, width: int) -> None:
    there = np.full((2, height, width), 2, np.float32)
    np.testing.assert_allclose(flow_back(there), -there)


def test_the_way_back_is_what_a_search_would_find() -> None:
    luma = np.asarray(cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2GRAY), np.uint8)
    one, two = luma[:240, :320].copy(), luma[4:244, 6:326].copy()
    inside = slice(16, -16), slice(16, -16)
    found, derived = (flow[:, *inside] for flow in (flow_between(two, one), flow_back(flow_between(one, two))))
    assert np.abs(found - derived).mean() < 0.1
    assert np.abs(derived - np.array([6, 4])[:, None, None]).mean() < 0.2


def test_small_frames_are_followed_to_the_finest_level() -> None:
    """Of a turn, which is another motion at each pixel: the finer level is nearer to it."""
    luma = np.asarray(cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2GRAY), np.uint8)
    height, width = 120, SMALL - 1
    one = luma[:height, :width].copy()
    turned = cv2.getRotationMatrix2D((width / 2, height / 2), 4.0, 1.0)
    warped = cv2.warpAffine(one, turned, (width, height), borderMode=cv2.BORDER_REFLECT)
    two = np.asarray(warped, np.uint8)
    y, x = np.mgrid[:height, :width]
    truth = np.stack([turned[k, 0] * x + turned[k, 1] * y + turned[k, 2] - (x, y)[k] for k in (0, 1)])
    inside = slice(None), slice(16, -16), slice(16, -16)
    errors = [np.abs(flow_between(one, two, search) - truth)[inside].mean() for search in (None, "fine", "fast")]
    assert errors[0] == errors[1] < errors[2]
    wider = np.pad(one, ((0, 0), (0, 1)), "edge"), np.pad(two, ((0, 0), (0, 1)), "edge")
    np.testing.assert_array_equal(flow_between(*wider), flow_between(*wider, "fast"))
