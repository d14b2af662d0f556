"""Blur synthesis: what a moving camera with an open shutter makes of a sharp world.

One continuous camera path per clip; moving layers composited in every sub-frame, so that edges of occlusion mix as they
do on a sensor; rolling shutter as a time offset per row; averaging in linear light with highlights brighter than white;
then sensor noise on the blurred picture alone. The target is the sub-frame at the centre of the exposure.

Everything is drawn from one numpy generator, so a seed names a clip; tensors live on the device that is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

Picture = NDArray[np.uint8]
"""A sharp photograph, (height, width, 3), RGB."""


@dataclass(frozen=True)
class BlurConfig:
    """What the clips are like. Ranges are (low, high); those marked *log* are drawn uniformly in the logarithm."""

    size: int = 160
    """Height and width of a clip, px."""
    frames: int = 8
    blur_px: tuple[float, float] = (1.5, 26.0)
    """Length of the path within one exposure at the picture's centre, mean over the clip, px, log."""
    duty: tuple[float, float] = (0.3, 1.0)
    """Exposure time over frame time."""
    layers: int = 3
    """At most this many things that move by themselves."""
    minify: tuple[float, float] = (1.0, 3.0)
    """Source pixels per clip pixel; over 1 hides the source's own softness."""
    unsteady: float = 0.6
    """Share of clips whose motion swells and ebbs, so that sharp frames lie between blurred ones."""
    rolling_shutter: float = 0.3
    """Largest read-out time of the clip's rows, in frame times."""
    identity: float = 0.10
    """Share of clips that are sharp already."""
    static: float = 0.04
    """Share of clips in which nothing moves."""
    cut: float = 0.03
    """Share of clips with a scene cut in their middle."""
    noise: float = 0.5
    """Share of clips with sensor noise."""
    highlights: float = 0.5
    """Share of clips whose highlights are lifted above white."""
    codec: float = 0.0
    """Share of clips whose blurred side has been through H.264 or H.265; needs PyAV."""
    footage: float = 0.0
    """Share of clips that are real motion: footage with interpolated sub-frames. For folders that hold videos."""


@dataclass(frozen=True, eq=False)
class Clip:
    """A pair: float tensors (frames, 3, size, size), RGB code values in 0..1."""

    blur: Tensor
    sharp: Tensor


class Path:
    """A smooth path: shift x, y (px), roll (radians) and zoom (log), as a drift plus a band-limited tremor.

    The tremor is a sum of sinusoids of 0..20 Hz (at 30 fps) whose velocities, not amplitudes, are of one order: hands
    shake with a spectrum that falls with frequency.
    """

    def __init__(
        self, rng: np.random.Generator, frames: int, speed: float, *, turn: float, unsteady: bool = False
    ) -> None:
        """`speed`: mean px per frame at the origin or, with `turn`, through rotation and zoom at 300 px from it.

        On an `unsteady` path time itself runs between nearly not at all and twice as fast.
        """
        self.swell = 2 * math.pi * float(rng.uniform(0.06, 0.3))
        self.swell_phase = float(rng.uniform(0, 2 * math.pi))
        self.swell_depth = float(rng.uniform(0.6, 1.0)) if unsteady else 0.0
        terms = 6
        self.frequency = 2 * math.pi * np.exp(rng.uniform(np.log(0.01), np.log(0.6), (4, terms)))
        self.phase = rng.uniform(0, 2 * math.pi, (4, terms))
        tremor = rng.uniform(0.1, 1.0)
        share = np.array([1.0, rng.uniform(0.3, 1.0), turn / 300, turn / 300]) * np.exp(0.5 * rng.normal(size=4))
        if rng.random() < 0.5:
            share[[0, 1]] = share[[1, 0]]
        self.amplitude = tremor * rng.normal(size=(4, terms)) / math.sqrt(terms) / self.frequency * share[:, None]
        self.drift = (1 - tremor) * rng.normal(size=4) * share
        moments = torch.linspace(-0.5, frames - 0.5, frames * 8, dtype=torch.float64)
        path = self.at(moments).numpy() * np.array([1, 1, 300, 300])
        length = float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum()) / frames
        scale = speed / max(length, 1e-9)
        self.amplitude *= scale
        self.drift *= scale

    def at(self, times: Tensor) -> Tensor:
        """Times of any shape, in frames -> (..., 4): x, y, roll, log zoom."""
        frequency, phase, amplitude, drift = (
            torch.as_tensor(a, dtype=times.dtype, device=times.device)
            for a in (self.frequency, self.phase, self.amplitude, self.drift)
        )
        times = times + self.swell_depth / self.swell * torch.sin(self.swell * times + self.swell_phase)
        t = times[..., None, None]
        wave = (amplitude * (torch.sin(frequency * t + phase) - torch.sin(phase))).sum(-1)
        return wave + drift * times[..., None]


