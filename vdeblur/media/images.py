"""Image sequences: PNG and JPEG files in, one picture out for each under the same name."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator, Sequence
from fractions import Fraction
from glob import escape, glob
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, OutputError, UsageError, reason_of
from ..frames import MATRIX_RGB, Color, Frame, Layout, Plane, StreamInfo
from ..protocols import Source
from .opening import check_size
from .options import SinkOptions, SourceOptions
from .partial import Partial
from .paths import IMAGE_SUFFIXES, is_image_input
from .planes import Decoded, convert, native_format, planes_of, video_frame

DEFAULT_RATE = Fraction(25)
JPEG_QUALITY = 97
"""With full chroma resolution: above 95 the error of a second encoding falls under the picture's own noise."""
MANY_IMAGES = 4
"""Fewer images than this make no sequence of which one could be missing."""
PNG_LEVEL = 3
"""Deflate effort: a third of the default's time for files a few per cent larger."""


_NUMBER = re.compile(r"%(?:0?\d)?d")


class ImageSource:
    """The pictures of a folder or pattern in natural order (2 before 10), one tick of 1/rate s each."""

    def __init__(self, path: str, options: SourceOptions) -> None:
        """List the files and decode the first. Raises InputError."""
        self.name = path
        self.concealed = 0
        self.damaged = False
        self.warnings: list[str] = []
        files = image_files(path)
        if not files:
            raise InputError(f"{path}: holds no PNG or JPEG images")
        if missing := missing_images(files):
            self.warnings.append(f"{path}: {missing}; those that are there follow each other")
        rate = options.frame_rate or DEFAULT_RATE
        first = ceil(Fraction(str(options.start_seconds or 0)) * rate)
        last = None if options.end_seconds is None else ceil(Fraction(str(options.end_seconds)) * rate)
        self.files = files[first:last]
        if not self.files:
            raise InputError(f"{path}: has {len(files)} images, none of them in the given range")
        self._base = first if options.keep_timestamps else 0
        self._time_base = 1 / rate
        frame = self._frame(0, read_image(self.files[0]))
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
        """One frame for each file; a damaged file stands as the picture before it."""
        good: NDArray[Any] | None = None
        for index, file in enumerate(self.files):
            try:
                good = read_image(file)
            except InputError as error:
                if good is None:
                    raise
                self.concealed += 1
                self.damaged = True
                self.warnings.append(f"{error}: shown as the picture before it")
            assert good is not None
            yield self._frame(index, good)

    def _frame(self, index: int, image: NDArray[Any]) -> Frame:
        planes, layout = split(image)
        matrix = 2 if layout.model == "gray" else MATRIX_RGB
        color = Color(1, 13, matrix, True)  # sRGB: BT.709 primaries, IEC 61966-2-1 transfer
        origin = Decoded(None, planes, self.files[index].name)
        return Frame(planes, layout, color, self._base + index, self._time_base, 1, origin)

    def close(self) -> None:
        """Nothing stays open between two pictures."""

    def __enter__(self) -> ImageSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class ImageSink:
    """Writes each frame as a picture of the name it came with, or numbered where it came from a video."""

    def __init__(self, path: str, source: Source, options: SinkOptions, info: StreamInfo) -> None:
        """Make a temporary folder beside the target. Raises UsageError and OutputError."""
        given = [k for k in ("codec", "crf", "preset", "pix_fmt", "container") if getattr(options, k) is not None]
        if given or options.encoder_options:
            raise UsageError(f"{path}: images take no --{(given or ['e'])[0].replace('_', '-')}")
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
            raise UsageError(f"{path}: is one image, the input has more; name a folder, or a pattern such as %06d.png")
        folder = str(Path(path).parent) if suffix in IMAGE_SUFFIXES else path
        self._pattern = Path(path).name if suffix in IMAGE_SUFFIXES else None
        if self._pattern and not single and not _NUMBER.search(self._pattern):
            raise UsageError(f"{path}: has a % that is no number; write it as %06d")
        self._renames = single
        if single:
            inputs = tuple(str(file) for file in self._originals.values())
            self._partial = Partial(path, options.overwrite, inputs, within=options.partial_folder)
        else:
            self._partial = Partial(folder, options.overwrite, inputs, folder=True, within=options.partial_folder)
        others = getattr(source, "others", ())
        if others:
            self.warnings.append(f"{path}: images hold no sound or subtitles: {len(others)} streams dropped")
        self._count = 0
        self._open = True

    def write(self, frame: Frame) -> None:
        """Write one picture."""
        self._count += 1
        original = frame.origin.name if isinstance(frame.origin, Decoded) else None
        if self._pattern and not self._renames:
            name = _NUMBER.sub(lambda number: number[0] % self._count, self._pattern, count=1)
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
                self.warnings.append(f"{self.name}: {name} goes without its tags: {error.strerror}")
        try:
            target.write_bytes(data)
        except OSError as error:
            raise OutputError(f"{self.name}: {name} cannot be written: {reason_of(error)}") from error

    def close(self) -> None:
        """Move the pictures into place."""
        if self._open:
            self._open = False
            self._partial.commit()

    def abort(self) -> None:
        """Remove the temporary folder."""
        if self._open:
            self._open = False
            self._partial.discard()

    def __enter__(self) -> ImageSink:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()


