"""Where a run's batches come from: material that is read once, and what renders clips of it."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from dataclasses import replace

import torch

from ..errors import InputError
from .config import TrainConfig
from .material import files_of, is_held_out, read_material, to_tensor
from .renderers import Batches, LocalBatches, Renderers, Supplies
from .supply import Batch, PairSupply, Supply

log = logging.getLogger(__name__)


def open_batches(
    config: TrainConfig, device: str, renderers: int, first: int, check: Callable[[], None] = lambda: None
) -> Batches:
    """A run's batches from number `first` on, rendered on `device` in so many processes, or between the steps for 0.

    Raises InputError for data that cannot be used, before any process is started.
    """
    if renderers == 0 or config.pairs:
        return LocalBatches(open_supply(config, device), config.batch)
    files_of(config.data, held_out=False)
    return open_renderers(config, renderers, torch.device(device), device, first, check)


def open_renderers(
    config: TrainConfig,
    processes: int,
    device: torch.device,
    render_on: str,
    first: int = 0,
    check: Callable[[], None] = lambda: None,
) -> Renderers:
    """Processes that render a run's clips on one device, `render_on`, for another, from batch `first` on."""
    shape = (config.mix.scene.frames, config.mix.scene.size)
    opening = functools.partial(open_supply, config, render_on)
    return Renderers(opening, config.batch, shape, first, processes, device, check)


def open_supply(config: TrainConfig, device: str, held_out: bool = False) -> Supplies:
    """The supply of this run's training clips, or of its validation clips. A single clip has to serve for both.

    Raises InputError for folders that hold nothing to learn from or files that cannot be read.
    """
    seed = config.seed + 1_000_003 * held_out
    if config.pairs:
        pairs = read_pairs(config)
        chosen = [pair for place, pair in enumerate(pairs) if is_held_out(place, len(pairs)) == held_out]
        if not chosen:
            log.warning("there is one clip of pairs: validation is on what is trained on; add another clip")
        return PairSupply(chosen or pairs, config.mix, seed)
    material = read_material(files_of(config.data, held_out), config.halve)
    return Supply(material.to(torch.device(device)), config.mix, seed)


def read_pairs(config: TrainConfig) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Blurred and sharp clips of the run's folders; InputError where they are too short or too small."""
    from ..quality.pairs import find_clips, read_frames, rgb_image

    scene, pairs, longest = config.mix.scene, [], 0
    for folder in config.pairs:
        for clip in find_clips(folder):
            sides = [torch.stack([to_tensor(rgb_image(f)) for f in read_frames(p)]) for p in (clip.blur, clip.sharp)]
            height, width = sides[0].shape[2:]
            if min(height, width) < scene.size:
                raise InputError(
                    f"{folder}: {clip.name} of {width}x{height} is smaller than mix.scene.size, {scene.size}"
                )
            longest = max(longest, len(sides[0]))
            if len(sides[0]) >= scene.frames:
                pairs.append((sides[0], sides[1]))
    if not pairs:
        raise InputError(
            f"{config.pairs[0]}: the longest clip has {longest} frames; set mix.scene.frames to that or less"
        )
    return pairs


def held_out_batches(config: TrainConfig, device: torch.device, clips: int) -> list[Batch]:
    """Validation clips, of files that are not trained on where there are two; none is sharp or static.

    Everywhere the same.
    """
    scene = replace(config.mix.scene, identity=0, static=0)
    blurred = replace(config, mix=replace(config.mix, scene=scene, cut=0, plain=0))
    supply = open_supply(blurred, "cpu", held_out=True)
    batches = [supply.batch(index, 4) for index in range(max(1, clips // 4))]
    return [Batch(*(part.to(device) for part in batch)) for batch in batches]
