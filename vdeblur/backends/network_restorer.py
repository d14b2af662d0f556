"""A network as a restorer, whatever engine computes it: fold, find the motion, align, compute, unfold."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import cv2
import numpy as np

from ..errors import DeviceError
from ..flow import Luma
from ..frames import Frame
from ..recurrence import Encoded, Motion
from ..stages import stage
from ..windows import Window
from .allocation import keep_freed_memory
from .engines import Engine
from .flow import FlowPlanes, flow_between, half_luma
from .folding import MULTIPLE, Samples, fold, unfold
from .memory import MIN_TILE, choose_tile, is_out_of_memory
from .symmetries import SYMMETRIES, turn, turn_flow, undo
from .tiles import Array, in_tiles

log = logging.getLogger(__name__)


class FoldedFrame(NamedTuple):
    """A frame as networks see it; made once, for all windows that hold the frame."""

    frame: Frame
    folded: Array
    """The engine's own, where it computes."""
    luma: Luma
    views: dict[int, Encoded[Array]]
    """Turned by a symmetry, and encoded; those that were asked for."""


class StreamState(NamedTuple):
    """What goes from one frame to the next."""

    views: tuple[Any, ...]
    """The network's own state, one for each symmetric view."""
    centre: FoldedFrame
    """The frame that it is of."""
    future: FoldedFrame
    """The frame after it, or itself."""
    device: str
    """Where its arrays are."""


class NetworkRestorer:
    """A network on an engine as a restorer.

    Out of memory, it goes on in smaller tiles, and in the end on the CPU; `device` and `precision` say where it is.
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
        """`look_ahead` False trades quality for latency: no future frame is wanted, as a live stream needs.

        `tile` is the side of tiles in pixels; 0 is the whole frame at once, None goes by the memory that is free.
        `views` is how many symmetric views of a frame are averaged (self-ensemble, Lim et al. 2017), 1 to 8, at that
        many times the cost. `on_retreat` is told, in a few words, when memory does not do.
        """
        keep_freed_memory()
        self.name = name if views == 1 else f"{name}, {views} views"
        self.engine = engine
        self.past = engine.past
        self.future = engine.future if look_ahead else 0
        self._tile = tile
        self._symmetries = SYMMETRIES[:views]
        self._chosen: dict[tuple[int, int], int] = {}
        self._on_retreat = on_retreat

    @property
    def device(self) -> str:
        """Where it computes."""
        return self.engine.device

    @property
    def precision(self) -> str:
        """In what it computes."""
        return self.engine.precision

    def restore(self, window: Window, state: StreamState | None) -> tuple[Frame, StreamState]:
        """Restore the centre; raises NonFiniteResult, and DeviceError when no way is left to do it in this memory."""
        while True:
            try:
                return self._restore(window, state)
            except (RuntimeError, MemoryError, cv2.error) as error:
                if not is_out_of_memory(error):
                    raise
                failure = error.with_traceback(None)  # whose frames would hold on to what was computed so far
            self._retreat(window.centre.size, failure)

    def _restore(self, window: Window, state: StreamState | None) -> tuple[Frame, StreamState]:
        state = self._here(state)
        known = (state.centre, state.future) if state else ()
        centre = self._see(window.centre, known)
        future = self._see(window.frames[window.past + 1], (centre, *known)) if self.future else centre
        motion: Motion[FlowPlanes | None] = Motion(None, None)
        if self.engine.uses_motion:
            # To the frame that the state is of: it is not the one before the centre where some were left out.
            motion = Motion(_flow(centre, state.centre if state else centre), _flow(centre, future))
        tile = self._tile_for(window.centre.size)
        residuals, states = [], []
        for place, symmetry in enumerate(self._symmetries):
            before = state.views[place] if state else None
            here, ahead = (self._encoded(frame, symmetry, tile) for frame in (centre, future))
            residual, after = self._view(symmetry, here, ahead, motion, before, tile)
            residuals.append(residual)
            states.append(after)
        mean = residuals[0] if len(residuals) == 1 else np.mean(residuals, axis=0)
        past = centre._replace(views={})  # only the future frame's features are asked for again
        following = past if future is centre else future
        return unfold(window.centre, mean), StreamState(tuple(states), past, following, self.device)

    def _view(
        self,
        symmetry: int,
        centre: Encoded[Array],
        future: Encoded[Array],
        motion: Motion[FlowPlanes | None],
        state: Any,
        tile: int,
    ) -> tuple[Samples, Any]:
        """Residual of a view, turned back, and its next state."""
        moved = Motion(*(None if flow is None else turn_flow(flow, symmetry) for flow in motion))
        with stage("align"):
            aligned = self.engine.align(centre, None if future is centre else future, moved, state)
        with stage("network"):
            computed = in_tiles(self.engine.compute, aligned, _cells(centre.frame), tile, self.engine.reach[1])
            residual = self.engine.fetch(computed[0])
        return undo(residual, symmetry), self.engine.remember(centre, computed)

    def _encoded(self, frame: FoldedFrame, symmetry: int, tile: int) -> Encoded[Array]:
        """A frame as this view has it, encoded once for all the windows that hold it."""
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
        """Go on in tiles of half the side, then on the CPU; DeviceError where that was tried."""
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
            raise DeviceError(f"{lacking}, not even in tiles; close other programs or take a smaller frame") from cause
        self.engine.release()
        log.warning("%s: the rest is done %s", lacking, way)
        self._on_retreat(f"{lacking}: the rest was done {way}")

    def _here(self, state: StreamState | None) -> StreamState | None:
        """The state on the engine's device, which another stream may have left for the CPU since."""
        if state is None or state.device == self.device:
            return state
        fetch = self.engine.fetch
        views = tuple(view if view is None else type(view)(*map(fetch, view)) for view in state.views)
        centre = state.centre._replace(folded=fetch(state.centre.folded), views={})
        future = centre
        if state.future is not state.centre:
            future = state.future._replace(folded=fetch(state.future.folded), views={})
        return StreamState(views, centre, future, self.device)


def _cells(frame: Array) -> tuple[int, int]:
    """Rows and columns of cells of a folded frame."""
    rows, columns = (2 * side // MULTIPLE for side in frame.shape[-2:])
    return rows, columns


def _flow(one: FoldedFrame, two: FoldedFrame) -> FlowPlanes | None:
    if one is two:
        return None
    with stage("flow"):
        return flow_between(one.luma, two.luma)
