"""Metrics have known values, agree with scikit-image, and say "best" for equal pictures."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from vdeblur.flow import optical_flow
from vdeblur.quality.metrics import METRICS, flicker, psnr, ssim, tof

Picture = NDArray[Any]
sizes = st.tuples(st.integers(1, 40), st.integers(1, 40))


def noise(shape: tuple[int, ...], seed: int = 0, sigma: float = 0.0) -> Picture:
    values = np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)
    return cv2.GaussianBlur(values, (0, 0), sigma).reshape(shape) if sigma else values


def moved(picture: Picture, pixels: int) -> Picture:
    return np.roll(picture, pixels, axis=1)


@pytest.mark.parametrize("name", METRICS)
@settings(max_examples=15)
@given(size=sizes, channels=st.sampled_from([1, 3]), seed=st.integers(0, 99))
def test_equal_images_have_the_best_possible_score(name: str, size: tuple[int, int], channels: int, seed: int) -> None:
    metric = METRICS[name]
    assert (metric.of_frame is None) != (metric.of_step is None)
    one, two, other = (noise((*size, channels), seed + i) for i in range(3))
    if metric.of_frame is not None:
        best, worse = metric.of_frame(two, two), metric.of_frame(other, two)
    elif metric.of_step is not None:
        best, worse = metric.of_step(one, two, one, two), metric.of_step(one, other, one, two)
    assert best == pytest.approx({"psnr": math.inf, "ssim": 1.0, "tof": 0.0, "flicker": 0.0}.get(name, best))
    assert worse <= best + 1e-9 if metric.higher_is_better else worse >= best
    assert not math.isnan(worse)


def test_psnr_of_one_level_everywhere() -> None:
    dark, light = np.full((5, 7, 3), 100, np.uint8), np.full((5, 7, 3), 101, np.uint8)
    assert psnr(dark, light) == psnr(light, dark) == pytest.approx(20 * math.log10(255))


def test_psnr_of_black_against_white_is_zero() -> None:
    assert psnr(np.zeros((2, 2, 3), np.uint8), np.full((2, 2, 3), 255, np.uint8)) == pytest.approx(0)


@pytest.mark.parametrize("shape", [(11, 11, 3), (12, 64, 3), (48, 40, 1)])
@pytest.mark.parametrize("sigma", [1, 12, 60])
def test_ssim_agrees_with_scikit_image(shape: tuple[int, ...], sigma: float) -> None:
    truth = noise(shape, sigma=1.5)
    error = np.random.default_rng(1).normal(0, sigma, shape)
    picture = np.clip(truth + error, 0, 255).astype(np.uint8)
    expected = structural_similarity(
        picture,
        truth,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        channel_axis=2,
        data_range=255,
    )
    assert ssim(picture, truth) == pytest.approx(expected, abs=1e-6)


def test_ssim_is_negative_for_a_negative() -> None:
    picture = noise((32, 32, 3))
    assert -1 <= ssim(255 - picture, picture) < -0.5


def test_optical_flow_follows_the_motion_of_the_image() -> None:
    picture = noise((64, 96, 3), sigma=2)
    flow = optical_flow(picture, moved(picture, 3))
    assert flow.shape == (64, 96, 2)
    np.testing.assert_allclose(np.median(flow, axis=(0, 1)), [3, 0], atol=0.1)


def test_tof_of_a_still_output_is_the_motion_of_the_truth() -> None:
    picture = noise((64, 96, 3), sigma=2)
    assert tof(picture, picture, picture, moved(picture, 3)) == pytest.approx(3, abs=0.3)
    assert tof(picture, moved(picture, 3), picture, moved(picture, 3)) == 0


def test_flicker_is_the_change_beyond_the_references() -> None:
    still = np.full((4, 4, 3), 100, np.uint8)
    assert flicker(still, still + 5, still, still) == 5
    assert flicker(still, still + 5, still, still + 2) == 3
    assert flicker(still, still - 5, still, still + 5) == 0
    restless = still.copy()
    restless[:2] += 8
    calm_elsewhere = still.copy()
    calm_elsewhere[2:] += 8
    assert flicker(still, restless, still, calm_elsewhere) == 4


@pytest.mark.parametrize("name", METRICS)
def test_images_of_different_shapes_are_refused(name: str) -> None:
    small, large = noise((16, 16, 3)), noise((16, 17, 3))
    of_frame, of_step = METRICS[name].of_frame, METRICS[name].of_step
    with pytest.raises(ValueError, match="16, 17"):
        of_frame(small, large) if of_frame else of_step and of_step(small, small, large, large)