def images_of(path: str) -> list[Path] | None:
    """The images of a folder or pattern, in order; None for a file, or nothing at all."""
    return None if os.path.isfile(path) or not is_image_input(path) else image_files(path)


def bytes_of(path: str) -> int | None:
    """Size of a file, or of all images of a folder or pattern; None for a pipe, or where there is nothing."""
    images = images_of(path)
    try:
        return sum(os.path.getsize(image) for image in images) if images else os.path.getsize(path)
    except OSError:
        return None


def image_files(path: str) -> list[Path]:
    """The images that `path` (a folder, file, glob or printf pattern) names, in natural order of their names."""
    given = Path(path)
    if given.is_dir():
        found = [f for f in given.iterdir() if f.is_file() and not f.name.startswith(".")]
    elif given.is_file():
        found = [given]
    elif match := _NUMBER.search(given.name):
        head, tail = given.name[: match.start()], given.name[match.end() :]
        number = re.compile(re.escape(head) + r"\d+" + re.escape(tail))
        found = [f for f in given.parent.glob("*") if number.fullmatch(f.name)] if given.parent.is_dir() else []
    else:
        found = [Path(name) for name in glob(str(Path(escape(str(given.parent))) / given.name))]
    return sorted((f for f in found if f.suffix.lower() in IMAGE_SUFFIXES), key=_natural)


def missing_images(files: Sequence[Path]) -> str | None:
    """What an even numbering of the names leaves out, in words; None where nothing is missing, or nothing is even."""
    found = [re.findall(r"\d+", file.stem) for file in files]
    if len(files) < MANY_IMAGES or not all(found):
        return None
    numbers = [int(digits[-1]) for digits in found]
    steps = [b - a for a, b in pairwise(numbers)]
    usual = max(set(steps), key=steps.count)
    holes = [number for number, step in zip(numbers, steps, strict=False) if step > usual > 0 == step % usual]
    if not holes or steps.count(usual) + len(holes) < len(steps):
        return None
    count = (numbers[-1] - numbers[0]) // usual + 1 - len(numbers)
    return f"{count} of its numbers are missing, the first after {files[numbers.index(holes[0])].name}"


def _natural(file: Path) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d+)", file.name)
    return [(int(part), len(part), "") if part.isdigit() else (-1, 0, part) for part in parts]


def read_image(file: Path) -> NDArray[Any]:
    """(height, width[, channels]) as stored, BGR or BGRA, uint8 or uint16, not turned. Raises InputError."""
    import cv2

    try:
        data = np.fromfile(file, np.uint8)
        check_size(str(file), *claimed_size(data[:1_000_000].tobytes()))
        image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    except (OSError, cv2.error) as error:
        raise InputError(f"{file}: cannot be read: {error}".splitlines()[0]) from error
    if image is None or image.dtype not in (np.uint8, np.uint16):
        raise InputError(f"{file}: is not a PNG or JPEG image, or is damaged")
    return image


def split(image: NDArray[Any]) -> tuple[tuple[Plane, ...], Layout]:
    """OpenCV's interleaved BGR to planes R, G, B, A or Y, A."""
    bits = 8 * image.dtype.itemsize
    if image.ndim == 2:
        channels, layout = [image], Layout("gray", bits)
    else:
        order = {2: (0, 1), 3: (2, 1, 0), 4: (2, 1, 0, 3)}[image.shape[2]]
        channels = [np.ascontiguousarray(image[..., c]) for c in order]
        layout = Layout("gray" if len(order) == 2 else "rgb", bits, alpha=len(order) in (2, 4))
    for channel in channels:
        channel.flags.writeable = False
    return tuple(channels), layout


