"""Source and Sink: the input and output of a stream. `media` implements them for files, `live` for cameras.

`Closing` and `Committing` are bases that make them context managers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from types import TracebackType
from typing import Protocol, Self

from .frames import Frame, StreamInfo


class Source(Protocol):
    """Yields every frame of a stream once, in presentation order, with strictly rising pts.

    Iterate it once, from one thread. Leaving its `with` block closes it.
    """

    @property
    def info(self) -> StreamInfo:
        """Properties known before the first frame."""
        ...

    @property
    def concealed(self) -> int:
        """Number of damaged or lost frames so far, replaced by the last good one or concealed by the decoder."""
        ...

    @property
    def damaged(self) -> bool:
        """Whether the input is damaged: frames were concealed or are missing, or it is truncated."""
        ...

    @property
    def warnings(self) -> list[str]:
        """Warnings for the user, one line each; complete when the stream has ended."""
        ...

    def __iter__(self) -> Iterator[Frame]: ...

    def close(self) -> None:
        """Close the input. May be called twice."""
        ...

    def __enter__(self) -> Source: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Sink(Protocol):
    """Writes frames in order to an output that appears under its name only when it is complete.

    Leaving its `with` block closes it; leaving it through an exception aborts.
    """

    @property
    def warnings(self) -> list[str]:
        """What the output cannot hold, one line each; later frames may add to it."""
        ...

    def write(self, frame: Frame) -> None:
        """Write one frame. Raises OutputError if the disk is full or the encoder fails."""
        ...

    def close(self) -> None:
        """Finish, flush to disk and move into place."""
        ...

    def abort(self) -> None:
        """Discard the output and temporary files. Does nothing after `close`."""
        ...

    def __enter__(self) -> Sink: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Closing(ABC):
    """Base of sources: leaving the `with` block closes them."""

    @abstractmethod
    def close(self) -> None:
        """Close the input."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Committing(ABC):
    """Base of sinks: leaving the `with` block closes them, leaving it through an exception aborts."""

    @abstractmethod
    def close(self) -> None:
        """Finish the output."""

    @abstractmethod
    def abort(self) -> None:
        """Discard the output."""

    def remove_partial(self) -> None:  # noqa: B027 - most have none
        """Remove temporary files at once, though a write in another thread may go on; `abort` follows after it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()
