"""From rendered clips to what a network is trained on: nothing moves against anything else on the way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from support.videos import footage
from vdeblur.errors import InputError
from vdeblur.training.blur import BlurConfig, Clip
from vdeblur.training.clips import Pool, SharpPictures, Sources, sharp_files
from vdeblur.training.packed import augment, pack, to_network

SMALL = BlurConfig(size=16, frames=3, layers=1)


def blocks(seed: int, frames: int = 3, size: int = 16) -> Tensor:
    """(frames, 3, size, size): gray 2x2 blocks tinted blue by their brightness, so that luma tells chroma."""
    level = torch.rand(frames, size // 2, size // 2, generator=torch.Generator().manual_seed(seed))
    level = level.repeat_interleave(2, 1).repeat_interleave(2, 2)
    return torch.stack([torch.full_like(level, 0.25), torch.full_like(level, 0.25), level], dim=1)


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), patch=st.sampled_from([8, 12, 16]), frames=st.integers(1, 3))
def test_luma_and_chroma_stay_together_under_every_augmentation(seed: int, patch: int, frames: int) -> None:
    rng = np.random.default_rng(seed)
    packed = pack(rng, Clip(blocks(1), blocks(2)))
    assert packed.shape == (2, 3, 24, 16)
    folded = torch.from_numpy(augment(rng, packed, frames, patch))
    assert folded.shape == (2, frames, 6, patch // 2, patch // 2)
    clip = to_network(folded)
    assert (clip[:, :, :4] - clip[:, :, :1]).abs().max() == 0  # the four phases of a block of one colour
    kb = 0.114 if abs(float(packed[0, 0, 0, 0]) / 255 - float(luma_of(blocks(1), 0.114)[0, 0, 0])) < 0.003 else 0.0722
    blue = (clip[:, :, 0] - 0.25 * (1 - kb)) / kb
    expected = (blue - clip[:, :, 0]) / (2 - 2 * kb)
    assert (clip[:, :, 4] - expected).abs().max() < 0.5 / 255 * (2 / kb + 2)


def luma_of(rgb: Tensor, kb: float) -> Tensor:
    return (1 - kb) * 0.25 + kb * rgb[:, 2]


def test_blurred_and_sharp_are_augmented_alike() -> None:
    rng = np.random.default_rng(0)
    packed = pack(rng, Clip(blocks(1), blocks(1)))
    for _ in range(20):
        folded = augment(rng, packed, 2, 8)
        np.testing.assert_array_equal(folded[0], folded[1])


def test_augmentation_shows_all_there_is() -> None:
    """Every crop, both directions of time and all eight orientations come up."""
    rng = np.random.default_rng(0)
    packed = pack(rng, Clip(blocks(1), blocks(1)))
    assert len({augment(rng, packed, 3, 16).tobytes() for _ in range(200)}) == 16
    assert len({augment(rng, packed, 3, 8).tobytes() for _ in range(4000)}) == 16 * 25
    assert len({augment(rng, packed, 1, 16).tobytes() for _ in range(300)}) == 3 * 8


@pytest.mark.parametrize("seed", range(4))
def test_packed_planes_are_the_colours(seed: int) -> None:
    """Back from planes to RGB by either matrix: one of them fits."""
    rgb = blocks(seed)
    planes = pack(np.random.default_rng(seed), Clip(rgb, rgb))[0].astype(float) / 255
    y = planes[:, :16]
    cb, cr = (planes[:, a:b].reshape(3, 8, 8).repeat(2, 1).repeat(2, 2) - 0.5 for a, b in ((16, 20), (20, 24)))
    errors = []
    for kr, kb in ((0.2126, 0.0722), (0.299, 0.114)):
        b, r = y + (2 - 2 * kb) * cb, y + (2 - 2 * kr) * cr
        g = (y - kr * r - kb * b) / (1 - kr - kb)
        errors.append(float(np.abs(np.stack([r, g, b], 1) - rgb.numpy()).max()))
    assert min(errors) < 0.012
    assert max(errors) > 0.02


def test_neutral_gray_is_zero_chroma_for_the_network() -> None:
    gray = torch.full((1, 3, 16, 16), 0.5)
    rng = np.random.default_rng(0)
    clip = to_network(torch.from_numpy(augment(rng, pack(rng, Clip(gray, gray)), 1, 16)))
    half_a_code = 0.5 / 255 + 1e-6
    assert clip[:, :, 4:].abs().max() <= half_a_code
    assert clip[:, :, :4].sub(0.5).abs().max() <= half_a_code


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    folder = tmp_path / "photographs"
    folder.mkdir()
    for i in range(2):
        picture = np.random.default_rng(i).integers(0, 256, (60, 80, 3)).astype(np.uint8)
        assert cv2.imwrite(str(folder / f"{i}.png"), picture)
    return folder


def test_pictures_come_from_photographs_and_halved_footage(photographs: Path) -> None:
    footage(photographs / "clip.mp4", frames=9)
    pictures = SharpPictures(sharp_files([photographs]))
    assert [p.shape for p in pictures.pictures] == [(60, 80, 3), (60, 80, 3), (24, 32, 3), (24, 32, 3)]
    first = np.random.default_rng(0).integers(0, 256, (60, 80, 3)).astype(np.uint8)
    np.testing.assert_array_equal(pictures.pictures[0][..., ::-1], first)  # OpenCV wrote BGR


def test_folders_that_cannot_be_learnt_from(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        sharp_files([tmp_path / "none"])
    with pytest.raises(InputError, match="no photographs or footage"):
        SharpPictures(sharp_files([tmp_path]))
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    with pytest.raises(InputError, match=r"broken\.png.*not a readable picture"):
        SharpPictures(sharp_files([tmp_path]))


def test_files_held_out_for_validation_are_never_learnt_from(tmp_path: Path) -> None:
    for i in range(40):
        (tmp_path / f"{i:02}.png").touch()
    (tmp_path / "notes.txt").touch()
    learnt, held_out = sharp_files([tmp_path], held_out=False), sharp_files([tmp_path], held_out=True)
    assert [file.stem for file in held_out] == ["15", "31"]
    assert sorted(learnt + held_out) == sharp_files([tmp_path])
    few = tmp_path / "few"
    few.mkdir()
    (few / "only.png").touch()
    assert sharp_files([few], held_out=True) == sharp_files([few], held_out=False) == [few / "only.png"]


def test_a_pool_is_the_same_however_many_render_it(tmp_path: Path, photographs: Path) -> None:
    contents = []
    for processes in (1, 2):
        pool = Pool(tmp_path / str(processes), 4, SMALL, Sources((str(photographs),)), seed=3)
        pool.start_rendering(processes)
        batch = pool.batch(np.random.default_rng(0), 5, available=4, frames=2, patch=8)
        pool.close()
        assert batch.shape == (5, 2, 2, 6, 4, 4)
        assert pool.done.all()
        contents.append((bytes(pool.data), bytes(pool.done), batch.numpy().tobytes()))
    assert contents[0] == contents[1]


def test_a_pool_of_other_settings_is_refused_and_an_older_one_is_not(tmp_path: Path, photographs: Path) -> None:
    Pool(tmp_path / "pool", 2, SMALL, Sources((str(photographs),)), seed=0)
    with pytest.raises(InputError, match="other settings"):
        Pool(tmp_path / "pool", 2, SMALL, Sources((str(photographs),)), seed=1)
    stamp_file = tmp_path / "pool" / "pool.json"
    stamp: dict[str, Any] = json.loads(stamp_file.read_text())
    del stamp["blur"]["codec"]  # written before there was such a setting
    stamp_file.write_text(json.dumps(stamp))
    Pool(tmp_path / "pool", 2, SMALL, Sources((str(photographs),)), seed=0)


def test_only_clips_that_are_blurred_enough_are_chosen(tmp_path: Path, photographs: Path) -> None:
    pool = Pool(tmp_path / "pool", 6, SMALL, Sources((str(photographs),)), seed=0)
    pool.data[:] = np.arange(6, dtype=np.uint8)[:, None, None, None, None]
    pool.done[:] = [20, 40, 25, 41, 30, 42]
    rng = np.random.default_rng(0)
    batch = pool.batch(rng, 30, available=5, frames=1, patch=8, worse_than=31.0)
    assert set(batch.flatten().tolist()) == {0, 2, 4}
    assert set(pool.batch(rng, 60, available=5, frames=1, patch=8).flatten().tolist()) == {0, 1, 2, 3, 4}


def test_waiting_for_clips_that_nobody_renders_is_an_error(tmp_path: Path, photographs: Path) -> None:
    pool = Pool(tmp_path / "pool", 2, SMALL, Sources((str(photographs),)), seed=0)
    with pytest.raises(RuntimeError, match="renderers have stopped"):
        pool.batch(np.random.default_rng(0), 1, available=1, frames=1, patch=8)
