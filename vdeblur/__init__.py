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
    "Frame": "frames",
    "Job": "jobs.job",
    "Layout": "frames",
    "ModelOptions": "loading",
    "Restorer": "restorer",
    "SceneCuts": "scenes",
    "Sink": "media.sink",
    "SinkOptions": "media.sink",
    "Source": "media.source",
    "SourceOptions": "media.source",
    "Stream": "pipeline",
    "StreamInfo": "frames",
    "Summary": "jobs.job",
    "VdeblurError": "errors",
    "Window": "windows",
    "load_restorer": "loading",
    "open_sink": "media.sinks",
    "open_source": "media.sources",
    "prefetch": "threads",
    "restore": "jobs.restore",
    "restore_stream": "pipeline",
    "restored": "pipeline",
    "write_behind": "threads",
}
"""The module that holds each public name."""

__all__ = [
    "Color",
    "Frame",
    "Job",
    "Layout",
    "ModelOptions",
    "Restorer",
    "SceneCuts",
    "Sink",
    "SinkOptions",
    "Source",
    "SourceOptions",
    "Stream",
    "StreamInfo",
    "Summary",
    "VdeblurError",
    "Window",
    "load_restorer",
    "open_sink",
    "open_source",
    "prefetch",
    "restore",
    "restore_stream",
    "restored",
    "write_behind",
]

if TYPE_CHECKING:
    from .errors import VdeblurError
    from .frames import Color, Frame, Layout, StreamInfo
    from .jobs.job import Job, Summary
    from .jobs.restore import restore
    from .loading import ModelOptions, load_restorer
    from .media.sink import Sink, SinkOptions
    from .media.sinks import open_sink
    from .media.source import Source, SourceOptions
    from .media.sources import open_source
    from .pipeline import Stream, restore_stream, restored
    from .restorer import Restorer
    from .scenes import SceneCuts
    from .threads import prefetch, write_behind
    from .windows import Window


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return [*globals(), *_HOME]
