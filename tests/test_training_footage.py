"""Real motion and codecs in training clips: known shifts come out as their own blur, and seeds name clips still."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from support.videos import footage
from vdeblur.errors import InputError
from vdeblur.training.blur import BlurConfig, ToneCurve
from vdeblur.training.clips import ClipMaker, Sources, sharp_files
from vdeblur.training.compression import compress
from vdeblur.training.footage import Footage, expose, flow_between, interpolate
from vdeblur.training.packed import psnr_of

CONFIG = BlurConfig(size=16, frames=3, layers=0, noise=0, highlights=0)
LINEAR = ToneCurve(1.0)


def waves(shift: float, size: tuple[int, int] = (96, 64)) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    x, y = np.arange(size[0])[None] - shift, np.arange(size[1])[:, None]
    gray = 128 + 60 * np.sin(x / 5) * np.cos(y / 7) + 50 * np.sin(x / 11 + y / 9)
    return np.repeat(gray[..., None], 3, axis=2).round().astype(np.uint8)


def test_frames_between_frames_lie_between_them() -> None:
    one, two = waves(0), waves(4)
    there, back = flow_between(one, two), flow_between(two, one)
    assert there[16:-16, 16:-16, 0].mean() == pytest.approx(4, abs=0.4)
    for moment in (0.25, 0.5, 0.75):
        middle = interpolate(one, two, there, back, moment)[12:-12, 12:-12]
        error = np.abs(middle.astype(int) - waves(4 * moment)[12:-12, 12:-12]).mean()
        mixed = np.abs((1 - moment) * one + moment * two - waves(4 * moment))[12:-12, 12:-12].mean()
        assert error < 2.5
        assert error < 0.4 * mixed or moment != 0.5
    np.testing.assert_array_equal(interpolate(one, two, there, back, 0.0), one)
    np.testing.assert_array_equal(interpolate(one, two, there, back, 1.0), two)


def test_an_exposure_over_footage_is_its_mean_in_linear_light() -> None:
    run = [waves(2 * i) for i in range(9)]
    light = expose(run, 4, 3.0, LINEAR, 1.0, "cpu").numpy()
    moments = (np.arange(60) + 0.5) / 60 * 3 - 1.5
    expected = np.mean([waves(8 + 2 * m) / 255 for m in moments], axis=0).transpose(2, 0, 1)
    sharp = run[4].transpose(2, 0, 1) / 255
    error, blur = (np.abs(light - other)[:, 12:-12, 12:-12].mean() for other in (expected, sharp))
    assert error < 0.2 * blur


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    footage(tmp_path / "clip.mp4", frames=14, size=(96, 64))
    return tmp_path


def test_clips_of_footage(videos: Path) -> None:
    make = Footage(sharp_files([videos]), CONFIG)
    one, again = (make.render(np.random.default_rng(3)) for _ in range(2))
    assert one.blur.shape == one.sharp.shape == (3, 3, 16, 16)
    assert (one.blur == again.blur).all()
    assert (one.blur - one.sharp).abs().mean() > 0.003
    assert (one.sharp[0] - one.sharp[2]).abs().mean() > 0.003


def test_footage_that_is_too_short_or_missing(videos: Path) -> None:
    with pytest.raises(InputError, match="no video among the training files has 15 frames of 32 px"):
        Footage(sharp_files([videos]), replace(CONFIG, frames=14))
    (videos / "broken.mp4").write_bytes(b"no video")
    with pytest.raises(InputError, match=r"broken\.mp4: cannot be read"):
        Footage(sharp_files([videos]), CONFIG)


def test_shares_of_codec_and_footage(videos: Path) -> None:
    sources = Sources((str(videos),))

    def clip(seed: int, **changes: float) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        return ClipMaker(sources, replace(CONFIG, **changes))(np.random.default_rng(seed))  # type: ignore[arg-type]

    for seed in range(3):
        plain, coded, moving = clip(seed), clip(seed, codec=1.0), clip(seed, footage=1.0)
        np.testing.assert_array_equal(coded[1], plain[1])
        assert 20 < psnr_of(np.stack([plain[0], coded[0]])) < 60
        assert (moving != plain).any()
        np.testing.assert_array_equal(moving, clip(seed, footage=1.0))


def test_a_round_trip_keeps_frames_and_their_order() -> None:
    planes = np.repeat(np.linspace(30, 220, 6).astype(np.uint8)[:, None, None], 48, 1).repeat(32, 2)
    for seed in range(6):
        coded = compress(np.random.default_rng(seed), planes)
        assert coded.shape == planes.shape
        assert np.abs(coded.mean((1, 2)) - planes.mean((1, 2))).max() < 3
