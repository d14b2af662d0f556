"""Clips in folders of images: blur/sharp pairs in the layouts of the public datasets, and sharp footage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..files import natural_order
from ..frames import SRGB_TAGS, Frame, Image, Layout, Plane

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})
EXPECTED = "expected CLIP/blur and CLIP/sharp with images of the same names, or a GoPro, REDS or BSD folder"
SEARCH_DEPTH = 3
"""Levels of folders above a clip; BSD's `BSD_3ms24ms/test/000` needs three."""


@dataclass(frozen=True, slots=True)
class ClipPair:
    """Consecutive blurred images and their sharp truth, of equal length. Sharp footage is its own truth."""

    name: str
    blur: tuple[Path, ...]
    sharp: tuple[Path, ...]


def find_clips(folder: str | Path) -> list[ClipPair]:
    """Every pair of clips under `folder`, sorted by name.

    Layouts: CLIP/{blur,sharp} (also GoPro, below train/ and test/), REDS' *_blur/CLIP and *_sharp/CLIP, and BSD's
    CLIP/{Blur,Sharp}/RGB. Images are paired by name without suffix. Raises InputError for other layouts.
    """
    root = _existing(folder, EXPECTED)
    clips = [_pair_up(name or root.name, blur, sharp) for name, blur, sharp in _pair_folders(root, "", SEARCH_DEPTH)]
    if not clips:
        raise InputError(f"{root}: no clips found; {EXPECTED}")
    return sorted(clips, key=lambda clip: natural_order(clip.name))


def find_sharp_clips(folder: str | Path) -> list[ClipPair]:
    """Every folder of images under `folder`, itself included, as its own truth; only the sharp side of pairs."""
    expected = "expected folders of consecutive images of sharp clips"
    root = _existing(folder, expected)
    clips = []
    for name, images in _image_folders(root, "", SEARCH_DEPTH):
        clips.append(ClipPair(name or root.name, images, images))
    if not clips:
        raise InputError(f"{root}: no images found; {expected}")
    return sorted(clips, key=lambda clip: natural_order(clip.name))


def read_frame(path: Path, index: int) -> Frame:
    """Read an image as 8- or 16-bit RGB with `index` as pts. Raises InputError."""
    import cv2

    try:
        encoded = np.fromfile(path, np.uint8)  # cv2.imread cannot open every file name on every system
        bgr = cv2.imdecode(encoded, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH) if encoded.size else None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the file") from error
    except cv2.error:  # more pixels in its header than OpenCV reads
        bgr = None
    dtype = None if bgr is None else {np.dtype(np.uint8): np.uint8, np.dtype(np.uint16): np.uint16}.get(bgr.dtype)
    if bgr is None or dtype is None:
        raise InputError(f"{path}: not an image of 8 or 16 bits; replace it or remove it from the clip")
    planes: tuple[Plane, ...] = tuple(np.ascontiguousarray(bgr[..., channel], dtype) for channel in (2, 1, 0))
    return Frame(planes, Layout("rgb", bits=bgr.dtype.itemsize * 8), SRGB_TAGS, pts=index, time_base=Fraction(1, 25))


def read_frames(paths: Iterable[Path]) -> Iterator[Frame]:
    """Read the images of a clip one by one. Raises InputError if one differs in size or depth from the first."""
    first: Frame | None = None
    for index, path in enumerate(paths):
        frame = read_frame(path, index)
        first = first or frame
        if (frame.size, frame.layout) != (first.size, first.layout):
            is_now, was = (f"{f.size[0]}x{f.size[1]} in {f.layout.bits} bits" for f in (frame, first))
            raise InputError(
                f"{path}: is {is_now}, the first image {was}; all images of a clip must have the same size and depth"
            )
        yield frame


