"""Calibration: the maps of an explanation compared with the truth, on pairs with a known one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from numpy.typing import NDArray

from ...backends.folding import fold
from ...blurriness import blur_length
from ...frames import SRGB_TAGS, Frame, Image, Layout
from ...windows import windows
from ..pairs import find_clips, read_frames
from .certainty import Calibration, calibrated, luma
from .findings import MotionCalibration
from .known import KnownClip, shaken
from .motion import Field, exposure_share, length
from .steps import NetworkSteps, Step

CLIPS = 3
SMALLEST = 96
"""Smallest side in pixels of an image to be shaken."""
SAMPLES = 40_000
"""Random pixels to compare per frame."""
MOST_OF_PAIRS = 24
"""Most clips of a folder of pairs, and most frames of each."""


@dataclass(frozen=True, slots=True)
class Calibrations:
    """Results of calibration; None if it could not be measured."""

    measured_on: str
    certainty: Calibration | None
    motion: MotionCalibration | None


def calibrate(steps: Callable[[], NetworkSteps], images: Sequence[Image], pairs: str | None) -> Calibrations:
    """Calibrate motion on `images` (RGB, sharp), shaken by known exposures, and certainty on `pairs`, or else the same.

    `steps` returns a fresh run along a stream. Raises InputError for a folder without pairs.
    """
    clips = [
        shaken(np.random.default_rng(index), image)
        for index, image in enumerate(images)
        if min(image.shape[:2]) >= SMALLEST
    ]
    own = [(clip, _taken(steps(), [rgb_frame(p, i) for i, p in enumerate(clip.blurred)])) for clip in clips]
    motion = _of_motion(own) if own else None
    if pairs is not None:
        measured = [
            (step, fold(sharp))
            for clip in find_clips(pairs)[:MOST_OF_PAIRS]
            for step, sharp in zip(
                _taken(steps(), list(read_frames(clip.blur[:MOST_OF_PAIRS]))),
                read_frames(clip.sharp[:MOST_OF_PAIRS]),
                strict=True,
            )
        ]
        return Calibrations(f"the pairs in {pairs}", _of_certainty(measured), motion)
    if not own:
        return Calibrations("", None, None)
    measured = [
        (step, fold(rgb_frame(sharp, 0))) for clip, taken in own for step, sharp in zip(taken, clip.sharp, strict=True)
    ]
    said = f"{len(clips)} frames of the input, halved and shaken by known exposures"
    return Calibrations(said, _of_certainty(measured), motion)


def rgb_frame(image: Image, index: int) -> Frame:
    """A frame of 8-bit RGB (height, width, 3)."""
    planes = tuple(np.ascontiguousarray(image[..., channel]) for channel in range(3))
    return Frame(planes, Layout("rgb"), SRGB_TAGS, pts=index, time_base=Fraction(1, 25))


def _taken(steps: NetworkSteps, frames: Iterable[Frame]) -> list[Step]:
    return [steps.step(window, is_explained=True, with_sources=False) for window in windows(frames, 1, 1)]


def _of_certainty(measured: Iterable[tuple[Step, NDArray[np.float32]]]) -> Calibration | None:
    """Spread and error of a sample of pixels from every frame."""
    rng = np.random.default_rng(0)
    deviations, errors = [], []
    for step, truth in measured:
        if step.deviation is None or step.change is None:
            continue
        width, height = step.window.centre.size
        before, sharp = (luma(torch.from_numpy(x)).numpy()[:height, :width] for x in (fold(step.window.centre), truth))
        taken = rng.integers(0, height * width, SAMPLES)
        deviations.append(step.deviation.ravel()[taken])
        errors.append((before + step.change - sharp).ravel()[taken])
    return calibrated(np.concatenate(deviations), np.concatenate(errors)) if deviations else None


def _of_motion(own: Sequence[tuple[KnownClip, list[Step]]]) -> MotionCalibration:
    """Motion maps as in an explanation, with the exposure fitted per clip, compared with the truth."""
    estimated, true = [], []
    for clip, steps in own:
        fields = [step.velocity for step in steps if step.velocity is not None]
        blur = [blur_length(step.window.centre) for step in steps]
        share = exposure_share(blur, [float(np.median(length(field))) for field in fields])
        for field, motion in zip(fields, clip.motion, strict=True):
            estimated.append(share * field)
            true.append(motion[::2, ::2][: field.shape[0], : field.shape[1]])
    return against_truth(estimated, true)


def against_truth(estimated: Sequence[Field], true: Sequence[Field]) -> MotionCalibration:
    """Compare fields pixel by pixel; padding of an estimate beyond the truth is ignored."""
    guess = np.concatenate([e[: t.shape[0], : t.shape[1]].reshape(-1, 2) for e, t in zip(estimated, true, strict=True)])
    truth = np.concatenate([t.reshape(-1, 2) for t in true])
    ours, theirs = np.hypot(*guess.T), np.hypot(*truth.T)
    moving = (ours >= 1) & (theirs >= 1)
    cosine = (guess * truth).sum(1)[moving] / (ours * theirs)[moving]
    return MotionCalibration(
        pixels=len(truth),
        correlation=float(np.corrcoef(ours, theirs)[0, 1]) if ours.std() and theirs.std() else 0.0,
        median_error_px=float(np.median(np.abs(ours - theirs))),
        median_length_px=float(np.median(theirs)),
        direction_degrees=float(np.degrees(np.arccos(np.clip(np.median(cosine), -1, 1)))) if moving.any() else 0.0,
    )
