"""`open_sink`: the sink for a path."""

from __future__ import annotations

import os
import sys
from typing import BinaryIO

from ..frames import StreamInfo
from ..protocols import Sink, Source
from .image_sink import ImageSink
from .options import SinkOptions
from .paths import is_image_output
from .video_sink import VideoSink

DEFAULTS = SinkOptions()


def open_sink(
    path: str | os.PathLike[str],
    source: Source,
    options: SinkOptions = DEFAULTS,
    info: StreamInfo | None = None,
    stdout: BinaryIO | None = None,
) -> Sink:
    """Open `path` for the frames of `source`: a media file, `-` (standard output), or a folder of images.

    Everything that can be refused is refused here, before a frame is decoded: OutputError for an output that exists
    already or cannot be written, UsageError for an invalid codec, format or setting. `info` describes the
    frames where they are no longer those of `source.info` (side by side, for one). `stdout` stands in for the standard
    output, which a check may not write to.
    """
    path = os.fspath(path)
    info = info or source.info
    if path == "-":
        return VideoSink(stdout or sys.stdout.buffer, "standard output", source, options, info)
    if is_image_output(path, source.info.codec.endswith("images")):
        return ImageSink(path, source, options, info)
    return VideoSink(path, path, source, options, info)
