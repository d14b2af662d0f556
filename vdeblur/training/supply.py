"""Training clips that never repeat: rendered on the device, with a camera's imperfections and their optical flow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..backends.flow import flow_back, flow_between
from ..backends.symmetries import turn, turn_flow
from ..errors import UsageError
from ..frames import LUMA_WEIGHTS, MATRIX_BT709, MATRIX_SMPTE170M
from .light import Light, compress, crispen, sensor_noise, soften
from .material import Material
from .real_motion import MARGIN, Run, expose_run, is_usable
from .render import render
from .scene import SceneConfig, draw_scene

MATRICES = (MATRIX_BT709, MATRIX_SMPTE170M)
"""Of RGB to YCbCr; each clip has one of them."""
SOFT_PX = (0.3, 4.0)
"""Standard deviation of a soft lens or of what is out of focus, log. A network that saw nothing but sharp photographs
takes every soft edge for motion, and draws dark bands into a striped wall."""
CRISP = (0.1, 0.8)
"""Amount of a camera's unsharp mask."""


@dataclass(frozen=True)
class SupplyConfig:
    """The mix of clips. Shares are of all clips."""

    scene: SceneConfig = field(default_factory=SceneConfig)
    footage: float = 0.33
    """Real motion."""
    cut: float = 0.02
    """With a scene cut that the network is not told of."""
    held: float = 0.04
    """Every frame shown twice, as where a frame rate was raised, or one throughout."""
    plain: float = 0.02
    """One uniform colour: neither it nor the frame's border is blur."""
    soft: float = 0.4
    """Blurred by the lens, in the ground truth as well: networks are to remove motion blur only."""
    crisp: float = 0.2
    """Sharpened by the camera, in the ground truth as well."""
    noise: float = 0.4
    """With sensor noise, which the ground truth has not."""
    compressed: float = 0.3
    """With blocks quantised as a codec does, before restoration only."""


class Batch(NamedTuple):
    """Clips as the networks take them, uint8 but for the flow."""

    blurred: Tensor
    """(n, t, 6, h, w)."""
    sharp: Tensor
    motion: Tensor
    """(n, t, 4, h, w): x and y to the past frame, then to the future one; float16."""


class Supply:
    """Clips rendered from photographs and footage. The same index always gives the same batch."""

    def __init__(self, material: Material, config: SupplyConfig, seed: int) -> None:
        """Raises UsageError where real motion is asked for and no footage is long and large enough."""
        self.material, self.config, self.seed = material, config, seed
        self._device = (*material.photographs, *material.runs)[0].device
        wanted = config.footage or not material.photographs
        self._runs = [Run.of(run) for run in material.runs if wanted and is_usable(run, config.scene)]
        if not material.photographs and not self._runs:
            raise UsageError(
                f"no video among the training files has {2 * config.scene.frames} frames of "
                f"{config.scene.size + 2 * MARGIN} px or more a side; add photographs, or set a smaller scene.size"
            )

    def batch(self, index: int, count: int) -> Batch:
        """`count` clips."""
        rng = np.random.default_rng([self.seed, index])
        noise = torch.Generator(self._device).manual_seed(int(rng.integers(2**31)))
        config, scene = self.config, self.config.scene
        share = (config.footage if self.material.photographs else 1.0) if self._runs else 0.0
        lights = [Light.draw(rng) for _ in range(count)]
        real = [i for i in range(count) if rng.random() < share]
        synthetic = [i for i in range(count) if i not in real]
        shape = (count, scene.frames, 3, scene.size, scene.size)
        blurred, sharp = torch.empty(shape, device=self._device), torch.empty(shape, device=self._device)
        if synthetic:
            scenes = [draw_scene(rng, self.material.photographs, lights[i], scene) for i in synthetic]
            clips = render(scenes, scene, self._device)
            where = torch.tensor(synthetic, device=self._device)
            blurred[where], sharp[where] = clips.blurred, clips.sharp
        for i in real:
            blurred[i], sharp[i] = expose_run(rng, self._runs, lights[i], scene)
        planes = []
        for i, light in enumerate(lights):
            seen = torch.stack([blurred[i], sharp[i]])
            if rng.random() < config.soft:
                seen = soften(seen.flatten(0, 1), float(np.exp(rng.uniform(*np.log(SOFT_PX))))).view(seen.shape)
            seen = seen.clamp(max=1)
            if rng.random() < config.noise:
                seen[0] = sensor_noise(rng, seen[0], noise)
            codes = light.encode(seen)
            if rng.random() < config.crisp:
                codes = crispen(codes.flatten(0, 1), float(rng.uniform(*CRISP))).view(codes.shape)
            weights = LUMA_WEIGHTS[MATRICES[rng.integers(2)]]
            step = float(np.exp(rng.uniform(np.log(1.5), np.log(12)))) if rng.random() < config.compressed else 0.0
            planes.append(fold_pair(codes, weights, step))
        both = torch.stack(planes, dim=1)
        self._edit(rng, both)
        return Batch(both[0], both[1], motion_of(to_network(both[0])).half())

    def _edit(self, rng: np.random.Generator, both: Tensor) -> None:
        """Cuts, repeated frames and uniform frames."""
        count, frames = both.shape[1:3]
        if count > 1 and rng.random() < self.config.cut * count:
            one, two = rng.choice(count, 2, replace=False)
            at = int(rng.integers(1, frames)) if frames > 1 else 0
            both[:, one, at:] = both[:, two, at:]
        for i in range(count):
            if rng.random() < self.config.held:
                shown = torch.arange(frames) // 2 * 2 if rng.random() < 0.5 else torch.zeros(frames, dtype=torch.long)
                both[:, i] = both[:, i, shown]
            if rng.random() < self.config.plain:
                colour = torch.from_numpy(rng.integers(0, 256, 3, np.uint8)).to(both.device)
                both[:, i] = colour[[0, 0, 0, 0, 1, 2], None, None]


