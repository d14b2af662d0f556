"""ImageSink: writes an image sequence, one file per frame."""

from __future__ import annotations

from pathlib import Path

from ..errors import OutputError, UsageError, reason_of
from ..frames import Frame, StreamInfo
from ..protocols import Committing, Source
from .image_codec import encode_image, with_tags_of
from .image_files import NUMBER
from .image_source import ImageSource
from .options import SinkOptions
from .partial import Partial
from .paths import IMAGE_SUFFIXES
from .planes import Decoded


class ImageSink(Committing):
    """Writes each frame as an image, under the name of its input image, or numbered if it comes from a video."""

    def __init__(self, path: str, source: Source, options: SinkOptions, info: StreamInfo) -> None:
        """Make a temporary folder next to the target. Raises UsageError and OutputError."""
        given = [k for k in ("codec", "crf", "preset", "pix_fmt", "container") if getattr(options, k) is not None]
        if given or options.encoder_options:
            wrong = (given or ["encoder_options"])[0]
            raise UsageError(f"{path}: images have no {wrong.replace('_', ' ')}", settings=(wrong,))
        self.name = path
        self.warnings: list[str] = []
        self._originals: dict[str, Path] = {}
        inputs: tuple[str, ...] = ()
        if isinstance(source, ImageSource):
            self._originals = {file.name: file for file in source.files}
            inputs = (str(source.files[0].parent),)
        suffix = Path(path).suffix.lower()
        single = suffix in IMAGE_SUFFIXES and "%" not in path
        if single and (info.frames or 0) != 1:
            raise UsageError(
                f"{path}: a single image, the input has more; name a folder, or a pattern such as %06d.png"
            )
        folder = str(Path(path).parent) if suffix in IMAGE_SUFFIXES else path
        self._pattern = Path(path).name if suffix in IMAGE_SUFFIXES else None
        if self._pattern and not single and not NUMBER.search(self._pattern):
            raise UsageError(f"{path}: invalid pattern; write the number as %06d")
        self._renames = single
        if single:
            inputs = tuple(str(file) for file in self._originals.values())
            self._partial = Partial(path, options.overwrite, inputs, within=options.partial_folder)
        else:
            self._partial = Partial(folder, options.overwrite, inputs, folder=True, within=options.partial_folder)
        others = getattr(source, "others", ())
        if others:
            self.warnings.append(f"{path}: images cannot hold sound or subtitles: {len(others)} streams dropped")
        self._count = 0
        self._open = True

    def write(self, frame: Frame) -> None:
        """Write one image."""
        self._count += 1
        original = frame.origin.name if isinstance(frame.origin, Decoded) else None
        if self._pattern and not self._renames:
            name = NUMBER.sub(lambda number: number[0] % self._count, self._pattern, count=1)
        elif self._pattern:
            name = self._pattern
        else:
            name = original or f"{self._count:06d}.png"
        target = self._partial.path if self._renames else self._partial.path / name
        data = encode_image(frame, Path(name).suffix.lower())
        if original in self._originals:
            try:
                data = with_tags_of(self._originals[original], data, Path(name).suffix.lower())
            except OSError as error:  # gone since it was decoded
                self.warnings.append(f"{self.name}: {name} is written without its tags: {error.strerror}")
        try:
            target.write_bytes(data)
        except OSError as error:
            raise OutputError(f"{self.name}: {name} cannot be written: {reason_of(error)}") from error

    def close(self) -> None:
        """Move the images into place."""
        if self._open:
            self._open = False
            self._partial.commit()

    def abort(self) -> None:
        """Remove the temporary folder."""
        if self._open:
            self._open = False
            self._partial.discard()

    def remove_partial(self) -> None:
        """Remove the temporary folder; an image still to be written into it fails, or goes when `abort` follows."""
        if self._open:
            self._partial.discard()
