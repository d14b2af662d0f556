"""The same scenes on one processor core, by OpenCV's warping: several times as fast there as grid sampling.

A rolling shutter's change per row enters the homography through the row itself, which leaves out what is quadratic in
the frame: under a hundredth of a pixel.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .camera import Matrices
from .scene import TEXELS, Layer, Scene, SceneConfig

Light = NDArray[np.float32]
FEWEST = 9
"""Sub-frames that every exposure has, however little moves in it."""


def render_on_cpu(scene: Scene, config: SceneConfig) -> tuple[Tensor, Tensor]:
    """Blurred and sharp of one scene, each (frames, 3, size, size)."""
    size = (config.size, config.size)
    layers = [(_texture(layer), _to_texels(layer, config.size)) for layer in scene.layers]
    strides = np.min([_strides(matrices, config.size) for _, matrices in layers], axis=0)
    blurred, sharp = [], []
    for frame in range(config.frames):
        total = np.zeros((*size, 3), np.float32)
        middle, stride = scene.count // 2, int(strides[frame])
        moments = range(middle % stride, scene.count, stride)
        for k in moments:
            world = _seen(*layers[0], (frame, k), size, cv2.BORDER_REFLECT)
            for texture, matrices in layers[1:]:
                seen = _seen(texture, matrices, (frame, k), size, cv2.BORDER_CONSTANT)
                cover = seen[..., 3]
                rows, columns = np.flatnonzero(cover.any(1)), np.flatnonzero(cover.any(0))
                if not len(rows):
                    continue
                box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
                world[box] *= 1 - cover[box][..., None]
                world[box] += seen[box][..., :3]
            cv2.accumulate(world, total)
            if k == middle:
                sharp.append(world)
        blurred.append(np.asarray(total / len(moments), np.float32))
    return _stacked(blurred), _stacked(sharp)


def _texture(layer: Layer) -> Light:
    return np.ascontiguousarray(layer.texture.permute(1, 2, 0).numpy())


def _to_texels(layer: Layer, size: int) -> Matrices:
    """Pixels of a clip, counted from its corner -> samples of the texture, (frames, count, 3, 3)."""
    height, width = layer.texture.shape[1:]
    from_unit = np.array([[width / 2, 0, (width - 1) / 2], [0, height / 2, (height - 1) / 2], [0, 0, 1]])
    to_centre = np.array([[1, 0, -(size - 1) / 2], [0, 1, -(size - 1) / 2], [0, 0, 1]])
    look = layer.look.copy()
    look[..., 1] += layer.shear[..., 2]
    return np.asarray(from_unit @ look @ to_centre)


def _strides(matrices: Matrices, size: int) -> NDArray[np.int64]:
    """How many sub-frames a step may take in each frame without moving a corner by more than a pixel, (frames,)."""
    frames, count = matrices.shape[:2]
    if count <= FEWEST:
        return np.ones(frames, np.int64)
    corners = np.array([[x, y, 1.0] for x in (0, size) for y in (0, size)]).T
    seen = matrices @ corners
    track = seen[..., :2, :] / np.maximum(seen[..., 2:, :], 1e-3) / TEXELS
    longest = np.linalg.norm(np.diff(track, axis=1), axis=2).max((1, 2))
    return np.clip(1 / np.maximum(longest, 1e-6), 1, count // FEWEST).astype(np.int64)


def _seen(texture: Light, matrices: Matrices, place: tuple[int, int], size: tuple[int, int], border: int) -> Light:
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpPerspective(texture, matrices[place], size, flags=flags, borderMode=border), np.float32)


def _stacked(frames: list[Light]) -> Tensor:
    return torch.from_numpy(np.stack(frames).transpose(0, 3, 1, 2).copy())
