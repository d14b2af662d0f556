"""Restores one segment: a unit of work that can run anywhere, in any order, and repeatedly.

The result depends only on the input, the model and the settings: frames before the segment are decoded and restored
first, so that the recurrent state has converged, and discarded. So the frames of a segment are the same on every
machine and in every attempt; resuming, several processes, a cluster and a Slurm array call the same function.

    plan.cut(job)              one pass over the packets, no decoding
    JobFolder.create()         the plan as files: job.json, times.json
    restore_segment()          00003.mkv, then its manifest 00003.json
    joining.join()             when all manifests exist
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, replace

from ..errors import InputError, NotInSegments, OutputError, reason_of
from ..files import file_sha256, write_json
from ..frames import Frame
from ..loading import load_restorer
from ..media.sources import open_source
from ..media.video_sink import VideoSink
from ..media.video_source import VideoSource
from ..pipeline import restore_stream
from ..protocols import Committing, Sink
from ..restorer import State, Wrapper
from ..restorers.blend import side_by_side_info
from ..scenes import SceneCuts
from ..threads import prefetch, write_behind
from ..windows import Window
from .folder import JobFolder, Manifest
from .job import OnFrame
from .samples import Sampled
from .wrapped import with_fallback, with_settings


def restore_segment(
    folder: JobFolder,
    index: int,
    on_frame: OnFrame | None = None,
    *,
    pass_through: bool = False,
) -> Manifest:
    """Restore one segment into its file and manifest, unless they exist. Can be repeated at any time.

    `pass_through` writes the source frames, for a segment that fails repeatedly. Raises what `restore_whole` raises,
    and NotInSegments if the segment contains no frame though the input can be read.
    """
    if (done := folder.manifest(index)) is not None:
        return done
    try:
        return _restore_segment(folder, index, on_frame, pass_through)
    except InputError as error:  # a damaged part can contain no frame
        open_source(folder.job.input, folder.job.source).close()  # raises if the whole input is unreadable
        raise NotInSegments(f"{error} in segment {index}") from error


def _restore_segment(folder: JobFolder, index: int, on_frame: OnFrame | None, pass_through: bool) -> Manifest:
    job, segment, target = folder.job, folder.segments[index], folder.video(index)
    reading = replace(
        job.source, start_seconds=None, end_seconds=None, pts_range=(segment.read_from, segment.read_until)
    )
    writing = replace(job.sink, overwrite=True, container="matroska", video_only=True)
    retreats: list[str] = []
    restorer = load_restorer(job.model, on_retreat=retreats.append)
    start = time.perf_counter()
    file = open_source(job.input, reading)
    with prefetch(file) as source:
        assert isinstance(file, VideoSource)
        info = side_by_side_info(file.info) if job.compare == "side" else file.info
        fallback = with_fallback(PassThrough(restorer) if pass_through else restorer, retreats.append)
        sampled = Sampled(with_settings(job, fallback, info), segment.frames, segment.holds)
        with write_behind(VideoSink(str(target), folder.output, file, writing, info)) as sink:
            kept = Trimmed(sink, segment.holds, lambda frame: on_frame and on_frame(file.info, frame))
            restore_stream(source, sampled, kept, SceneCuts() if job.scene_cuts else None)
            if not kept.pts and not file.damaged:
                raise NotInSegments(f"{job.input}: no frame of segment {index} could be decoded")
    concealed = len(file.concealed_pts.intersection(kept.pts))
    manifest = Manifest(
        index=index,
        fingerprint=folder.fingerprint,
        pts=tuple(kept.pts),
        last_duration=kept.last_duration,
        sha256=file_sha256(target),
        model=restorer.name,
        device=restorer.device,
        precision=restorer.precision,
        fallbacks=fallback.fallbacks,
        scene_starts=sampled.scene_starts,
        concealed=concealed,
        damaged=file.damaged,
        passed_through=pass_through,
        seconds=time.perf_counter() - start,
        touched=sampled.touched,
        blur_before=tuple(sampled.blur_before),
        blur_after=tuple(sampled.blur_after),
        thumbnails=sampled.thumbnails,
        warnings=tuple(file.warnings),
        retreats=tuple(retreats),
    )
    try:
        write_json(target.with_suffix(".json"), asdict(manifest))
    except OSError as error:
        raise OutputError(f"{folder.output}: cannot be written: {reason_of(error)}") from error
    return manifest


class Trimmed(Committing):
    """A sink that passes on the frames of a segment and records their times; drops those of its warm-up."""

    def __init__(self, sink: Sink, holds: Callable[[int], bool], on_frame: Callable[[Frame], object]) -> None:
        self._sink, self._holds, self._on_frame = sink, holds, on_frame
        self.warnings = sink.warnings
        self.pts: list[int] = []
        self.last_duration = 0

    def write(self, frame: Frame) -> None:
        """Write a frame if it belongs to the segment."""
        if self._holds(frame.pts):
            self._sink.write(frame)
            self.pts.append(frame.pts)
            self.last_duration = frame.duration
            self._on_frame(frame)

    def close(self) -> None:
        """Close the inner sink."""
        self._sink.close()

    def abort(self) -> None:
        """Abort the inner sink."""
        self._sink.abort()


class PassThrough(Wrapper):
    """Returns every frame unchanged, under the name of the inner restorer."""

    def restore(self, window: Window, state: State) -> tuple[Frame, State]:
        """Return the centre."""
        return window.centre, state
