"""One job: a path in, a path out, and a summary of what was done. The command line, a batch and a notebook share it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ..errors import InputError
from ..frames import Frame, StreamInfo
from ..loading import ModelOptions, OnRetreat, load_per_frame, load_restorer, warm_up_of
from ..media.sinks import SinkOptions, open_sink, output_of
from ..media.sources import SourceOptions, open_source
from ..pipeline import restore_stream
from ..restorer import Restorer, State, Wrapper
from ..restorers.blend import Blended, Compared, side_by_side_info
from ..restorers.fallback import WithFallback
from ..restorers.only_blurred import OnlyBlurred
from ..scenes import SceneCuts
from ..threads import prefetch, write_behind
from ..windows import Window

OnFrame = Callable[[StreamInfo, Frame], None]
"""Called in the restoring thread after each frame; an exception ends the job."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to restore, how, and where to; the defaults are those of the command line."""

    input: str
    """A file, a folder or pattern of pictures, or "-" for stdin."""
    output: str | None = None
    """None: beside the input, under a name of its own; "-" for stdout."""
    model: ModelOptions = field(default_factory=ModelOptions)
    strength: float = 1.0
    """0 (the input) to 1 (the result)."""
    compare: Literal["split", "side"] | None = None
    scene_cuts: bool = True
    """Whether the state starts anew at scene cuts; changes of the picture's size always do that."""
    only_blurred: float | None = None
    """Frames less blurred than this (pixels, see `blurriness`) pass as they are: 0 is the automatic threshold, None
    restores all."""
    source: SourceOptions = field(default_factory=SourceOptions)
    sink: SinkOptions = field(default_factory=SinkOptions)


@dataclass(frozen=True, slots=True)
class Summary:
    """What a job did."""

    frames: int
    seconds: float
    """Wall clock from the first frame asked for to the output under its name."""
    model: str
    device: str
    precision: str
    fallbacks: int
    """Frames that the per-frame network did, because the recurrent result was not finite."""
    scene_cuts: int
    concealed: int
    """Frames of a damaged input that were replaced by the last good one, or mended by the decoder."""
    damaged: bool
    """The input was not whole: frames were concealed or are missing."""
    output: str
    warnings: tuple[str, ...] = ()
    retreats: tuple[str, ...] = ()
    """How the network went on where memory did not do: in smaller tiles, on the CPU."""

    earlier: int = 0
    """Frames of those that a run before this one had restored."""

    @property
    def fps(self) -> float:
        """Frames that this run restored per second of wall clock."""
        return (self.frames - self.earlier) / self.seconds if self.seconds > 0 else 0.0

    def to_json(self) -> dict[str, Any]:
        """What `vdeblur INPUT --json` prints."""
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
        done = f"{output}: {_count(self.frames, 'frame')} in {self.seconds:.1f} s ({self.fps:.1f} fps)"
        parts = [f"{done} with {self.model} on {self.device} ({self.precision})"]
        if self.earlier:
            parts.append(f"{_count(self.earlier, 'frame')} of an earlier run")
        if self.scene_cuts:
            parts.append(_count(self.scene_cuts, "scene cut"))
        if self.fallbacks:
            parts.append(f"{_count(self.fallbacks, 'fallback')} to the per-frame model")
        parts += self.retreats
        if self.damaged:
            parts.append("the input was damaged")
        if self.concealed:
            parts.append(f"{_count(self.concealed, 'frame')} concealed")
        return "; ".join(parts)


def restore_file(
    job: Job,
    on_frame: OnFrame | None = None,
    loaded: Restorer | None = None,
    around: Callable[[Restorer, StreamInfo], Restorer] | None = None,
) -> Summary:
    """Restore one file, pattern or pipe in one go. The output appears under its name only when it is whole.

    `loaded` is the job's restorer, where the caller has it already; `around` may wrap what is made of it. Raises what
    `open_source`, `open_sink` and `load_restorer` raise for wrong input, output and model; whatever is raised, also by
    `on_frame`, leaves neither a thread nor an output.
    """
    output = output_of(job.input, job.output)
    with ExitStack() as stack:
        file = open_source(job.input, job.source)
        source = stack.enter_context(prefetch(file))
        info = side_by_side_info(file.info) if job.compare == "side" else file.info
        sink = stack.enter_context(write_behind(open_sink(output, file, job.sink, info)))

        retreats: list[str] = []
        loaded = loaded or load_restorer(job.model, on_retreat=retreats.append)
        fallback = with_fallback(loaded, retreats.append)
        restorer = as_asked(job, fallback, info)
        if around is not None:
            restorer = around(restorer, info)
        if on_frame is not None:
            restorer = Watched(restorer, info, on_frame)

        start = time.perf_counter()
        tally = restore_stream(source, restorer, sink, SceneCuts() if job.scene_cuts else None)
        if not tally.frames:
            raise no_frames(job)
    return Summary(
        frames=tally.frames,
        seconds=time.perf_counter() - start,
        model=restorer.name,
        device=loaded.device,
        precision=loaded.precision,
        fallbacks=fallback.fallbacks,
        scene_cuts=max(tally.scenes - 1, 0),
        concealed=source.concealed,
        damaged=source.damaged,
        output=output,
        warnings=(*source.warnings, *sink.warnings),
        retreats=tuple(retreats),
    )


def no_frames(job: Job) -> InputError:
    """What to say where not a single frame lies in the part that was asked for."""
    start, end = job.source.start_seconds, job.source.end_seconds
    if start is None and end is None:
        return InputError(f"{job.input}: holds no frame")
    part = f"between {start or 0:g} s and " + ("its end" if end is None else f"{end:g} s")
    length = ""
    if job.input != "-":
        whole = replace(job.source, start_seconds=None, end_seconds=None)
        with open_source(job.input, whole) as source:
            length = f"; it is {source.info.duration_seconds:.2f} s long" if source.info.duration_seconds else ""
    return InputError(f"{job.input}: holds no frame {part}{length}", settings=("start_seconds", "end_seconds"))


def with_fallback(restorer: Restorer, on_retreat: OnRetreat = lambda _: None) -> WithFallback:
    """`restorer` for one stream: the per-frame network stands behind it."""
    return WithFallback(restorer, lambda: load_per_frame(restorer, on_retreat=on_retreat))


def as_asked(job: Job, restorer: Restorer, info: StreamInfo) -> Restorer:
    """`restorer` with what the job asks for around it; `info` describes the frames that are written."""
    if job.only_blurred is not None:
        restorer = OnlyBlurred(restorer, job.only_blurred, warm_up_of(job.model))
    if job.strength != 1:
        restorer = Blended(restorer, job.strength)
    if job.compare is not None:
        restorer = Compared(restorer, job.compare, info.rotation)
    return restorer


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


class Watched(Wrapper):
    """A restorer that tells of every frame it has restored."""

    def __init__(self, restorer: Restorer, info: StreamInfo, on_frame: OnFrame) -> None:
        super().__init__(restorer)
        self._info, self._on_frame = info, on_frame

    def restore(self, window: Window, state: State) -> tuple[Frame, State]:
        """Restore, then tell."""
        result = self.inner.restore(window, state)
        self._on_frame(self._info, result[0])
        return result
