"""What the weights that ship must never do, whatever the picture: bursts of colour, flicker, a long memory."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage import data

from support.in_memory import restored_by
from support.shaken import luma_psnr
from vdeblur.backends.published import published
from vdeblur.frames import LUMA_WEIGHTS, MATRIX_BT709, Color, Frame, Layout
from vdeblur.loading import ModelOptions, load_restorer
from vdeblur.restorer import Restorer
from vdeblur.training.light import Light
from vdeblur.training.render import render
from vdeblur.training.scene import SceneConfig, draw_scene
from vdeblur.training.supply import fold_pair

pytestmark = pytest.mark.arithmetic

YUV420 = Layout("yuv", 8, (1, 1))
FLAT = {
    "black": (16, 128, 128),
    "white": (235, 128, 128),
    "blacker than black": (0, 128, 128),
    "grey": (126, 128, 128),
    "red": (81, 90, 240),
    "green": (145, 54, 34),
    "blue": (41, 240, 110),
}


MODELS = [
    *(pytest.param(ModelOptions(m.name, "cpu"), id=m.name) for m in published()),
    *(
        pytest.param(ModelOptions(m.name, "cpu", "int8"), id=f"{m.name}-int8", marks=pytest.mark.needs("openvino"))
        for m in published()
        if m.int8
    ),
]


@pytest.fixture(scope="module", params=MODELS)
def restorer(request: pytest.FixtureRequest) -> Restorer:
    return load_restorer(request.param)


def frame(planes: tuple[NDArray[np.uint8], ...], index: int) -> Frame:
    return Frame(planes, YUV420, Color(), index, Fraction(1, 30))


def flat(codes: tuple[int, int, int], size: tuple[int, int], index: int) -> Frame:
    shapes = YUV420.plane_shapes(*size)
    return frame(tuple(np.full(shape, code, np.uint8) for shape, code in zip(shapes, codes, strict=True)), index)


def photograph(shift: int, index: int) -> Frame:
    picture = data.astronaut()[40:168, 100 + shift : 260 + shift].astype(np.int32)
    luma = (16 + picture @ [66, 129, 25] // 256).astype(np.uint8)
    colour = [128 + (picture @ weights // 256)[::2, ::2] for weights in ([-38, -74, 112], [112, -94, -18])]
    return frame((luma, *(plane.astype(np.uint8) for plane in colour)), index)


def change(a: Frame, b: Frame) -> tuple[int, ...]:
    """Largest difference of each plane."""
    return tuple(int(np.abs(x.astype(int) - y).max()) for x, y in zip(a.planes, b.planes, strict=True))


@pytest.mark.parametrize("name", FLAT)
def test_an_image_of_one_colour_does_not_change(restorer: Restorer, name: str) -> None:
    frames = [flat(FLAT[name], (40, 24), i) for i in range(16)]
    for before, after in zip(frames, restored_by(restorer, frames), strict=True):
        luma, cb, cr = change(before, after)
        assert luma <= 4, after.planes[0]
        assert max(cb, cr) <= 3


def test_flashes_between_black_and_white_leave_no_colour(restorer: Restorer) -> None:
    frames = [flat(FLAT["white" if i % 3 == 0 else "black"], (40, 24), i) for i in range(18)]
    for after in restored_by(restorer, frames):
        assert max(change(after, flat((0, 128, 128), (40, 24), 0))[1:]) <= 12


def test_noise_comes_back_as_noise(restorer: Restorer) -> None:
    """Pure noise holds nothing to restore: the mean of every plane stays, and no pixel runs away."""
    rng = np.random.default_rng(0)
    shapes = YUV420.plane_shapes(48, 32)
    frames = [
        frame(tuple(np.clip(rng.normal(128, 25, shape), 16, 235).astype(np.uint8) for shape in shapes), i)
        for i in range(12)
    ]
    for before, after in zip(frames, restored_by(restorer, frames), strict=True):
        for x, y in zip(before.planes, after.planes, strict=True):
            assert abs(float(x.mean()) - float(y.mean())) < 4
            assert float(np.abs(x.astype(int) - y).mean()) < 20


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 2), (3, 17)])
def test_the_smallest_frames(restorer: Restorer, size: tuple[int, int]) -> None:
    frames = [flat(FLAT["grey"], size, i) for i in range(5)]
    for before, after in zip(frames, restored_by(restorer, frames), strict=True):
        assert after.size == size
        assert max(change(before, after)) <= 4


def test_a_repeated_image_does_not_flicker(restorer: Restorer) -> None:
    frames = [photograph(0, i) for i in range(40)]
    results = restored_by(restorer, frames)
    for before, after in pairwise(results[24:-1]):  # the last has no future, so it may differ
        assert max(change(before, after)) <= 1


def test_the_state_forgets_frames_long_ago(restorer: Restorer) -> None:
    """After another past of 12 frames and 48 frames in common, the pictures are the same within 1/255."""
    common = [photograph(3 * (i % 8), i) for i in range(48)]
    pasts = ([flat(FLAT["white"], common[0].size, i) for i in range(12)], [photograph(5 * i, i) for i in range(12)])
    one, other = (restored_by(restorer, [*past, *common])[-1] for past in pasts)
    assert max(change(one, other)) <= 1


def striped_wall(period: int, softness: float, index: int) -> Frame:
    """Pale stripes with Gaussian edges, upright, and a little shading from top to bottom."""
    at = np.arange(192)
    kernel = np.exp(-((np.arange(-24, 25) / softness) ** 2) / 2)
    stripes = np.convolve(np.pad((at // (period // 2)) % 2 - 0.5, 24, mode="wrap"), kernel / kernel.sum(), "valid")
    luma = np.round(188 + 22 * stripes + (at[:, None] - 96) / 10).astype(np.uint8)
    return frame((luma, *(np.full((96, 96), code, np.uint8) for code in (126, 132))), index)


@pytest.mark.parametrize("softness", [2, 3, 5])
@pytest.mark.parametrize("period", [24, 40, 64])
def test_a_wall_with_soft_stripes_is_not_taken_for_motion(restorer: Restorer, period: int, softness: float) -> None:
    """Neither at once, when nothing else is known, nor later on."""
    wall = [striped_wall(period, softness, i) for i in range(5)]
    for before, after in zip(wall, restored_by(restorer, wall), strict=True):
        assert luma_psnr([after], [before]) > LEAST_KEPT_DB
    assert luma_psnr(restored_by(restorer, wall[:1]), wall[:1]) > LEAST_KEPT_DB


SCENE = SceneConfig(size=160, frames=5, things=1, identity=0, static=0, coarse=0)
LEAST_KEPT_DB = 38.0
"""Of a sharp clip against itself, or of one that was nearly sharp against the truth: under 3.2 levels of 255."""
MOST_HARM_DB = 0.05


def rendered(seed: int, config: SceneConfig) -> tuple[list[Frame], list[Frame]]:
    """A clip of photographs in 4:2:0, blurred and sharp."""
    images = [torch.from_numpy(image.transpose(2, 0, 1).copy()) for image in (data.astronaut(), data.coffee())]
    rng, light = np.random.default_rng(seed), Light(0.0, 1.0)
    clips = render([draw_scene(rng, images, light, config)], config, torch.device("cpu"))
    pair = torch.stack([light.encode(clips.blurred[0]), light.encode(clips.sharp[0])])
    folded = fold_pair(pair, LUMA_WEIGHTS[MATRIX_BT709], 0.0).numpy()
    sides = []
    for side in folded:
        luma = side[:, :4].reshape(-1, 2, 2, *side.shape[2:]).transpose(0, 3, 1, 4, 2).reshape(len(side), 160, 160)
        planes = zip(luma, side[:, 4], side[:, 5], strict=True)
        sides.append([replace(frame(p, i), color=Color(full_range=True)) for i, p in enumerate(planes)])
    return sides[0], sides[1]


@pytest.mark.parametrize("blur_px", [(1, 3), (8, 12), (30, 45)], ids=["little", "some", "strong"])
def test_no_blur_is_made_worse_that_anyone_could_see(restorer: Restorer, blur_px: tuple[float, float]) -> None:
    for seed in range(3):
        blurred, sharp = rendered(seed, replace(SCENE, blur_px=blur_px))
        before, after = luma_psnr(blurred, sharp), luma_psnr(restored_by(restorer, blurred), sharp)
        assert after > min(before - MOST_HARM_DB, LEAST_KEPT_DB), (seed, before)


def test_sharp_frames_are_left_unchanged(restorer: Restorer) -> None:
    for seed in range(3):
        clip, _ = rendered(seed, replace(SCENE, identity=1.0, blur_px=(3, 6)))
        assert luma_psnr(restored_by(restorer, clip), clip) > LEAST_KEPT_DB
