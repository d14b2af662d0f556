"""Pairs to test on: a user's own photographs or footage, blurred, beside the truth, as `vdeblur eval` reads them.

Photographs become clips by the synthesis that training uses. Over footage a camera shakes: frame t of a clip is the
world at time t, or with interpolation the world as it moves within the exposure, seen along one continuous path and
averaged in linear light; the truth is the view at the centre of each exposure.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ..errors import InputError, OutputError, UsageError
from ..quality.pairs import find_sharp_clips, picture_of, read_frames
from . import blur
from .blur import BlurConfig, Clip, Picture, ToneCurve, linear_light
from .footage import VIDEO_SUFFIXES, flow_between, interpolate

SRGB = ToneCurve(0.0)


@dataclass(frozen=True)
class SynthConfig:
    """What the pairs are like. Ranges are (low, high)."""

    seed: int = 0
    clips: int | None = None
    """At most this many; of photographs this many, 8 where nothing is said."""
    frames: int = 24
    """At most this many per clip of footage; so many per clip of photographs."""
    size: int = 320
    """Height and width of clips from photographs, px; a multiple of 4."""
    blur_px: tuple[float, float] = (4.0, 16.0)
    """Length of the camera's path within one exposure, mean over the clip, px, drawn uniformly in the logarithm."""
    duty: tuple[float, float] = (0.5, 1.0)
    """Exposure time over frame time."""
    noise: bool = False
    """Sensor noise on the blurred side."""
    interpolate: bool = False
    """Let the footage move within the exposure, too, along optical flow."""


def synthesise(source: str | Path, output: str | Path, config: SynthConfig, kind: str = "auto") -> Iterator[str]:
    """Write OUTPUT/CLIP/blur and OUTPUT/CLIP/sharp of 8-bit PNG, clip by clip; yields the clips' names.

    `kind` is "photographs", "footage", or "auto": pictures of several sizes in one folder are photographs, all else is
    footage. Raises InputError for a source with nothing to read, OutputError where `output` holds something already.
    """
    source, output = Path(source), Path(output)
    if output.is_dir() and any(output.iterdir()):
        raise OutputError(f"{output}: is not empty; name another folder for the pairs")
    if config.size % 4 or config.size < 8:
        raise UsageError(f"size {config.size}: must be a multiple of 4, at least 8", settings=("size",))
    if not source.exists():
        raise InputError(f"{source}: no such file or folder; name photographs, a video or folders of pictures")
    made = False
    for name, clip in _clips(source, config, kind):
        _write(output / name, clip)
        made = True
        yield name
    if not made:
        raise InputError(f"{source}: no clip of at least two frames there; name photographs, a video or a sequence")


def _clips(source: Path, config: SynthConfig, kind: str) -> Iterator[tuple[str, Clip]]:
    if kind == "photographs" or (kind == "auto" and _are_photographs(source)):
        yield from _from_photographs(source, config)
        return
    for index, (name, pictures) in enumerate(islice(_footage(source, config.frames), config.clips)):
        if len(pictures) > 1:
            yield name, shake(np.random.default_rng([config.seed, index]), pictures, config)


def _are_photographs(source: Path) -> bool:
    from .clips import IMAGE_SUFFIXES

    if not source.is_dir():
        return False
    files = [file for file in sorted(source.iterdir()) if file.suffix.lower() in IMAGE_SUFFIXES]
    return len({picture.shape for file in files[:20] if (picture := cv2.imread(str(file))) is not None}) > 1


def _from_photographs(source: Path, config: SynthConfig) -> Iterator[tuple[str, Clip]]:
    from .clips import SharpPictures, sharp_files

    pictures = SharpPictures(sharp_files([source]))
    settings = BlurConfig(
        size=config.size,
        frames=config.frames,
        blur_px=config.blur_px,
        duty=config.duty,
        identity=0,
        static=0,
        cut=0,
        noise=float(config.noise),
    )
    for index in range(8 if config.clips is None else config.clips):
        yield f"{index:03}", blur.render_clip(np.random.default_rng([config.seed, index]), pictures, settings)


def _footage(source: Path, most: int) -> Iterator[tuple[str, list[Picture]]]:
    """Name and first frames of every video and sequence of pictures."""
    videos = [source] if source.is_file() else sorted(f for f in source.iterdir() if f.suffix.lower() in VIDEO_SUFFIXES)
    for file in videos:
        yield file.stem, _first_frames(file, most)
    if source.is_dir() and (not videos or any(child.is_dir() for child in source.iterdir())):
        for clip in find_sharp_clips(source):
            frames = islice(read_frames(clip.sharp), most)
            yield clip.name.replace("/", "_"), [picture_of(frame) for frame in frames]


