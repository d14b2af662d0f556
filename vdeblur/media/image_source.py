"""Image sequences as a source: PNG and JPEG files, one frame each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from math import ceil

from ..errors import InputError
from ..frames import MATRIX_UNSPECIFIED, SRGB_TAGS, Frame, Plane, StreamInfo
from ..protocols import Closing
from .image_codec import decode_image, split_channels
from .image_files import image_files, missing_images
from .options import SourceOptions
from .planes import Decoded

DEFAULT_RATE = Fraction(25)


class ImageSource(Closing):
    """The images of a folder or pattern in natural order (2 before 10), with a duration of 1/rate s each."""

    def __init__(self, path: str, options: SourceOptions) -> None:
        """List the files and decode the first. Raises InputError."""
        self.name = path
        self.concealed = 0
        self.damaged = False
        self.warnings: list[str] = []
        files = image_files(path)
        if not files:
            raise InputError(f"{path}: no PNG or JPEG images")
        if missing := missing_images(files):
            self.warnings.append(f"{path}: {missing}; the others are joined")
        rate = options.frame_rate or DEFAULT_RATE
        first = ceil(Fraction(str(options.start_seconds or 0)) * rate)
        last = None if options.end_seconds is None else ceil(Fraction(str(options.end_seconds)) * rate)
        self.files = files[first:last]
        if not self.files:
            raise InputError(f"{path}: none of its {len(files)} images lies in the given range")
        self._base = first if options.keep_timestamps else 0
        self._time_base = 1 / rate
        frame = self._frame(0, decode_image(self.files[0]))
        width, height = frame.size
        self.info = StreamInfo(
            width=width,
            height=height,
            layout=frame.layout,
            color=frame.color,
            time_base=self._time_base,
            frame_rate=rate,
            frames=len(self.files),
            duration_seconds=float(len(self.files) / rate),
            codec="PNG images" if self.files[0].suffix.lower() == ".png" else "JPEG images",
        )

    def __iter__(self) -> Iterator[Frame]:
        """Yield one frame per file; a damaged file is replaced by the previous image."""
        good: Plane | None = None
        for index, file in enumerate(self.files):
            try:
                good = decode_image(file)
            except InputError as error:
                if good is None:
                    raise
                self.concealed += 1
                self.damaged = True
                self.warnings.append(f"{error}: replaced by the previous image")
            assert good is not None
            yield self._frame(index, good)

    def _frame(self, index: int, image: Plane) -> Frame:
        planes, layout = split_channels(image)
        color = replace(SRGB_TAGS, matrix=MATRIX_UNSPECIFIED) if layout.model == "gray" else SRGB_TAGS
        origin = Decoded(None, planes, self.files[index].name)
        return Frame(planes, layout, color, self._base + index, self._time_base, 1, origin)

    def close(self) -> None:
        """Nothing to close."""
