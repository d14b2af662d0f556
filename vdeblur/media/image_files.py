"""Finds the images of a folder, file or pattern, and gaps in their numbering."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from glob import escape, glob
from itertools import pairwise
from pathlib import Path

from ..files import natural_order
from .paths import IMAGE_SUFFIXES, is_image_input

MANY_IMAGES = 4
"""Gaps are looked for in sequences of at least this many images."""

NUMBER = re.compile(r"%(?:0?\d)?d")
"""The number in a printf pattern."""


def images_of(path: str) -> list[Path] | None:
    """The images of a folder or pattern, in order; None for a file or a path that does not exist."""
    return None if os.path.isfile(path) or not is_image_input(path) else image_files(path)


def bytes_of(path: str) -> int | None:
    """Size of a file, or of all images of a folder or pattern; None for a pipe or a path that does not exist."""
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
    elif match := NUMBER.search(given.name):
        head, tail = given.name[: match.start()], given.name[match.end() :]
        number = re.compile(re.escape(head) + r"\d+" + re.escape(tail))
        found = [f for f in given.parent.glob("*") if number.fullmatch(f.name)] if given.parent.is_dir() else []
    else:
        found = [Path(name) for name in glob(str(Path(escape(str(given.parent))) / given.name))]
    return sorted((f for f in found if f.suffix.lower() in IMAGE_SUFFIXES), key=lambda file: natural_order(file.name))


def missing_images(files: Sequence[Path]) -> str | None:
    """A description of gaps in evenly numbered names; None if there are none."""
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
