"""Training small enough for a test."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from vdeblur.training.blur import BlurConfig
from vdeblur.training.train import TrainConfig

TINY = TrainConfig(
    model={"quarter": 8, "eighth": 8, "sixteenth": 8, "hidden": 8},
    blur=BlurConfig(size=32, frames=4, layers=1, blur_px=(3, 6), cut=0, identity=0, static=0, unsteady=0),
    steps=12,
    batch=2,
    frames=2,
    burn_in=2,
    patch=24,
    warm_up=2,
    cool_down=4,
    pool=6,
    pool_start=3,
    pool_growth=0.3,
    hard_psnr=100.0,
)


def write_pictures(folder: Path, count: int, size: tuple[int, int], seed: int = 0) -> Path:
    folder.mkdir(parents=True)
    for i in range(count):
        rng = np.random.default_rng([seed, i])
        coarse = rng.integers(0, 256, (size[1] // 6, size[0] // 6, 3)).astype(np.uint8)
        assert cv2.imwrite(str(folder / f"{i:03}.png"), cv2.resize(coarse, size, interpolation=cv2.INTER_NEAREST))
    return folder


def tensors(file: Path) -> dict[str, Tensor]:
    with safe_open(str(file), "pt") as stored:
        return {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118


def same(one: Path, other: Path) -> bool:
    a, b = tensors(one / "resume.safetensors"), tensors(other / "resume.safetensors")
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