def encode_image(frame: Frame, suffix: str) -> bytes:
    """A frame as PNG (lossless, 8 or 16 bit) or JPEG (8 bit, without alpha) data."""
    import cv2

    jpeg = suffix in (".jpg", ".jpeg")
    if frame.layout.model == "yuv" or (frame.layout.bits > 8 and jpeg):
        frame = _as_rgb(frame, 8 if jpeg or frame.layout.bits == 8 else 16)
    planes: list[Any] = [_full_depth(plane, frame.layout.bits) for plane in frame.planes]
    if jpeg and frame.layout.alpha:
        planes = planes[:-1]
    if len(planes) == 2:  # OpenCV has no grey with alpha
        planes = [planes[0]] * 3 + [planes[1]]
    image = planes[0] if len(planes) == 1 else np.dstack([planes[c] for c in (2, 1, 0, 3)[: len(planes)]])
    if jpeg:
        sampling = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
        ok, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY, *sampling])
    else:
        ok, data = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, PNG_LEVEL])
    if not ok:
        raise OutputError(f"a {image.shape[1]}x{image.shape[0]} picture cannot be encoded as {suffix[1:].upper()}")
    return bytes(data)


def _full_depth(plane: Plane, bits: int) -> Plane:
    """9 to 15 bit samples stretched to 16, as PNG holds them."""
    if bits in (8, 16):
        return plane
    wide = plane.astype(np.uint16)
    return (wide << np.uint16(16 - bits)) | (wide >> np.uint16(2 * bits - 16))


def _as_rgb(frame: Frame, bits: int) -> Frame:
    layout = Layout("rgb", bits, alpha=frame.layout.alpha)
    picture = convert(video_frame(frame), native_format(layout))
    planes, layout = planes_of(picture)
    return Frame(planes, layout, Color(1, 13, MATRIX_RGB, True), frame.pts, frame.time_base, frame.duration)


# -- what files say about their pictures: orientation, profile, resolution ------------------------------------------

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT = {b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cICP", b"mDCV", b"cLLI", b"pHYs", b"eXIf", b"tEXt", b"iTXt", b"zTXt"}


def with_tags_of(original: Path, data: bytes, suffix: str) -> bytes:
    """`data` with the colour profile, orientation and other tags of the original file of the same kind."""
    before = original.read_bytes()
    if suffix == ".png" and before.startswith(_PNG_SIGNATURE):
        tags = b"".join(chunk for kind, chunk in _png_chunks(before) if kind in _PNG_KEPT)
        end_of_header = len(_PNG_SIGNATURE) + 25
        rest = b"".join(chunk for kind, chunk in _png_chunks(data) if kind not in _PNG_KEPT and kind != b"IHDR")
        return data[:end_of_header] + tags + rest
    if suffix in (".jpg", ".jpeg") and before.startswith(b"\xff\xd8"):
        tags = b"".join(segment for marker, segment in _jpeg_segments(before) if 0xE1 <= marker <= 0xED)
        comments = b"".join(segment for marker, segment in _jpeg_segments(before) if marker == 0xFE)
        first = next((len(segment) for marker, segment in _jpeg_segments(data) if marker == 0xE0), 0)
        return data[: 2 + first] + tags + comments + data[2 + first :]
    return data


def claimed_size(data: bytes) -> tuple[int, int]:
    """(width, height) that the header of PNG or JPEG data states; (0, 0) where there is none."""
    if data.startswith(_PNG_SIGNATURE) and len(data) >= 24:
        width, height = struct.unpack_from(">II", data, 16)
        return width, height
    if data.startswith(b"\xff\xd8"):
        for marker, segment in _jpeg_segments(data):
            if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and len(segment) >= 9:  # start of frame
                height, width = struct.unpack_from(">HH", segment, 5)
                return width, height
    return 0, 0


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(type, whole chunk) of a PNG file."""
    at = len(_PNG_SIGNATURE)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        yield data[at + 4 : at + 8], data[at : at + 12 + length]
        at += 12 + length


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(marker, whole segment) of a JPEG file, up to the first scan."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        (length,) = struct.unpack_from(">H", data, at + 2)
        yield data[at + 1], data[at : at + 2 + length]
        at += 2 + length
