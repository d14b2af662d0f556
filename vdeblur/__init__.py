"""vdeblur: motion deblurring of video as a stream.

The public names are loaded when first used, so that `import vdeblur` costs nothing: no torch, OpenCV or PyAV.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import cores as _cores  # noqa: F401 - sets how threads wait, which torch reads when it is loaded
from .version import __version__ as __version__

_HOME = {
    "Color": "frames",
    "DeviceError": "errors",
    "ExplainOptions": "quality.explain",
    "Frame": "frames",
    "InputError": "errors",
    "Job": "jobs.job",
    "Layout": "frames",
    "ModelError": "errors",
    "ModelOptions": "loading",
    "OutputError": "errors",
    "RandomAccess": "random_access",
    "Restorer": "restorer",
    "SceneCuts": "scenes",
    "Sink": "protocols",
    "SinkOptions": "media.options",
    "Source": "protocols",
    "SourceOptions": "media.options",
    "Stream": "pipeline",
    "StreamInfo": "frames",
    "Summary": "jobs.job",
    "SynthConfig": "training.synth",
    "UsageError": "errors",
    "VdeblurError": "errors",
    "Window": "windows",
    "evaluate": "quality.evaluate",
    "explain": "quality.explain",
    "load_restorer": "loading",
    "open_camera": "live.cameras",
    "open_sink": "media.sinks",
    "open_source": "media.sources",
    "prefetch": "threads",
    "register": "restorers.made",
    "restore": "jobs.restore",
    "restore_stream": "pipeline",
    "restored": "pipeline",
    "synthesise": "training.synth",
    "write_behind": "threads",
}
"""The module that holds each public name."""

__all__ = [
    "Color",
    "DeviceError",
    "ExplainOptions",
    "Frame",
    "InputError",
    "Job",
    "Layout",
    "ModelError",
    "ModelOptions",
    "OutputError",
    "RandomAccess",
    "Restorer",
    "SceneCuts",
    "Sink",
    "SinkOptions",
    "Source",
    "SourceOptions",
    "Stream",
    "StreamInfo",
    "Summary",
    "SynthConfig",
    "UsageError",
    "VdeblurError",
    "Window",
    "evaluate",
    "explain",
    "load_restorer",
    "open_camera",
    "open_sink",
    "open_source",
    "prefetch",
    "register",
    "restore",
    "restore_stream",
    "restored",
    "synthesise",
    "write_behind",
]

if TYPE_CHECKING:
    from .errors import DeviceError, InputError, ModelError, OutputError, UsageError, VdeblurError
    from .frames import Color, Frame, Layout, StreamInfo
    from .jobs.job import Job, Summary
    from .jobs.restore import restore
    from .live.cameras import open_camera
    from .loading import ModelOptions, load_restorer
    from .media.options import SinkOptions, SourceOptions
    from .media.sinks import open_sink
    from .media.sources import open_source
    from .pipeline import Stream, restore_stream, restored
    from .protocols import Sink, Source
    from .quality.evaluate import evaluate
    from .quality.explain import ExplainOptions, explain
    from .random_access import RandomAccess
    from .restorer import Restorer
    from .restorers.made import register
    from .scenes import SceneCuts
    from .threads import prefetch, write_behind
    from .training.synth import SynthConfig, synthesise
    from .windows import Window


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return [*globals(), *_HOME]
