"""Where frames go: a media file, a pipe, or a folder of images. `open_sink` finds the right one."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path
from types import TracebackType
from typing import Protocol

from ..errors import OutputError, UsageError, reason_of
from ..files import flush
from ..frames import Frame, StreamInfo
from .containers import FORMATS
from .encoders import SinkOptions
from .sources import IMAGE_SUFFIXES, Source, is_image_input

__all__ = ["Partial", "Sink", "SinkOptions", "default_output", "open_sink", "output_of"]


_DEFAULTS = SinkOptions()


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


def open_sink(path: str, source: Source, options: SinkOptions = _DEFAULTS, info: StreamInfo | None = None) -> Sink:
    """Open `path` for what `source` gives: a media file, `-` (standard output), or a folder of images.

    Everything that can be refused is refused here, before a frame is decoded: OutputError for an output that exists
    already or cannot be written, UsageError for a codec, format or setting that cannot be. `info` describes the
    frames where they are no longer those of `source.info` (side by side, for one).
    """
    info = info or source.info
    if path == "-":
        from .video_sink import VideoSink

        return VideoSink(sys.stdout.buffer, "standard output", source, options, info)
    if is_image_output(path, source.info.codec.endswith("images")):
        from .images import ImageSink

        return ImageSink(path, source, options, info)
    from .video_sink import VideoSink

    return VideoSink(path, path, source, options, info)


def is_image_output(path: str, of_images: bool) -> bool:
    """Whether `path` names images: a folder, an image file, a pattern of them; of images also a name without suffix."""
    suffix = Path(path).suffix.lower()
    folder = path.endswith(("/", os.sep)) or os.path.isdir(path) or (of_images and not suffix)
    return folder or suffix in IMAGE_SUFFIXES


def default_output(path: str) -> str:
    """Where `vdeblur INPUT` writes: input.mp4 -> input.deblur.mp4, frames/ -> frames.deblur/, - -> -.

    The container stays where it keeps times and tags when written, else it becomes Matroska, which holds anything.
    """
    if path == "-":
        return "-"
    given = Path(path)
    if (
        ("%" in given.name or "*" in given.name) and is_image_input(path) and not given.is_file()
    ):  # a pattern stands for its folder
        given = given.parent
        return str(given.parent / f"{given.resolve().name}.deblur") + os.sep
    if given.is_dir():
        return str(given.parent / f"{given.resolve().name}.deblur") + os.sep
    suffix = given.suffix if is_image_input(path) or given.suffix.lower() in FORMATS else ".mkv"
    return str(given.with_name(f"{given.stem}.deblur{suffix}"))


def output_of(path: str, output: str | None) -> str:
    """Where the output of the input `path` goes, when `output` is what was asked for.

    None is `default_output`; a folder for a media file takes a file of that name.
    """
    if output is None:
        return default_output(path)
    names_folder = output.endswith(("/", os.sep)) or os.path.isdir(output)
    if names_folder and path != "-" and not is_image_input(path):
        return os.path.join(output, os.path.basename(default_output(path)))
    return output


class Partial:
    """A file (or folder) that is written beside its target and takes its name when it is whole."""

    def __init__(
        self,
        target: str,
        overwrite: bool,
        inputs: tuple[str, ...] = (),
        folder: bool = False,
        within: str | None = None,
    ) -> None:
        """Make the temporary, in the folder `within` if one is given (see `SinkOptions.partial_folder`).

        Raises OutputError where the target exists already or its folder cannot be written.
        """
        self.target = Path(target)
        if any(given and os.path.exists(given) and _same(given, target) for given in inputs):
            raise UsageError(f"{target}: is the input itself; name another output", settings=("output",))
        taken = any(self.target.iterdir()) if folder and self.target.is_dir() else self.target.exists()
        if taken and not overwrite:
            message = f"{target}: exists already; have it replaced, or name another output"
            raise OutputError(message, settings=("overwrite", "output"))
        if not folder and self.target.is_dir():
            raise OutputError(f"{target}: is a folder; name a file in it")
        parent = self.target.parent
        self.path = (Path(within) if within else parent) / f".vdeblur-{secrets.token_hex(6)}.part"
        try:
            if within:
                self.path.parent.mkdir(exist_ok=True)
            if folder:
                self.path.mkdir()
            else:
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        except OSError as error:
            reason = f"there is no folder {parent}" if not parent.is_dir() else reason_of(error)
            raise OutputError(f"{target}: cannot be written: {reason}") from error

    def commit(self) -> None:
        """Flush to disk and rename into place."""
        try:
            if self.path.is_dir():
                self._commit_folder()
            else:
                flush(self.path)
                os.replace(self.path, self.target)
            flush(self.target.parent)
        except OSError as error:
            raise OutputError(f"{self.target}: cannot be finished: {reason_of(error)}") from error

    def _commit_folder(self) -> None:
        written = sorted(self.path.iterdir())
        for file in written:
            flush(file)
        if self.target.exists() and not any(self.target.iterdir()):
            self.target.rmdir()
        if not self.target.exists():
            os.replace(self.path, self.target)
            return
        for file in written:  # into a folder that stands already: its other files stay
            os.replace(file, self.target / file.name)
        self.path.rmdir()

    def discard(self) -> None:
        """Remove the temporary, whatever is in it."""
        try:
            if self.path.is_dir():
                for file in self.path.iterdir():
                    file.unlink()
                self.path.rmdir()
            else:
                self.path.unlink(missing_ok=True)
        except OSError:  # removed by someone else, or the disk is gone: nothing of ours is left to do
            pass


def _same(a: str, b: str) -> bool:
    return os.path.exists(b) and os.path.samefile(a, b)
