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

Radiance = NDArray[np.float32]
FEWEST = 9
"""Sub-frames that every exposure has, however little moves in it."""


def render_on_cpu(scene: Scene, config: SceneConfig) -> tuple[Tensor, Tensor]:
    """Blurred and sharp of one scene, each (frames, 3, size, size)."""
    size = config.size
    layers = [(_texture(layer), _to_texels(layer, size)) for layer in scene.layers]
    boxes = [_boxes(*layer, size) for layer in layers]
    strides = np.min([_strides(matrices, size) for _, matrices in layers], axis=0)
    blurred, sharp = [], []
    for frame in range(config.frames):
        total = np.zeros((size, size, 3), np.float32)
        middle, stride = scene.count // 2, int(strides[frame])
        moments = range(middle % stride, scene.count, stride)
        for k in moments:
            world = _seen(*layers[0], (frame, k), (0, 0, size, size), cv2.BORDER_REFLECT)
            for layer, box in zip(layers[1:], boxes[1:], strict=True):
                x0, y0, x1, y1 = box[frame, k].tolist()
                if x0 < x1 and y0 < y1:
                    seen = _seen(*layer, (frame, k), (x0, y0, x1, y1), cv2.BORDER_CONSTANT)
                    _lay_over(world[y0:y1, x0:x1], seen)
            cv2.accumulate(world, total)
            if k == middle:
                sharp.append(world)
        blurred.append(np.asarray(total / len(moments), np.float32))
    return _stacked(blurred), _stacked(sharp)


def _lay_over(world: Radiance, seen: Radiance) -> None:
    """A layer (h, w, 4), premultiplied, over what lies behind it (h, w, 3)."""
    behind = 1 - seen[..., 3]
    cv2.multiply(world, cv2.merge([behind, behind, behind]), dst=world)
    cv2.add(world, cv2.cvtColor(seen, cv2.COLOR_BGRA2BGR), dst=world)  # the first three channels, whatever they are


def _boxes(texture: Radiance, matrices: Matrices, size: int) -> NDArray[np.int64]:
    """Pixels of a clip that a layer may cover, (frames, count, 4): left, top, right and bottom, these two beyond it."""
    whole = np.broadcast_to(np.array([0, 0, size, size]), (*matrices.shape[:2], 4))
    if texture.shape[2] == 3:
        return whole
    cover = texture[..., 3] > 0
    rows, columns = np.flatnonzero(cover.any(1)), np.flatnonzero(cover.any(0))
    if not len(rows):
        return np.zeros_like(whole)
    corners = np.array([[x, y, 1.0] for x in columns[[0, -1]] + [-1, 1] for y in rows[[0, -1]] + [-1, 1]]).T
    seen = np.linalg.inv(matrices) @ corners
    places = seen[..., :2, :] / seen[..., 2:, :]
    near, far = np.floor(places.min(-1)), np.ceil(places.max(-1)) + 1
    boxes = np.concatenate([near, far], axis=-1).clip(0, size).astype(np.int64)
    before = (seen[..., 2:, :] > 0).all((-1, -2)) | (seen[..., 2:, :] < 0).all((-1, -2))  # no corner behind the camera
    return np.where(before[..., None], boxes, whole)


def _texture(layer: Layer) -> Radiance:
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


def _seen(
    texture: Radiance, matrices: Matrices, place: tuple[int, int], box: tuple[int, int, int, int], border: int
) -> Radiance:
    x0, y0, x1, y1 = box
    matrix = matrices[place] @ np.array([[1, 0, x0], [0, 1, y0], [0, 0, 1.0]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    seen = cv2.warpPerspective(texture, matrix, (x1 - x0, y1 - y0), flags=flags, borderMode=border)
    return np.asarray(seen, np.float32)


def _stacked(frames: list[Radiance]) -> Tensor:
    return torch.from_numpy(np.stack(frames).transpose(0, 3, 1, 2).copy())
