"""The settings of a training run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import UsageError
from .learner import FIRST_FLOOR, FLOOR, LearnerConfig
from .supply import SupplyConfig


@dataclass(frozen=True)
class TrainConfig:
    """One run. A published model's is in `weights/NAME.toml`."""

    data: tuple[str, ...] = ()
    """Folders of sharp photographs and footage, to be blurred by synthesis."""
    pairs: tuple[str, ...] = ()
    """Folders of blurred and sharp clips, to learn from in place of `data`; one clip in 20 is kept for validation."""
    halve: bool = True
    """Read footage at half its size, which hides its own blur and compression."""
    kind: str = "convlstm"
    """A key of `models.MODELS`."""
    model: dict[str, Any] = field(default_factory=dict)
    """Settings of the kind's configuration."""
    mix: SupplyConfig = field(default_factory=SupplyConfig)
    learner: LearnerConfig = field(default_factory=LearnerConfig)
    seed: int = 0
    """Of everything random: weights, clips, steps."""
    steps: int = 30_000
    """Length of the run, cool-down included."""
    minutes: float = 0.0
    """Length of the run on the clock in place of `steps`, cool-down included; not the same run twice."""
    batch: int = 8
    """Clips per step."""
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

    def portable(self) -> dict[str, Any]:
        """As JSON holds it; of files and folders the last name only, since the rest differs between machines."""
        paths = {name: [Path(path).name for path in getattr(self, name)] for name in ("data", "pairs", "teacher")}
        return asdict(self) | paths | {"init": Path(self.init).name}

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
