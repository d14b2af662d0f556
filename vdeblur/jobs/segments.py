"""Segments: a file cut at exact times into units that can be restored anywhere, in any order, and as often as need be.

A unit is (job folder, index). Restoring it depends on nothing but the input, the model and the settings: frames before
the segment are decoded and restored first, so that the recurrent state has converged, and thrown away. So the frames
of a segment are the same whoever restores it, after however many attempts; resume, several processes, a cluster and a
Slurm array run the same function.

    cut(job)             plan: one reading of the packets, no decoding
    JobFolder.create()   the plan as files: job.json, times.json
    restore_segment()    00003.mkv: a temporary name -> fsync -> rename, then the manifest 00003.json in the same way
    joining.join()       when all manifests are there
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import TracebackType

from ..errors import InputError, NotInSegments, OutputError, reason_of
from ..files import file_sha256, write_json
from ..frames import Frame, StreamInfo
from ..loading import warm_up_of
from ..media.containers import FORMATS
from ..media.sinks import Sink, open_sink
from ..media.sources import is_image_input, open_source
from ..pipeline import restore_stream
from ..restorer import Restorer, State, Wrapper
from ..restorers.blend import side_by_side_info
from ..scenes import SceneCuts
from ..threads import prefetch, write_behind
from ..windows import Window
from .fingerprints import job_from_json, job_to_json, model_identity, settings_sha256
from .job import Job, OnFrame, as_asked, with_fallback
from .samples import Sampled

FORMAT = 2
"""Of the files in a job folder."""

REFUSAL = "refusal.json"
"""In a job folder: the reason why the input cannot be done in segments."""

LOOK_AHEAD_FRAMES = 4
"""Frames read behind a segment, for windows that look into the future."""

JOINABLE = ("mp4", "mov", "matroska", "webm", "mpegts", "nut")


@dataclass(frozen=True, slots=True)
class Cutting:
    """How long segments are, and how they start. Part of the settings: other numbers start a job anew."""

    min_seconds: float = 10.0
    """A segment ends at the first keyframe after this (encoders set keyframes at scene cuts)..."""
    max_seconds: float = 30.0
    """... or here, where there is none."""
    warm_up: int | None = None
    """Frames restored before a segment and thrown away; None: as many as the model needs (`loading.warm_up_of`)."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A range of pts, half open, in ticks of the input's stream; the ranges of a plan tile all of time."""

    index: int
    start: int | None
    """None for the first: whatever comes first."""
    end: int | None
    """None for the last: whatever is left."""
    read_from: int | None
    """Where reading starts, the warm-up's frames before."""
    read_until: int | None
    frames: int
    """Pictures that the packets promise."""
    seconds: float


@dataclass(frozen=True, slots=True)
class Plan:
    """The segments of a file, and the time of every picture."""

    segments: tuple[Segment, ...]
    times: tuple[int, ...]
    time_base: Fraction


@dataclass(frozen=True, slots=True)
class Manifest:
    """What one segment came to; it stands only beside a whole segment."""

    index: int
    fingerprint: str
    """Of input, model and settings together."""
    pts: tuple[int, ...]
    """Of every frame in the segment, as the input counts."""
    last_duration: int
    sha256: str
    """Of the segment's file."""
    model: str
    device: str
    precision: str
    fallbacks: int
    scene_starts: int
    concealed: int
    damaged: bool
    passed_through: bool
    """The source's own frames, because restoring them failed again and again."""
    seconds: float
    touched: int
    """Frames that are not the source's own."""
    blur_before: tuple[float, ...]
    """Blur lengths in pixels of sampled frames, before and after."""
    blur_after: tuple[float, ...]
    thumbnails: tuple[str, str] | None
    """JPEG pictures in base64, before and after."""
    warnings: tuple[str, ...]

    @property
    def frames(self) -> int:
        """How many it holds."""
        return len(self.pts)