def rgb_image(frame: Frame) -> Image:
    """The samples of an RGB frame rounded to 8 bits, (height, width, 3), as metrics compare them."""
    if frame.layout.model != "rgb":
        raise ValueError(f"metrics need RGB frames, got a {frame.layout.model} frame")
    samples = np.stack(frame.planes[:3], axis=2)
    if frame.layout.bits > 8:
        samples = np.rint(samples * (255 / (2**frame.layout.bits - 1)))
    return samples.astype(np.uint8)


def _existing(folder: str | Path, expected: str) -> Path:
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"{root}: {'is not a folder' if root.exists() else 'no such folder'}; {expected}")
    return root


def _folders(folder: Path) -> dict[str, Path]:
    return {child.name: child for child in _children(folder) if child.is_dir()}


def _images(folder: Path) -> tuple[Path, ...]:
    return tuple(child for child in _children(folder) if child.suffix.lower() in SUFFIXES)


def _children(folder: Path) -> list[Path]:
    try:
        visible = [child for child in folder.iterdir() if not child.name.startswith(".")]
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed ({error.strerror}); check its permissions") from error
    return sorted(visible, key=lambda child: natural_order(child.name))


def _pair_folders(folder: Path, name: str, depth: int) -> Iterator[tuple[str, Path, Path]]:
    """(name, blur folder, sharp folder) of the clips under `folder`."""
    children = _folders(folder)
    by_lower_name = {child.lower(): path for child, path in children.items()}
    blur, sharp = by_lower_name.get("blur"), by_lower_name.get("sharp")
    if blur and sharp:
        yield from _clips_in(blur, sharp, name)
    elif blur or sharp:
        missing = "sharp" if blur else "blur"
        raise InputError(f"{folder}: no {missing}/ next to {(blur or sharp or folder).name}/; {EXPECTED}")
    elif depth:
        for child, path in children.items():
            if child.endswith("_sharp"):  # REDS: train_sharp belongs to train_blur
                continue
            if child.endswith("_blur"):
                part = child.removesuffix("_blur")
                if part + "_sharp" in children:  # REDS' test_blur has no truth
                    yield from _clips_in(path, children[part + "_sharp"], _join(name, part))
            else:
                yield from _pair_folders(path, _join(name, child), depth - 1)


def _clips_in(blur: Path, sharp: Path, name: str) -> Iterator[tuple[str, Path, Path]]:
    """(name, blur folder, sharp folder) of images directly in these folders, in RGB/ (BSD), or in a folder per clip."""
    clips = _folders(blur)
    if _images(blur) or not clips:
        yield name, blur, sharp
    elif "RGB" in clips:
        yield name, blur / "RGB", sharp / "RGB"
    else:
        for clip, path in clips.items():
            yield _join(name, clip), path, sharp / clip


def _join(name: str, part: str) -> str:
    return f"{name}/{part}" if name else part


def _pair_up(name: str, blur: Path, sharp: Path) -> ClipPair:
    if not sharp.is_dir():
        raise InputError(f"{sharp}: no such folder, but {blur} exists; {EXPECTED}")
    blurred, truth = ({path.stem: path for path in _images(folder)} for folder in (blur, sharp))
    if not blurred:
        raise InputError(f"{blur}: no images in it; {EXPECTED}")
    for stem in blurred.keys() ^ truth.keys():
        present, absent = (blurred[stem], sharp) if stem in blurred else (truth[stem], blur)
        raise InputError(f"{present}: no image of that name in {absent}; {EXPECTED}")
    return ClipPair(name, tuple(blurred.values()), tuple(truth[stem] for stem in blurred))


def _image_folders(folder: Path, name: str, depth: int) -> Iterator[tuple[str, tuple[Path, ...]]]:
    if images := _images(folder):
        yield name, images
    children = _folders(folder)
    sharp = {child: path for child, path in children.items() if child.lower() == "sharp" or child.endswith("_sharp")}
    if depth:
        for child, path in (sharp or children).items():
            yield from _image_folders(path, name if child.lower() == "sharp" else _join(name, child), depth - 1)
