"""Deblurring in a VapourSynth script.

    from vdeblur.vapoursynth import Deblur
    clip = Deblur(clip, model="fast")

A frame server requests frames in parallel and in any order, but a recurrent network needs them one after the other:
`random_access` reconciles the two. VapourSynth calls the function of ModifyFrame from one thread at a time, so no lock
is needed; and while it requests a frame itself (`get_frame`), VapourSynth uses its thread for others, so that it
cannot deadlock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from .cores import use_threads
from .errors import InputError, UsageError
from .frames import Color, Frame, Layout, Plane
from .loading import ModelOptions, load_per_frame, load_restorer, warm_up_of
from .random_access import RandomAccess
from .restorer import Restorer
from .restorers.blend import Blended
from .restorers.fallback import WithFallback
from .scenes import SceneCuts
from .windows import IsCut

KEPT_FRAMES = 8
"""Cached frames in addition to those for parallel requests, for stepping back in a player."""


def Deblur(  # noqa: N802 - as VapourSynth's filters are named
    clip: vs.VideoNode,
    model: str = "fast",
    *,
    strength: float = 1.0,
    views: int = 1,
    engine: str = "auto",
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    scene_cuts: bool = True,
) -> vs.VideoNode:
    """Remove the motion blur of `clip`: same length, format, times and frame properties.

    Takes YUV, RGB and gray of 8 to 16 bits or float, in any sub-sampling; of constant format and size.

    `model` is a published model, a .safetensors file, a classical filter, or the folder of an exported model, which
    needs no torch: `vdeblur export fast -o fast-onnx`. `engine`, `device` and `precision` are those of `ModelOptions`.
    `strength` goes from 0 (the clip) to 1 (the result); `views` is the number of symmetric views of each frame that
    a network averages, 1 to 8. `threads` is the number of CPU threads for models in this process, in addition to
    VapourSynth's own threads (`core.num_threads`); None keeps the current setting.

    The state is reset where the property `_SceneChangePrev` is not 0; frames without it are searched for cuts, unless
    `scene_cuts` is False.

    Raises UsageError for an unsupported clip or an invalid setting, and what `load_restorer` raises.
    """
    layout_of(clip)  # check the clip before loading a model

    if threads is not None:
        use_threads(threads)
    options = ModelOptions(model, device, precision, views=views, engine=engine)
    loaded = load_restorer(options)
    restorer = WithFallback(loaded, lambda: load_per_frame(loaded))
    return deblurred(clip, restorer, warm_up=warm_up_of(options), strength=strength, scene_cuts=scene_cuts)


def deblurred(
    clip: vs.VideoNode, restorer: Restorer, *, warm_up: int, strength: float = 1.0, scene_cuts: bool = True
) -> vs.VideoNode:
    """`clip` restored by a given restorer; otherwise as `Deblur`.

    `warm_up` is the number of warm-up frames of the restorer, as for `RandomAccess`.
    """
    layout = layout_of(clip)
    if strength != 1:
        restorer = Blended(restorer, strength)
    samples = FrameConverter(layout, is_float=clip.format.sample_type == vs.FLOAT)
    last = len(clip) - 1
    requested: dict[int, vs.VideoFrame] = {}

    def frame_at(number: int) -> Frame:
        return samples.read(requested.get(number) or clip.get_frame(number), number)

    frames = RandomAccess(
        frame_at,
        len(clip),
        restorer,
        warm_up=warm_up,
        keep=vs.core.num_threads + KEPT_FRAMES,
        new_cuts=lambda: cuts(scene_cuts),
        finish=samples.write,
    )

    def select(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        requested[min(n + restorer.future, last)] = f
        try:
            return frames.frame(n)
        finally:
            requested.clear()

    # For frame n, VapourSynth requests the last frame of its window in parallel with this computation: in a sequential
    # run it is the only one that has not been read yet.
    shift = min(restorer.future, last)
    return clip.std.ModifyFrame(clip[shift:] + clip[last] * shift if shift else clip, select)


def cuts(detect: bool) -> IsCut:
    """Scene starts according to `_SceneChangePrev`; with `detect`, frames without it are searched for cuts."""
    detected: IsCut = SceneCuts() if detect else lambda previous, following: False

    def is_cut(previous: Frame, following: Frame) -> bool:
        marked = following.origin.frame.props.get("_SceneChangePrev")
        return detected(previous, following) if marked is None else bool(marked)

    return is_cut


def layout_of(clip: vs.VideoNode) -> Layout:
    """The layout in which a clip is restored; floats as 16 bits. Raises UsageError for unsupported formats."""
    form = clip.format
    if form.color_family == vs.UNDEFINED or not clip.width:
        raise UsageError(
            "the clip has a variable format or size; convert it first (clip.resize.Bicubic(width, height, format))"
        )
    if form.sample_type == vs.INTEGER and form.bits_per_sample > 16:
        raise UsageError(
            f"{form.name}: integers of more than 16 bits are not supported; convert the clip to 16 bits or float"
        )
    model = {vs.YUV: "yuv", vs.RGB: "rgb", vs.GRAY: "gray"}[form.color_family]
    bits = 16 if form.sample_type == vs.FLOAT else form.bits_per_sample
    shift = (form.subsampling_w, form.subsampling_h) if model == "yuv" else (0, 0)
    return Layout(model, bits, shift)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """The frame of VapourSynth behind a frame."""

    frame: vs.VideoFrame
    planes: tuple[Plane, ...]
    """As passed to the restorer."""


@dataclass(frozen=True, slots=True)
class FrameConverter:
    """Converts frames of VapourSynth to ours and back.

    Integers are used without a copy. Floats, 0..1 or for chroma -0.5..0.5, are quantised to 65536 steps, and the change
    by the restorer is added to the original: unchanged samples keep every bit, also beyond white and below black.
    """

    layout: Layout
    is_float: bool

    def read(self, frame: vs.VideoFrame, number: int) -> Frame:
        """The frame, with its number as time. Raises InputError for interlaced frames."""
        props = frame.props
        if props.get("_FieldBased", 0):
            raise InputError(
                f"frame {number} is interlaced; deinterlace the clip first, or, if it is progressive, mark it with "
                "clip.std.SetFieldBased(0)"
            )
        native = [np.asarray(frame[index]) for index in range(frame.format.num_planes)]
        planes = tuple(self._codes(plane, index) if self.is_float else plane for index, plane in enumerate(native))
        length = Fraction(props.get("_DurationNum", 1), props.get("_DurationDen", 25) or 25)
        return Frame(planes, self.layout, self._color(props), number, length, 1, Origin(frame, planes))

    def write(self, restored: Frame) -> vs.VideoFrame:
        """A copy of the original frame, with its properties and the restored samples."""
        origin: Origin = restored.origin
        out = origin.frame.copy()
        for index, (before, after) in enumerate(zip(origin.planes, restored.planes, strict=True)):
            if after is before:
                continue
            samples = np.asarray(out[index])
            if self.is_float:
                change = (after.astype(np.float32) - before) / np.float32(65535)
                samples += change.astype(samples.dtype)
            else:
                samples[...] = after
        return out

    def _codes(self, plane: NDArray[np.generic], index: int) -> NDArray[np.uint16]:
        middle = 32768 if self.layout.model == "yuv" and index else 0
        codes = np.nan_to_num(plane.astype(np.float32) * 65535 + middle, nan=middle)
        return np.rint(np.clip(codes, 0, 65535)).astype(np.uint16)

    def _color(self, props: Mapping[str, int]) -> Color:
        full = None if "_Range" not in props else props["_Range"] == vs.RANGE_FULL
        return Color(
            primaries=props.get("_Primaries", 2),
            transfer=props.get("_Transfer", 2),
            matrix=props.get("_Matrix", 2),
            full_range=True if self.is_float else full,
            chroma_location=props.get("_ChromaLocation", -1) + 1,
        )
