"""Real motion as blur: sub-frames interpolated along the optical flow of sharp footage, averaged in linear light.

A camera path over a photograph moves whole planes; people, cars and leaves do not move so. Neighbouring frames of
footage are warped towards each other along DIS flow (Kroeger et al. 2016), and the exposures of a slower camera, each
several source frames long, are averaged from them.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..backends.flow import FlowPlanes, flow_between
from ..flow import Luma
from ..models.convlstm import warp
from .light import Light
from .scene import SceneConfig

MARGIN = 32
"""Pixels around a crop from which warping may fetch."""
CELL = 32
"""Pixels a side of the cells whose mean speed is known."""
STILL, FASTEST = 1.2, 6.0
"""Pixels per source frame, mean over a crop and of its fastest cell, up to which a source frame counts as sharp: it was
exposed for half of that or so, and a target that is itself blurred teaches a network to leave blur alone."""
TRIES = 6


@dataclass(frozen=True, eq=False)
class Run:
    """Consecutive frames of sharp footage."""

    frames: Tensor
    """(t, 3, h, w), uint8."""
    speeds: NDArray[np.float32]
    """Mean motion of each cell to the next frame in px, (t - 1, h / CELL, w / CELL)."""

    @staticmethod
    def of(frames: Tensor) -> Run:
        """Footage (t, 3, h, w) with its motion, of two frames or more."""
        lumas = [_luma(frame) for frame in frames]
        cells = (frames.shape[3] // CELL, frames.shape[2] // CELL)
        lengths = [np.linalg.norm(_flow(one, two), axis=0) for one, two in itertools.pairwise(lumas)]
        return Run(frames, np.stack([cv2.resize(x, cells, interpolation=cv2.INTER_AREA) for x in lengths]))


class _Span(NamedTuple):
    """Where in a run a clip is taken from."""

    crop: Tensor
    """(t, 3, side, side): the whole run there."""
    start: int
    stride: int
    """Source frames per frame."""
    fastest: float
    """Pixels per source frame of the fastest cell."""


def is_usable(frames: Tensor, config: SceneConfig) -> bool:
    """Whether footage (t, 3, h, w) is long enough and, with its margin, large enough for a clip."""
    return min(frames.shape[2:]) >= config.size + 2 * MARGIN and len(frames) >= 2 * config.frames


def expose_run(
    rng: np.random.Generator, runs: Sequence[Run], light: Light, config: SceneConfig
) -> tuple[Tensor, Tensor]:
    """Blurred and sharp, each (frames, 3, size, size) of linear light; the target is a frame of the source itself.

    Exposures are as many source frames long as their motion needs for the blur that is wanted. Sub-frames are source
    frames or lie a fraction between them where things move by more than a pixel or two: most are not interpolated, as
    in test sets that were averaged from fast cameras.
    """
    duty = float(rng.uniform(*config.duty))
    span = _find_span(rng, runs, float(np.exp(rng.uniform(*np.log(config.blur_px)))) / duty, config)
    total, stride = len(span.crop), span.stride
    centres = span.start + stride // 2 + stride * np.arange(config.frames)
    if rng.random() < 0.5:
        centres = centres[::-1]
    steps = int(np.ceil(max(span.fastest / 2, 2 / (duty * stride))))  # to a source frame; one or more to each side
    reach = int(duty * stride * steps / 2)
    world = _World(span.crop, light)
    moments = [np.clip(c * steps + np.arange(-reach, reach + 1), 0, (total - 1) * steps) for c in centres]
    blurred = [world.mean(some, steps) for some in moments]
    sharp = light.decode(span.crop[torch.from_numpy(centres.copy()).to(span.crop.device)])
    inner = slice(MARGIN, MARGIN + config.size)
    clip = torch.stack(blurred)[..., inner, inner], sharp[..., inner, inner]
    return (clip[0].flip(-1), clip[1].flip(-1)) if rng.random() < 0.5 else clip


def _find_span(rng: np.random.Generator, runs: Sequence[Run], speed: float, config: SceneConfig) -> _Span:
    """Of some spans the one whose source frames are sharp and that moves nearest to `speed` px per frame."""
    side = config.size + 2 * MARGIN
    spans = []
    for _ in range(TRIES):
        run = runs[int(rng.integers(len(runs)))]
        total, _, height, width = run.frames.shape
        y, x = (int(rng.integers(length - side + 1)) for length in (height, width))
        cells = run.speeds[:, y // CELL : (y + side) // CELL, x // CELL : (x + side) // CELL]
        mean, fastest = cells.mean((1, 2)), cells.max((1, 2))
        start = int(rng.integers(total - config.frames))
        path = np.cumsum(mean[start:])
        stride = max(1, int(np.searchsorted(path, config.frames * speed)) // config.frames)
        length = stride * config.frames
        blurred = np.mean((mean > STILL)[start : start + length] | (fastest > FASTEST)[start : start + length])
        off = abs(float(np.log(max(path[length - 1], 1e-3) / (config.frames * speed))))
        crop = run.frames[:, :, y : y + side, x : x + side]
        spans.append((float(blurred), off, _Span(crop, start, stride, float(fastest[start : start + length].max()))))
    return min(spans, key=lambda entry: entry[:2])[2]


class _World:
    """Footage (t, 3, h, w) at any moment. What is known of a frame or of a pair of neighbours is found out once."""

    def __init__(self, frames: Tensor, light: Light) -> None:
        self._frames = frames
        self._linear = functools.cache(lambda k: light.decode(frames[k]))
        self._lumas = functools.cache(lambda k: _luma(frames[k]))
        self._flows = functools.cache(self._flow)

    def mean(self, moments: NDArray[np.int64], steps: int) -> Tensor:
        """Linear light (3, h, w) averaged over moments, in frames times `steps`."""
        total = torch.zeros_like(self._linear(0))
        for before in np.unique(moments // steps).tolist():
            parts = moments[moments // steps == before] - before * steps
            total += int((parts == 0).sum()) * self._linear(before)
            if parts.any():
                there, back = self._flows(before, before + 1), self._flows(before + 1, before)
                between_them = torch.from_numpy((parts[parts > 0] / steps).astype(np.float32))
                total += between(self._linear(before), self._linear(before + 1), there, back, between_them).sum(0)
        return total / len(moments)

    def _flow(self, one: int, two: int) -> Tensor:
        return torch.from_numpy(_flow(self._lumas(one), self._lumas(two))).to(self._frames.device)


def between(one: Tensor, two: Tensor, there: Tensor, back: Tensor, moments: Tensor) -> Tensor:
    """The world (3, h, w) at moments (n,) of 0..1 between two frames, with the flow (2, h, w) there and back.

    Both are warped to the moment and mixed, the nearer weighing more; the flow at the moment itself is approximated by
    that of both frames at the same pixel (Jiang et al. 2018, eq. 3). (n, 3, h, w).
    """
    m = moments.view(-1, 1, 1, 1).to(one.device)
    to_one = -m * (1 - m) * there + m**2 * back
    to_two = (1 - m) ** 2 * there - m * (1 - m) * back
    count = len(moments)
    seen = [warp(frame.expand(count, -1, -1, -1), flow) for frame, flow in ((one, to_one), (two, to_two))]
    return (1 - m) * seen[0] + m * seen[1]


def _luma(frame: Tensor) -> Luma:
    gray = cv2.cvtColor(frame.permute(1, 2, 0).cpu().numpy(), cv2.COLOR_RGB2GRAY)
    return cv2.resize(gray, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _flow(one: Luma, two: Luma) -> FlowPlanes:
    """Flow (2, h, w) in px of the full size, from lumas of half of it, which is enough where little moves."""
    flow = flow_between(one, two).transpose(1, 2, 0)
    return np.ascontiguousarray(2 * cv2.resize(flow, None, fx=2, fy=2).transpose(2, 0, 1))
