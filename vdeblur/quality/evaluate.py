"""Measures restorers on blur/sharp pairs, on sharp footage that should stay unchanged, and on still images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from ..errors import InputError
from ..frames import Frame, Image
from ..pipeline import restored
from ..restorer import Restorer, State, Wrapper
from ..restorers.timed import Timed
from ..windows import Window
from .metrics import METRICS
from .pairs import ClipPair, find_clips, find_sharp_clips, read_frame, read_frames, rgb_image

Series: TypeAlias = Mapping[str, Sequence[float]]
"""Metric name -> values, one per frame, or for temporal metrics one per pair of consecutive frames."""

STILL_FRAMES = 8
"""Length of a clip that repeats one image."""


@dataclass(frozen=True, slots=True)
class ExampleFrame:
    """One frame of a clip for display: RGB images."""

    index: int
    blurred: Image
    restored: Image
    sharp: Image


@dataclass(frozen=True, slots=True)
class ClipScores:
    """The metrics of one clip against the truth, before (`input`) and after (`output`)."""

    frames: int
    input: Series
    output: Series
    example: ExampleFrame | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The scores of one restorer on a set of clips. Means are over all frames of all clips.

    Equal images have an infinite PSNR; in a mean (and so in JSON and tables) they count as 100 dB.
    """

    model: str
    device: str
    precision: str
    clips: dict[str, ClipScores]
    seconds: float
    """Time spent in `restore`."""
    sharp: Evaluation | None = None
    """The same restorer on sharp footage, with the input as truth."""
    still: Evaluation | None = None
    """The same restorer on one repeated image of each clip, with the input as truth."""

    @property
    def frames(self) -> int:
        """Frames over all clips."""
        return sum(clip.frames for clip in self.clips.values())

    def mean(self, metric: str, clip: str | None = None) -> float | None:
        """Mean of the output over all frames, or those of one clip; None if clips are too short for the metric."""
        return _mean(metric, (scores.output for name, scores in self.clips.items() if clip in (None, name)))

    def mean_input(self, metric: str, clip: str | None = None) -> float | None:
        """Mean of the input, likewise."""
        return _mean(metric, (scores.input for name, scores in self.clips.items() if clip in (None, name)))

    def gain_db(self, clip: str | None = None) -> float:
        """Mean PSNR of the output minus that of the input."""
        return (self.mean("psnr", clip) or 0.0) - (self.mean_input("psnr", clip) or 0.0)


class StateReset(Wrapper):
    """A restorer to which every frame is as if it had been held before: the loss shows the value of the recurrence.

    A scene's first frame gets its state from frames after it. So that none comes from another frame, the state is the
    one that the frame itself leaves.
    """

    @property
    def name(self) -> str:
        """The inner restorer's, with a note."""
        return f"{self.inner.name}, state reset"

    def restore(self, window: Window, state: State) -> tuple[Frame, State]:
        """Restore the centre from its window and its own state."""
        held = Window((window.centre,) * len(window.frames), window.past, is_scene_start=True)
        return self.inner.restore(window, self.inner.restore(held, None)[1])


def evaluate(
    pairs: str | Path | Sequence[ClipPair],
    restorer: Restorer,
    *,
    metrics: Sequence[str] = tuple(METRICS),
    inputs: Mapping[str, Series] | None = None,
    examples: int = 0,
    on_frame: Callable[[], None] | None = None,
) -> Evaluation:
    """Stream every clip through `restorer` and score input and output against the truth.

    `pairs` is a folder (see `find_clips`) or its clips. `inputs` are the scores of the inputs by clip, if known from an
    earlier evaluation. The middle frames of the first `examples` clips are kept. `on_frame` is called per frame.
    """
    clips = find_clips(pairs) if isinstance(pairs, str | Path) else pairs
    timed = Timed(restorer)
    scores: dict[str, ClipScores] = {}
    for clip in clips:
        before, after = _Scorer(metrics), _Scorer(metrics)
        example = None
        for index, result in enumerate(restored(read_frames(clip.blur), timed)):
            blurred, sharp = rgb_image(result.before), rgb_image(read_frame(clip.sharp[index], index))
            if blurred.shape != sharp.shape:
                sizes = f"{blurred.shape[1]}x{blurred.shape[0]}, its truth {sharp.shape[1]}x{sharp.shape[0]}"
                raise InputError(f"{clip.blur[index]}: is {sizes}; blurred and sharp images must have the same size")
            output = rgb_image(result.after)
            after.add(output, sharp)
            if inputs is None:
                before.add(blurred, sharp)
            if len(scores) < examples and index == len(clip.blur) // 2:
                example = ExampleFrame(index, blurred, output, sharp)
            if on_frame:
                on_frame()
        input_scores = before.series if inputs is None else inputs[clip.name]
        scores[clip.name] = ClipScores(len(clip.blur), input_scores, after.series, example)
    return Evaluation(timed.name, timed.device, timed.precision, scores, sum(timed.seconds))


