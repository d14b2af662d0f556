"""Batches of clips: named by their index, folded as networks take them, with flow that leads to the neighbours."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from support.train_runs import TINY, write_pictures
from support.videos import footage
from vdeblur.backends.symmetries import SYMMETRIES
from vdeblur.errors import InputError, UsageError
from vdeblur.frames import LUMA_WEIGHTS, MATRIX_BT709, MATRIX_SMPTE170M
from vdeblur.models.convlstm import warp_luma
from vdeblur.training.batches import held_out_batches, open_supply
from vdeblur.training.light import Light, crispen, soften
from vdeblur.training.material import HELD_OUT, Material, files_of, read_material
from vdeblur.training.patterns import draw_pattern
from vdeblur.training.real_motion import MARGIN, Run, between, expose_run, is_usable
from vdeblur.training.scene import SceneConfig
from vdeblur.training.supply import Batch, Supply, SupplyConfig, augmented, cut_up, fold_pair, motion_of, to_network

SCENE = SceneConfig(size=64, frames=4, blur_px=(3, 8), identity=0, static=0)
CLEAN = SupplyConfig(SCENE, footage=0.5, cut=0, held=0, plain=0, soft=0, crisp=0, noise=0, compressed=0)


def smooth(side: int, seed: int) -> Tensor:
    coarse = np.random.default_rng(seed).integers(0, 256, (side // 8, side // 8, 3)).astype(np.float32)
    return torch.from_numpy(
        cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC).clip(0, 255).astype(np.uint8)
    )


@pytest.fixture(scope="module")
def material() -> Material:
    photographs = [smooth(320, seed).permute(2, 0, 1) for seed in range(3)]
    wide = smooth(320, 9).permute(2, 0, 1)
    run = torch.stack([wide[:, 40:200, 2 * t : 2 * t + 200] for t in range(24)])
    return Material(photographs, [run])


@pytest.fixture(scope="module")
def batch(material: Material) -> Batch:
    return Supply(material, CLEAN, seed=1).batch(0, 6)


def test_an_index_names_a_batch(material: Material, batch: Batch) -> None:
    again = Supply(material, CLEAN, seed=1)
    again.batch(3, 2)
    for one, other in zip(again.batch(0, 6), batch, strict=True):
        assert torch.equal(one, other)
    assert not torch.equal(again.batch(1, 6).blurred, batch.blurred)


def test_batches_are_as_networks_take_them(batch: Batch) -> None:
    assert batch.blurred.shape == batch.sharp.shape == (6, 4, 6, 32, 32)
    assert (batch.blurred.dtype, batch.motion.dtype) == (torch.uint8, torch.float16)
    assert batch.motion.shape == (6, 4, 4, 32, 32)
    assert (batch.blurred != batch.sharp).any()


def mismatch(batch: Batch) -> tuple[float, float]:
    """Mean difference of neighbours in levels: as they are, and warped along the flow to each other."""
    luma, motion = to_network(batch.blurred)[:, :, :4], batch.motion.float()
    as_is, warped = [], []
    for k in range(luma.shape[1] - 1):
        for here, there, flow in ((k, k + 1, motion[:, k, 2:]), (k + 1, k, motion[:, k + 1, :2])):
            as_is.append(luma[:, there] - luma[:, here])
            warped.append(warp_luma(luma[:, there], flow) - luma[:, here])
    return tuple(float(torch.stack(part).abs().mean() * 255) for part in (as_is, warped))  # type: ignore[return-value]


def test_flow_points_from_each_frame_to_its_neighbours_under_every_augmentation(batch: Batch) -> None:
    as_is, warped = mismatch(batch)
    assert warped < 0.7 * as_is
    for symmetry, reverse in product(SYMMETRIES, (False, True)):
        assert mismatch(augmented(batch, symmetry, reverse)) == pytest.approx((as_is, warped), rel=1e-3)


def test_augmentations_apply_to_blurred_and_sharp_alike_and_all_differ(batch: Batch) -> None:
    seen = set()
    for symmetry, reverse in product(SYMMETRIES, (False, True)):
        one = augmented(batch, symmetry, reverse)
        other = augmented(batch._replace(blurred=batch.sharp), symmetry, reverse)
        assert torch.equal(one.sharp, other.blurred)
        seen.add(one.blurred.contiguous().numpy().tobytes())
    assert len(seen) == 16


def test_pieces_start_without_a_past_and_end_without_a_future(batch: Batch) -> None:
    pieces = cut_up(batch, 2)
    assert torch.equal(pieces.sharp[1], batch.sharp[0, 2:])
    assert not pieces.motion[:, 0, :2].any()
    assert not pieces.motion[:, -1, 2:].any()
    assert torch.equal(pieces.motion[0, 0, 2:], batch.motion[0, 0, 2:])
    assert cut_up(batch, 3).sharp.shape[:2] == (6, 3)
    assert not cut_up(batch, 1).motion.any()


def test_folded_planes_are_the_colours() -> None:
    rgb = torch.rand(2, 1, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    rgb = rgb.repeat_interleave(2, 3).repeat_interleave(2, 4)  # so that chroma at half size is exact
    folded = to_network(fold_pair(rgb, LUMA_WEIGHTS[MATRIX_BT709], 0.0))
    kr, kb = LUMA_WEIGHTS[MATRIX_BT709]
    luma = torch.nn.functional.pixel_shuffle(folded[:, 0, :4], 2)[:, 0]
    cb, cr = (folded[:, 0, i].repeat_interleave(2, 1).repeat_interleave(2, 2) for i in (4, 5))
    red, blue = luma + (2 - 2 * kr) * cr, luma + (2 - 2 * kb) * cb
    green = (luma - kr * red - kb * blue) / (1 - kr - kb)
    torch.testing.assert_close(torch.stack([red, green, blue], dim=1), rgb[:, 0], atol=2.5 / 255, rtol=0)


def test_gray_has_no_colour_for_the_network() -> None:
    gray = torch.full((2, 1, 3, 16, 16), 0.4)
    assert not to_network(fold_pair(gray, LUMA_WEIGHTS[MATRIX_SMPTE170M], 0.0))[:, :, 4:].abs().max() > 1e-6


def test_the_mix_holds_what_it_is_told_to(material: Material) -> None:
    plain = Supply(material, replace(CLEAN, plain=1.0), seed=2).batch(0, 3)
    assert (plain.blurred.flatten(3) == plain.blurred.flatten(3)[..., :1]).all()
    assert not plain.motion.any()
    held = Supply(material, replace(CLEAN, held=1.0), seed=2).batch(0, 8)
    assert torch.equal(held.blurred[:, 0], held.blurred[:, 1])
    assert torch.equal(held.sharp[:, 0], held.sharp[:, 1])
    assert not held.motion[:, 0, 2:].any()
    assert held.motion.any()  # of those that are shown twice
    cut = Supply(material, replace(CLEAN, cut=1.0, footage=0.0), seed=2).batch(0, 2)
    uncut = Supply(material, replace(CLEAN, footage=0.0), seed=2).batch(0, 2)
    assert (cut.sharp != uncut.sharp).any()
    assert torch.equal(cut.sharp[:, -1].unique(dim=0), cut.sharp[:1, -1])  # both end in the same scene


def test_drawn_textures_are_soft_stripes_that_no_photograph_has(material: Material) -> None:
    """Every range of levels occurs, and no step between neighbours is as steep as a sharp stripe's."""
    seen = [draw_pattern(np.random.default_rng(seed), 96).astype(int) for seed in range(40)]
    contrasts = [int(pattern.max() - pattern.min()) for pattern in seen]
    assert min(contrasts) < 40 < 120 < max(contrasts)
    steepest = [
        max(int(abs(np.diff(p, axis=axis)).max()) for axis in (1, 2)) / c for p, c in zip(seen, contrasts, strict=True)
    ]
    assert min(steepest) < 0.15 < 0.5 < max(steepest)
    scene = replace(SCENE, identity=1.0)
    plain, drawn = (
        Supply(material, replace(CLEAN, footage=0.0, scene=replace(scene, patterns=p)), seed=5) for p in (0.0, 1.0)
    )
    assert not torch.equal(plain.batch(0, 1).sharp, drawn.batch(0, 1).sharp)


