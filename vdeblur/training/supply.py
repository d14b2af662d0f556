"""A supply of clips that never repeat: rendered on the device, seen through a camera, with optical flow beside them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..backends.flow import flow_between
from .light import Light, compress, sensor_noise
from .real_motion import Run, expose_run, usable
from .render import SceneConfig, draw_scene, render

LUMA_WEIGHTS = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}
"""Kr and Kb (ITU-R BT.601, BT.709)."""


@dataclass(frozen=True)
class SupplyConfig:
    """The mix of clips. Shares are of all clips."""

    scene: SceneConfig = field(default_factory=SceneConfig)
    footage: float = 0.33
    """Real motion."""
    cut: float = 0.02
    """A scene cut somewhere, unnoticed."""
    plain: float = 0.02
    """One colour throughout, of any saturation: neither it nor the frame's border is blur."""
    noise: float = 0.4
    compressed: float = 0.3


class Batch(NamedTuple):
    """Clips as the networks take them, uint8 but for the flow."""

    blurred: Tensor
    """(n, t, 6, h, w)."""
    sharp: Tensor
    motion: Tensor
    """(n, t, 4, h, w): x and y to the past frame, then to the future one; float16."""


class Supply:
    """Makes batches, in a thread of its own where that helps."""

    def __init__(
        self, photographs: Sequence[Tensor], runs: Sequence[Run], device: torch.device, seed: int, threads: int = 2
    ) -> None:
        self.photographs, self.runs, self.device, self.seed = photographs, runs, device, seed
        self._pool = ThreadPoolExecutor(threads)
        cv2.setNumThreads(1)

    def batch(self, index: int, count: int, config: SupplyConfig) -> Batch:
        """The batch of this index; the same index gives the same clips."""
        rng = np.random.default_rng([self.seed, index])
        torch.manual_seed(int(rng.integers(2**31)))
        scene = config.scene
        runs = usable(self.runs, scene)
        share = config.footage if runs else 0.0
        lights = [Light.draw(rng) for _ in range(count)]
        real = [i for i in range(count) if rng.random() < share]
        synthetic = [i for i in range(count) if i not in real]
        shape = (count, scene.frames, 3, scene.size, scene.size)
        blurred, sharp = torch.empty(shape, device=self.device), torch.empty(shape, device=self.device)
        if synthetic:
            scenes = [draw_scene(rng, self.photographs, lights[i], scene) for i in synthetic]
            clips = render(scenes, scene, self.device)
            where = torch.tensor(synthetic, device=self.device)
            blurred[where], sharp[where] = clips.blurred, clips.sharp
        for i in real:
            blurred[i], sharp[i] = expose_run(rng, runs[int(rng.integers(len(runs)))], lights[i], scene)
        planes = []
        for i in range(count):
            light = blurred[i].clamp(max=1)
            if rng.random() < config.noise:
                light = sensor_noise(rng, light)
            weights = LUMA_WEIGHTS["bt709" if rng.random() < 0.5 else "bt601"]
            pair = torch.stack([lights[i].encode(light), lights[i].encode(sharp[i])])
            step = float(np.exp(rng.uniform(np.log(1.5), np.log(12)))) if rng.random() < config.compressed else 0.0
            planes.append(_fold(pair, weights, step))
        both = torch.stack(planes, dim=1)
        if rng.random() < config.cut * count and count > 1:
            one, two = rng.choice(count, 2, replace=False)
            at = int(rng.integers(1, scene.frames))
            both[:, one, at:] = both[:, two, at:]
        for i in range(count):
            if rng.random() < config.plain:
                colour = torch.from_numpy(rng.integers(0, 256, 3, np.uint8)).to(self.device)
                both[:, i] = colour[[0, 0, 0, 0, 1, 2], None, None]
        return Batch(both[0], both[1], motion_of(to_network(both[0]), self._pool).half())


def motion_of(clips: Tensor, pool: ThreadPoolExecutor | None = None) -> Tensor:
    """Flow between neighbouring frames of clips (n, t, 6, h, w), floats as networks take them -> (n, t, 4, h, w)."""
    luma = (clips[:, :, :4].mean(2) * 255).round().clamp(0, 255).byte().cpu().numpy()
    n, t, h, w = luma.shape
    flows = np.zeros((n, t, 2, 2, h, w), np.float32)

    def fill(i: int) -> None:
        for k in range(t - 1):
            flows[i, k, 1] = flow_between(luma[i, k], luma[i, k + 1])
            flows[i, k + 1, 0] = flow_between(luma[i, k + 1], luma[i, k])

    list((pool.map if pool else map)(fill, range(n)))
    return torch.from_numpy(flows).to(clips.device).flatten(2, 3)


def _fold(pair: Tensor, weights: tuple[float, float], step: float) -> Tensor:
    """Blurred and sharp RGB (2, t, 3, h, w) -> folded 4:2:0 (2, t, 6, h/2, w/2), uint8; the blurred one compressed."""
    kr, kb = weights
    r, g, b = pair.unbind(2)
    luma = kr * r + (1 - kr - kb) * g + kb * b
    chroma = F.avg_pool2d(torch.stack([(b - luma) / (2 - 2 * kb), (r - luma) / (2 - 2 * kr)], dim=2).flatten(0, 1), 2)
    chroma = chroma.unflatten(0, pair.shape[:2]) + 128 / 255
    if step:
        luma = torch.stack([compress(luma[0], step), luma[1]])
        chroma = torch.stack([compress(chroma[0], 1.5 * step), chroma[1]])
    folded = torch.cat([F.pixel_unshuffle(luma[:, :, None].flatten(0, 1), 2).unflatten(0, pair.shape[:2]), chroma], 2)
    return (folded * 255).round().clamp(0, 255).byte()


def to_network(folded: Tensor) -> Tensor:
    """Folded 8-bit planes (..., 6, h, w) -> float: luma phases in 0..1, chroma about 0."""
    scaled = folded.float().div_(255)
    scaled[..., 4:, :, :] -= 128 / 255
    return scaled


def augmented(batch: Batch, mirror: bool, turn: bool, reverse: bool) -> Batch:
    """The same clips mirrored from left to right, with rows and columns swapped, and backwards in time."""
    blurred, sharp, motion = batch
    if mirror:
        order = [1, 0, 3, 2, 4, 5]
        sign = motion.new_tensor([-1, 1, -1, 1]).view(4, 1, 1)
        blurred, sharp, motion = blurred[:, :, order].flip(-1), sharp[:, :, order].flip(-1), motion.flip(-1) * sign
    if turn:
        order = [0, 2, 1, 3, 4, 5]
        blurred, sharp = blurred[:, :, order].mT, sharp[:, :, order].mT
        motion = motion[:, :, [1, 0, 3, 2]].mT
    if reverse:
        blurred, sharp, motion = blurred.flip(1), sharp.flip(1), motion.flip(1)[:, :, [2, 3, 0, 1]]
    return Batch(blurred, sharp, motion)


def cut_up(batch: Batch, length: int) -> Batch:
    """The same clips in pieces of `length` frames, so that more of them begin without a past."""
    n, t = batch.sharp.shape[:2]
    kept = t // length * length
    pieces = Batch(*(x[:, :kept].reshape(n * kept // length, length, *x.shape[2:]) for x in batch))
    motion = pieces.motion.clone()
    motion[:, 0, :2] = 0
    motion[:, -1, 2:] = 0
    return pieces._replace(motion=motion)
