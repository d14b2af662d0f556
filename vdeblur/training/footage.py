"""Real motion as blur: sub-frames interpolated along the optical flow of sharp footage, averaged in linear light.

A camera path over a photograph moves the whole world alike; people, cars and leaves do not. Neighbouring frames of
halved footage (which hides its own blur and compression) are warped towards each other along DIS flow (Kroeger et al.
2016), and the exposures of a slower camera, each several source frames long, are averaged from them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import InputError
from .blur import BlurConfig, Clip, Picture, ToneCurve, linear_light, sensor_noise

VIDEO_SUFFIXES = {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".264", ".h264", ".265", ".hevc", ".y4m", ".ts"}
FRAMES_PER_VIDEO = 60
"""Held in memory, from the middle of each video: 40 MB of 640x360."""
STEPS = 24
"""At most this many sub-frames between two frames; more would need a longer motion than flow can follow."""

Flow = NDArray[np.float32]
"""(height, width, 2): where each pixel of one frame lies in the next, relative to itself, in px."""


class Footage:
    """Runs of consecutive frames from the videos of some folders, to be blurred by their own motion."""

    def __init__(self, files: Iterable[Path], config: BlurConfig) -> None:
        """InputError where no video among the files is long and large enough."""
        self._config = config
        runs = [read_run(file) for file in files if file.suffix.lower() in VIDEO_SUFFIXES]
        self._runs = [run for run in runs if len(run) > config.frames and min(run[0].shape[:2]) >= config.size]
        if not self._runs:
            raise InputError(
                f"no video among the training files has {config.frames + 1} frames of "
                f"{2 * config.size} px or more a side; set footage = 0"
            )

    def render(self, rng: np.random.Generator, device: torch.device | str = "cpu") -> Clip:
        """One clip; the target is the source's own frame at the centre of each exposure."""
        config = self._config
        run = self._runs[int(rng.integers(len(self._runs)))]
        wanted = float(np.exp(rng.uniform(*np.log(config.blur_px))))
        duty = float(rng.uniform(*config.duty))
        curve = ToneCurve(0.0 if rng.random() < 0.5 else float(rng.uniform(1.8, 2.6)))
        lift = float(rng.uniform(1, 8)) if rng.random() < config.highlights else 1.0
        height, width = run[0].shape[:2]
        y, x = (int(rng.integers(side - config.size + 1)) for side in (height, width))
        crop = [picture[y : y + config.size, x : x + config.size] for picture in run]
        start = int(rng.integers(len(crop) - config.frames))
        speed = float(np.linalg.norm(flow_between(crop[start], crop[start + 1]), axis=2).mean())
        longest = (len(crop) - 1) // config.frames
        stride = int(np.clip(round(wanted / max(speed * duty, 0.1)), 1, longest))  # source frames per frame
        first = int(rng.integers(len(crop) - stride * config.frames)) + stride // 2
        sharp, blurred = [], []
        for frame in range(config.frames):
            centre = first + frame * stride
            blurred.append(expose(crop, centre, duty * stride, curve, lift, device))
            sharp.append(linear_light(crop[centre], curve, lift, device))
        light = torch.stack(blurred).clamp(max=1)
        if rng.random() < config.noise:
            light = sensor_noise(rng, light)
        return Clip(curve.encode(light).clamp(0, 1), curve.encode(torch.stack(sharp)).clamp(max=1))


def expose(
    pictures: list[Picture], centre: int, length: float, curve: ToneCurve, lift: float, device: torch.device | str
) -> Tensor:
    """Linear light (3, h, w) of an exposure of `length` frame times about frame `centre`; the ends repeat."""
    low, high = centre - length / 2, centre + length / 2
    total = linear_light(pictures[centre], curve, lift, device) * 0
    weight = 0.0
    for before in range(int(np.floor(low)), int(np.ceil(high))):
        inside = max(low, before), min(high, before + 1)
        one, two = (min(max(i, 0), len(pictures) - 1) for i in (before, before + 1))
        there, back = flow_between(pictures[one], pictures[two]), flow_between(pictures[two], pictures[one])
        share = inside[1] - inside[0]
        reach = float(np.percentile(np.linalg.norm(there, axis=2), 99)) * share
        count = int(np.clip(np.ceil(reach), 2, STEPS))  # no step of the motion over one pixel
        for moment in inside[0] - before + (np.arange(count) + 0.5) / count * share:
            between = interpolate(pictures[one], pictures[two], there, back, float(moment))
            total += linear_light(between, curve, lift, device) * (share / count)
        weight += share
    return total / weight


def flow_between(one: Picture, two: Picture) -> Flow:
    """DIS optical flow from `one` to `two`."""
    grays = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (one, two)]
    if min(grays[0].shape) < 16:  # too small for DIS's patches
        return np.zeros((*grays[0].shape, 2), np.float32)
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    return np.asarray(dis.calc(grays[0], grays[1], np.zeros((*grays[0].shape, 2), np.float32)), np.float32)


def interpolate(one: Picture, two: Picture, there: Flow, back: Flow, moment: float) -> Picture:
    """The world at `moment` (0..1) between two frames: both warped to it and mixed, the nearer weighing more.

    The flow at the moment itself is approximated by that of the frames at the same pixel (Jiang et al. 2018, eq. 3).
    """
    rows, columns = np.indices(one.shape[:2], dtype=np.float32)
    to_one = -moment * (1 - moment) * there + moment**2 * back
    to_two = (1 - moment) ** 2 * there - moment * (1 - moment) * back

    def warped(picture: Picture, by: Flow) -> NDArray[np.float32]:
        seen = cv2.remap(
            picture, columns + by[..., 0], rows + by[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )
        return np.asarray(seen, np.float32)

    mixed = (1 - moment) * warped(one, to_one) + moment * warped(two, to_two)
    return np.rint(mixed).clip(0, 255).astype(np.uint8)


def read_run(file: Path, most: int = FRAMES_PER_VIDEO) -> list[Picture]:
    """Consecutive frames from the middle of a video, at half size; InputError for one that cannot be read."""
    import av

    try:
        with av.open(str(file)) as container:
            total = sum(1 for packet in container.demux(video=0) if packet.size)
        with av.open(str(file)) as container:
            first, pictures = max(0, (total - most) // 2), []
            for i, frame in enumerate(container.decode(video=0)):
                if i >= first:
                    pictures.append(frame.to_ndarray(format="rgb24"))
                if len(pictures) == most:
                    break
    except (av.FFmpegError, IndexError) as error:
        raise InputError(f"{file}: cannot be read as a video ({error}); remove it from the training folder") from error
    halves = [cv2.resize(p, (p.shape[1] // 2, p.shape[0] // 2), interpolation=cv2.INTER_AREA) for p in pictures]
    return [half.astype(np.uint8, copy=False) for half in halves]
