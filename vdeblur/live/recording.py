"""Recordings of a live stream: files, standard output, a virtual camera."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from ..errors import UsageError
from ..frames import Frame, StreamInfo
from ..media.containers import format_of
from ..media.encoders import choose_encoder
from ..media.options import SinkOptions
from ..media.paths import is_image_output
from ..media.sinks import open_sink
from ..protocols import Sink
from ..restorers.blend import side_by_side_info, side_by_side_planes
from ..threads import write_behind
from .camera import Camera

RecordedView = Literal["restored", "side"]
"""What a recording shows."""


@dataclass(eq=False, slots=True)
class Recording:
    """A sink for the restored frames, or for input and result side by side."""

    name: str
    sink: Sink
    view: RecordedView = "restored"
    is_empty: bool = field(default=True, init=False)
    """Whether it has received no frame yet."""

    def write(self, before: Frame, restored: Frame) -> None:
        """Queue a frame for encoding; waits only if the encoder is tens of frames behind."""
        planes = side_by_side_planes(before, restored) if self.view == "side" else restored.planes
        # Without the decoder's frame: several recordings, each with its own thread, would write into its buffer.
        self.sink.write(replace(restored, planes=planes, origin=None))
        self.is_empty = False

    def finish(self) -> None:
        """Complete the output, or discard it if it is empty: it would replace an earlier recording by nothing."""
        if self.is_empty:
            self.sink.abort()
        else:
            self.sink.close()


def open_recording(path: str, camera: Camera, view: RecordedView = "restored", *, overwrite: bool = False) -> Recording:
    """Record to a file, or to standard output for `-`, with the time stamps of the camera.

    The encoder is set for speed rather than size, since the model needs the time. Raises what `open_sink` raises.
    """
    if path != "-" and Path(path).exists() and Path(camera.name).exists() and Path(path).samefile(camera.name):
        raise UsageError(f"{path}: is the file being played; record to another file")
    info = recorded_info(camera.info, view)
    # A transport stream carries each frame at once, where Matroska would collect clusters of a second.
    options = SinkOptions(overwrite=overwrite, container="mpegts" if path == "-" else None)
    if path == "-" or not is_image_output(path, of_images=False):
        encoder = choose_encoder("mpegts" if path == "-" else format_of(path), info, options, path)
        if encoder in ("libx264", "libx265"):
            tune = {"tune": "zerolatency"} if path == "-" else {}
            options = replace(options, preset="veryfast", encoder_options=tune)
    return Recording(path, write_behind(open_sink(path, camera, options, info)), view)


def recorded_info(info: StreamInfo, view: RecordedView) -> StreamInfo:
    """The recorded stream: in H.264, whatever the codec of the camera."""
    info = replace(info, codec="h264", bit_rate=None, frames=None, duration_seconds=None)
    return side_by_side_info(info) if view == "side" else info
