"""Whether a path names a media file or images, and the default path of its output."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import UsageError
from .containers import FORMATS

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
_PNG_HEAD = 1 << 20
"""Bytes of a PNG within which the image data starts, after colour profile and text."""


def is_image_input(path: str) -> bool:
    """Whether `path` names images: a folder, an image file, or a pattern of image files; an animated PNG is a video."""
    if Path(path).is_dir():
        return True
    return Path(path).suffix.lower() in IMAGE_SUFFIXES and not _is_animated_png(path)


def _is_animated_png(path: str) -> bool:
    """Whether a PNG has the animation chunk before its first image data."""
    try:
        with open(path, "rb") as file:
            head = file.read(_PNG_HEAD)
    except OSError:
        return False
    return head.startswith(b"\x89PNG") and b"acTL" in head.partition(b"IDAT")[0]


def is_image_output(path: str, of_images: bool) -> bool:
    """Whether `path` names images: a folder, an image file or a pattern; for images also a name without suffix."""
    suffix = Path(path).suffix.lower()
    folder = path.endswith(("/", os.sep)) or os.path.isdir(path) or (of_images and not suffix)
    return folder or suffix in IMAGE_SUFFIXES


def default_output(path: str) -> str:
    """The default output of `vdeblur INPUT`: input.mp4 -> input.deblur.mp4, frames/ -> frames.deblur/, - -> -.

    The container stays the same if it keeps times and tags, else it becomes Matroska.
    """
    if path == "-":
        return "-"
    given = Path(path)
    is_pattern = ("%" in given.name or "*" in given.name) and is_image_input(path) and not given.exists()
    if is_pattern or given.is_dir():
        folder = given.parent if is_pattern else given
        return str(folder.parent / f"{folder.resolve().name}.deblur") + os.sep
    suffix = given.suffix if is_image_input(path) or given.suffix.lower() in FORMATS else ".mkv"
    return str(given.with_name(f"{given.stem}.deblur{suffix}"))


def output_of(path: str, output: str | None) -> str:
    """The output path of the input `path` for a requested `output`.

    None is `default_output`; in a folder, a media file gets that name. Raises UsageError for an empty name.
    """
    if output is None:
        return default_output(path)
    if not output:
        raise UsageError("the name of the output is empty", settings=("output",))
    names_folder = output.endswith(("/", os.sep)) or os.path.isdir(output)
    if names_folder and path != "-" and not is_image_input(path):
        return os.path.join(output, os.path.basename(default_output(path)))
    return output