@dataclass(frozen=True)
class _View:
    """How pixel positions (px about the picture's centre) fall on a texture: scale, then offset to its corner."""

    scale: float
    x: float
    y: float


def _grid(motion: Tensor, size: int, pivot: tuple[float, float], view: _View, shape: tuple[int, int]) -> Tensor:
    """Motion per row (n, size, 4) -> where each pixel looks on a texture of `shape`, (n, size, size, 2) in -1..1."""
    span = torch.arange(size, dtype=torch.float32, device=motion.device) - (size - 1) / 2
    column, row = span - pivot[0], span - pivot[1]
    zoom = torch.exp(motion[..., 3])
    a, b = zoom * torch.cos(motion[..., 2]), zoom * torch.sin(motion[..., 2])
    h, w = shape
    to_x, to_y = 2 * view.scale / w, 2 * view.scale / h
    x0 = (motion[..., 0] - b * row + pivot[0]) * to_x + ((2 * view.x + 1) / w - 1)
    y0 = (motion[..., 1] + a * row + pivot[1]) * to_y + ((2 * view.y + 1) / h - 1)
    grid = torch.empty(*motion.shape[:2], size, 2, dtype=torch.float32, device=motion.device)
    torch.addcmul(x0[..., None], a[..., None] * to_x, column, out=grid[..., 0])
    torch.addcmul(y0[..., None], b[..., None] * to_y, column, out=grid[..., 1])
    return grid


def _sample(texture: Tensor, grid: Tensor, padding: str) -> Tensor:
    """Bilinear samples of texture (c, h, w) at grid (n, s, s, 2) -> (c, n, s, s)."""
    n, rows, columns, _ = grid.shape
    flat = grid.view(1, n * rows, columns, 2)
    sampled = F.grid_sample(texture[None], flat, mode="bilinear", padding_mode=padding, align_corners=False)
    return sampled.view(texture.shape[0], n, rows, columns)


@dataclass(frozen=True, eq=False)
class _Layer:
    """Something that moves by itself: premultiplied linear RGB and alpha (4, h, w), its place and its path."""

    texture: Tensor
    place: tuple[float, float]
    path: Path


