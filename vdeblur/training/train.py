"""Training, top to bottom: take the next batch, take a step, keep an average of the weights, leave a usable model.

Everything random is drawn from (seed, step), and each batch of clips from (seed, index), so a resumed run of `steps` is
the run that was never interrupted: to the bit on a CPU, while on a GPU sums are taken in no fixed order.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..backends.symmetries import SYMMETRIES
from ..errors import DeviceError
from ..models.anatomy import SIZE, dissect
from ..signals import Stopped
from . import checkpoint
from .batches import held_out_batches, open_batches
from .config import TrainConfig
from .learner import Learner
from .log import TrainingLog
from .renderers import Batches, on_device
from .supply import Batch, augmented, cut_up, pieces_of, to_network, turned
from .teacher import Teacher


def train(
    config: TrainConfig,
    folder: Path,
    *,
    device: str = "cpu",
    max_minutes: float = math.inf,
    renderers: int = 0,
    batches: Batches | None = None,
    save_minutes: float = 3.0,
    validation_clips: int = 16,
    report: Callable[[dict[str, Any]], None] = lambda line: None,
    check: Callable[[], None] = lambda: None,
) -> Learner:
    """Run or go on with the run in `folder` to its end or for `max_minutes`; a checkpoint is always left.

    `renderers` is how many processes make clips; 0 makes them here, between the steps, to the same result. `batches`
    takes the place of both, and is left open. Writes log.jsonl (a line per 100 steps and per validation), plot.svg,
    resume.safetensors and model.safetensors. `check` is called where the run can end without loss; where it raises
    `Stopped`, a checkpoint is left first. Raises InputError and UsageError for data, models and checkpoints that cannot
    be used, before anything is written, and DeviceError where memory runs out.
    """
    learner = Learner(config.kind, config.model, config.learner, torch.device(device), config.seed)
    changed = checkpoint.begin(learner, folder, config)
    teacher = Teacher(config.teacher, config.teacher_views, learner.device) if config.teacher else None
    own = None
    if batches is None:
        batches = own = open_batches(config, device, renderers, learner.step_count // config.reuse, check)
    held_out: list[Batch] = []
    results: list[torch.Tensor] = []
    batch: Batch | None = None
    taught: torch.Tensor | None = None
    started = saved = clock = now = time.monotonic()
    before = learner.seconds
    try:
        log = TrainingLog(folder, learner.step_count, config.pixels_per_step, flop_per_pixel(learner), report)
        if changed:
            log.note({"step": learner.step_count, "changed": changed})
        while (done := config.done(learner.step_count, learner.seconds)) < 1 and now - started <= max_minutes * 60:
            check()
            if batch is None or learner.step_count % config.reuse == 0:
                batch = batches.take(learner.step_count // config.reuse)
                taught = teacher(batch) if teacher else None
            results.append(take_step(learner, config, batch, done, taught))
            now = time.monotonic()
            learner.seconds = before + now - started
            if learner.step_count % 100 == 0:
                loss, gain = torch.stack(results).mean(0).tolist()
                log.pace(learner.step_count, loss, gain, len(results), now - clock)
                results, clock = [], now
            if now - saved > save_minutes * 60:
                checkpoint.save(learner, folder, config)
                held_out = held_out or held_out_batches(config, learner.device, validation_clips)
                log.validation(learner.step_count, learner.validate(held_out))
                saved = time.monotonic()
                clock += saved - now  # steps per second are of steps alone
        checkpoint.save(learner, folder, config)
        log.plot()
    except Stopped:
        checkpoint.save(learner, folder, config)
        log.plot()
        raise
    except torch.OutOfMemoryError as error:
        raise DeviceError(f"{device}: not enough memory; set a smaller batch or mix.scene.size") from error
    finally:
        if own:
            own.close()
    return learner


def take_step(
    learner: Learner, config: TrainConfig, batch: Batch, done: float, taught: torch.Tensor | None = None
) -> torch.Tensor:
    """One step on a batch, varied as (seed, step) says, with that share of the run behind it; loss and gain in dB.

    `taught` is the batch as teachers restore it, (n, t, 6, h, w); it takes its share of the truth's place.
    """
    step = learner.step_count
    rng = np.random.default_rng([config.seed, 1, step])
    symmetry, reverse = int(rng.choice(SYMMETRIES)), bool(rng.random() < 0.5)
    batch = augmented(batch, symmetry, reverse)
    taught = None if taught is None else turned(taught, symmetry, reverse)
    frames = batch.sharp.shape[1]
    if frames > 1 and rng.random() < config.short:
        length = int(rng.integers(1, 3))
        batch = cut_up(batch, length)
        taught = None if taught is None else pieces_of(taught, length)
    look_ahead = on_device(torch.from_numpy(rng.random(len(batch.sharp)) < config.look_ahead), batch.sharp.device)
    rehearse = bool(learner.network.past) and batch.sharp.shape[1] > 2 and rng.random() < config.rehearse
    target = None if taught is None else torch.lerp(to_network(batch.sharp), taught, config.teacher_share)
    return learner.step(
        batch, look_ahead, target=target, rehearse=rehearse, rate=config.rate(done), floor=config.floor(done)
    )


def flop_per_pixel(learner: Learner) -> float:
    """Of one pixel's forward and backward pass: three times the forward one, a multiplication and an addition each."""
    return 6 * 1e9 * dissect(learner.network).gmac / math.prod(SIZE)
