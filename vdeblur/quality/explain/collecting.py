"""Collects figures and images of the steps of a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from ...blurriness import blur_length
from ...frames import Frame, Image
from ...jobs.job import OnFrame
from ...protocols import Source
from ...scenes import SceneCuts
from ...windows import windows
from . import drawing
from .attribution import Check
from .calibration import CLIPS
from .certainty import beyond_evidence, luma
from .explanation import Explanation
from .findings import FrameFacts, Shown
from .known import halved
from .loaded import LoadedModel
from .motion import exposure_share, length
from .options import ExplainOptions, Selection
from .reach import Reach
from .steps import NetworkSteps, Step

CHANGE_TOP, SPREAD_TOP = 24.0, 12.0
"""8-bit levels at which the colours of a layer end."""
CALIBRATION_SIZE = (400, 300)
"""Width and height that halved frames are cropped to for calibration."""

OnStep: TypeAlias = Callable[[Step, FrameFacts], None]


class Collector:
    """Runs a model along a source, and keeps the figures of every frame explained and the images of some."""

    def __init__(self, loaded: LoadedModel, options: ExplainOptions, selection: Selection) -> None:
        self._loaded, self._options, self._selection = loaded, options, selection
        self._steps = loaded.steps(options.views)
        self._stride = max(selection.count // (2 * options.most_shown), 1)
        self._images: list[tuple[float, Image]] = []
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
        on_step: OnStep | None,
    ) -> None:
        """Run along a source.

        `clock` is the time in seconds at which its first frame is shown, about, and the time stamp of the first frame
        of the whole file.
        """
        start, origin = clock
        first = round(start * self._selection.rate)
        for number, window in enumerate(windows(source, self._steps.past, self._steps.future, cuts)):
            index, seconds = first + number, start + window.centre.seconds - origin
            self.read, self.last_seconds = number + 1, seconds
            if self._selection.is_over(index, seconds):
                break
            if self._selection.starts(index, self._loaded.warm_up):
                step = self._steps.step(window, self._selection.explains(index, seconds))
                if self._selection.explains(index, seconds):
                    facts = facts_of(step, index, seconds)
                    self._take(step, facts)
                    if on_step is not None:
                        on_step(step, facts)
            if on_frame is not None:
                on_frame(source.info, window.centre)
        if self.focus is None and self.frames and self._selection.at is None:
            self._look_closer(self.frames[-1].frame)

    def _take(self, step: Step, facts: FrameFacts) -> None:
        following = step.window.frames[step.window.past + 1 :]
        upcoming = following[0].seconds - step.window.centre.seconds if following else 0.0
        next_seconds = facts.seconds + upcoming if upcoming > 0 else None
        is_focus = self.focus is None and self._selection.is_focus(facts.frame, facts.seconds, next_seconds)
        if len(self.frames) % self._stride == 0 or is_focus:
            self.shown.append(_shown(step, facts))
            self._images.append((facts.blur_px or 0.0, _for_calibration(step.window.centre)))
        self.frames.append(facts)
        if is_focus:
            self._look_closer(facts.frame)
        if len(self.shown) > 2 * self._options.most_shown:
            self._thin_out()

    def _thin_out(self) -> None:
        self._stride *= 2
        first = self.frames[0].frame
        kept = [s.facts.frame == self.focus or (s.facts.frame - first) % self._stride == 0 for s in self.shown]
        self.shown = [entry for entry, stays in zip(self.shown, kept, strict=True) if stays]
        self._images = [entry for entry, stays in zip(self._images, kept, strict=True) if stays]

    def _look_closer(self, frame: int) -> None:
        self.focus = frame
        if isinstance(self._steps, NetworkSteps):
            self.check = self._steps.check()
            if self._options.point is not None:
                self.reach = self._steps.reach(self._options.point)

    def sharpest(self) -> list[Image]:
        """The sharpest of the images kept for calibration."""
        return [image for _, image in sorted(self._images, key=lambda entry: entry[0])[:CLIPS]]

    def explanation(self, input: str, size: tuple[int, int]) -> Explanation:
        """The explanation, without its calibration."""
        is_network = isinstance(self._steps, NetworkSteps)
        flows = [f.flow_px for f in self.frames if f.flow_px is not None]
        blurs = [f.blur_px or 0.0 for f in self.frames if f.flow_px is not None]
        return Explanation(
            input=input,
            model=self._loaded.name,
            model_sha256=self._loaded.sha256,
            device=self._loaded.device,
            views=self._options.views if is_network else 1,
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
    """The figures of a step."""
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
    """The middle of the frame at half size, RGB."""
    (half,) = halved([drawing.rgb(frame)])
    width, height = (min(most, side) for most, side in zip(CALIBRATION_SIZE, half.shape[1::-1], strict=True))
    top, left = (half.shape[0] - height) // 2, (half.shape[1] - width) // 2
    return half[top : top + height, left : left + width].copy()