@dataclass(frozen=True, eq=False)
class ToneCurve:
    """Tone curve of a camera: code value = linear ** (1 / gamma), or the sRGB curve (IEC 61966-2-1) for gamma 0."""

    gamma: float

    def decode(self, code: Tensor) -> Tensor:
        """Code values in 0..1 -> linear light."""
        if self.gamma:
            return code**self.gamma
        return torch.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)

    def encode(self, linear: Tensor) -> Tensor:
        """Linear light -> code values, over 1 where the light is."""
        if self.gamma:
            return linear.clamp(min=0) ** (1 / self.gamma)
        linear = linear.clamp(min=0)
        return torch.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def render_clip(
    rng: np.random.Generator,
    photograph: Callable[[np.random.Generator], Picture],
    config: BlurConfig,
    device: torch.device | str = "cpu",
) -> Clip:
    """One clip of blurred and sharp frames; the same generator state gives the same clip (on the same device kind)."""
    if config.cut and rng.random() < config.cut:
        parts = [render_clip(rng, photograph, replace(config, cut=0.0), device) for _ in range(2)]
        at = int(rng.integers(1, config.frames))
        return Clip(
            *(torch.cat([getattr(parts[0], kind)[:at], getattr(parts[1], kind)[at:]]) for kind in ("blur", "sharp"))
        )
    kind = rng.random()
    static, identity = kind < config.static, config.static <= kind < config.static + config.identity
    duty = 0.0 if identity else float(rng.uniform(*config.duty))
    blur_px = float(np.exp(rng.uniform(*np.log(config.blur_px))))
    speed = 0.0 if static else blur_px / max(duty, 0.5 if identity else duty)
    curve = ToneCurve(0.0 if rng.random() < 0.5 else float(rng.uniform(1.8, 2.6)))
    lift = float(rng.uniform(1, 8)) if rng.random() < config.highlights else 1.0

    unsteady = bool(rng.random() < config.unsteady)
    camera = Path(rng, config.frames, speed, turn=float(rng.uniform(0, 1.5)), unsteady=unsteady)
    pivot = float(rng.uniform(-400, 400)), float(rng.uniform(-400, 400))
    layers = [] if static else _layers(rng, photograph, config, curve, lift, speed, device)
    read_out = float(rng.uniform(0, config.rolling_shutter))

    moments = torch.arange(config.frames, dtype=torch.float32, device=device)
    rows = read_out * (torch.arange(config.size, dtype=torch.float32, device=device) / config.size - 0.5)
    reach = speed * (4 if unsteady else 3) * max(duty, 1e-3)  # tremors and layers outrun the mean speed
    count = 1 if duty == 0 or static else int(min(max(9, math.ceil(reach)), 48)) | 1
    exposure = (torch.arange(count, dtype=torch.float32, device=device) - (count - 1) / 2) / max(count, 1) * duty
    times = moments[:, None, None] + exposure[None, :, None] + rows  # (frames, count, rows)

    motion = camera.at(times)
    minify = float(rng.uniform(*config.minify))
    picture, view = _crop(rng, photograph(rng), motion, config.size, pivot, minify)
    background = linear_light(picture, curve, lift, device)
    own_motions = [motion + layer.path.at(times) for layer in layers]
    blurred, sharp = [], []
    # A frame's sub-frames fit a processor's cache, and a clip's do not; a GPU wants as much as possible at once.
    at_once = 1 if torch.device(device).type == "cpu" else config.frames
    for start in range(0, config.frames, at_once):
        part = slice(start, start + at_once)
        grid = _grid(motion[part].flatten(0, 1), config.size, pivot, view, picture.shape[:2])
        world = _sample(background, grid, "reflection")  # (3, frames * count, size, size)
        for layer, own in zip(layers, own_motions, strict=True):
            shape = layer.texture.shape[1], layer.texture.shape[2]
            place = _View(1.0, shape[1] / 2 - layer.place[0], shape[0] / 2 - layer.place[1])
            over = _sample(layer.texture, _grid(own[part].flatten(0, 1), config.size, pivot, place, shape), "zeros")
            world = world.mul_(1 - over[3:]).add_(over[:3])
        exposures = world.unflatten(1, (-1, count))
        sharp.append(exposures[:, :, count // 2].transpose(0, 1))
        blurred.append(exposures.mean(dim=2).transpose(0, 1))
    light = torch.cat(blurred).clamp(max=1)
    if rng.random() < config.noise:
        light = sensor_noise(rng, light)
    return Clip(curve.encode(light).clamp(0, 1), curve.encode(torch.cat(sharp)).clamp(max=1))


def _crop(
    rng: np.random.Generator, picture: Picture, motion: Tensor, size: int, pivot: tuple[float, float], scale: float
) -> tuple[Picture, _View]:
    """The part of a picture that a camera's motion (frames, count, size, 4) will look at, where it has most detail."""
    ends = motion[:, [0, -1]].flatten(0, 1)
    grid = _grid(ends, size, pivot, _View(scale, -0.5, -0.5), (2, 2)) + 1  # with this view, px about the centre + 1
    (left, top), (right, bottom) = (grid.amin((0, 1, 2)) - 4).tolist(), (grid.amax((0, 1, 2)) + 4).tolist()
    height, width = picture.shape[:2]

    def origin(low: float, high: float, length: int) -> int:
        room = length - math.ceil(high - low)
        return int(rng.integers(0, room + 1)) - math.floor(low) if room > 0 else length // 2 - round((low + high) / 2)

    choices = []
    for _ in range(3):
        x, y = origin(left, right, width), origin(top, bottom, height)
        window = (
            slice(max(0, y + math.floor(top)), min(height, y + math.ceil(bottom))),
            slice(max(0, x + math.floor(left)), min(width, x + math.ceil(right))),
        )
        sparse = picture[window][::3, ::3, 1].astype(np.int16)
        steps = [np.abs(np.diff(sparse, axis=axis)) for axis in (0, 1)]
        detail = float(sum(step.mean() for step in steps if step.size))
        choices.append((detail, x, y, window))
    _, x, y, window = max(choices, key=lambda choice: choice[0])
    return picture[window], _View(scale, x - window[1].start, y - window[0].start)


def linear_light(picture: Picture, curve: ToneCurve, lift: float, device: torch.device | str) -> Tensor:
    """(h, w, 3) code values -> (3, h, w) linear light, highlights over 0.9 lifted by up to `lift`."""
    table = curve.decode(torch.arange(256, dtype=torch.float32) / 255)
    codes = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1))).to(device)
    linear = table.to(device)[codes.int()]
    if lift > 1:
        bright = ((codes.amin(0).float() / 255 - 0.9) / 0.1).clamp(0, 1)
        linear = linear * (1 + (lift - 1) * bright * bright)
    return linear


