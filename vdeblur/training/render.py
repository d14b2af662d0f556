"""Clips rendered on the device that trains: scenes seen by a camera with an open shutter.

Layers are composited in every sub-frame, so that edges of occlusion mix as they do on a sensor; rows are exposed one
after another (rolling shutter); averaging happens in linear light with highlights brighter than white. The target is
the sub-frame at the centre of the exposure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .cpu_render import render_on_cpu
from .scene import Scene, SceneConfig

AT_ONCE = 30_000_000
"""Samples rendered together, which keeps a GPU busy."""


@dataclass(frozen=True, eq=False)
class Clips:
    """Pairs in linear light times white = 1, not clipped: (n, frames, 3, size, size)."""

    blurred: Tensor
    sharp: Tensor


def render(scenes: Sequence[Scene], config: SceneConfig, device: torch.device) -> Clips:
    """Rasterise scenes: on a processor by OpenCV, elsewhere those of equal counts together."""
    if device.type == "cpu":
        pairs = [render_on_cpu(scene, config) for scene in scenes]
        return Clips(*(torch.stack(side) for side in zip(*pairs, strict=True)))
    return render_on_device(scenes, config, device)


def render_on_device(scenes: Sequence[Scene], config: SceneConfig, device: torch.device) -> Clips:
    """Rasterise scenes, those of equal counts together."""
    shape = (len(scenes), config.frames, 3, config.size, config.size)
    clips = Clips(torch.empty(shape, device=device), torch.empty(shape, device=device))
    for count in sorted({scene.count for scene in scenes}):
        which = [i for i, scene in enumerate(scenes) if scene.count == count]
        samples = count * config.size**2
        frames = max(1, min(config.frames, AT_ONCE // samples))
        at_once = max(1, AT_ONCE // (samples * frames))
        for start in range(0, len(which), at_once):
            part = which[start : start + at_once]
            index = torch.tensor(part, device=device)
            stacks = _stack([scenes[i] for i in part], device)
            for first in range(0, config.frames, frames):
                span = slice(first, first + frames)
                clips.blurred[index, span], clips.sharp[index, span] = _expose(len(part), stacks, span, config)
    return clips


class _Stack(NamedTuple):
    """Layers of one level and one size, of several scenes."""

    level: int
    members: Tensor
    texture: Tensor
    look: Tensor
    shear: Tensor


def _stack(scenes: Sequence[Scene], device: torch.device) -> list[_Stack]:
    """The layers of scenes with one count, from back to front."""
    stacks = []
    for level in range(max(len(scene.layers) for scene in scenes)):
        members = [i for i, scene in enumerate(scenes) if level < len(scene.layers)]
        for shape in sorted({scenes[i].layers[level].texture.shape for i in members}):
            same = [i for i in members if scenes[i].layers[level].texture.shape == shape]
            layers = [scenes[i].layers[level] for i in same]
            look, shear = (
                torch.from_numpy(np.stack(part).astype(np.float32)).to(device)
                for part in ([layer.look for layer in layers], [layer.shear for layer in layers])
            )
            texture = torch.stack([layer.texture for layer in layers])
            stacks.append(_Stack(level, torch.tensor(same, device=device), texture, look, shear))
    return stacks


def _expose(count: int, stacks: Sequence[_Stack], frames: slice, config: SceneConfig) -> tuple[Tensor, Tensor]:
    """Some frames of `count` scenes, (count, frames, 3, size, size) twice."""
    size, device = config.size, stacks[0].texture.device
    pixels = torch.arange(size, dtype=torch.float32, device=device) - (size - 1) / 2
    shape = stacks[0].look[:, frames].shape[1:3]
    world = torch.empty(count, 3, *shape, size, size, device=device)
    for level, members, texture, look, shear in stacks:
        grid = _grid(look[:, frames].flatten(1, 2), shear[:, frames].flatten(1, 2), pixels).flatten(1, 2)
        padding = "reflection" if level == 0 else "zeros"
        seen = F.grid_sample(texture, grid, mode="bilinear", padding_mode=padding, align_corners=False)
        seen = seen.view(len(members), -1, *shape, size, size)
        if level == 0:
            world[members] = seen
        else:
            world[members] = world[members] * (1 - seen[:, 3:]) + seen[:, :3]
    return world.mean(3).transpose(1, 2), world[:, :, :, shape[1] // 2].transpose(1, 2)


def _grid(look: Tensor, shear: Tensor, span: Tensor) -> Tensor:
    """(n, count, 3, 3) twice -> where each pixel looks, (n, count, size, size, 2) in -1..1."""
    rows = span[:, None]
    parts = []
    for i in range(3):
        a, b, c = (look[..., i, j, None, None] for j in range(3))
        da, db, dc = (shear[..., i, j, None, None] for j in range(3))
        parts.append((a + da * rows) * span + ((b + db * rows) * rows + c + dc * rows))
    x, y, w = parts
    w = w.clamp(min=0.1)  # a tilted plane's horizon, and what lies beyond
    return torch.stack([x / w, y / w], dim=-1)
