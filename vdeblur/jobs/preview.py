"""A preview: the most blurred seconds before and after, side by side without sound, and an estimate for the whole."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from ..errors import UsageError
from ..frames import Frame, StreamInfo
from ..media.image_files import bytes_of
from ..media.paths import default_output, is_image_input
from ..media.sinks import open_sink
from ..media.sources import open_source
from ..progress import clock, size_text
from ..protocols import Sink
from ..restorer import Restorer, State, Wrapper
from ..restorers.blend import composed, side_by_side_info
from ..threads import write_behind
from ..windows import Window
from .job import Job, OnFrame
from .most_blurred import BlurredPart, most_blurred
from .trial import FrameClock
from .whole import restore_whole


@dataclass(frozen=True, slots=True)
class Preview:
    """The written preview, and an estimate for the whole job."""

    output: str
    part: BlurredPart
    frames: int
    fps: float | None
    model: str
    whole_seconds: float | None
    """Estimated wall clock of the whole job; None if its length is unknown."""
    whole_bytes: int | None
    """Estimated size of its output, all streams included."""
    input_bytes: int | None

    def to_json(self) -> dict[str, object]:
        """What `--preview --json` prints."""
        return {
            "output": self.output,
            "start_seconds": round(self.part.start, 3),
            "seconds": round(self.part.seconds, 3),
            "blur_px": round(self.part.blur_px, 2),
            "frames": self.frames,
            "fps": self.fps and round(self.fps, 3),
            "model": self.model,
            "whole_seconds": self.whole_seconds and round(self.whole_seconds, 1),
            "whole_bytes": self.whole_bytes,
            "input_bytes": self.input_bytes,
        }

    def to_text(self) -> str:
        """Two lines for people."""
        where = (
            f"{self.part.seconds:g} s from {clock(self.part.start)} on, where the blur is {self.part.blur_px:.1f} px"
        )
        lines = [f"{self.output}: {where}, before and after with {self.model}"]
        if self.whole_seconds is not None and self.whole_bytes is not None:
            source = "" if self.input_bytes is None else f" (input: {size_text(self.input_bytes)})"
            size = size_text(self.whole_bytes)
            lines.append(f"the whole would take about {clock(max(self.whole_seconds, 1))} and {size}{source}")
        return "\n".join(lines)


def preview_output(path: str) -> str:
    """Default output of a preview: input.mp4 -> input.preview.mp4, frames/ -> frames.preview.mp4."""
    restored = Path(default_output(path))
    stem = restored.name.rpartition(".deblur")[0]
    return str(restored.with_name(f"{stem}.preview{'.mp4' if is_image_input(path) else restored.suffix}"))


def preview(job: Job, seconds: float, on_frame: OnFrame = lambda info, frame: None) -> Preview:
    """Write a video that shows the most blurred `seconds` of a job's input before and after.

    It goes to the output of the job, or to `preview_output`. Raises what `restore_whole` raises.
    """
    if job.input == "-":
        raise UsageError("a pipe cannot be previewed; name a file")
    output = job.output or preview_output(job.input)
    part = most_blurred(job.input, job.source, seconds)
    cut = replace(job.source, start_seconds=part.start, end_seconds=part.start + part.seconds)
    compare = job.compare or "side"
    pace = FrameClock()

    def note(info: StreamInfo, frame: Frame) -> None:
        pace(info, frame)
        on_frame(info, frame)

    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="vdeblur-"))
        source = stack.enter_context(open_source(job.input, cut))
        info = side_by_side_info(source.info) if compare == "side" else source.info
        sink = stack.enter_context(write_behind(open_sink(output, source, replace(job.sink, video_only=True), info)))
        plain = str(Path(folder) / f"plain{Path(output).suffix}")
        alone = replace(job, output=plain, compare=None, source=cut, sink=replace(job.sink, container=None))
        summary = restore_whole(alone, note, around=lambda restorer, info: _AlsoCompared(restorer, sink, compare, info))
        fps = pace.fps()
        plain_bytes = bytes_of(plain) or 0
    with open_source(job.input, job.source) as source:
        whole = source.info
    share = (whole.duration_seconds or 0.0) / part.seconds if part.seconds else 0.0
    frames = whole.frames or summary.frames * share
    return Preview(
        output=output,
        part=part,
        frames=summary.frames,
        fps=fps,
        model=summary.model,
        whole_seconds=pace.start_seconds + frames / fps if fps and frames else None,
        whole_bytes=round(plain_bytes * share) if share and plain_bytes else None,
        input_bytes=bytes_of(job.input),
    )


class _AlsoCompared(Wrapper):
    """A restorer that also writes each frame, before and after, into another sink."""

    def __init__(self, restorer: Restorer, sink: Sink, kind: Literal["split", "side"], info: StreamInfo) -> None:
        super().__init__(restorer)
        self._sink, self._kind, self._rotation = sink, kind, info.rotation

    def restore(self, window: Window, state: State) -> tuple[Frame, State]:
        """Restore the centre, and write the comparison."""
        restored, state = self.inner.restore(window, state)
        self._sink.write(composed(window.centre, restored, self._kind, self._rotation))
        return restored, state
