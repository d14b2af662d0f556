"""Real motion as blur: sub-frames interpolated along the optical flow of sharp footage, averaged in linear light.

A camera path over a photograph moves whole planes; people, cars and leaves do not move so. Neighbouring frames of
halved footage (which hides its own blur and compression) are warped towards each other along DIS flow (Kroeger et al.
2016), and the exposures of a slower camera, each several source frames long, are averaged from them.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from .light import Light
from .render import SceneConfig

MARGIN = 32
"""Pixels around a crop from which warping may fetch."""
COUNT = 33
"""Sub-frames per exposure at most."""
CELL = 16
"""Pixels per cell of the map of speeds."""


@dataclass(frozen=True, eq=False)
class Run:
    """Consecutive sharp frames with the motion between them, on the device that renders."""

    frames: Tensor
    """(t, 3, h, w), uint8."""
    there: Tensor
    """(t - 1, 2, h, w): flow from each frame to the next, px, float16."""
    back: Tensor
    """(t - 1, 2, h, w): flow from each next frame back."""
    speed: NDArray[np.float32]
    """(h / CELL, w / CELL): mean speed, px per frame."""

    def to(self, device: torch.device) -> Run:
        """The same on another device."""
        return Run(self.frames.to(device), self.there.to(device), self.back.to(device), self.speed)


def make_run(frames: NDArray[np.uint8], threads: int) -> Run:
    """A run of RGB frames (t, h, w, 3)."""

    def flows(i: int) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
        dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        one, two = (cv2.cvtColor(frames[k], cv2.COLOR_RGB2GRAY) for k in (i, i + 1))
        none = np.zeros((*one.shape, 2), np.float32)
        there, back = dis.calc(one, two, none.copy()), dis.calc(two, one, none)
        return tuple(f.transpose(2, 0, 1).astype(np.float16) for f in (there, back))  # type: ignore[return-value]

    with ThreadPoolExecutor(threads) as pool:
        pairs = list(pool.map(flows, range(len(frames) - 1)))
    there, back = (np.stack(part) for part in zip(*pairs, strict=True))
    length = np.linalg.norm(there.astype(np.float32), axis=1).mean(0)
    h, w = (n // CELL for n in length.shape)
    speed = length[: h * CELL, : w * CELL].reshape(h, CELL, w, CELL).mean((1, 3))
    pictures = torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2)))
    return Run(pictures, torch.from_numpy(there), torch.from_numpy(back), speed)


def usable(runs: Iterable[Run], config: SceneConfig) -> list[Run]:
    """Those that are large and long enough for a clip."""
    side = config.size + 2 * MARGIN
    return [run for run in runs if min(run.frames.shape[2:]) >= side and len(run.frames) >= 2 * config.frames]


def expose_run(rng: np.random.Generator, run: Run, light: Light, config: SceneConfig) -> tuple[Tensor, Tensor]:
    """Blurred and sharp, each (frames, 3, size, size) of linear light; the target is a frame of the source itself."""
    total, _, height, width = run.frames.shape
    side = config.size + 2 * MARGIN
    candidates = [(int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))) for _ in range(3)]

    def speed_at(place: tuple[int, int]) -> float:
        y, x = (n // CELL for n in place)
        return float(run.speed[y : y + side // CELL, x : x + side // CELL].mean())

    y, x = max(candidates, key=speed_at)
    wanted = float(np.exp(rng.uniform(*np.log(config.blur_px))))
    duty = float(rng.uniform(*config.duty))
    longest = max(1, (total - 1) // config.frames)
    stride = int(np.clip(round(wanted / max(speed_at((y, x)) * duty, 0.1)), 1, longest))
    first = stride // 2 + int(rng.integers(total - stride * config.frames + 1))
    length = duty * stride
    count = int(np.clip(8 * np.ceil(length) + 1, 9, COUNT))
    centres = first + stride * np.arange(config.frames)
    if rng.random() < 0.5:
        centres = centres[::-1]
    moments = centres[:, None] + (np.arange(count) - (count - 1) / 2) / count * length
    moments = moments.clip(0, total - 1.001)
    device = run.frames.device
    before = torch.from_numpy(np.floor(moments).astype(np.int64)).to(device)
    part = torch.from_numpy((moments - np.floor(moments)).astype(np.float32)).to(device)
    window = (slice(None), slice(None), slice(y, y + side), slice(x, x + side))
    frames_at_once = config.frames if device.type == "cuda" else 1
    blurred = []
    for start in range(0, config.frames, frames_at_once):
        span = slice(start, start + frames_at_once)
        at, moment = before[span].flatten(), part[span].view(-1, 1, 1, 1)
        there, back = (flow[window][at].float() for flow in (run.there, run.back))
        one, two = (light.decode(run.frames[window][k]) for k in (at, at + 1))
        # The flow at the moment itself from that of both frames at the same pixel (Jiang et al. 2018, eq. 3).
        to_one = -moment * (1 - moment) * there + moment**2 * back
        to_two = (1 - moment) ** 2 * there - moment * (1 - moment) * back
        between = (1 - moment) * _shifted(one, to_one) + moment * _shifted(two, to_two)
        blurred.append(between.unflatten(0, (-1, count)).mean(1))
    sharp = light.decode(run.frames[window][torch.from_numpy(centres.copy()).to(device)])
    inner = slice(MARGIN, MARGIN + config.size)
    clip = torch.cat(blurred)[..., inner, inner], sharp[..., inner, inner]
    return (clip[0].flip(-1), clip[1].flip(-1)) if rng.random() < 0.5 else clip


def _shifted(frames: Tensor, flow: Tensor) -> Tensor:
    """Frames (n, 3, h, w) sampled at each pixel plus flow (n, 2, h, w)."""
    _, _, h, w = frames.shape
    rows, columns = torch.arange(h, device=flow.device)[:, None], torch.arange(w, device=flow.device)
    grid = torch.stack([(flow[:, 0] + columns + 0.5) * (2 / w) - 1, (flow[:, 1] + rows + 0.5) * (2 / h) - 1], dim=-1)
    return F.grid_sample(frames, grid, mode="bilinear", padding_mode="border", align_corners=False)
