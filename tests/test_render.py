"""Rendered clips against what a camera does: light is averaged along the path, and the target is its middle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vdeblur.training.camera import FRAME_HEIGHT, CameraMotion, Trajectory, similarity_transform
from vdeblur.training.light import Light, compress, sensor_noise
from vdeblur.training.render import render, render_on_device
from vdeblur.training.scene import COUNTS, TEXELS, Layer, Scene, SceneConfig, draw_scene, own_path
from vdeblur.training.shapes import draw_shape

CPU = torch.device("cpu")
PLAIN = Light(0.0, 1.0)
CONFIG = SceneConfig(size=32, frames=3)


def photographs(count: int = 2, side: int = 200) -> list[Tensor]:
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.integers(0, 256, (count, 3, side // 5, side // 5), dtype=np.uint8))
    return list(coarse.repeat_interleave(5, 2).repeat_interleave(5, 3))


def moving(texture: Tensor, shifts: np.ndarray, shear: float = 0.0) -> Layer:
    """A layer seen at shifts (frames, count) px along x; `shear` px further per row."""
    height, width = (side / TEXELS for side in texture.shape[1:])
    look = np.zeros((*shifts.shape, 3, 3))
    look[..., 0, 0], look[..., 0, 2] = 2 / width, 2 / width * shifts
    look[..., 1, 1], look[..., 2, 2] = 2 / height, 1
    change = np.zeros_like(look)
    change[..., 0, 2] = 2 / width * shear
    return Layer(texture, look, change)


def test_a_seed_names_a_clip() -> None:
    one, same, other = (
        render([draw_scene(np.random.default_rng(seed), photographs(), PLAIN, CONFIG)], CONFIG, CPU)
        for seed in (1, 1, 2)
    )
    assert torch.equal(one.blurred, same.blurred)
    assert not torch.equal(one.blurred, other.blurred)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_clips_are_finite_light_of_the_shape_asked_for(seed: int) -> None:
    light = Light.draw(np.random.default_rng(seed))
    scenes = [draw_scene(np.random.default_rng([seed, i]), photographs(), light, CONFIG) for i in range(2)]
    clips = render(scenes, CONFIG, CPU)
    for part in clips.blurred, clips.sharp:
        assert part.shape == (2, 3, 3, 32, 32)
        assert torch.isfinite(part).all()
        assert part.min() > -1e-3
        assert part.max() <= light.lift + 1e-3


def test_rendering_clips_together_equals_rendering_them_alone() -> None:
    scenes = [draw_scene(np.random.default_rng(seed), photographs(), PLAIN, CONFIG) for seed in range(6)]
    together = render(scenes, CONFIG, CPU)
    for i, scene in enumerate(scenes):
        alone = render([scene], CONFIG, CPU)
        torch.testing.assert_close(alone.blurred[0], together.blurred[i], atol=1e-5, rtol=0)


@pytest.mark.parametrize("seed", range(6))
def test_a_processor_renders_what_a_device_does(seed: int) -> None:
    scene = draw_scene(np.random.default_rng(seed), photographs(), PLAIN, CONFIG)
    one, other = render([scene], CONFIG, CPU), render_on_device([scene], CONFIG, CPU)
    for part in ("blurred", "sharp"):
        difference = (getattr(one, part) - getattr(other, part)).abs()
        assert difference.mean() < 0.004
        assert difference.quantile(0.99) < 0.05


def test_an_exposure_averages_light_along_the_path_around_its_middle() -> None:
    """A white column that moves by 8 px in nine sub-frames leaves a streak of 8 px about where the target shows it."""
    texture = torch.zeros(3, 128, 256)
    texture[:, :, 127:129] = 1.0  # one pixel wide
    shifts = np.tile(np.linspace(-4, 4, 9), (3, 1))
    clips = render([Scene([moving(texture, shifts)], 9)], CONFIG, CPU)
    blurred, sharp = clips.blurred[0, 1, 0, 16], clips.sharp[0, 1, 0, 16]
    torch.testing.assert_close(blurred.sum(), sharp.sum(), atol=1e-4, rtol=0)
    places = torch.arange(32.0)
    assert float((blurred * places).sum() / blurred.sum()) == pytest.approx(
        float((sharp * places).sum() / sharp.sum()), abs=1e-3
    )
    assert int((sharp > 0.01).sum()) <= 2
    assert 8 <= int((blurred > 0.01).sum()) <= 10


def test_rows_are_exposed_one_after_another() -> None:
    texture = torch.zeros(3, 128, 256)
    texture[:, :, 127:129] = 1.0
    clips = render([Scene([moving(texture, np.zeros((3, 1)), shear=0.25)], 1)], CONFIG, CPU)
    columns = clips.sharp[0, 0, 0].argmax(dim=1)
    assert int(columns[0]) - int(columns[-1]) == pytest.approx(0.25 * 31, abs=1)


def test_nearer_layers_cover_farther_ones_in_every_sub_frame() -> None:
    """A white thing covers a pixel of a black world for half of the exposure: it is half as bright."""
    world = torch.zeros(3, 256, 256)
    thing = torch.zeros(4, 256, 256)
    thing[:, :, 128:] = 1.0
    shifts = np.tile(np.linspace(-8, 8, 17), (3, 1))
    scene = Scene([moving(world, np.zeros((3, 17))), moving(thing, shifts)], 17)
    row = render([scene], CONFIG, CPU).blurred[0, 0, 0, 16]
    assert float(row[0]) == 0
    assert float(row[-1]) == pytest.approx(1)
    assert float(row[15:17].mean()) == pytest.approx(0.5, abs=0.04)
    assert (row.diff() >= -1e-6).all()


def test_still_scenes_and_sharp_ones_are_their_own_truth() -> None:
    for config in (replace(CONFIG, static=1.0), replace(CONFIG, static=0.0, identity=1.0)):
        scene = draw_scene(np.random.default_rng(3), photographs(), PLAIN, config)
        clips = render([scene], config, CPU)
        assert scene.count == 1
        assert torch.equal(clips.blurred, clips.sharp)
        moved = (clips.sharp[0, 0] - clips.sharp[0, -1]).abs().max()
        assert (moved < 1e-5) == (config.static == 1.0)


@pytest.mark.parametrize("seed", range(8))
def test_a_camera_moves_as_far_as_asked_for(seed: int) -> None:
    camera = CameraMotion.draw(np.random.default_rng(seed), 10, 6.0, unsteady=bool(seed % 2))
    times = np.linspace(-5, 5, 400)
    seen = camera.homography(times, np.array([0, 0, 1.0])) @ np.array([0, 0, 1.0])
    track = seen[:, :2] / seen[:, 2:]
    assert np.linalg.norm(np.diff(track, axis=0), axis=1).sum() / 10 == pytest.approx(6.0, rel=0.2)


@pytest.mark.parametrize("seed", range(4))
def test_homographies_are_projections_of_the_plane(seed: int) -> None:
    """Points of a plane, projected by a pinhole camera before and after it moved, in float64."""
    camera = CameraMotion.draw(np.random.default_rng(seed), 10, 5.0, unsteady=False)
    plane = np.array([0.3, -0.2, 1.4])
    time = np.array(2.0)
    x, y, z, *shift = camera.path.at(time)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turn = np.eye(3) + cross + cross @ cross / 2
    for pixel in ((0.0, 0.0), (12.0, -9.0)):
        ray = np.array([(pixel[0] + camera.offset[0]) / camera.focal, (pixel[1] + camera.offset[1]) / camera.focal, 1])
        point = ray / (plane @ ray)  # where the ray of time 0 meets q.x = 1
        moved = turn @ point + shift
        now = camera.focal * moved[:2] / moved[2] - camera.offset
        back = camera.homography(time, plane) @ np.array([*now, 1.0])
        np.testing.assert_allclose(back[:2] / back[2], pixel, atol=1e-6)


def test_near_planes_move_more_than_far_ones() -> None:
    camera = CameraMotion(
        Trajectory.draw(np.random.default_rng(1), np.array([0, 0, 0, 1e-3, 0, 0]), False), 800.0, (0.0, 0.0)
    )
    times = np.linspace(-3, 3, 50)
    far, near = (
        np.ptp((camera.homography(times, np.array([0, 0, q])) @ np.array([0, 0, 1.0]))[:, 0]) for q in (1.0, 3.0)
    )
    assert near == pytest.approx(3 * far, rel=1e-6)


def test_paths_are_smooth() -> None:
    """Nothing shakes faster than 20 Hz at 30 fps: the path has no power above two thirds of a cycle per frame."""
    path = own_path(np.random.default_rng(2), 256, 4.0, unsteady=False)
    track = path.at(np.arange(0, 256, 0.25))[:, 0]
    track = (track - np.linspace(track[0], track[-1], len(track))) * np.hanning(len(track))
    power = np.abs(np.fft.rfft(track)) ** 2
    assert power[np.fft.rfftfreq(len(track), 0.25) > 0.7].sum() < 1e-4 * power.sum()


def test_the_inverse_of_a_motion_undoes_it() -> None:
    motion = np.array([3.0, -2.0, 0.2, 0.1])
    zoom, roll = np.exp(motion[3]), motion[2]
    turn = zoom * np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    for point in ((1.0, 5.0), (-4.0, 0.5)):
        there = turn @ point + motion[:2]
        np.testing.assert_allclose((similarity_transform(motion) @ [*there, 1])[:2], point, atol=1e-9)


def test_sub_frames_are_as_many_as_the_motion_asks_for() -> None:
    config = replace(CONFIG, coarse=0.0, static=0, identity=0, duty=(0.9, 1.0), unsteady=0)
    for length, least in ((1.0, 9), (10.0, 15), (40.0, 60)):
        scene = draw_scene(np.random.default_rng(0), photographs(), PLAIN, replace(config, blur_px=(length, length)))
        assert scene.count in COUNTS
        assert scene.count >= least
    assert FRAME_HEIGHT == 720


@pytest.mark.parametrize("kind", ["thing", "plane"])
def test_shapes_cover_some_of_their_square(kind: str) -> None:
    for seed in range(30):
        shape = draw_shape(np.random.default_rng(seed), 64, kind)
        assert shape.shape == (64, 64)
        assert 0 <= shape.min() <= shape.max() <= 1
        assert 0.005 < shape.mean() < 0.995


@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.2])
def test_code_values_come_back_through_linear_light(gamma: float) -> None:
    light = Light(gamma, 1.0)
    codes = torch.arange(256, dtype=torch.uint8).expand(3, 1, 256)
    torch.testing.assert_close(light.encode(light.decode(codes)) * 255, codes.float(), atol=0.01, rtol=0)


def test_expanded_highlights_exceed_white_and_other_values_do_not_change() -> None:
    codes = torch.tensor([0, 128, 229, 255], dtype=torch.uint8).expand(3, 1, 4)
    plain, lifted = Light(0.0, 1.0).decode(codes), Light(0.0, 6.0).decode(codes)
    torch.testing.assert_close(lifted[..., :3], plain[..., :3])
    assert float(lifted[0, 0, 3]) == pytest.approx(6.0)


def test_noise_grows_with_light_and_keeps_the_mean() -> None:
    rng = np.random.default_rng(0)
    dark, bright = (
        sensor_noise(rng, torch.full((4, 3, 64, 64), level), torch.Generator().manual_seed(1)) - level
        for level in (0.0, 0.8)
    )
    assert abs(float(bright.mean())) < 0.01
    assert float(bright.std()) > 0
    assert float(dark.std()) > 0


def test_compression_loses_the_finest_first_and_little_at_small_steps() -> None:
    planes = torch.rand(2, 64, 64, generator=torch.Generator().manual_seed(0))
    mild, strong = ((compress(planes, step) - planes).square().mean().sqrt() * 255 for step in (2.0, 12.0))
    assert float(mild) < 3
    assert float(mild) < float(strong) < 40
    flat = torch.full((1, 16, 16), 0.5)
    assert (compress(flat, 4.0) - flat).abs().max() * 255 <= 0.5
