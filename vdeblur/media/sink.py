"""Sink: the protocol of whatever frames go to, and what may be said about writing it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol

from ..frames import Frame
from .quality import Quality


@dataclass(frozen=True, slots=True)
class SinkOptions:
    """How to write an output. What is None follows the source."""

    codec: str | None = None
    """An encoder ("libx265") or a codec ("hevc")."""
    crf: float | None = None
    """Constant quality in the encoder's own scale, smaller is better."""
    preset: str | None = None
    """The encoder's name or number for a trade of time against size."""
    pix_fmt: str | None = None
    encoder_options: Mapping[str, str] = field(default_factory=dict)
    """Passed on to the encoder as they are (`-e key=value`)."""
    overwrite: bool = False
    container: str | None = None
    """FFmpeg's name of the format, where the file name does not say it (`-`)."""
    picture_only: bool = False
    """Leave out all other streams, chapters and tags of the file: for a segment, which is joined with them later."""
    partial_folder: str | None = None
    """Where the output lies until it is whole, on its file system; made if need be. None: beside the output."""
    quality: Quality = "good"
    """What the encoder starts from (see `media.quality`); the settings above win."""
    hwaccel: str = "none"
    """"none", "auto" or an FFmpeg device type: its encoder of h264, hevc and av1 where that works, else software."""


class Sink(Protocol):
    """Takes frames in order and makes an output of them that appears under its name only when it is whole.

    Leaving its `with` block commits; leaving it through an exception aborts.
    """

    @property
    def warnings(self) -> list[str]:
        """What the output cannot hold, one line each; complete from the start but for what frames bring later."""
        ...

    def write(self, frame: Frame) -> None:
        """Add one frame. Raises OutputError when the disk is full or the encoder fails."""
        ...

    def close(self) -> None:
        """Finish, flush to disk and move into place."""
        ...

    def abort(self) -> None:
        """Leave neither an output nor a temporary file. Does nothing after `close`."""
        ...

    def __enter__(self) -> Sink: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
