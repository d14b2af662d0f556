"""Training, top to bottom: take the next batch, take a step, keep an average of the weights, leave a usable model.

Everything random is drawn from (seed, step), and each batch of clips from (seed, index), so a resumed run is the run
that was never interrupted.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..backends.symmetries import SYMMETRIES
from ..errors import DeviceError, InputError, UsageError
from ..models.anatomy import SIZE, dissect
from ..signals import Stopped
from . import checkpoint
from .learner import FIRST_FLOOR, FLOOR, Learner, LearnerConfig
from .log import TrainingLog
from .material import files_of, read_material, to_tensor
from .renderers import Batches, Here, Renderers, Supplies, on_device
from .supply import Batch, PairSupply, Supply, SupplyConfig, augmented, cut_up, pieces_of, to_network, turned
from .teacher import Teacher


@dataclass(frozen=True)
class TrainConfig:
    """One run. A published model's is in `weights/NAME.toml`."""

    data: tuple[str, ...] = ()
    """Folders of sharp photographs and footage, to be blurred by synthesis."""
    pairs: tuple[str, ...] = ()
    """Folders of blurred and sharp clips, to learn from in place of `data`."""
    halve: bool = True
    """Read footage at half its size, which hides its own blur and compression."""
    kind: str = "convlstm"
    model: dict[str, Any] = field(default_factory=dict)
    """Settings of the kind's configuration."""
    mix: SupplyConfig = field(default_factory=SupplyConfig)
    learner: LearnerConfig = field(default_factory=LearnerConfig)
    seed: int = 0
    steps: int = 30_000
    minutes: float = 0.0
    """Length of the run on the clock in place of `steps`, cool-down included; not the same run twice."""
    batch: int = 8
    reuse: int = 3
    """Steps that each batch serves, turned, mirrored and reversed in time at random."""
    look_ahead: float = 0.75
    """Share of clips that may see future frames; live streams have none."""
    rehearse: float = 0.3
    """Share of steps before which the clips are run through backwards, so that states are as old as in a stream."""
    short: float = 0.3
    """Share of steps on pieces of one or two frames, so that first frames are learnt as well."""
    cool_down: float = 0.35
    """Last share of the steps, in which the learning rate falls to nothing."""
    easy_start: float = 0.0
    """First share of the steps in which only strong blur counts; a network that begins at zero stays there without."""
    init: str = ""
    """A model file whose fitting weights to begin with."""
    teacher: tuple[str, ...] = ()
    """Model files; the mean of their restorations takes the place of most of the truth (see `training.teacher`)."""
    teacher_views: int = 6
    """Symmetries of a clip that the mean is over."""
    teacher_share: float = 0.75
    """Weight of the teachers' mean in the target; the rest is the ground truth."""

    def __post_init__(self) -> None:
        positive = ("steps", "batch", "reuse")
        problems = [f'"{name}" must be at least 1' for name in positive if getattr(self, name) < 1]
        if self.minutes < 0:
            problems.append('"minutes" must be 0 or more')
        shares = ("look_ahead", "rehearse", "short", "cool_down", "easy_start", "teacher_share")
        problems += [f'"{name}" must be 0 to 1' for name in shares if not 0 <= getattr(self, name) <= 1]
        if not 1 <= self.teacher_views <= 8:
            problems.append(f'"teacher_views" must be 1 to 8; it is {self.teacher_views}')
        scene = self.mix.scene
        if scene.size < 16 or scene.size % 16:
            problems.append(f'"mix.scene.size" must be a multiple of 16; it is {scene.size}')
        if scene.frames < 1:
            problems.append('"mix.scene.frames" must be at least 1')
        if problems:
            raise UsageError("; ".join(problems))

    @property
    def pixels_per_step(self) -> int:
        """Pixels of all frames that a step learns from."""
        scene = self.mix.scene
        return self.batch * scene.frames * scene.size**2

    def done(self, step: int, seconds: float) -> float:
        """Share of the run that is behind after so many steps and seconds, 0..1."""
        return min(1.0, seconds / (60 * self.minutes) if self.minutes else step / self.steps)

    def rate(self, done: float) -> float:
        """Share of the learning rate: constant, then falling (warm-up, stable, decay; Hu et al. 2024)."""
        return min(1.0, (1 - done) / self.cool_down) if self.cool_down else 1.0

    def floor(self, done: float) -> float:
        """What is added to squared errors; see `learner.FLOOR`."""
        left = 1 - done / self.easy_start if self.easy_start else 0.0
        return FLOOR + (FIRST_FLOOR - FLOOR) * max(0.0, left)


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
    `Stopped`, a checkpoint is left first.
    """
    place = torch.device(device)
    if batches is None and (renderers == 0 or config.pairs):
        supply = open_supply(config, device)  # finds first what is wrong with the data, before anything is written
    else:
        files_of(config.data, held_out=False)
    folder.mkdir(parents=True, exist_ok=True)
    learner = Learner(config.kind, config.model, config.learner, place, config.seed)
    if config.init:
        checkpoint.begin_with(learner, config.init)
    if (folder / "resume.safetensors").exists():
        checkpoint.resume(learner, folder / "resume.safetensors")
    log = TrainingLog(folder, learner.step_count, config.pixels_per_step, flop_per_pixel(learner))
    teacher = Teacher(config.teacher, config.teacher_views, place) if config.teacher else None
    provenance = {
        "data": [Path(name).name for name in config.pairs or config.data],
        "seed": config.seed,
        **({"teacher": [Path(model).name for model in config.teacher]} if config.teacher else {}),
    }

    def note(line: dict[str, Any]) -> None:
        log.note(line)
        report(line)

    def save() -> None:
        checkpoint.save(learner, folder, {"steps": learner.step_count, **provenance}, asdict(config))

    own = batches is None
    if batches is None:
        first = learner.step_count // config.reuse
        if renderers == 0 or config.pairs:
            batches = Here(supply, config.batch)
        else:
            batches = open_renderers(config, renderers, place, device, first, check)
    started = saved = clock = time.monotonic()
    before = 3600 * log.hours
    held_out: list[Batch] = []
    told: list[torch.Tensor] = []
    batch: Batch | None = None
    lesson: torch.Tensor | None = None
    try:
        now = started
        while (done := config.done(learner.step_count, before + now - started)) < 1:
            check()
            step = learner.step_count
            if batch is None or step % config.reuse == 0:
                batch = batches.take(step // config.reuse)
                lesson = teacher(batch) if teacher else None
            told.append(take_step(learner, config, batch, done, lesson))
            now = time.monotonic()
            if learner.step_count % 100 == 0:
                loss, gain = torch.stack(told).mean(0).tolist()
                line = {"step": learner.step_count, "loss": round(loss, 4), "gain": round(gain, 4)}
                note({**line, **log.spent(learner.step_count, len(told), now - clock)})
                told, clock = [], now
            if now - saved > save_minutes * 60:
                save()
                held_out = held_out or held_out_batches(config, place, validation_clips)
                scores = {name: round(score, 4) for name, score in learner.validate(held_out).items()}
                note({"step": learner.step_count, "validation": scores})
                log.plot()
                saved = time.monotonic()
                clock += saved - now  # steps per second are of steps alone
            if now - started > max_minutes * 60:
                break
        save()
    except Stopped:
        save()
        raise
    except torch.OutOfMemoryError as error:
        raise DeviceError(f"{device}: not enough memory; set a smaller batch or mix.scene.size") from error
    finally:
        if own:
            batches.close()
        log.plot()
    return learner


def open_renderers(
    config: TrainConfig,
    processes: int,
    place: torch.device,
    render_on: str,
    first: int = 0,
    check: Callable[[], None] = lambda: None,
) -> Renderers:
    """Processes that render a run's clips on one device, `render_on`, for another, from batch `first` on."""
    shape = (config.mix.scene.frames, config.mix.scene.size)
    opening = functools.partial(open_supply, config, render_on)
    return Renderers(opening, config.batch, shape, first, processes, place, check)


