"""Measure restorers: on blur/sharp pairs, on sharp footage that they must leave alone, and on a picture held still."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import InputError
from ..frames import Frame
from ..pipeline import restored
from ..restorer import Restorer, State, Wrapper
from ..restorers.timed import Timed
from ..windows import Window
from .metrics import METRICS, Picture
from .pairs import Clip, find_clips, find_sharp_clips, picture_of, read_frame, read_frames

Series: TypeAlias = Mapping[str, Sequence[float]]
"""Metric name to its values: one per frame, or one per step from frame to frame for temporal metrics."""

STILL_FRAMES = 8


@dataclass(frozen=True, slots=True)
class Example:
    """One frame of a clip to look at: (height, width, 3) uint8 each."""

    index: int
    blurred: Picture
    restored: Picture
    sharp: Picture


@dataclass(frozen=True, slots=True)
class ClipScores:
    """Every metric of one clip, before (`input`) and after (`output`), against the truth."""

    frames: int
    input: Series
    output: Series
    example: Example | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """One restorer on one set of clips. A mean is over all frames of all clips, each counting once.

    Equal pictures have an infinite PSNR; in a mean (and so in JSON and tables) they count as 100 dB.
    """

    model: str
    device: str
    precision: str
    clips: dict[str, ClipScores]
    seconds: float
    """Spent in `restore` alone."""
    sharp: Result | None = None
    """The same restorer on sharp footage, with the input as truth."""
    still: Result | None = None
    """The same restorer on one picture of each clip held still, with the input as truth."""

    @property
    def frames(self) -> int:
        """Frames over all clips."""
        return sum(clip.frames for clip in self.clips.values())

    def mean(self, metric: str, clip: str | None = None) -> float | None:
        """Mean of the output over all frames, or those of one clip; None where no clip has two frames for a step."""
        return _mean(metric, (scores.output for name, scores in self.clips.items() if clip in (None, name)))

    def mean_input(self, metric: str, clip: str | None = None) -> float | None:
        """The same of the input."""
        return _mean(metric, (scores.input for name, scores in self.clips.items() if clip in (None, name)))

    def gain_db(self, clip: str | None = None) -> float:
        """Mean PSNR of the output less that of the input."""
        return (self.mean("psnr", clip) or 0.0) - (self.mean_input("psnr", clip) or 0.0)


class StateReset(Wrapper):
    """A restorer that forgets: each frame starts a scene. What it loses is what the recurrence earns."""

    @property
    def name(self) -> str:
        """The inner restorer's, and that it forgets."""
        return f"{self.inner.name}, state reset"

    def restore(self, window: Window, state: State) -> tuple[Frame, State]:
        """Restore the centre from its window alone."""
        return self.inner.restore(replace(window, is_scene_start=True), None)


def evaluate(
    pairs: str | Path | Sequence[Clip],
    restorer: Restorer,
    *,
    reset_state_each_frame: bool = False,
    metrics: Sequence[str] = tuple(METRICS),
    inputs: Mapping[str, Series] | None = None,
    examples: int = 0,
    on_frame: Callable[[], None] | None = None,
) -> Result:
    """Stream every clip through `restorer` and score input and output against the truth.

    `pairs` is a folder (see `find_clips`) or clips already found. `inputs` are scores of the same inputs by clip, where
    an earlier result has them. Of the first `examples` clips the middle frame is kept. `on_frame` is called per frame.
    """
    clips = find_clips(pairs) if isinstance(pairs, str | Path) else pairs
    timed = Timed(StateReset(restorer) if reset_state_each_frame else restorer)
    scores: dict[str, ClipScores] = {}
    for clip in clips:
        before, after = _Scorer(metrics), _Scorer(metrics)
        example = None
        for index, result in enumerate(restored(read_frames(clip.blur), timed)):
            blurred, sharp = picture_of(result.before), picture_of(read_frame(clip.sharp[index], index))
            if blurred.shape != sharp.shape:
                sizes = f"{blurred.shape[1]}x{blurred.shape[0]}, its truth {sharp.shape[1]}x{sharp.shape[0]}"
                raise InputError(f"{clip.blur[index]}: is {sizes}; blur and sharp pictures have one size")
            output = picture_of(result.after)
            after.add(output, sharp)
            if inputs is None:
                before.add(blurred, sharp)
            if len(scores) < examples and index == len(clip.blur) // 2:
                example = Example(index, blurred, output, sharp)
            if on_frame:
                on_frame()
        given = before.series if inputs is None else inputs[clip.name]
        scores[clip.name] = ClipScores(len(clip.blur), given, after.series, example)
    return Result(timed.name, timed.device, timed.precision, scores, sum(timed.seconds))


