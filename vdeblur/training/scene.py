"""A scene: what is seen, and where each of its layers is seen in every sub-frame of a clip.

Photographs become a background and nearer planes under one 3D camera path, and things that move by themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from .camera import FRAME_HEIGHT, CameraMotion, Matrices, Trajectory, similarity_transform
from .light import Light
from .patterns import draw_pattern
from .shapes import draw_shape

TEXELS = 2
"""Texture samples per pixel of a clip: a texture of its size, sampled between its samples, would soften everything."""
BORDER = 96
"""Pixels of texture around a clip; what lies further is mirrored."""
COUNTS = (1, 9, 17, 33, 65)
"""Sub-frames per exposure; clips of one count are rendered together."""


@dataclass(frozen=True)
class SceneConfig:
    """What the clips are like. Ranges are (low, high); those marked *log* are drawn uniformly in the logarithm."""

    size: int = 192
    """Height and width of a clip, px."""
    frames: int = 10
    blur_px: tuple[float, float] = (1.0, 45.0)
    """Length of the path within one exposure at the clip's centre, mean over the clip, px, log."""
    duty: tuple[float, float] = (0.3, 1.0)
    """Exposure time over frame time."""
    things: int = 2
    """At most this many things that move by themselves."""
    planes: int = 1
    """At most this many nearer planes (walls, ground) before the background."""
    minify: tuple[float, float] = (1.2, 3.0)
    """Source pixels per clip pixel, log; over 1 hides the source's own softness."""
    patterns: float = 0.1
    """Share of textures that are drawn; see `patterns.draw_pattern`."""
    unsteady: float = 0.6
    """Share of clips whose motion swells and ebbs, so that sharp frames lie between blurred ones."""
    rolling_shutter: float = 0.5
    """Largest read-out time of a whole frame, in frame times; none on half of the clips."""
    coarse: float = 0.25
    """Share of clips exposed in 9 steps only, as test sets averaged from high-speed footage are."""
    identity: float = 0.07
    """Share of clips that are sharp already."""
    static: float = 0.03
    """Share of clips in which nothing moves."""


@dataclass(frozen=True, eq=False)
class Layer:
    """A texture and how a clip's pixels (about its centre) fall on it, for every sub-frame."""

    texture: Tensor
    """Linear RGB (3, h, w), or premultiplied RGB and alpha (4, h, w)."""
    look: Matrices
    """(frames, count, 3, 3): to texture coordinates in -1..1."""
    shear: Matrices
    """(frames, count, 3, 3): change of `look` per row of the clip (rolling shutter)."""


@dataclass(frozen=True, eq=False)
class Scene:
    """One clip's layers from back to front; only the background is opaque."""

    layers: list[Layer]
    count: int
    """Sub-frames per exposure."""


def draw_scene(rng: np.random.Generator, photographs: Sequence[Tensor], light: Light, config: SceneConfig) -> Scene:
    """A scene from photographs (3, h, w) of uint8, on whatever device they are."""
    kind = rng.random()
    static, identity = kind < config.static, config.static <= kind < config.static + config.identity
    duty = 0.0 if identity else float(rng.uniform(*config.duty))
    blur_px = float(np.exp(rng.uniform(*np.log(config.blur_px))))
    speed = 0.0 if static else blur_px / max(duty, 0.5 if identity else duty)
    unsteady = bool(rng.random() < config.unsteady)
    camera = CameraMotion.draw(rng, config.frames, speed, unsteady)
    count = _sub_frames(rng, speed * duty * (2 if unsteady else 1.5), config)
    read_out = float(rng.uniform(0, config.rolling_shutter)) * (rng.random() < 0.5)
    exposure = (np.arange(count) - (count - 1) / 2) / count * duty
    times = np.arange(config.frames)[:, None] - (config.frames - 1) / 2 + exposure  # 0 is the clip's middle

    def look(plane: NDArray[np.float64], own: Trajectory | None, to_texture: Matrices) -> tuple[Matrices, Matrices]:
        seen = camera.homography(times, plane)
        seen = to_texture @ (similarity_transform(own.at(times)) @ seen if own else seen)
        if count == 1 or not read_out:
            return seen, np.zeros_like(seen)
        per_frame = np.gradient(seen, duty / count, axis=1)
        return seen, per_frame * (read_out / FRAME_HEIGHT)

    tilt = rng.uniform(-0.4, 0.4, 2) * (rng.random() < 0.7)
    background = _texture(rng, photographs, config.size + 2 * BORDER, light, config)
    plane = np.array([*tilt, 1.0])
    layers = [Layer(background, *look(plane, None, _to_texture(background, (0, 0))))]
    for _ in range(0 if static else int(rng.integers(config.planes + 1))):
        size = config.size + 2 * BORDER
        texture = _cut_out(_texture(rng, photographs, size, light, config), draw_shape(rng, size, "plane"))
        near = np.array([*rng.uniform(-0.6, 0.6, 2), float(np.exp(rng.uniform(0.1, 1.2)))])
        layers.append(Layer(texture, *look(near, None, _to_texture(texture, (0, 0)))))
    for _ in range(0 if static else int(rng.integers(config.things + 1))):
        size = config.size * int(rng.integers(1, 5)) // 4  # few sizes, so that textures stack
        texture = _cut_out(_texture(rng, photographs, size, light, config), draw_shape(rng, size, "thing"))
        fast = speed * float(np.exp(rng.uniform(np.log(0.2), np.log(1.5))))
        path = own_path(rng, config.frames, fast, unsteady)
        where = rng.uniform(-0.5, 0.5, 2) * config.size
        depth = np.array([0.0, 0.0, float(np.exp(rng.uniform(0, 0.7)))])
        layers.append(Layer(texture, *look(depth, path, _to_texture(texture, (float(where[0]), float(where[1]))))))
    return Scene(layers, count)


