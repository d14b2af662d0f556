"""Source and Sink: what a stream comes from and goes to; `media` has them for files, `live` for cameras."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Protocol

from .frames import Frame, StreamInfo


class Source(Protocol):
    """Gives every frame of a stream once, in presentation order, with strictly rising pts.

    Iterate it once, from one thread. Leaving its `with` block closes it.
    """

    @property
    def info(self) -> StreamInfo:
        """What is known before the first frame."""
        ...

    @property
    def concealed(self) -> int:
        """Frames so far that were damaged or lost, and stand as the last good one or as the decoder mended them."""
        ...

    @property
    def damaged(self) -> bool:
        """The input is not whole: frames were concealed or are missing, or it ends before it says that it does."""
        ...

    @property
    def warnings(self) -> list[str]:
        """What a user should know, one line each; complete when the stream has ended."""
        ...

    def __iter__(self) -> Iterator[Frame]: ...

    def close(self) -> None:
        """Let go of the input. May be called twice."""
        ...

    def __enter__(self) -> Source: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


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