def do_no_harm(folder: str | Path, restorer: Restorer, *, on_frame: Callable[[], None] | None = None) -> Result:
    """Restore sharp footage: `mean("psnr")` of the result is between output and input, over all frames."""
    return evaluate(find_sharp_clips(folder), restorer, metrics=("psnr",), on_frame=on_frame)


def hold_still(clips: Sequence[Clip], restorer: Restorer, *, on_frame: Callable[[], None] | None = None) -> Result:
    """Restore the middle picture of each clip, shown eight times: `mean("flicker")` should be next to nothing."""
    still = []
    for clip in clips:
        pictures = (clip.blur[len(clip.blur) // 2],) * STILL_FRAMES
        still.append(Clip(clip.name, pictures, pictures))
    return evaluate(still, restorer, metrics=("psnr", "flicker"), on_frame=on_frame)


def compare(
    pairs: str | Path,
    restorers: Iterable[Restorer],
    *,
    sharp: str | Path | None = None,
    examples: int = 6,
    on_frame: Callable[[], None] | None = None,
) -> list[Result]:
    """Evaluate many restorers on the same pairs, held still, and on the sharp footage in `sharp`, in the given order.

    Wrap a restorer in `StateReset` for the row that shows what its state is worth.
    """
    clips = find_clips(pairs)
    results: list[Result] = []
    for restorer in restorers:
        inputs = {name: scores.input for name, scores in results[0].clips.items()} if results else None
        result = evaluate(clips, restorer, inputs=inputs, examples=examples, on_frame=on_frame)
        still = hold_still(clips, restorer, on_frame=on_frame)
        harm = do_no_harm(sharp, restorer, on_frame=on_frame) if sharp is not None else None
        results.append(replace(result, still=still, sharp=harm))
    return results


def to_json(result: Result) -> dict[str, Any]:
    """What `vdeblur eval --json` prints; figures in the units of METRICS, None where a clip is too short for one."""

    def figures(clip: str | None) -> dict[str, Any]:
        both: dict[str, Any] = {}
        for metric in next(iter(result.clips.values())).output:
            both[f"{metric}_input"], both[metric] = result.mean_input(metric, clip), result.mean(metric, clip)
        return both | {"gain_db": result.gain_db(clip)}

    summary: dict[str, Any] = {"model": result.model, "device": result.device, "precision": result.precision}
    summary |= {"frames": result.frames, "restore_seconds": result.seconds} | figures(None)
    if result.still:
        summary["flicker_still"] = result.still.mean("flicker")
    if result.sharp:
        summary["psnr_sharp"] = result.sharp.mean("psnr")
        summary["sharp_clips"] = {name: {"psnr": result.sharp.mean("psnr", name)} for name in result.sharp.clips}
    return summary | {"clips": {name: {"frames": clip.frames} | figures(name) for name, clip in result.clips.items()}}


class _Scorer:
    """Collects the metrics of a clip as its frames go by."""

    def __init__(self, metrics: Sequence[str]) -> None:
        self.series: dict[str, list[float]] = {name: [] for name in metrics}
        self._previous: tuple[Picture, Picture] | None = None

    def add(self, picture: Picture, reference: Picture) -> None:
        for name, values in self.series.items():
            metric = METRICS[name]
            if metric.of_frame:
                values.append(metric.of_frame(picture, reference))
            elif metric.of_step and self._previous:
                previous, previous_reference = self._previous
                values.append(metric.of_step(previous, picture, previous_reference, reference))
        self._previous = picture, reference


def _mean(metric: str, clips: Iterable[Series]) -> float | None:
    values = [min(value, METRICS[metric].ceiling) for series in clips for value in series[metric]]
    return sum(values) / len(values) if values else None
