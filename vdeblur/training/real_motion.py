"""Real motion as blur: sub-frames interpolated along the optical flow of sharp footage, averaged in linear light.

A camera path over a photograph moves whole planes; people, cars and leaves do not move so. Neighbouring frames of
footage are warped towards each other along DIS flow (Kroeger et al. 2016), and the exposures of a slower camera, each
several source frames long, are averaged from them.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from ..backends.flow import flow_between
from ..models.convlstm import warp
from .light import Light
from .scene import SceneConfig

MARGIN = 32
"""Pixels around a crop from which warping may fetch."""
COUNT = 33
"""Sub-frames per exposure at most."""
STILL = 1.2
"""Mean pixels per source frame up to which a source frame counts as sharp: it was exposed for half of that or so, and a
target that is itself blurred teaches a network to leave blur alone. Longer blur is made of more source frames."""
TRIES = 6


def is_usable(run: Tensor, config: SceneConfig) -> bool:
    """Whether a run (t, 3, h, w) is long enough and, with its margin, large enough for a clip."""
    return min(run.shape[2:]) >= config.size + 2 * MARGIN and len(run) >= 2 * config.frames


def expose_run(rng: np.random.Generator, run: Tensor, light: Light, config: SceneConfig) -> tuple[Tensor, Tensor]:
    """Blurred and sharp, each (frames, 3, size, size) of linear light; the target is a frame of the source itself."""
    total, _, height, width = run.shape
    side = config.size + 2 * MARGIN
    crops = []
    for _ in range(TRIES):
        start = int(rng.integers(total - 1))
        y, x = (int(rng.integers(length - side + 1)) for length in (height, width))
        crop = run[:, :, y : y + side, x : x + side]
        crops.append((float(np.linalg.norm(_flow(crop, start, start + 1), axis=0).mean()), crop))
    # The one that moves most of those that are sharp, or the one that moves least.
    speed, crop = max(crops, key=lambda entry: entry[0] if entry[0] <= STILL else -entry[0])
    wanted, duty = float(np.exp(rng.uniform(*np.log(config.blur_px)))), float(rng.uniform(*config.duty))
    longest = max(1, (total - 1) // config.frames)
    stride = int(np.clip(round(wanted / max(speed * duty, 0.1)), 1, longest))  # source frames per frame
    first = stride // 2 + int(rng.integers(total - stride * config.frames + 1))
    centres = first + stride * np.arange(config.frames)
    if rng.random() < 0.5:
        centres = centres[::-1]
    length = duty * stride
    count = int(np.clip(8 * np.ceil(length) + 1, 9, COUNT))
    offsets = (np.arange(count) - (count - 1) / 2) / count * length
    world = _World(crop, light)
    blurred = [world.mean(np.clip(centre + offsets, 0, total - 1.001)) for centre in centres]
    sharp = light.decode(crop[torch.from_numpy(centres.copy()).to(crop.device)])
    inner = slice(MARGIN, MARGIN + config.size)
    clip = torch.stack(blurred)[..., inner, inner], sharp[..., inner, inner]
    return (clip[0].flip(-1), clip[1].flip(-1)) if rng.random() < 0.5 else clip


class _World:
    """Footage (t, 3, h, w) at any moment; flow is found once for each pair of neighbours."""

    def __init__(self, frames: Tensor, light: Light) -> None:
        self._frames, self._light = frames, light
        self._flows: dict[int, tuple[Tensor, Tensor]] = {}

    def mean(self, moments: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Tensor:
        """Linear light (3, h, w) averaged over moments, in frames."""
        total: Tensor | None = None
        for before in np.unique(np.floor(moments).astype(int)):
            part = moments[np.floor(moments) == before] - before
            some = between(*self._pair(before), torch.from_numpy(part.astype(np.float32))).sum(0)
            total = some if total is None else total + some
        assert total is not None
        return total / len(moments)

    def _pair(self, before: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        if before not in self._flows:
            flows = (_flow(self._frames, before, before + 1), _flow(self._frames, before + 1, before))
            self._flows[before] = tuple(torch.from_numpy(f).to(self._frames.device) for f in flows)  # type: ignore[assignment]
        one, two = (self._light.decode(self._frames[k]) for k in (before, before + 1))
        return one, two, *self._flows[before]


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


def _flow(frames: Tensor, one: int, two: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    gray = [cv2.cvtColor(frames[k].permute(1, 2, 0).cpu().numpy(), cv2.COLOR_RGB2GRAY) for k in (one, two)]
    return flow_between(*(plane.astype(np.uint8, copy=False) for plane in gray))