def test_lens_blur_and_camera_sharpening_apply_to_the_truth_too(material: Material) -> None:
    config = replace(CLEAN, scene=replace(SCENE, identity=1.0), footage=0.0, soft=1.0, crisp=1.0)
    seen = Supply(material, config, seed=4).batch(0, 2)
    assert torch.equal(seen.blurred, seen.sharp)
    plain = Supply(material, replace(config, soft=0.0, crisp=0.0), seed=4).batch(0, 2)
    assert not torch.equal(seen.sharp, plain.sharp)


def test_a_lens_spreads_a_point_and_keeps_its_light() -> None:
    point = torch.zeros(1, 3, 31, 31)
    point[..., 15, 15] = 1
    seen = soften(point, 1.5)
    torch.testing.assert_close(seen.sum((2, 3)), torch.ones(1, 3))
    x = torch.arange(31.0) - 15
    spread = (seen[0, 0].sum(0) * x**2).sum().sqrt()
    torch.testing.assert_close(spread, torch.tensor(1.5), rtol=0.03, atol=0)
    flat = torch.full((1, 3, 16, 16), 0.25)
    torch.testing.assert_close(soften(flat, 0.3), flat)
    torch.testing.assert_close(crispen(flat, 0.8), flat)


def test_real_motion_is_the_footages_own(material: Material) -> None:
    """The run moves by 2 px a frame: the truth is one of its frames, and the blur is longer with a longer exposure."""
    run = material.runs[0]
    errors = []
    for length in (2.0, 8.0):
        scene = replace(SCENE, blur_px=(length, length), duty=(1.0, 1.0))
        blurred, sharp = expose_run(np.random.default_rng(4), [Run.of(run)], Light(0.0, 1.0), scene)
        assert _is_within(sharp[0], Light(0.0, 1.0).decode(run))
        errors.append(float((blurred - sharp).square().mean()))
    assert errors[0] < errors[1]
    assert not is_usable(run[:7], SCENE)
    assert not is_usable(run[..., : SCENE.size + 2 * MARGIN - 1], SCENE)


