"""A network on any engine as a restorer: fold, optical flow, align, compute, unfold."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import cv2
import numpy as np

from ..errors import DeviceError
from ..flow import Luma
from ..frames import Frame
from ..recurrence import CELL, REHEARSED, Encoded, Motion
from ..stages import stage
from ..windows import Window
from .allocation import keep_freed_memory
from .engines import Engine
from .flow import FlowPlanes, flow_back, flow_between, half_luma
from .folding import fold, unfold
from .memory import MIN_TILE, choose_tile, is_out_of_memory
from .phases import Samples
from .symmetries import SYMMETRIES, turn, turn_flow, undo
from .tiles import Array, in_tiles

log = logging.getLogger(__name__)


class FoldedFrame(NamedTuple):
    """A frame prepared for the network, once for all windows that contain it."""

    frame: Frame
    folded: Array
    """On the engine's device."""
    luma: Luma
    views: dict[int, Encoded[Array]]
    """By symmetry: turned and encoded, as far as needed."""


class StreamState(NamedTuple):
    """What is passed from one frame to the next."""

    views: tuple[Any, ...]
    """The state of the network for each symmetric view."""
    centre: FoldedFrame
    """The frame that the state belongs to."""
    future: FoldedFrame
    """The frame after it, or the same frame."""
    to_future: FlowPlanes | None
    """Optical flow from the centre to the frame after it."""
    device: str
    """The device of its arrays."""