def _layers(
    rng: np.random.Generator,
    photograph: Callable[[np.random.Generator], Picture],
    config: BlurConfig,
    curve: ToneCurve,
    lift: float,
    speed: float,
    device: torch.device | str,
) -> list[_Layer]:
    layers = []
    for _ in range(int(rng.integers(0, config.layers + 1))):
        h, w = (int(v) for v in rng.uniform(0.15, 0.9, 2) * config.size)
        picture = photograph(rng)
        minify = int(rng.integers(1, 3))
        y = int(rng.integers(0, max(1, picture.shape[0] - h * minify)))
        x = int(rng.integers(0, max(1, picture.shape[1] - w * minify)))
        crop = linear_light(picture[y : y + h * minify, x : x + w * minify], curve, lift, device)
        crop = F.interpolate(crop[None], (h, w), mode="area")[0]
        alpha = torch.from_numpy(_shape(rng, h, w)).to(device)
        own = speed * float(np.exp(rng.uniform(np.log(0.2), np.log(1.5))))
        path = Path(rng, config.frames, own, turn=float(rng.uniform(0, 1)))
        middle = path.at(torch.tensor((config.frames - 1) / 2)).numpy()
        place = rng.uniform(-0.5, 0.5, 2) * config.size + middle[:2]
        layers.append(_Layer(torch.cat([crop * alpha, alpha[None]]), (float(place[0]), float(place[1])), path))
    return layers


def _shape(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float32]:
    """Coverage 0..1 of a random thing with an edge about one pixel wide: a blob, an ellipse or a bar."""
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None]
    angle = rng.uniform(0, math.pi)
    u, v = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    kind = rng.integers(3)
    if kind == 0:
        noise = torch.from_numpy(rng.normal(size=(1, 1, 5, 5)).astype(np.float32))
        smooth = F.interpolate(noise, (height, width), mode="bicubic", align_corners=True)[0, 0].numpy()
        inside = 0.6 - (u * u + v * v) + 0.35 * smooth
    elif kind == 1:
        inside = 0.9 - np.sqrt((u / rng.uniform(0.4, 1)) ** 2 + v * v)
    else:
        inside = np.minimum(rng.uniform(0.08, 0.5) - np.abs(u), 0.9 - np.abs(v))
    edge = np.minimum(0.9 - np.abs(x), 0.9 - np.abs(y))
    sharpness = min(height, width) / 2
    return np.clip(np.minimum(inside, edge) * sharpness + 0.5, 0, 1).astype(np.float32)


def sensor_noise(rng: np.random.Generator, linear: Tensor) -> Tensor:
    """Poisson-Gaussian sensor noise (Foi et al. 2008) with the grain that demosaicing leaves."""
    shot, read = float(np.exp(rng.uniform(*np.log([1e-5, 6e-4])))), float(np.exp(rng.uniform(*np.log([2e-4, 3e-3]))))
    grain = torch.from_numpy(rng.normal(size=linear.shape).astype(np.float32)).to(linear.device)
    if rng.random() < 0.7:  # neighbouring samples share their noise after demosaicing
        grain = 1.6 * F.avg_pool2d(grain, 3, stride=1, padding=1) + 0.3 * grain
    if rng.random() < 0.5:
        grain = 0.7 * grain.mean(1, keepdim=True) + 0.6 * grain
    return linear + grain * torch.sqrt(shot * linear.clamp(min=0) + read * read)
