"""Decodes and encodes PNG and JPEG, and copies the tags of the original file."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np

from ..errors import InputError, OutputError
from ..frames import SRGB_TAGS, Frame, Layout, Plane
from .opening import check_size
from .planes import convert, native_format, planes_of, video_frame

JPEG_QUALITY = 97
"""With full chroma resolution; above 95 the error of a second encoding is below the noise of the image."""

PNG_LEVEL = 3
"""Deflate level: a third of the default's time for files a few per cent larger."""


def decode_image(file: Path) -> Plane:
    """Read an image as stored, not rotated: (height, width[, channels]), BGR(A), 8 or 16 bits. Raises InputError."""
    import cv2

    try:
        data = np.fromfile(file, np.uint8)
        check_size(str(file), *stated_size(data[:1_000_000].tobytes()))
        image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    except (OSError, cv2.error) as error:
        raise InputError(f"{file}: cannot be read: {error}".splitlines()[0]) from error
    if image is None or image.dtype not in (np.uint8, np.uint16):
        raise InputError(f"{file}: not a PNG or JPEG image, or damaged")
    return cast(Plane, image)


def split_channels(image: Plane) -> tuple[tuple[Plane, ...], Layout]:
    """Planes R, G, B, A or Y, A of OpenCV's interleaved BGR."""
    bits = 8 * image.dtype.itemsize
    if image.ndim == 2:
        channels: list[Plane] = [image]
        layout = Layout("gray", bits)
    else:
        order = {2: (0, 1), 3: (2, 1, 0), 4: (2, 1, 0, 3)}[image.shape[2]]
        channels = [cast(Plane, np.ascontiguousarray(image[..., c])) for c in order]
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
    planes: list[Plane] = [_full_depth(plane, frame.layout.bits) for plane in frame.planes]
    if jpeg and frame.layout.alpha:
        planes = planes[:-1]
    if len(planes) == 2:  # OpenCV has no gray with alpha
        planes = [planes[0]] * 3 + [planes[1]]
    image = planes[0] if len(planes) == 1 else cast(Plane, np.dstack([planes[c] for c in (2, 1, 0, 3)[: len(planes)]]))
    if jpeg:
        sampling = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
        ok, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY, *sampling])
    else:
        ok, data = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, PNG_LEVEL])
    if not ok:
        raise OutputError(f"a {image.shape[1]}x{image.shape[0]} image cannot be encoded as {suffix[1:].upper()}")
    return bytes(data)


def _full_depth(plane: Plane, bits: int) -> Plane:
    """Samples of 9 to 15 bits scaled to 16, for PNG."""
    if bits in (8, 16):
        return plane
    wide = plane.astype(np.uint16)
    return (wide << np.uint16(16 - bits)) | (wide >> np.uint16(2 * bits - 16))


def _as_rgb(frame: Frame, bits: int) -> Frame:
    layout = Layout("rgb", bits, alpha=frame.layout.alpha)
    converted = convert(video_frame(frame), native_format(layout))
    planes, layout = planes_of(converted)
    return Frame(planes, layout, SRGB_TAGS, frame.pts, frame.time_base, frame.duration)


# -- tags of files: orientation, profile, resolution ---------------------------------------------------------------

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


def stated_size(data: bytes) -> tuple[int, int]:
    """(width, height) in the header of PNG or JPEG data; (0, 0) if there is none."""
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