def do_no_harm(folder: str | Path, restorer: Restorer) -> Evaluation:
    """Restore sharp footage; the truth is the input, so `mean("psnr")` tells how little it was changed."""
    return evaluate(find_sharp_clips(folder), restorer, metrics=("psnr",))


def restore_still(clips: Sequence[ClipPair], restorer: Restorer) -> Evaluation:
    """Restore the middle image of each clip, repeated STILL_FRAMES times; `mean("flicker")` should be close to 0."""
    still = []
    for clip in clips:
        images = (clip.blur[len(clip.blur) // 2],) * STILL_FRAMES
        still.append(ClipPair(clip.name, images, images))
    return evaluate(still, restorer, metrics=("psnr", "flicker"))


def compare(
    pairs: str | Path,
    restorers: Iterable[Restorer],
    *,
    sharp: str | Path | None = None,
    examples: int = 6,
) -> list[Evaluation]:
    """Evaluate several restorers, in order, on the same pairs, on still images, and on the sharp footage in `sharp`.

    Wrap a restorer in `StateReset` for a row that shows the value of its state.
    """
    clips = find_clips(pairs)
    results: list[Evaluation] = []
    for restorer in restorers:
        inputs = {name: scores.input for name, scores in results[0].clips.items()} if results else None
        result = evaluate(clips, restorer, inputs=inputs, examples=examples)
        still = restore_still(clips, restorer)
        harm = do_no_harm(sharp, restorer) if sharp is not None else None
        results.append(replace(result, still=still, sharp=harm))
    return results


def to_json(result: Evaluation) -> dict[str, object]:
    """As printed by `vdeblur eval --json`, in the units of METRICS; None where a clip is too short for a metric."""

    def figures(clip: str | None) -> dict[str, object]:
        both: dict[str, object] = {}
        for metric in next(iter(result.clips.values())).output:
            both[f"{metric}_input"], both[metric] = result.mean_input(metric, clip), result.mean(metric, clip)
        return both | {"gain_db": result.gain_db(clip)}

    summary: dict[str, object] = {"model": result.model, "device": result.device, "precision": result.precision}
    summary |= {"frames": result.frames, "restore_seconds": result.seconds} | figures(None)
    if result.still:
        summary["flicker_still"] = result.still.mean("flicker")
    if result.sharp:
        summary["psnr_sharp"] = result.sharp.mean("psnr")
        summary["sharp_clips"] = {name: {"psnr": result.sharp.mean("psnr", name)} for name in result.sharp.clips}
    return summary | {"clips": {name: {"frames": clip.frames} | figures(name) for name, clip in result.clips.items()}}


class _Scorer:
    """Computes the metrics of a clip frame by frame."""

    def __init__(self, metrics: Sequence[str]) -> None:
        self.series: dict[str, list[float]] = {name: [] for name in metrics}
        self._previous: tuple[Image, Image] | None = None

    def add(self, image: Image, reference: Image) -> None:
        for name, values in self.series.items():
            metric = METRICS[name]
            if metric.of_frame:
                values.append(metric.of_frame(image, reference))
            elif metric.of_step and self._previous:
                previous, previous_reference = self._previous
                values.append(metric.of_step(previous, image, previous_reference, reference))
        self._previous = image, reference


def _mean(metric: str, clips: Iterable[Series]) -> float | None:
    values = [min(value, METRICS[metric].ceiling) for series in clips for value in series[metric]]
    return sum(values) / len(values) if values else None