def flop_per_pixel(learner: Learner) -> float:
    """Of one pixel's forward and backward pass: three times the forward one, a multiplication and an addition each."""
    return 6 * 1e9 * dissect(learner.network).gmac / math.prod(SIZE)


def take_step(
    learner: Learner, config: TrainConfig, batch: Batch, done: float, lesson: torch.Tensor | None = None
) -> torch.Tensor:
    """One step on a batch, varied as (seed, step) says, with that share of the run behind it; loss and gain in dB.

    `lesson` is what teachers make of the batch, (n, t, 6, h, w); it takes its share of the truth's place.
    """
    step = learner.step_count
    rng = np.random.default_rng([config.seed, 1, step])
    symmetry, reverse = int(rng.choice(SYMMETRIES)), bool(rng.random() < 0.5)
    batch = augmented(batch, symmetry, reverse)
    lesson = None if lesson is None else turned(lesson, symmetry, reverse)
    frames = batch.sharp.shape[1]
    if frames > 1 and rng.random() < config.short:
        length = int(rng.integers(1, 3))
        batch = cut_up(batch, length)
        lesson = None if lesson is None else pieces_of(lesson, length)
    look_ahead = on_device(torch.from_numpy(rng.random(len(batch.sharp)) < config.look_ahead), batch.sharp.device)
    rehearse = bool(learner.network.past) and batch.sharp.shape[1] > 2 and rng.random() < config.rehearse
    target = None if lesson is None else torch.lerp(to_network(batch.sharp), lesson, config.teacher_share)
    return learner.step(
        batch, look_ahead, target=target, rehearse=rehearse, rate=config.rate(done), floor=config.floor(done)
    )


def open_supply(config: TrainConfig, device: str, held_out: bool = False) -> Supplies:
    """The supply of this run's training clips, or of its validation clips.

    Raises InputError for folders that hold nothing to learn from or files that cannot be read.
    """
    seed = config.seed + 1_000_003 * held_out
    if config.pairs:
        return PairSupply(read_pairs(config), config.mix, seed)
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


def held_out_batches(config: TrainConfig, place: torch.device, clips: int) -> list[Batch]:
    """Validation clips, of files that are not trained on; none is sharp or static. Everywhere the same."""
    scene = replace(config.mix.scene, identity=0, static=0)
    calm = replace(config, mix=replace(config.mix, scene=scene, cut=0, plain=0))
    supply = open_supply(calm, "cpu", held_out=True)
    batches = [supply.batch(index, 4) for index in range(max(1, clips // 4))]
    return [Batch(*(part.to(place) for part in batch)) for batch in batches]
