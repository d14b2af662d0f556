"""Job: an input, an output and the settings between them; and Summary: its results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from ..frames import Frame, StreamInfo
from ..loading import ModelOptions
from ..media.options import SinkOptions, SourceOptions

OnFrame = Callable[[StreamInfo, Frame], None]
"""Called in the restoring thread after each frame; an exception aborts the job."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to restore, how and where to; the defaults are those of the command line."""

    input: str
    """A file, a folder or pattern of images, or "-" for stdin."""
    output: str | None = None
    """None: next to the input, see `media.paths.default_output`; "-" for stdout."""
    model: ModelOptions = field(default_factory=ModelOptions)
    strength: float = 1.0
    """0 (the input) to 1 (the result)."""
    compare: Literal["split", "side"] | None = None
    scene_cuts: bool = True
    """Whether to reset the state at scene cuts; changes of the frame size always reset it."""
    only_blurred: float | None = None
    """Frames less blurred than this (pixels, see `blurriness`) stay unchanged: 0 is the automatic threshold, None
    restores all."""
    source: SourceOptions = field(default_factory=SourceOptions)
    sink: SinkOptions = field(default_factory=SinkOptions)


@dataclass(frozen=True, slots=True)
class Summary:
    """Results of a job."""

    frames: int
    seconds: float
    """Wall clock from the first frame to the finished output."""
    model: str
    device: str
    precision: str
    fallbacks: int
    """Frames restored by the per-frame network because the recurrent result was not finite."""
    scene_cuts: int
    concealed: int
    """Frames of a damaged input that were replaced by the last good one or concealed by the decoder."""
    damaged: bool
    """Whether the input was damaged: frames were concealed or are missing."""
    output: str
    warnings: tuple[str, ...] = ()
    retreats: tuple[str, ...] = ()
    """How the network continued when memory ran out: in smaller tiles, on the CPU."""

    earlier: int = 0
    """Frames among them that an earlier run had restored."""

    @property
    def fps(self) -> float:
        """Frames that this run restored per second of wall clock."""
        return (self.frames - self.earlier) / self.seconds if self.seconds > 0 else 0.0

    @property
    def damage(self) -> list[str]:
        """That the input was damaged, and what of it was concealed, for people; empty for a sound input."""
        said = ["the input was damaged"] if self.damaged else []
        return [*said, f"{_count(self.concealed, 'frame')} concealed"] if self.concealed else said

    def to_json(self) -> dict[str, object]:
        """As printed by `vdeblur INPUT --json`."""
        return {
            "frames": self.frames,
            "earlier": self.earlier,
            "seconds": round(self.seconds, 3),
            "fps": round(self.fps, 3),
            "model": self.model,
            "device": self.device,
            "precision": self.precision,
            "fallbacks": self.fallbacks,
            "scene_cuts": self.scene_cuts,
            "concealed": self.concealed,
            "damaged": self.damaged,
            "warnings": list(self.warnings),
            "retreats": list(self.retreats),
            "output": self.output,
        }

    def to_text(self) -> str:
        """One line for people."""
        output = "stdout" if self.output == "-" else self.output
        done = f"{output}: {_count(self.frames, 'frame')} in {self.seconds:.1f} s"
        if self.earlier < self.frames:
            done += f" ({self.fps:.1f} fps)"
        parts = [f"{done} with {self.model} on {self.device} ({self.precision})"]
        if self.earlier:
            parts.append(f"{_count(self.earlier, 'frame')} of an earlier run")
        if self.scene_cuts:
            parts.append(_count(self.scene_cuts, "scene cut"))
        if self.fallbacks:
            parts.append(f"{_count(self.fallbacks, 'fallback')} to the per-frame model")
        parts += self.retreats
        return "; ".join([*parts, *self.damage])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