def _first_frames(file: Path, most: int) -> list[Picture]:
    import av

    try:
        with av.open(str(file)) as container:
            decoded = islice(container.decode(video=0), most)
            return [frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False) for frame in decoded]
    except (av.FFmpegError, IndexError) as error:
        raise InputError(f"{file}: cannot be read as a video ({error}); name another") from error


def shake(rng: np.random.Generator, pictures: list[Picture], config: SynthConfig) -> Clip:
    """Footage seen by a moving camera, (frames, 3, h, w). The view is cropped so that it stays within the picture.

    At least half of each side is left: where the path leads further, the world is mirrored at its edge.
    """
    duty = float(rng.uniform(*config.duty))
    length = float(np.exp(rng.uniform(*np.log(config.blur_px))))
    path = blur.Path(rng, len(pictures), length / duty, turn=float(rng.uniform(0, 1)))
    count = max(9, math.ceil(3 * length)) | 1  # tremors outrun the mean: no step over one pixel
    exposure = (torch.arange(count, dtype=torch.float64) - count // 2) / count * duty
    motion = path.at(torch.arange(len(pictures), dtype=torch.float64)[:, None] + exposure).float()
    height, width = pictures[0].shape[:2]
    middle = (motion.amin((0, 1)) + motion.amax((0, 1)))[:2] / 2
    room = (motion[..., :2] - middle).abs().amax((0, 1)) + motion[..., 2:].abs().amax() * max(height, width) / 2
    size = tuple(
        max(side // 2, side - 2 * math.ceil(float(wanted))) // 2 * 2 if side >= 4 else side
        for side, wanted in zip((height, width), room.flip(0), strict=True)
    )
    blurred, sharp = [], []
    for frame, moves in enumerate(motion):
        moves = moves - F.pad(middle, (0, 2))
        still = linear_light(pictures[frame], SRGB, 1.0, "cpu")
        worlds = _moving(pictures, frame, exposure) if config.interpolate else [still] * count
        total = sum(_view(world, move, size) for world, move in zip(worlds, moves, strict=True))
        assert isinstance(total, Tensor)
        blurred.append(total / count)
        sharp.append(_view(still, moves[count // 2], size))
    light = torch.stack(blurred).clamp(0, 1)
    if config.noise:
        light = blur.sensor_noise(rng, light)
    return Clip(SRGB.encode(light).clamp(0, 1), SRGB.encode(torch.stack(sharp)).clamp(0, 1))


def _moving(pictures: list[Picture], frame: int, exposure: Tensor) -> Iterator[Tensor]:
    """Linear light of the world at each moment of the exposure about `frame`; the ends of the footage stand still."""
    flows: dict[int, tuple[NDArray[np.float32], NDArray[np.float32]]] = {}
    for moment in (frame + exposure).tolist():
        before = math.floor(moment)
        one, two = (pictures[min(max(i, 0), len(pictures) - 1)] for i in (before, before + 1))
        if before not in flows:
            flows[before] = flow_between(one, two), flow_between(two, one)
        yield linear_light(interpolate(one, two, *flows[before], moment - before), SRGB, 1.0, "cpu")


def _view(world: Tensor, move: Tensor, size: tuple[int, ...]) -> Tensor:
    """What a camera at x, y (px), roll and log zoom sees of a world (3, h, w), bicubic: (3, *size)."""
    x, y, roll, zoom = move.tolist()
    rows, columns = (torch.arange(side, dtype=torch.float32) - (side - 1) / 2 for side in size)
    a, b = math.exp(zoom) * math.cos(roll), math.exp(zoom) * math.sin(roll)
    height, width = world.shape[1:]
    across = (x + a * columns - b * rows[:, None]) * 2 / width
    down = (y + b * columns + a * rows[:, None]) * 2 / height
    grid = torch.stack([across, down], dim=-1)[None]
    seen: Tensor = F.grid_sample(world[None], grid, "bicubic", padding_mode="reflection", align_corners=False)
    return seen[0]


def _write(folder: Path, clip: Clip) -> None:
    try:
        for kind, frames in (("blur", clip.blur), ("sharp", clip.sharp)):
            (folder / kind).mkdir(parents=True)
            codes = (frames * 255).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
            for index, picture in enumerate(codes):
                written, png = cv2.imencode(".png", np.ascontiguousarray(picture[..., ::-1]))
                assert written
                (folder / kind / f"{index:08}.png").write_bytes(png.tobytes())
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror}); choose another place") from error
