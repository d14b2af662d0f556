"""What clips are made of: sharp photographs and runs of sharp footage, read from folders; some are held out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from ..errors import InputError, UsageError
from ..frames import Image
from ..quality.pairs import SUFFIXES as IMAGE_SUFFIXES

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".264", ".h264", ".265", ".hevc", ".y4m", ".ts"}
)
HELD_OUT = 20
"""One file or pair in so many (at least one where there are two) is kept for validation."""
LONGEST_RUN = 120
"""Frames read of a video, from its beginning: 80 MB of 640x360."""


@dataclass(frozen=True, eq=False)
class Material:
    """Tensors of uint8 RGB on the device that renders."""

    photographs: Sequence[Tensor]
    """Each (3, h, w)."""
    runs: Sequence[Tensor]
    """Consecutive frames, each (t, 3, h, w)."""

    def to(self, device: torch.device) -> Material:
        """The same on another device."""
        return Material([p.to(device) for p in self.photographs], [run.to(device) for run in self.runs])


def files_of(folders: Sequence[str], held_out: bool) -> list[Path]:
    """The images and videos of some folders, or those of them that are held out.

    Raises InputError for a folder that is missing or holds nothing to learn from, UsageError for no folder at all.
    """
    if not folders:
        message = "nothing to learn from: name folders of sharp photographs or footage, or of pairs"
        raise UsageError(message, settings=("data", "pairs"))
    files: list[Path] = []
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder; name a folder of sharp photographs or footage")
        found = [file for file in sorted(folder.rglob("*")) if file.suffix.lower() in IMAGE_SUFFIXES | VIDEO_SUFFIXES]
        if not found:
            raise InputError(
                f"{folder}: holds neither images nor videos; name a folder of sharp photographs or footage"
            )
        files += found
    kinds = [
        [file for file in files if file.suffix.lower() in suffixes] for suffixes in (IMAGE_SUFFIXES, VIDEO_SUFFIXES)
    ]
    chosen = []
    for kind in kinds:
        kept = [file for place, file in enumerate(kind) if is_held_out(place, len(kind))]
        chosen += (kept or kind) if held_out else [file for file in kind if file not in kept]
    return chosen


def is_held_out(place: int, count: int) -> bool:
    """Whether the one in this place of so many is kept for validation; a single one is not."""
    return count > 1 and (place % HELD_OUT == HELD_OUT // 2 or place == count - 1)


def _of_kind(files: Iterable[Path], suffixes: frozenset[str]) -> list[Path]:
    return sorted(file for file in files if file.suffix.lower() in suffixes)


def read_material(files: Sequence[Path], halve: bool) -> Material:
    """Read files; footage at half its size if asked, which hides its own blur and compression.

    Raises InputError for a file that cannot be read.
    """
    photographs = [to_tensor(read_image(file)) for file in _of_kind(files, IMAGE_SUFFIXES)]
    runs = [torch.stack([to_tensor(f) for f in read_run(file, halve)]) for file in _of_kind(files, VIDEO_SUFFIXES)]
    return Material(photographs, runs)


def to_tensor(image: Image) -> Tensor:
    """(h, w, 3) -> (3, h, w)."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))


def read_image(file: Path) -> Image:
    """An 8-bit RGB image; InputError where it is not one."""
    try:
        image = cv2.imread(str(file), cv2.IMREAD_COLOR)
    except cv2.error:  # more pixels in its header than OpenCV reads
        image = None
    if image is None:
        raise InputError(f"{file}: not a readable picture; remove it from the training folder")
    return image[..., ::-1].astype(np.uint8, copy=False)


def read_run(file: Path, halve: bool = False, most: int = LONGEST_RUN) -> list[Image]:
    """The first frames of a video in RGB; InputError where there are none."""
    video = cv2.VideoCapture(str(file))
    frames: list[Image] = []
    while len(frames) < most:
        there, frame = video.read()
        if not there:
            break
        if halve:
            size = max(1, frame.shape[1] // 2), max(1, frame.shape[0] // 2)
            frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
        frames.append(frame[..., ::-1].astype(np.uint8, copy=False))
    video.release()
    if not frames:
        raise InputError(f"{file}: cannot be read as a video; remove it or name another")
    return frames