class PairSupply:
    """Crops of existing blurred and sharp clips, for fine-tuning."""

    def __init__(self, pairs: Sequence[tuple[Tensor, Tensor]], config: SupplyConfig, seed: int) -> None:
        """`pairs` are blurred and sharp clips, each (t, 3, h, w) of uint8."""
        self._pairs, self.config, self.seed = pairs, config, seed

    def batch(self, index: int, count: int) -> Batch:
        """`count` crops; the same index always gives the same batch."""
        rng = np.random.default_rng([self.seed, index])
        scene, planes = self.config.scene, []
        for _ in range(count):
            clip = self._pairs[int(rng.integers(len(self._pairs)))]
            t, _, height, width = clip[0].shape
            start = int(rng.integers(t - scene.frames + 1))
            y, x = (int(rng.integers(length - scene.size + 1)) for length in (height, width))
            crop = slice(start, start + scene.frames), slice(None), slice(y, y + scene.size), slice(x, x + scene.size)
            weights = LUMA_WEIGHTS[MATRICES[rng.integers(2)]]
            planes.append(fold_pair(torch.stack([part[crop].float() / 255 for part in clip]), weights, 0.0))
        both = torch.stack(planes, dim=1)
        return Batch(both[0], both[1], motion_of(to_network(both[0])).half())


def motion_of(clips: Tensor) -> Tensor:
    """Flow between neighbouring frames of clips (n, t, 6, h, w), floats as networks take them -> (n, t, 4, h, w)."""
    luma = (clips[:, :, :4].mean(2) * 255).round().clamp(0, 255).byte().cpu().numpy()
    n, t, h, w = luma.shape
    flows = np.zeros((n, t, 2, 2, h, w), np.float32)
    for i in range(n):
        for k in range(t - 1):
            # As of large frames, which clips stand for: networks that learn with better flow than they meet do worse.
            flows[i, k, 1] = flow_between(luma[i, k], luma[i, k + 1], "fast")
            flows[i, k + 1, 0] = flow_back(flows[i, k, 1])
    return torch.from_numpy(flows).to(clips.device).flatten(2, 3)


def fold_pair(pair: Tensor, weights: tuple[float, float], step: float) -> Tensor:
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


def augmented(batch: Batch, symmetry: int, reverse: bool) -> Batch:
    """The same clips turned by one of `SYMMETRIES`, and backwards in time."""
    motion = turn_flow(batch.motion.unflatten(2, (2, 2)), symmetry)
    motion = motion.flip(1, 2) if reverse else motion  # the past is the future then
    blurred, sharp = (turned(clips, symmetry, reverse) for clips in (batch.blurred, batch.sharp))
    return Batch(blurred, sharp, motion.flatten(2, 3))


def turned(clips: Tensor, symmetry: int, reverse: bool) -> Tensor:
    """Clips (n, t, 6, h, w) as `augmented` has them."""
    return turn(clips.flip(1) if reverse else clips, symmetry)


def pieces_of(clips: Tensor, length: int) -> Tensor:
    """Clips (n, t, ...) cut up into (m, length, ...); what is left over at their ends is dropped."""
    return clips[:, : clips.shape[1] // length * length].unflatten(1, (-1, length)).flatten(0, 1)


def cut_up(batch: Batch, length: int) -> Batch:
    """The same clips in pieces of `length` frames, so that more of them begin without a past."""
    pieces = Batch(*(pieces_of(part, length) for part in batch))
    motion = pieces.motion.clone()
    motion[:, 0, :2] = 0
    motion[:, -1, 2:] = 0
    return pieces._replace(motion=motion)
