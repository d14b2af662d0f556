"""Training small enough for a test."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from vdeblur.training.config import TrainConfig
from vdeblur.training.learner import LearnerConfig
from vdeblur.training.scene import SceneConfig
from vdeblur.training.supply import SupplyConfig

SCENE = SceneConfig(size=32, frames=3, things=1, planes=0, blur_px=(3, 6), identity=0, static=0, unsteady=0)
TINY = TrainConfig(
    model={"quarter": 8, "eighth": 8, "sixteenth": 8, "hidden": 8, "neighbour": 4},
    mix=SupplyConfig(SCENE, footage=0, cut=0, plain=0),
    learner=LearnerConfig(warm_up=2),
    steps=12,
    batch=2,
    reuse=2,
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
