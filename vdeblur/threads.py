"""Decodes ahead and encodes behind: wrappers that run a source or a sink in a thread.

The queue between two threads is bounded in bytes, so that a few 4K frames and many small ones take the same memory.
Exceptions of one side are raised on the other with their traceback, and leaving the `with` block joins the thread.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from threading import Condition, Lock, Thread
from typing import TYPE_CHECKING

from .frames import Frame, StreamInfo
from .protocols import Closing, Committing
from .stages import stage

if TYPE_CHECKING:
    from .protocols import Sink, Source

log = logging.getLogger(__name__)

QUEUE_BYTES = 64 << 20
"""Limit of a queue: 48 frames of 1280x720 4:2:0, or two frames of 4K 4:4:4 in 10 bit."""

READER_GRACE_SECONDS = 0.5
WRITER_GRACE_SECONDS = 1.2
"""How long to wait for a cancelled thread. One that blocks in a read or write (of a silent pipe) is abandoned with its
resources until the process ends; a slow write discards the output when it returns. Together they stay below the two
seconds that Ctrl-C may take."""


def prefetch(source: Source, limit_bytes: int = QUEUE_BYTES) -> Prefetched:
    """Decode `source` ahead in a thread. The result owns the source and closes it."""
    return Prefetched(source, limit_bytes)


def write_behind(sink: Sink, limit_bytes: int = QUEUE_BYTES) -> WriteBehind:
    """Encode into `sink` in a thread. The result owns the sink: close() commits, abort() discards."""
    return WriteBehind(sink, limit_bytes)


class FrameQueue:
    """A FIFO between one producer and one consumer, limited to `limit_bytes` or a single frame."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._frames: deque[Frame] = deque()
        self._bytes = 0
        self._ended = False
        self._cancelled = False
        self._error: BaseException | None = None
        self._changed = Condition()

    def put(self, frame: Frame) -> bool:
        """Wait for room and add a frame; False if the consumer has stopped. Raises the consumer's exception."""
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
        """Wait for a frame; None after the last. Raises the producer's exception."""
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
        """End, as the producer; waiting frames are still delivered, then `error` is raised."""
        with self._changed:
            self._ended = True
            self._error = self._error or error
            self._changed.notify_all()

    def cancel(self, error: BaseException | None = None) -> None:
        """Drop waiting frames and refuse further ones, with `error` if the consumer has failed."""
        with self._changed:
            self._cancelled = True
            self._error = self._error or error
            self._frames.clear()
            self._bytes = 0
            self._changed.notify_all()

    def _wait(self, ready: Callable[[], bool]) -> None:
        # With a timeout, since Windows cannot interrupt an unlimited wait with Ctrl-C.
        while not ready():
            self._changed.wait(timeout=0.5)


class Prefetched(Closing):
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
        except BaseException as error:  # of any kind: it is raised again in the consumer
            self._queue.end(error)
        else:
            self._queue.end()


class WriteBehind(Committing):
    """A sink whose frames are encoded by a thread; see `write_behind`."""

    def __init__(self, sink: Sink, limit_bytes: int) -> None:
        self._sink = sink
        self.warnings = sink.warnings
        self._queue = FrameQueue(limit_bytes)
        self._closed = False
        self._ending = Lock()
        self._has_ended = self._is_abandoned = False
        self._thread = Thread(target=self._encode, name="vdeblur-encode", daemon=True)
        self._thread.start()

    def write(self, frame: Frame) -> None:
        """Queue a frame; raises what an earlier write raised in the thread."""
        self._queue.put(frame)

    def close(self) -> None:
        """Encode waiting frames, join the thread and commit; discards the output and raises if a write failed."""
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
        """Drop waiting frames, join the thread and discard the output.

        If a write takes longer than the wait, temporary files are removed and the thread itself discards the rest.
        """
        if self._closed:
            return
        self._closed = True
        self._queue.cancel()
        _joined(self._thread, WRITER_GRACE_SECONDS)
        with self._ending:
            self._is_abandoned = not self._has_ended
            if self._is_abandoned and isinstance(self._sink, Committing):
                self._sink.remove_partial()
        if not self._is_abandoned:
            self._sink.abort()

    def _encode(self) -> None:
        try:
            while (frame := self._queue.get()) is not None:
                with stage("encode"):
                    self._sink.write(frame)
        except BaseException as error:  # of any kind: it is raised again by the next write() or close()
            self._queue.cancel(error)
        with self._ending:
            self._has_ended = True
            if self._is_abandoned:
                self._sink.abort()


def _bytes(frame: Frame) -> int:
    return sum(plane.nbytes for plane in frame.planes)


def _joined(thread: Thread, seconds: float) -> bool:
    if thread.ident is not None:
        thread.join(seconds)
    if thread.is_alive():
        log.info("%s blocks in a read or write and is abandoned", thread.name)
    return not thread.is_alive()
