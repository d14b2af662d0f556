"""Blur synthesis against what a camera does: light is averaged along the path, and the target is its middle."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from vdeblur.training import blur
from vdeblur.training.blur import BlurConfig, Clip, Path, Picture, render_clip

PLAIN = BlurConfig(
    size=33,
    frames=4,
    blur_px=(8, 8),
    duty=(1, 1),
    layers=0,
    minify=(1, 1),
    unsteady=0,
    rolling_shutter=0,
    identity=0,
    static=0,
    cut=0,
    noise=0,
    highlights=0,
)
"""A camera over a still world, and nothing else."""


def settings(**changes: Any) -> BlurConfig:
    return BlurConfig(**(PLAIN.__dict__ | changes))


def noise_picture(shape: tuple[int, int] = (120, 160)) -> Picture:
    return np.random.default_rng(5).integers(0, 256, (*shape, 3)).astype(np.uint8)


def render(config: BlurConfig, picture: Picture | None = None, seed: int = 0) -> Clip:
    shown = noise_picture() if picture is None else picture
    return render_clip(np.random.default_rng(seed), lambda _: shown, config)


@pytest.fixture
def straight(monkeypatch: pytest.MonkeyPatch) -> float:
    """Every path a straight line of 8 px per frame along x, and code values that are linear light."""

    def at(self: Path, times: Tensor) -> Tensor:
        zero = torch.zeros_like(times)
        return torch.stack([8 * times, zero, zero, zero], dim=-1)

    monkeypatch.setattr(Path, "at", at)
    curve = blur.ToneCurve
    monkeypatch.setattr(blur, "ToneCurve", lambda gamma: curve(1.0))
    return 8.0


FULL = BlurConfig(size=32, frames=3, noise=1.0, highlights=1.0, cut=0.3)


def test_a_seed_names_a_clip() -> None:
    one, again, other = (render(FULL, seed=seed) for seed in (7, 7, 8))
    assert torch.equal(one.blur, again.blur)
    assert torch.equal(one.sharp, again.sharp)
    assert not torch.equal(one.blur, other.blur)


@pytest.mark.parametrize("seed", range(12))
def test_clips_are_finite_code_values_of_the_shape_asked_for(seed: int) -> None:
    clip = render(FULL, seed=seed)
    for frames in (clip.blur, clip.sharp):
        assert frames.shape == (3, 3, 32, 32)
        assert frames.dtype == torch.float32
        assert torch.isfinite(frames).all()
        assert 0 <= frames.min() <= frames.max() <= 1


@pytest.mark.parametrize("shape", [(1, 1), (5, 300), (300, 5), (33, 33)])
def test_any_photograph_will_do(shape: tuple[int, int]) -> None:
    assert torch.isfinite(render(FULL, noise_picture(shape)).blur).all()


def columns(picture: Picture, starts: np.ndarray[Any, Any], size: int) -> np.ndarray[Any, Any]:
    """Linear samples of a picture that only varies along x: (starts, size)."""
    line = picture[0, :, 0] / 255.0
    return np.interp(starts[:, None] + np.arange(size), np.arange(len(line)), line)


def shift_of(line: np.ndarray[Any, Any], picture: Picture) -> int:
    """Where `line` lies in the picture's first row."""
    row = picture[0, :, 0] / 255.0
    errors = [np.abs(row[x : x + len(line)] - line).max() for x in range(len(row) - len(line) + 1)]
    assert min(errors) < 1e-4
    return int(np.argmin(errors))


def test_the_exposure_averages_light_along_the_path_about_the_target(straight: float) -> None:
    line = np.random.default_rng(2).integers(0, 256, 160).astype(np.uint8)
    picture = np.broadcast_to(line[None, :, None], (120, 160, 3)).copy()
    clip = render(PLAIN, picture)
    first = shift_of(clip.sharp[0, 0, 16].double().numpy(), picture)
    for t in range(PLAIN.frames):
        # Each exposure goes on where the path is: the target of frame t lies t frames along it.
        centre = first + straight * t
        target = columns(picture, np.array([centre]), 33)[0]
        np.testing.assert_allclose(clip.sharp[t, 0, 16].numpy(), target, atol=1e-4)
        moments = (np.arange(801) - 400) / 801
        expected = columns(picture, centre + straight * moments, 33).mean(0)
        np.testing.assert_allclose(clip.blur[t, 0, 16].numpy(), expected, atol=0.02)


@pytest.mark.parametrize("duty", [0.25, 0.5, 1.0])
def test_a_points_streak_is_as_long_as_the_exposure_and_keeps_its_light(straight: float, duty: float) -> None:
    picture = np.zeros((64, 160, 3), np.uint8)
    picture[:, ::32] = 255  # vertical lines, one of which the middle row of any view shows
    clip = render(settings(duty=(duty, duty), blur_px=(8 * duty, 8 * duty)), picture)
    blurred, sharp = clip.blur[:, 0, 16], clip.sharp[:, 0, 16]
    whole = [t for t in range(4) if 6 < int(sharp[t].argmax()) < 26]
    assert whole
    for t in whole:
        assert float(blurred[t].sum()) == pytest.approx(float(sharp[t].sum()), rel=0.01)
        length = float(blurred[t].sum() / blurred[t].max())  # a box of that width
        assert length == pytest.approx(straight * duty, abs=1.0)
        x = torch.arange(33.0)
        centres = [float((line * x).sum() / line.sum()) for line in (blurred[t], sharp[t])]
        assert centres[0] == pytest.approx(centres[1], abs=0.1)


