"""Pairs to test on: a user's own photographs or footage, blurred, beside the truth, as `vdeblur eval` reads them.

Photographs become clips by the synthesis that training uses. Over footage a camera shakes: frame t of a clip is the
world at time t, or with interpolation the world as it moves within the exposure, seen along one continuous path and
averaged in linear light; the truth is the view at the centre of each exposure.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..backends.flow import flow_between
from ..errors import InputError, OutputError, UsageError
from ..frames import Image
from ..quality.pairs import SUFFIXES as IMAGE_SUFFIXES
from ..quality.pairs import find_sharp_clips, read_frames, rgb_image
from .light import Light, sensor_noise
from .material import VIDEO_SUFFIXES, read_image, read_run, to_tensor
from .real_motion import between
from .render import render
from .scene import SceneConfig, draw_scene, own_path

SRGB = Light(0.0, 1.0)
CPU = torch.device("cpu")


@dataclass(frozen=True, eq=False)
class Clip:
    """A pair: float tensors (frames, 3, h, w), RGB code values in 0..1."""

    blur: Tensor
    sharp: Tensor


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
    if not source.is_dir():
        return False
    shapes = set()
    for file in [file for file in sorted(source.iterdir()) if file.suffix.lower() in IMAGE_SUFFIXES][:20]:
        with suppress(InputError):
            shapes.add(read_image(file).shape)
    return len(shapes) > 1


def _from_photographs(source: Path, config: SynthConfig) -> Iterator[tuple[str, Clip]]:
    files = [file for file in sorted(source.rglob("*")) if file.suffix.lower() in IMAGE_SUFFIXES]
    photographs = [to_tensor(read_image(file)) for file in files]
    scene = SceneConfig(
        size=config.size,
        frames=config.frames,
        blur_px=config.blur_px,
        duty=config.duty,
        identity=0,
        static=0,
    )
    for index in range(8 if config.clips is None else config.clips):
        rng = np.random.default_rng([config.seed, index])
        clips = render([draw_scene(rng, photographs, SRGB, scene)], scene, CPU)
        yield f"{index:03}", _developed(rng, clips.blurred[0], clips.sharp[0], config)


def _developed(rng: np.random.Generator, blurred: Tensor, sharp: Tensor, config: SynthConfig) -> Clip:
    """Linear light as code values, the blurred side with sensor noise if that is wanted."""
    light = blurred.clamp(0, 1)
    if config.noise:
        light = sensor_noise(rng, light, torch.Generator().manual_seed(int(rng.integers(2**31))))
    return Clip(SRGB.encode(light), SRGB.encode(sharp))


def _footage(source: Path, most: int) -> Iterator[tuple[str, list[Image]]]:
    """Name and first frames of every video and sequence of pictures."""
    videos = [source] if source.is_file() else sorted(f for f in source.iterdir() if f.suffix.lower() in VIDEO_SUFFIXES)
    for file in videos:
        yield file.stem, read_run(file, most=most)
    if source.is_dir() and (not videos or any(child.is_dir() for child in source.iterdir())):
        for clip in find_sharp_clips(source):
            frames = islice(read_frames(clip.sharp), most)
            yield clip.name.replace("/", "_"), [rgb_image(frame) for frame in frames]


def shake(rng: np.random.Generator, pictures: list[Image], config: SynthConfig) -> Clip:
    """Footage seen by a moving camera, (frames, 3, h, w). The view is cropped so that it stays within the picture.

    At least half of each side is left: where the path leads further, the world is mirrored at its edge.
    """
    duty = float(rng.uniform(*config.duty))
    length = float(np.exp(rng.uniform(*np.log(config.blur_px))))
    path = own_path(rng, len(pictures), length / duty, unsteady=False)
    count = max(9, math.ceil(3 * length)) | 1  # tremors outrun the mean: no step over one pixel
    exposure = (np.arange(count) - count // 2) / count * duty
    times = np.arange(len(pictures))[:, None] - (len(pictures) - 1) / 2 + exposure
    motion = torch.from_numpy(path.at(times)).float()
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
        still = SRGB.decode(to_tensor(pictures[frame]))
        worlds = _moving(pictures, frame + exposure) if config.interpolate else [still] * count
        total = sum(_view(world, move, size) for world, move in zip(worlds, moves, strict=True))
        assert isinstance(total, Tensor)
        blurred.append(total / count)
        sharp.append(_view(still, moves[count // 2], size))
    return _developed(rng, torch.stack(blurred), torch.stack(sharp), config)


def _moving(pictures: list[Image], moments: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Iterator[Tensor]:
    """Linear light of the world at each moment, in frames; the ends of the footage stand still."""
    last = len(pictures) - 1
    flows: dict[int, tuple[Tensor, Tensor]] = {}
    for moment in moments.tolist():
        before = math.floor(moment)
        one, two = (pictures[min(max(i, 0), last)] for i in (before, before + 1))
        if before not in flows:
            gray = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False) for picture in (one, two)]
            there, back = (torch.from_numpy(flow_between(a, b).copy()) for a, b in (gray, gray[::-1]))
            flows[before] = there, back
        lights = SRGB.decode(to_tensor(one)), SRGB.decode(to_tensor(two))
        yield between(*lights, *flows[before], torch.tensor([moment - before], dtype=torch.float32))[0]


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