@dataclass(frozen=True, slots=True)
class JobFolder:
    """A job that is cut into segments, as files in one folder: all that a worker anywhere needs to know."""

    path: Path
    job: Job
    output: str
    input_sha256: str
    model_sha256: str
    settings: str
    time_base: Fraction
    segments: tuple[Segment, ...]

    @property
    def fingerprint(self) -> str:
        """Of all that determines the frames."""
        return f"{self.input_sha256}-{self.model_sha256}-{self.settings}"

    @classmethod
    def create(cls, path: Path, job: Job, output: str, plan: Plan, settings: str, input_sha256: str) -> JobFolder:
        """Write the plan. Raises OutputError where the folder cannot be written."""
        model = model_identity(job.model)
        folder = cls(path, job, output, input_sha256, model, settings, plan.time_base, plan.segments)
        made = {
            "format": FORMAT,
            "job": job_to_json(job),
            "output": output,
            "input_sha256": input_sha256,
            "model_sha256": model,
            "settings": settings,
            "time_base": str(plan.time_base),
            "segments": [asdict(segment) for segment in plan.segments],
        }
        try:
            path.mkdir(exist_ok=True)
            write_json(path / "times.json", plan.times)
            write_json(path / "job.json", made)
        except OSError as error:
            cls.remove_at(path)
            raise OutputError(f"{output}: cannot be written: {reason_of(error)}") from error
        return folder

    @classmethod
    def open(cls, path: Path) -> JobFolder:
        """Read a plan. Raises InputError where there is none that can be used."""
        try:
            made = json.loads((path / "job.json").read_text(encoding="utf-8"))
            if made["format"] != FORMAT:
                raise InputError(f"{path}: was written by another version of vdeblur; remove it and start again")
            segments = tuple(Segment(**segment) for segment in made["segments"])
            return cls(
                path,
                job_from_json(made["job"]),
                made["output"],
                made["input_sha256"],
                made["model_sha256"],
                made["settings"],
                Fraction(made["time_base"]),
                segments,
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}: is no folder of a job in segments ({error})") from error

    def video(self, index: int) -> Path:
        """Where a segment lies when it is whole."""
        return self.path / f"{index:05}.mkv"

    def times(self) -> list[int]:
        """The pts of every picture that the input's packets promise."""
        times: list[int] = json.loads((self.path / "times.json").read_text(encoding="utf-8"))
        return times

    def manifest(self, index: int) -> Manifest | None:
        """The manifest of a segment that is done; None where it is not, or where it is another job's."""
        try:
            made = json.loads(self.video(index).with_suffix(".json").read_text(encoding="utf-8"))
            thumbnails = made["thumbnails"]
            lists = {key: tuple(made[key]) for key in ("pts", "blur_before", "blur_after", "warnings")}
            manifest = Manifest(**made | lists | {"thumbnails": tuple(thumbnails) if thumbnails else None})
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return manifest if manifest.fingerprint == self.fingerprint and self.video(index).is_file() else None

    @property
    def refusal(self) -> str | None:
        """Why this input cannot be done in segments after all (see `one_piece`); None where it can so far."""
        try:
            why: str = json.loads((self.path / REFUSAL).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return why

    def refuse(self, why: str) -> None:
        """Leave word for all who work on this job that it cannot be done in segments. Raises OutputError."""
        try:
            write_json(self.path / REFUSAL, why)
        except OSError as error:
            raise OutputError(f"{self.output}: cannot be written: {reason_of(error)}") from error

    def remove(self) -> None:
        """Delete what a job leaves."""
        self.remove_at(self.path)

    def remove_temporaries(self) -> None:
        """Delete what is half written; only while no one else works on this job."""
        for file in self.path.glob(".*.part"):
            file.unlink(missing_ok=True)

    @classmethod
    def find(cls, path: Path) -> JobFolder | None:
        """The job in a folder; None where there is none, or none that this version can go on with."""
        try:
            return cls.open(path)
        except InputError:
            return None

    @staticmethod
    def remove_at(path: Path) -> None:
        """Delete segments, manifests, the plan and temporaries in a folder; nothing else is touched."""
        if not path.is_dir():
            return
        for file in path.iterdir():
            if file.suffix == ".part" and file.is_dir():  # pictures, half written
                shutil.rmtree(file, ignore_errors=True)
            elif file.suffix in (".mkv", ".json", ".part"):
                file.unlink(missing_ok=True)
        if not any(path.iterdir()):
            path.rmdir()


def settings_with(job: Job, cutting: Cutting) -> str:
    """Hash of all settings of a job in segments."""
    return settings_sha256(job, cutting=asdict(cutting), format=FORMAT)


def cut(job: Job, output: str, cutting: Cutting) -> Plan | None:
    """The segments of an input, from one reading of its packets; None for a job that goes through in one piece.

    That is: pipes, pictures, an output that is no common container, a stream whose packets have no times or the same
    time twice (frames could not be told apart), and an input that makes a single segment.
    """
    suffix = Path(output).suffix.lower()
    if "-" in (job.input, output) or is_image_input(job.input) or FORMATS.get(suffix) not in JOINABLE:
        return None
    from ..media.video_source import VideoSource

    with open_source(job.input, job.source) as source:
        if not isinstance(source, VideoSource):
            return None
        start, end, _ = source.cut
        time_base = source.info.time_base
        found = source.packet_times()
    if found is None:
        return None
    times, keyframes = found
    times = [t for t in times if (start is None or t * time_base >= start) and (end is None or t * time_base < end)]
    if not times or min((b - a for a, b in pairwise(times)), default=1) * time_base < Fraction(1, 1000):
        return None  # Matroska counts milliseconds: nothing closer together could be told apart
    if (times[-1] - times[0]) * time_base <= cutting.max_seconds:
        return None
    warm_up = warm_up_of(job.model) if cutting.warm_up is None else cutting.warm_up
    segments = _segments(times, keyframes, time_base, cutting, warm_up, end is not None)
    if len(segments) < 2:
        return None
    return Plan(segments, tuple(times), time_base)


def _segments(
    times: list[int], keyframes: set[int], time_base: Fraction, cutting: Cutting, warm_up: int, ends: bool
) -> tuple[Segment, ...]:
    """Cut rising times at keyframes. `ends`: the last segment must not read to the end of the file."""
    shortest, longest = round(cutting.min_seconds / time_base), round(cutting.max_seconds / time_base)
    starts = [0]
    for number, pts in enumerate(times):
        length = pts - times[starts[-1]]
        if times[-1] - pts >= shortest // 2 and ((length >= shortest and pts in keyframes) or length >= longest):
            starts.append(number)
    segments = []
    last_end = times[-1] + 1 if ends else None
    for index, (first, behind) in enumerate(zip(starts, [*starts[1:], len(times)], strict=True)):
        is_last = behind == len(times)
        ahead = behind + LOOK_AHEAD_FRAMES
        segments.append(
            Segment(
                index,
                start=times[first] if first or ends else None,
                end=last_end if is_last else times[behind],
                read_from=times[max(first - warm_up, 0)] if first or ends else None,
                read_until=last_end if ahead >= len(times) else times[ahead],
                frames=behind - first,
                seconds=float((times[behind - 1] - times[first]) * time_base),
            )
        )
    return tuple(segments)


def restore_segment(
    folder: JobFolder,
    index: int,
    restorer: Restorer,
    on_frame: OnFrame | None = None,
    *,
    pass_through: bool = False,
) -> Manifest:
    """Restore one segment into its file and manifest, unless both are there. Can be run again at any time.

    `pass_through` gives the source's own frames: for a segment that fails whatever is tried. Raises what `restore_file`
    raises, and NotInSegments where this stretch gives no frame while the input can be read.
    """
    if (done := folder.manifest(index)) is not None:
        return done
    try:
        return _restored(folder, index, restorer, on_frame, pass_through)
    except InputError as error:  # damage can leave a stretch without a frame
        open_source(folder.job.input, folder.job.source).close()  # raises where it is not this stretch alone
        raise NotInSegments(f"{error} in its segment {index}") from error


def _restored(
    folder: JobFolder, index: int, restorer: Restorer, on_frame: OnFrame | None, pass_through: bool
) -> Manifest:
    from ..media.video_source import VideoSource

    job, segment, target = folder.job, folder.segments[index], folder.video(index)
    reading = replace(
        job.source, start_seconds=None, end_seconds=None, pts_range=(segment.read_from, segment.read_until)
    )
    writing = replace(job.sink, overwrite=True, container="matroska", picture_only=True)
    start = time.perf_counter()
    file = open_source(job.input, reading)
    with prefetch(file) as source:
        assert isinstance(file, VideoSource)
        info = side_by_side_info(file.info) if job.compare == "side" else file.info
        fallback = with_fallback(PassThrough(restorer) if pass_through else restorer)
        sampled = Sampled(as_asked(job, fallback, info), segment.start, segment.end, segment.frames)
        with write_behind(open_sink(str(target), file, writing, info)) as sink:
            kept = Trimmed(sink, segment.start, segment.end, lambda frame: on_frame and on_frame(file.info, frame))
            restore_stream(source, sampled, kept, SceneCuts() if job.scene_cuts else None)
            if not kept.pts and not file.damaged:
                raise NotInSegments(f"{job.input}: gives none of the frames of its segment {index}")
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
    )
    try:
        write_json(target.with_suffix(".json"), asdict(manifest))
    except OSError as error:
        raise OutputError(f"{folder.output}: cannot be written: {reason_of(error)}") from error
    return manifest


class Trimmed:
    """A sink that takes only frames of one range of pts, and remembers their times: warm-up frames end here."""

    def __init__(self, sink: Sink, start: int | None, end: int | None, on_frame: Callable[[Frame], object]) -> None:
        self._sink, self._start, self._end, self._on_frame = sink, start, end, on_frame
        self.warnings = sink.warnings
        self.pts: list[int] = []
        self.last_duration = 0

    def write(self, frame: Frame) -> None:
        """Hand on a frame of the range."""
        if (self._start is None or frame.pts >= self._start) and (self._end is None or frame.pts < self._end):
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

    def __enter__(self) -> Trimmed:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()


class PassThrough(Wrapper):
    """Gives every frame back as it came, under the name of the restorer that it stands for."""

    def restore(self, window: Window, state: State) -> tuple[Frame, State]:
        """Give the centre back."""
        return window.centre, state


def remaining(info: StreamInfo, seconds: float) -> StreamInfo:
    """`info` for a progress that counts only what is still to do."""
    return replace(info, duration_seconds=seconds or None, frames=None)
