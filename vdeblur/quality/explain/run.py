"""Explain an input: read it, restore it frame by frame, and gather what the steps tell."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ...backends.memory import is_out_of_memory
from ...blurriness import blur_length
from ...errors import DeviceError, InputError, UsageError
from ...frames import Frame, Image
from ...jobs.job import OnFrame
from ...media.options import SourceOptions
from ...media.sources import open_source
from ...protocols import Source
from ...scenes import SceneCuts
from ...windows import windows
from . import drawing
from .attribution import Check
from .calibration import CLIPS, calibrate
from .certainty import beyond_evidence, luma
from .explanation import Explanation
from .findings import FrameFacts, Shown
from .known import halved
from .loaded import LoadedModel, load_model
from .motion import exposure_share, length
from .reach import Reach
from .steps import NetworkSteps, Step

MOST_SHOWN = 24
CHANGE_TOP, SPREAD_TOP = 24.0, 12.0
"""8-bit levels at which the colours of a layer end."""
CONTEXT = 8
"""Frames before and after the one at `at` that are explained with it, so that the plots show what led to it."""
CALIBRATION_SIZE = (400, 300)
"""Width and height that halved frames are cut to for calibration."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which frames are explained, and which one is in focus."""

    at: float | None
    """Seconds."""
    frames: tuple[int, int] | None
    rate: float
    """Frames per second."""
    middle: int
    """The frame in focus when all are explained."""

    @property
    def count(self) -> int:
        """About how many frames are explained."""
        if self.at is not None:
            return 2 * CONTEXT + 1
        return 2 * self.middle if self.frames is None else self.frames[1] - self.frames[0] + 1

    def explains(self, index: int, seconds: float) -> bool:
        """Whether this frame is explained."""
        if self.at is not None:
            return abs(seconds - self.at) <= (CONTEXT + 0.5) / self.rate
        return self.frames is None or self.frames[0] <= index <= self.frames[1]

    def is_over(self, index: int, seconds: float) -> bool:
        """Whether no later frame is explained."""
        if self.at is not None:
            return seconds > self.at + (CONTEXT + 0.5) / self.rate
        return self.frames is not None and index > self.frames[1]

    def is_focus(self, index: int, seconds: float, next_seconds: float | None) -> bool:
        """Whether this frame is the one that is shown at `at`, or the middle one."""
        if self.at is not None:
            end = seconds + 1.5 / self.rate if next_seconds is None else next_seconds
            return seconds <= self.at < end
        return index == (self.middle if self.frames is None else sum(self.frames) // 2)

    def starts(self, index: int, warm_up: int) -> bool:
        """Whether this frame is explained, or leads up to one that is."""
        return self.frames is None or index >= self.frames[0] - warm_up


def explain(
    input: str,
    model: str | None = None,
    *,
    at: float | None = None,
    frames: tuple[int, int] | None = None,
    point: tuple[int, int] | None = None,
    views: int = 4,
    device: str = "auto",
    scene_cuts: bool = True,
    exposure: float | None = None,
    pairs: str | None = None,
    most_shown: int = MOST_SHOWN,
    on_frame: OnFrame | None = None,
    on_step: Callable[[Step, FrameFacts], None] | None = None,
) -> Explanation:
    """Explain what a model made of an input: all of it, what is about a time `at` (seconds), or a range of `frames`.

    `frames` are the first and the last, counted from 0. `point` (x, y) in pixels asks how far the answer looked, in
    the frame in focus: the one shown at `at`, else the middle one. The answers of so many `views`, 1 to 8, are
    compared; 1 says nothing of certainty. `exposure` is the share of the frame time that the shutter was open, 0..1,
    where it is known; else it is fitted. `pairs` is a folder of blur/sharp pairs (as `vdeblur eval` takes) to
    calibrate certainty on, in place of the input's own frames. At most `most_shown` frames are kept as pictures;
    figures are of every frame. `on_frame` is called after each frame that was read, `on_step` with all that is known
    of each that is explained. Everything is computed in fp32.

    Raises what `open_source` and `load_restorer` raise; InputError for a time or frames that the input does not have
    and for a point outside its frames; UsageError for settings that cannot be; DeviceError where memory does not do.
    """
    if at is not None and frames is not None:
        raise UsageError("a time and a range of frames both say what to explain: give one of them")
    if at is not None and at < 0:
        raise UsageError(f"{at:g} s: a time is counted from the start of the input, 0 or later")
    if frames is not None and not 0 <= frames[0] <= frames[1]:
        raise UsageError(f"frames {frames[0]}-{frames[1]}: give the first and the last, counted from 0")
    if not 1 <= views <= 8:
        raise UsageError(f"{views} views: choose 1 to 8")
    if exposure is not None and not 0 < exposure <= 1:
        raise UsageError(f"an exposure of {exposure:g}: give the share of the frame time, above 0 and at most 1")
    if input == "-":
        raise UsageError("standard input cannot be read twice, as an explanation must: name a file")
    started = time.perf_counter()
    loaded = load_model(model, device)
    with open_source(input) as source:
        info = source.info
        origin = next((frame.seconds for frame in source), 0.0)  # times are counted from the first frame
    if point is not None and not (0 <= point[0] < info.width and 0 <= point[1] < info.height):
        size = f"{info.width}x{info.height}"
        raise InputError(f"{input}: the point {point[0]},{point[1]} lies outside its frames of {size}")
    rate = float(info.frame_rate or 25)
    wanted = Wanted(at, frames, rate, (info.frames or 2 * CONTEXT) // 2)
    start = 0.0 if at is None else max(at - (CONTEXT + loaded.warm_up + 2) / rate, 0.0)
    gathered = _Gathered(loaded, views, wanted, point, most_shown)
    with open_source(input, SourceOptions(start_seconds=start or None)) as source:
        cuts = SceneCuts() if scene_cuts else None
        try:
            gathered.follow(source, cuts, (start, origin), on_frame, on_step)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            size = f"{info.width}x{info.height}"
            raise DeviceError(
                f"{loaded.device}: not enough memory to explain frames of {size}; fewer views need less"
            ) from error
        damaged = source.damaged
    if gathered.focus is None:
        raise InputError(f"{input}: {_missing(at, frames, gathered)}")
    found = replace(gathered.explanation(input, (info.width, info.height), views), damaged=damaged)
    if loaded.is_network:
        known = calibrate(lambda: loaded.network_steps(views), gathered.sharpest(), pairs)
        found = replace(found, certainty=known.certainty, motion=known.motion, calibrated_on=known.measured_on)
    if exposure is not None:
        found = replace(found, exposure_share=exposure)
    return replace(found, seconds=time.perf_counter() - started)


class _Gathered:
    """What is kept of a run."""

    def __init__(
        self, loaded: LoadedModel, views: int, wanted: Wanted, point: tuple[int, int] | None, most_shown: int
    ) -> None:
        self._loaded, self._wanted, self._point, self._most_shown = loaded, wanted, point, most_shown
        self._steps = loaded.steps(views)
        self._stride = max(wanted.count // (2 * most_shown), 1)
        self._pictures: list[tuple[float, Image]] = []
        self.frames: list[FrameFacts] = []
        self.shown: list[Shown] = []
        self.focus: int | None = None
        self.check: Check | None = None
        self.reach: Reach | None = None
        self.read = 0
        self.last_seconds = 0.0

    def follow(
        self,
        source: Source,
        cuts: SceneCuts | None,
        clock: tuple[float, float],
        on_frame: OnFrame | None,
        on_step: Callable[[Step, FrameFacts], None] | None,
    ) -> None:
        """Go along a source whose first frame is shown at about the first number of `clock`, in seconds; the second is
        the time that the whole file's first frame bears.
        """
        start, origin = clock
        first = round(start * self._wanted.rate)
        for number, window in enumerate(windows(source, self._steps.past, self._steps.future, cuts)):
            index, seconds = first + number, start + window.centre.seconds - origin
            self.read, self.last_seconds = number + 1, seconds
            if self._wanted.is_over(index, seconds):
                break
            if self._wanted.starts(index, self._loaded.warm_up):
                step = self._steps.step(window, self._wanted.explains(index, seconds))
                if self._wanted.explains(index, seconds):
                    facts = facts_of(step, index, seconds)
                    self._take(step, facts)
                    if on_step is not None:
                        on_step(step, facts)
            if on_frame is not None:
                on_frame(source.info, window.centre)
        if self.focus is None and self.frames and self._wanted.at is None:
            self._look_closer(self.frames[-1].frame)

    def _take(self, step: Step, facts: FrameFacts) -> None:
        following = step.window.frames[step.window.past + 1 :]
        upcoming = following[0].seconds - step.window.centre.seconds if following else 0.0
        next_seconds = facts.seconds + upcoming if upcoming > 0 else None
        is_focus = self.focus is None and self._wanted.is_focus(facts.frame, facts.seconds, next_seconds)
        if len(self.frames) % self._stride == 0 or is_focus:
            self.shown.append(_shown(step, facts))
            self._pictures.append((facts.blur_px or 0.0, _for_calibration(step.window.centre)))
        self.frames.append(facts)
        if is_focus:
            self._look_closer(facts.frame)
        if len(self.shown) > 2 * self._most_shown:
            self._thin_out()

    def _thin_out(self) -> None:
        self._stride *= 2
        first = self.frames[0].frame
        kept = [s.facts.frame == self.focus or (s.facts.frame - first) % self._stride == 0 for s in self.shown]
        self.shown = [entry for entry, stays in zip(self.shown, kept, strict=True) if stays]
        self._pictures = [entry for entry, stays in zip(self._pictures, kept, strict=True) if stays]

    def _look_closer(self, frame: int) -> None:
        self.focus = frame
        if isinstance(self._steps, NetworkSteps):
            self.check = self._steps.check()
            if self._point is not None:
                self.reach = self._steps.reach(self._point)

    def sharpest(self) -> list[Image]:
        """The least blurred of the pictures kept for calibration."""
        return [picture for _, picture in sorted(self._pictures, key=lambda entry: entry[0])[:CLIPS]]

    def explanation(self, input: str, size: tuple[int, int], views: int) -> Explanation:
        """All of it, but for the calibration."""
        is_network = isinstance(self._steps, NetworkSteps)
        flows = [f.flow_px for f in self.frames if f.flow_px is not None]
        blurs = [f.blur_px or 0.0 for f in self.frames if f.flow_px is not None]
        return Explanation(
            input=input,
            model=self._loaded.name,
            model_sha256=self._loaded.sha256,
            device=self._loaded.device,
            views=max(views, self._loaded.views) if is_network else 1,
            size=size,
            frames=self.frames,
            shown=self.shown,
            exposure_share=exposure_share(blurs, flows) if flows else None,
            focus=self.focus,
            check=self.check,
            reach=self.reach,
            network=self._loaded.facts,
            drawing=self._loaded.drawing,
        )


def facts_of(step: Step, index: int, seconds: float) -> FrameFacts:
    """A step in figures."""
    change, found, field = step.change, step.attribution, step.velocity
    marked = None if step.deviation is None or change is None else beyond_evidence(change, step.deviation)
    return FrameFacts(
        frame=index,
        seconds=seconds,
        is_cut=step.window.is_scene_start,
        is_fallback=step.is_fallback,
        change=0.0 if change is None else float(np.abs(change).mean()),
        flow_px=None if field is None else float(np.median(length(field))),
        blur_px=None if field is None else blur_length(step.window.centre),
        shares=None if found is None else found.shares,
        together=None if found is None else found.together,
        gap=None if found is None else found.gap * 255,
        cell=None if step.cell is None else step.cell.figures(),
        spread=None if step.deviation is None else float(step.deviation.mean()),
        spread_95=None if step.deviation is None else float(np.quantile(step.deviation, 0.95)),
        beyond_evidence=None if marked is None else float(marked.mean()),
    )


def _shown(step: Step, facts: FrameFacts) -> Shown:
    layers: dict[str, Image] = {}
    if step.change is not None:
        layers["change"] = drawing.heat(np.abs(step.change), CHANGE_TOP)
    if step.attribution is not None:
        height, width = step.window.centre.planes[0].shape
        parts = {s: np.abs(luma(p).cpu().numpy()[:height, :width]) for s, p in step.attribution.parts.items()}
        layers["sources"] = drawing.shares(parts, CHANGE_TOP)
        layers |= {source: drawing.heat(part, CHANGE_TOP) for source, part in parts.items()}
    if step.deviation is not None and step.change is not None:
        layers["uncertainty"] = drawing.heat(step.deviation, SPREAD_TOP)
        layers["beyond the evidence"] = drawing.marks(beyond_evidence(step.change, step.deviation))
    if step.cell is not None:
        layers |= {name: drawing.heat(values, 1.0) for name, values in step.cell.maps.items()}
    frames = (
        drawing.at_most(drawing.rgb(frame), drawing.WIDEST_FRAME) for frame in (step.window.centre, step.restored)
    )
    before, after = (drawing.webp(frame) for frame in frames)
    encoded = {name: drawing.webp(drawing.at_most(layer, drawing.WIDEST_LAYER), 70) for name, layer in layers.items()}
    coarse = None if step.velocity is None else np.asarray(step.velocity[2::4, 2::4], np.float32)
    return Shown(facts, before, after, encoded, coarse)


def _for_calibration(frame: Frame) -> Image:
    """The middle of the frame at half its size, RGB."""
    (half,) = halved([drawing.rgb(frame)])
    width, height = (min(most, side) for most, side in zip(CALIBRATION_SIZE, half.shape[1::-1], strict=True))
    top, left = (half.shape[0] - height) // 2, (half.shape[1] - width) // 2
    return half[top : top + height, left : left + width].copy()


def _missing(at: float | None, frames: tuple[int, int] | None, gathered: _Gathered) -> str:
    if at is not None:
        return f"nothing is shown at {at:g} s; it ends at {gathered.last_seconds:.3f} s"
    return f"there is no frame {0 if frames is None else frames[0]}; it has {gathered.read}"