def _is_within(crop: Tensor, frames: Tensor) -> bool:
    """Whether a crop (3, h, w), or its mirror image, is a part of one of the frames (t, 3, H, W)."""
    codes = [np.ascontiguousarray(c.numpy().transpose(1, 2, 0)) for c in (crop, crop.flip(-1))]
    return any(
        cv2.matchTemplate(np.ascontiguousarray(frame.numpy().transpose(1, 2, 0)), code, cv2.TM_SQDIFF).min() < 1e-3
        for frame in frames
        for code in codes
    )


def test_interpolated_frames_lie_between_their_neighbours() -> None:
    wide = smooth(160, 3).permute(2, 0, 1).float() / 255
    one, two = wide[:, :, 8:108], wide[:, :, :100]  # things move by 8 px to the right
    there = torch.zeros(2, *one.shape[1:])
    there[0] = 8
    moments = torch.tensor([0.0, 0.5, 1.0])
    seen = between(one, two, there, -there, moments)
    for frame, start in zip(seen, (8, 4, 0), strict=True):
        inner = slice(12, -12)
        assert (frame[..., inner] - wide[:, :, start : start + 100][..., inner]).abs().max() < 0.02


def test_motion_of_a_still_clip_is_none() -> None:
    clip = to_network(smooth(64, 1).permute(2, 0, 1)[:1].repeat(6, 1, 1)[None, None].repeat(1, 3, 1, 1, 1))
    assert motion_of(clip).abs().max() < 0.05


def test_training_material_is_read_and_part_of_it_held_out(tmp_path: Path) -> None:
    write_pictures(tmp_path / "photographs", 2 * HELD_OUT, (60, 36))
    footage(tmp_path / "clip.mp4", frames=5)
    (tmp_path / "notes.txt").write_text("no picture")
    folders = (str(tmp_path),)
    learnt, kept = files_of(folders, held_out=False), files_of(folders, held_out=True)
    assert len(learnt) + len([file for file in kept if file.suffix == ".png"]) == 2 * HELD_OUT + 1
    assert not {file for file in kept if file.suffix == ".png"} & set(learnt)
    assert len(kept) >= 3
    whole, half = (read_material([tmp_path / "clip.mp4"], halve=halve).runs[0] for halve in (False, True))
    assert whole.shape[:2] == (5, 3)
    assert [n // 2 for n in whole.shape[2:]] == list(half.shape[2:])


@pytest.mark.parametrize(("count", "kept"), [(22, {10, 21}), (2, {1}), (1, {0})])
def test_clips_of_pairs_are_held_out_where_there_are_two(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, count: int, kept: set[int]
) -> None:
    """Each clip is of one gray, by which it is known."""
    for place, side, frame in product(range(count), ("blur", "sharp"), range(3)):
        folder = tmp_path / f"clip{place}" / side
        folder.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(folder / f"{frame}.png"), np.full((32, 32, 3), 10 * place, np.uint8))
    config = replace(TINY, pairs=(str(tmp_path),))
    learnt = open_supply(config, "cpu").batch(0, 300)
    validated = torch.cat([batch.sharp for batch in held_out_batches(config, torch.device("cpu"), 60)])
    assert set((learnt.sharp[:, 0, 0, 0, 0] // 10).tolist()) == (set(range(count)) - kept or kept)
    assert set((validated[:, 0, 0, 0, 0] // 10).tolist()) == kept
    assert ("validation is on what is trained on" in caplog.text) == (count == 1)


def test_unusable_training_material_is_named(tmp_path: Path, material: Material) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="nothing to learn from"):
        files_of((), held_out=False)
    with pytest.raises(InputError, match="no such folder"):
        files_of((str(tmp_path / "missing"),), held_out=False)
    with pytest.raises(InputError, match="neither images nor videos"):
        files_of((str(tmp_path / "empty"),), held_out=False)
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    with pytest.raises(InputError, match=r"broken\.mp4: cannot be read as a video"):
        read_material([tmp_path / "broken.mp4"], halve=True)
    with pytest.raises(UsageError, match=r"add photographs, or set a smaller scene\.size"):
        Supply(Material([], [material.runs[0][:3]]), CLEAN, seed=0)