class NetworkRestorer:
    """A network on an engine as a restorer.

    When memory runs out it continues in smaller tiles, and finally on the CPU; `device` and `precision` are current.
    """

    def __init__(
        self,
        name: str,
        engine: Engine,
        *,
        look_ahead: bool = True,
        tile: int | None = None,
        views: int = 1,
        on_retreat: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`look_ahead` False uses no future frame, for live streams: less latency, lower quality.

        `tile` is the tile size in pixels; 0: whole frames, None: what fits into free memory. `views` is the number of
        symmetric views to average (self-ensemble, Lim et al. 2017), 1 to 8; the cost grows in proportion. `on_retreat`
        is called with a short message when memory runs out.
        """
        keep_freed_memory()
        self.name = name if views == 1 else f"{name}, {views} views"
        self.engine = engine
        self.past = engine.past
        self.future = max(engine.future, REHEARSED * engine.settles) if look_ahead else 0
        self._tile = tile
        self._symmetries = SYMMETRIES[:views]
        self._chosen: dict[tuple[int, int], int] = {}
        self._on_retreat = on_retreat

    @property
    def device(self) -> str:
        """The current device."""
        return self.engine.device

    @property
    def precision(self) -> str:
        """The current precision."""
        return self.engine.precision

    def restore(self, window: Window, state: StreamState | None) -> tuple[Frame, StreamState]:
        """Restore the centre. Raises NonFiniteResult, and DeviceError if memory does not suffice in any way."""
        while True:
            try:
                return self._restore(window, state)
            except (RuntimeError, MemoryError, cv2.error) as error:
                if not is_out_of_memory(error):
                    raise
                failure = error.with_traceback(None)  # its frames would keep the computed arrays alive
            self._retreat(window.centre.size, failure)

    def _restore(self, window: Window, state: StreamState | None) -> tuple[Frame, StreamState]:
        state = self._here(state)
        if state is None and self.engine.settles:
            for frame in _rehearsed(window):
                state = self._advance(frame, frame, state)[1]
        following = window.frames[window.past + 1] if self.future else window.centre
        residual, state = self._advance(window.centre, following, state)
        return unfold(window.centre, residual), state

    def _advance(self, frame: Frame, following: Frame, state: StreamState | None) -> tuple[Samples, StreamState]:
        """The residual of a frame, which sees the one that follows it, and the next state."""
        known = (state.centre, state.future) if state else ()
        centre = self._see(frame, known)
        future = self._see(following, (centre, *known))
        motion: Motion[FlowPlanes | None] = Motion(None, None)
        if self.engine.uses_motion:
            with stage("flow"):
                motion = _motion(centre, future, state)
        tile = self._tile_for(frame.size)
        residuals, states = [], []
        for place, symmetry in enumerate(self._symmetries):
            before = state.views[place] if state else None
            here, ahead = (self._encoded(one, symmetry, tile) for one in (centre, future))
            residual, after = self._view(symmetry, here, ahead, motion, before, tile)
            residuals.append(residual)
            states.append(after)
        mean = residuals[0] if len(residuals) == 1 else np.mean(residuals, axis=0)
        done = centre._replace(views={})  # only the features of the future frame are used again
        seen = done if future is centre else future
        return mean, StreamState(tuple(states), done, seen, motion.to_future, self.device)

    def _view(
        self,
        symmetry: int,
        centre: Encoded[Array],
        future: Encoded[Array],
        motion: Motion[FlowPlanes | None],
        state: Any,
        tile: int,
    ) -> tuple[Samples, Any]:
        """The residual of a view, turned back, and its next state."""
        moved = Motion(*(None if flow is None else turn_flow(flow, symmetry) for flow in motion))
        residual, after = self._step(centre, None if future is centre else future, moved, state, tile)
        return undo(residual, symmetry), after

    def _step(
        self,
        centre: Encoded[Array],
        future: Encoded[Array] | None,
        motion: Motion[FlowPlanes | None],
        state: Any,
        tile: int,
    ) -> tuple[Samples, Any]:
        """The residual and the next state."""
        with stage("align"):
            aligned = self.engine.align(centre, future, motion, state)
        with stage("network"):
            computed = in_tiles(self.engine.compute, aligned, _cells(centre.frame), tile, self.engine.reach[1])
            residual = self.engine.fetch(computed[0])
        return residual, self.engine.remember(centre, computed)

    def _encoded(self, frame: FoldedFrame, symmetry: int, tile: int) -> Encoded[Array]:
        """A frame in this view, encoded once for all windows that contain it."""
        if symmetry not in frame.views:
            here = turn(frame.folded, symmetry)
            with stage("network"):
                features = in_tiles(self.engine.encode, [here], _cells(here), tile, self.engine.reach[0])
            frame.views[symmetry] = Encoded(here, tuple(features))
        return frame.views[symmetry]

    def _see(self, frame: Frame, known: tuple[FoldedFrame, ...]) -> FoldedFrame:
        for seen in known:
            if seen.frame is frame:
                return seen
        folded = fold(frame)
        return FoldedFrame(frame, self.engine.load(folded), half_luma(folded), {})

    def _tile_for(self, size: tuple[int, int]) -> int:
        if self._tile is not None:
            return self._tile
        if size not in self._chosen:
            engine, views = self.engine, len(self._symmetries)
            self._chosen[size] = choose_tile(
                engine.features, max(engine.reach), size, engine.device, engine.bytes_per_value, views
            )
            log.info("%dx%d on %s: tiles of %d (0: none)", *size, self.device, self._chosen[size])
        return self._chosen[size]

    def _retreat(self, size: tuple[int, int], cause: BaseException) -> None:
        """Halve the tile size, then move to the CPU. Raises DeviceError if neither is left."""
        width, height = size
        lacking = f"{self.device}: not enough memory for a {width}x{height} frame"
        tile = self._tile if self._tile is not None else self._chosen.get(size, 0)
        smaller = min(tile or max(size), max(size)) // 2
        if smaller >= MIN_TILE:
            self._tile = smaller
            way = f"in tiles of {smaller} pixels"
        elif self.device != "cpu":
            self._tile, self._chosen = None, {}
            self.engine.move_to_cpu()
            way = "on the CPU"
        else:
            raise DeviceError(f"{lacking}, even in tiles; close other programs or restore a smaller frame") from cause
        self.engine.release()
        log.warning("%s: continuing %s", lacking, way)
        self._on_retreat(f"{lacking}: continued {way}")

    def _here(self, state: StreamState | None) -> StreamState | None:
        """The state on the engine's current device: meanwhile, another stream may have moved it to the CPU."""
        if state is None or state.device == self.device:
            return state

        def moved(part: Any) -> Any:  # a state is None, an array, or a named tuple of arrays
            if isinstance(part, tuple):
                return type(part)(*map(moved, part))
            return None if part is None else self.engine.load(self.engine.fetch(part))

        centre = state.centre._replace(folded=moved(state.centre.folded), views={})
        future = centre
        if state.future is not state.centre:
            future = state.future._replace(folded=moved(state.future.folded), views={})
        return StreamState(tuple(map(moved, state.views)), centre, future, state.to_future, self.device)


def _rehearsed(window: Window) -> list[Frame]:
    """The frames that lead to a scene's first one: those after it backwards, or itself; see `StreamNetwork.begin`."""
    held = {id(frame): frame for frame in window.frames[window.past + 1 :] if frame is not window.centre}
    return [*held.values()][::-1] or [window.centre]


def _cells(frame: Array) -> tuple[int, int]:
    """Rows and columns of a folded frame in cells."""
    rows, columns = (2 * side // CELL for side in frame.shape[-2:])
    return rows, columns


def _motion(centre: FoldedFrame, future: FoldedFrame, state: StreamState | None) -> Motion[FlowPlanes | None]:
    """Flow to the frame of the state, which need not be the one before the centre, and to the future frame."""
    to_future = _flow(centre, future)
    if state is None:
        return Motion(None, to_future)
    if state.centre is future:  # a scene begins
        return Motion(to_future, to_future)
    if state.future is centre and state.to_future is not None:
        return Motion(flow_back(state.to_future), to_future)
    return Motion(_flow(centre, state.centre), to_future)  # in live streams, and after frames that were skipped


def _flow(one: FoldedFrame, two: FoldedFrame) -> FlowPlanes | None:
    return None if one is two else flow_between(one.luma, two.luma)