def test_lifted_highlights_outshine_white(straight: float) -> None:
    picture = np.full((64, 160, 3), 30, np.uint8)
    picture[:, ::32] = 255
    lifted = render(settings(highlights=1.0), picture)
    assert lifted.sharp.max() == 1
    assert lifted.blur.max() <= 1
    plain = render(PLAIN, picture)
    assert lifted.blur.max() > 1.5 * plain.blur.max()


@pytest.mark.parametrize("seed", range(4))
def test_light_is_averaged_not_code_values(seed: int) -> None:
    """A black-and-white checkerboard smeared far is a middle of light, which is well above a middle of codes."""
    board = (np.indices((200, 200)).sum(0) % 2 * 255).astype(np.uint8)
    clip = render(settings(blur_px=(24, 24)), np.stack([board] * 3, axis=2), seed)
    assert clip.blur.mean() > 0.6


def test_static_and_identity_clips() -> None:
    static = render(settings(static=1.0))
    assert torch.allclose(static.blur, static.sharp, atol=1e-6)
    assert torch.allclose(static.sharp[0], static.sharp[3], atol=1e-6)
    identity = render(settings(identity=1.0))
    assert torch.equal(identity.blur, identity.sharp)
    assert (identity.sharp[0] - identity.sharp[3]).abs().mean() > 0.05


def test_noise_is_on_the_blurred_side_alone() -> None:
    noisy, clean = render(settings(static=1.0, noise=1.0)), render(settings(static=1.0))
    assert torch.equal(noisy.sharp, clean.sharp)
    assert 1e-4 < (noisy.blur - clean.blur).abs().mean() < 0.1
    assert abs(float((noisy.blur - clean.blur).mean())) < 0.01


def test_a_cut_joins_two_clips() -> None:
    black, white = (np.full((64, 64, 3), v, np.uint8) for v in (0, 255))
    order = iter([black, white])
    clip = render_clip(np.random.default_rng(1), lambda _: next(order), settings(cut=1.0))
    levels = clip.sharp.mean((1, 2, 3))
    at = int((levels > 0.5).float().argmax())
    assert 1 <= at <= 3
    assert levels.tolist() == pytest.approx([0.0] * at + [1.0] * (4 - at), abs=1e-5)
    assert clip.blur.mean((1, 2, 3)).tolist() == pytest.approx(levels.tolist(), abs=1e-5)


@pytest.mark.parametrize("turn", [0.0, 1.0])
def test_the_path_is_as_long_as_asked_for(turn: float) -> None:
    for seed in range(10):
        path = Path(np.random.default_rng(seed), 12, 7.0, turn=turn)
        at = path.at(torch.linspace(-0.5, 11.5, 2000, dtype=torch.float64)) * torch.tensor([1, 1, 300, 300])
        assert float(at.diff(dim=0).norm(dim=1).sum()) / 12 == pytest.approx(7, rel=0.03)
        assert path.at(torch.zeros(1)).abs().max() == 0


def test_paths_are_smooth() -> None:
    """Nothing shakes faster than 20 Hz at 30 fps: the path has no power above two thirds of a cycle per frame."""
    path = Path(np.random.default_rng(0), 64, 10.0, turn=0.0)
    assert path.frequency.max() <= 2 * math.pi * 0.6
    assert path.frequency.min() >= 2 * math.pi * 0.01


@pytest.mark.parametrize("length", [3.0, 12.0])
def test_blur_is_as_long_as_configured(length: float) -> None:
    """Of a camera's own path over a real exposure, in the mean over clips."""
    duty, travelled = 0.5, []
    for seed in range(20):
        path = Path(np.random.default_rng(seed), 12, length / duty, turn=0.0)
        for frame in range(12):
            moments = torch.linspace(frame - duty / 2, frame + duty / 2, 50, dtype=torch.float64)
            travelled.append(float(path.at(moments)[:, :2].diff(dim=0).norm(dim=1).sum()))
    assert np.mean(travelled) == pytest.approx(length, rel=0.1)


@pytest.mark.parametrize("seed", range(4))
def test_layers_move_by_themselves(seed: int) -> None:
    """The last picture asked for is the world; before a gray one, all that changes is a layer, and not everywhere."""
    config, asked = settings(layers=3, blur_px=(4, 4)), 0

    def count(_: np.random.Generator) -> Picture:
        nonlocal asked
        asked += 1
        return noise_picture()

    render_clip(np.random.default_rng(seed), count, config)
    order = iter([noise_picture()] * (asked - 1) + [np.full((200, 200, 3), 128, np.uint8)])
    clip = render_clip(np.random.default_rng(seed), lambda _: next(order), config)
    changed = float(((clip.sharp[0] - clip.sharp[3]).abs().amax(0) > 0.05).float().mean())
    assert (0 < changed < 0.9) if asked > 1 else changed == 0