def _sub_frames(rng: np.random.Generator, reach: float, config: SceneConfig) -> int:
    """How many sub-frames keep each step about a pixel long; a few on purpose for some clips."""
    if reach == 0:
        return 1
    if reach < 40 and rng.random() < config.coarse:
        return 9
    return next((count for count in COUNTS[1:] if count >= reach), COUNTS[-1])


def own_path(rng: np.random.Generator, frames: int, speed: float, unsteady: bool) -> Trajectory:
    """A path of x, y (px), roll (radians) and log zoom that is `speed` px per frame long on average."""
    turn = rng.uniform(0, 1) / 100
    path = Trajectory.draw(rng, np.array([1.0, rng.uniform(0.3, 1.0), turn, turn]), unsteady)
    track = path.at(np.linspace(-frames / 2, frames / 2, frames * 8))[:, :2]
    length = float(np.linalg.norm(np.diff(track, axis=0), axis=1).sum()) / frames
    return path.scaled(min(speed / max(length, 1e-6), 100.0))


def _texture(
    rng: np.random.Generator, photographs: Sequence[Tensor], size: int, light: Light, config: SceneConfig
) -> Tensor:
    """The most detailed of three crops of a photograph as linear light, (3, TEXELS size, TEXELS size)."""
    photograph = photographs[int(rng.integers(len(photographs)))]
    height, width = photograph.shape[1:]
    side = min(int(size * np.exp(rng.uniform(*np.log(config.minify)))), height, width)
    y, x = (int(rng.integers(length - side + 1)) for length in (height, width))
    crop = photograph[:, y : y + side, x : x + side]
    if rng.random() < config.patterns:
        crop = torch.from_numpy(draw_pattern(rng, side)).to(crop.device)
    if rng.random() < 0.5:
        crop = crop.flip(2)
    if rng.random() < 0.25:
        crop = crop.transpose(1, 2)
    linear = light.decode(crop)[None]
    wanted = TEXELS * size
    linear = F.interpolate(linear, (wanted, wanted), mode="bilinear", antialias=True, align_corners=False)
    if rng.random() < 0.7:  # a pixel's area rather than a point; lenses and sensors vary
        for axis in (2, 3):
            linear = (
                linear + torch.cat([linear.narrow(axis, 1, wanted - 1), linear.narrow(axis, wanted - 1, 1)], axis)
            ) / 2
    return linear[0]


def _cut_out(texture: Tensor, shape: NDArray[np.float32]) -> Tensor:
    alpha = torch.from_numpy(shape).to(texture.device)[None, None]
    alpha = F.interpolate(alpha, texture.shape[1:], mode="bilinear", align_corners=False)[0]
    return torch.cat([texture * alpha, alpha])


def _to_texture(texture: Tensor, place: tuple[float, float]) -> Matrices:
    """Pixels about a clip's centre -> coordinates -1..1 of a texture that lies with its centre at `place`."""
    height, width = (n / TEXELS for n in texture.shape[1:])
    return np.array([[2 / width, 0, -2 * place[0] / width], [0, 2 / height, -2 * place[1] / height], [0, 0, 1.0]])
