"""Decode ahead and encode behind: a source and a sink that work in threads of their own.

Both are wrappers that leave the straight line as it is. Between two threads lies a queue that is bounded by bytes, so
that a few 4K frames and many small ones cost the same. What one side raises comes out on the other, traceback
included, and leaving the `with` block joins the thread whatever has happened.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from threading import Condition, Thread
from types import TracebackType
from typing import TYPE_CHECKING

from .frames import Frame, StreamInfo
from .stages import stage

if TYPE_CHECKING:
    from .protocols import Sink, Source

log = logging.getLogger(__name__)

QUEUE_BYTES = 64 << 20
"""Planes that may wait on either side: 48 frames of 1280x720 4:2:0, or two of 4K 4:4:4 in 10 bit."""

READER_GRACE_SECONDS = 0.5
WRITER_GRACE_SECONDS = 1.2
"""How long a cancelled thread is waited for. One that hangs in a read or a write that never ends (a silent pipe) is
left to the end of the process, and so is what it uses. Together they stay below the two seconds Ctrl-C may take."""


def prefetch(source: Source, limit_bytes: int = QUEUE_BYTES) -> Prefetched:
    """Decode `source` ahead in a thread. The result takes over the source and closes it."""
    return Prefetched(source, limit_bytes)


def write_behind(sink: Sink, limit_bytes: int = QUEUE_BYTES) -> WriteBehind:
    """Encode into `sink` behind in a thread. The result takes over the sink: close() commits, abort() discards."""
    return WriteBehind(sink, limit_bytes)


class FrameQueue:
    """First in, first out, between one producer and one consumer; holds at most `limit_bytes`, or a single frame."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._frames: deque[Frame] = deque()
        self._bytes = 0
        self._ended = False
        self._cancelled = False
        self._error: BaseException | None = None
        self._changed = Condition()

    def put(self, frame: Frame) -> bool:
        """Wait for room and add a frame; False when the consumer has gone, and its exception if it failed."""
        size = _bytes(frame)
        with self._changed:
            self._wait(lambda: self._cancelled or not self._frames or self._bytes + size <= self._limit)
            if self._cancelled:
                if self._error is not None:
                    raise self._error
                return False
            self._frames.append(frame)
            self._bytes += size
            self._changed.notify_all()
            return True

    def get(self) -> Frame | None:
        """Wait for a frame; None after the last, or the exception that ended the producer."""
        with self._changed:
            self._wait(lambda: bool(self._frames) or self._ended or self._cancelled)
            if not self._frames:
                if self._error is not None:
                    raise self._error
                return None
            frame = self._frames.popleft()
            self._bytes -= _bytes(frame)
            self._changed.notify_all()
            return frame

    def end(self, error: BaseException | None = None) -> None:
        """Say, as the producer, that nothing follows; what waits is still handed out, then `error` is raised."""
        with self._changed:
            self._ended = True
            self._error = self._error or error
            self._changed.notify_all()

    def cancel(self, error: BaseException | None = None) -> None:
        """Drop what waits and turn further frames away, with `error` where the consumer has failed."""
        with self._changed:
            self._cancelled = True
            self._error = self._error or error
            self._frames.clear()
            self._bytes = 0
            self._changed.notify_all()

    def _wait(self, ready: Callable[[], bool]) -> None:
        # In slices, since Windows cannot interrupt an endless wait with Ctrl-C.
        while not ready():
            self._changed.wait(timeout=0.5)


class Prefetched:
    """A source whose frames are decoded ahead by a thread; see `prefetch`."""

    def __init__(self, source: Source, limit_bytes: int) -> None:
        self._source = source
        self._queue = FrameQueue(limit_bytes)
        self._thread = Thread(target=self._decode, name="vdeblur-decode", daemon=True)

    @property
    def info(self) -> StreamInfo:
        """The source's."""
        return self._source.info

    @property
    def concealed(self) -> int:
        """The source's; final once the last frame has come out."""
        return self._source.concealed

    @property
    def damaged(self) -> bool:
        """The source's; final once the last frame has come out."""
        return self._source.damaged

    @property
    def warnings(self) -> list[str]:
        """The source's."""
        return self._source.warnings

    def __iter__(self) -> Iterator[Frame]:
        self._thread.start()
        while (frame := self._queue.get()) is not None:
            yield frame

    def close(self) -> None:
        """Stop decoding, join the thread and close the source."""
        self._queue.cancel()
        if _joined(self._thread, READER_GRACE_SECONDS):
            self._source.close()

    def __enter__(self) -> Prefetched:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _decode(self) -> None:
        try:
            frames = iter(self._source)
            while True:
                with stage("decode"):
                    frame = next(frames, None)
                if frame is None:
                    break
                if not self._queue.put(frame):
                    return
        except BaseException as error:  # of whatever kind: it is raised again where the frames are awaited
            self._queue.end(error)
        else:
            self._queue.end()


class WriteBehind:
    """A sink whose frames are encoded behind by a thread; see `write_behind`."""

    def __init__(self, sink: Sink, limit_bytes: int) -> None:
        self._sink = sink
        self.warnings = sink.warnings
        self._queue = FrameQueue(limit_bytes)
        self._closed = False
        self._thread = Thread(target=self._encode, name="vdeblur-encode", daemon=True)
        self._thread.start()

    def write(self, frame: Frame) -> None:
        """Hand a frame to the thread; raises what an earlier write raised there."""
        self._queue.put(frame)

    def close(self) -> None:
        """Encode what waits, join the thread and commit; raises what a write raised, after discarding the output."""
        if self._closed:
            return
        try:
            self._queue.end()
            while self._thread.is_alive():
                self._thread.join(timeout=0.5)
            self._queue.get()  # None, or the exception that ended the thread
        except BaseException:
            self.abort()
            raise
        self._closed = True
        self._sink.close()

    def abort(self) -> None:
        """Drop what waits, join the thread and discard the output."""
        if self._closed:
            return
        self._closed = True
        self._queue.cancel()
        if _joined(self._thread, WRITER_GRACE_SECONDS):
            self._sink.abort()

    def __enter__(self) -> WriteBehind:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def _encode(self) -> None:
        try:
            while (frame := self._queue.get()) is not None:
                with stage("encode"):
                    self._sink.write(frame)
        except BaseException as error:  # of whatever kind: it is raised again by the next write() or close()
            self._queue.cancel(error)


def _bytes(frame: Frame) -> int:
    return sum(plane.nbytes for plane in frame.planes)


def _joined(thread: Thread, seconds: float) -> bool:
    if thread.ident is not None:
        thread.join(seconds)
    if thread.is_alive():
        log.info("%s hangs in a read or write and is left behind", thread.name)
    return not thread.is_alive()
