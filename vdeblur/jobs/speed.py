"""Measures the speed of this machine: frames per second by size, model and engine, and the time of each stage."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..backends.choice import keep_fastest
from ..backends.engines import GRAPH_ENGINES, installed_engines
from ..backends.graphs import is_graph, load_graph
from ..backends.published import published
from ..errors import UsageError
from ..frames import Color, Frame, StreamInfo
from ..loading import ModelOptions, load_restorer
from ..media.options import SinkOptions, SourceOptions
from ..media.sinks import open_sink
from ..media.sources import open_source
from ..protocols import Closing
from ..restorer import Restorer, State
from ..stages import measured
from ..windows import windows
from .job import Job
from .moving import RATE, YUV420, moving_frames
from .whole import restore_whole

SIZES = ((640, 360), (1280, 720))
CLIP_FRAMES = 48
FEWEST_FRAMES = 6
WARM_UP_FRAMES = 2


@dataclass(frozen=True)
class Speed:
    """Measured speed for one size, model and engine."""

    size: str
    """As in 1280x720."""
    model: str
    engine: str
    device: str
    precision: str
    fps: float
    """Of the whole pipeline: decoding, restoring and encoding in parallel."""
    model_fps: float
    """Of the restorer by itself, on frames in memory."""
    ms: dict[str, float]
    """Milliseconds per frame of each stage."""

    def to_json(self) -> dict[str, object]:
        """As printed by `vdeblur bench --json`; `shares` are of the sum of all stages."""
        total = sum(self.ms.values()) or 1.0
        return {
            "size": self.size,
            "model": self.model,
            "engine": self.engine,
            "device": self.device,
            "precision": self.precision,
            "fps": round(self.fps, 2),
            "model_fps": round(self.model_fps, 2),
            "ms": {name: round(value, 2) for name, value in self.ms.items()},
            "shares": {name: round(value / total, 3) for name, value in self.ms.items()},
        }


@dataclass
class _MemorySource(Closing):
    """Frames in memory as a source."""

    frames: list[Frame]
    info: StreamInfo
    concealed: int = 0
    damaged: bool = False
    warnings: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[Frame]:
        return iter(self.frames)

    def close(self) -> None:
        """Nothing to do."""


def measure_all(
    models: Sequence[ModelOptions],
    sizes: Sequence[tuple[int, int]] = SIZES,
    engines: Sequence[str] = (),
    seconds: float = 40.0,
    report: Callable[[Speed], None] = lambda speed: None,
) -> list[Speed]:
    """Measure each model at each (width, height) on each engine, by default all installed ones, in about `seconds`.

    The fastest engine of each model with device and precision "auto", at the largest size, is stored for the engine
    "auto"; with the device "cpu" it would rule out a GPU that the machine has.
    Raises what `load_restorer` raises.
    """
    runs = [replace(model, engine=engine) for model in models for engine in _engines_of(model, engines)]
    share = seconds / max(len(runs) * len(sizes), 1)
    speeds: list[tuple[ModelOptions, Speed]] = []
    with tempfile.TemporaryDirectory() as folder:
        for size in sorted(sizes):
            path = _write_clip(size, Path(folder))
            for run in runs:
                speeds.append((run, _measure(run, path, share)))
                report(speeds[-1][1])
    rivals = [speed for run, speed in speeds if (run.device, run.precision) == ("auto", "auto")]
    fastest: dict[str, Speed] = {}
    for speed in rivals:  # larger sizes come last and take precedence
        best = fastest.get(speed.model)
        if best is None or best.size != speed.size or best.model_fps < speed.model_fps:
            fastest[speed.model] = speed
    if len({speed.engine for speed in rivals}) > 1:
        keep_fastest({name: speed.engine for name, speed in fastest.items()})
    return [speed for _, speed in speeds]


def with_int8(models: Sequence[ModelOptions], engines: Sequence[str] = ()) -> list[ModelOptions]:
    """The models, each followed by its int8 version if that is published and one of `engines` supports it here."""
    able = set(GRAPH_ENGINES["int8"]) & set(engines or installed_engines()) & set(installed_engines())
    known = {model.name for model in published() if model.int8 and able}
    found = []
    for model in models:
        is_open = model.precision == "auto" and model.device in ("auto", "cpu")
        found += [model, replace(model, precision="int8")] if is_open and model.name in known else [model]
    return found


def _engines_of(model: ModelOptions, wanted: Sequence[str]) -> list[str]:
    name = model.name or ""
    known = installed_engines()
    if model.precision == "int8":
        known = [engine for engine in GRAPH_ENGINES["int8"] if engine in known]
        wanted = [engine for engine in wanted if engine in known] or wanted
    elif is_graph(name):
        known = [engine for engine in GRAPH_ENGINES[load_graph(name).precision] if engine in known]
    elif model.device not in ("auto", "cpu"):
        known = ["torch"]
    engines = list(wanted) or known
    if not engines:
        raise UsageError(f"{name}: no engine for it is installed: pip install 'vdeblur[openvino]'")
    return engines


def _write_clip(size: tuple[int, int], folder: Path) -> str:
    path = str(folder / f"{size[0]}x{size[1]}.mkv")
    frames = moving_frames(size, CLIP_FRAMES)
    clip = _MemorySource(frames, StreamInfo(*size, YUV420, Color(), frames[0].time_base, frames=len(frames)))
    with open_sink(path, clip, SinkOptions(codec=_codec_for(size))) as sink:
        for frame in frames:
            sink.write(frame)
    return path


def _codec_for(size: tuple[int, int]) -> str:
    """H.264, or for odd sizes, which it does not have in 4:2:0, the usual codec that does."""
    return "libvpx-vp9" if (size[0] | size[1]) & 1 else "libx264"


def _measure(model: ModelOptions, path: str, seconds: float) -> Speed:
    restorer = load_restorer(model)
    with open_source(path) as source:
        frames = list(source)
    alone = _seconds_alone(restorer, frames, seconds / 3)
    count = min(max(int(seconds / 3 / alone), FEWEST_FRAMES), CLIP_FRAMES)
    end_times: list[float] = []
    job = Job(
        path,
        path + ".out.mkv",
        model,
        scene_cuts=False,
        source=SourceOptions(end_seconds=count / RATE),
        sink=SinkOptions(codec=_codec_for(frames[0].size), overwrite=True),
    )
    with measured() as stages:
        restore_whole(job, lambda info, frame: end_times.append(time.perf_counter()))
        ms = {name: 1000 * value / count for name, value in stages.items()}
    width, height = frames[0].size
    return Speed(
        size=f"{width}x{height}",
        model=restorer.name,
        engine=model.engine,
        device=restorer.device,
        precision=restorer.precision,
        fps=(len(end_times) - 1) / (end_times[-1] - end_times[0]),
        model_fps=1 / alone,
        ms=ms,
    )


def _seconds_alone(restorer: Restorer, frames: list[Frame], seconds: float) -> float:
    """Median seconds per frame of the restorer by itself."""
    state: State = None
    times: list[float] = []
    for number, window in enumerate(windows(frames, restorer.past, restorer.future)):
        started = time.perf_counter()
        _, state = restorer.restore(window, state)
        if number >= WARM_UP_FRAMES:
            times.append(time.perf_counter() - started)
        if len(times) > 2 and sum(times) > seconds:
            break
    return statistics.median(times)


def to_text(speeds: Iterable[Speed]) -> str:
    """A table for people."""
    lines = [f"{'size':<11}{'model':<12}{'engine':<10}{'precision':<11}{'fps':>6}{'alone':>8}   ms per frame"]
    for speed in speeds:
        parts = ", ".join(f"{name} {value:.1f}" for name, value in speed.ms.items() if value >= 0.05)
        which = f"{speed.size:<11}{speed.model:<12}{speed.engine:<10}{speed.precision:<11}"
        lines.append(f"{which}{speed.fps:>6.1f}{speed.model_fps:>8.1f}   {parts}")
    return "\n".join(lines)
