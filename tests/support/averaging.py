"""A restorer with a memory, made of numpy alone: for tests of the order in which frames are restored."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vdeblur.frames import Frame
from vdeblur.restorer import State
from vdeblur.windows import Window

WARM_UP = 10
"""0.5 ** 10 of an 8-bit sample is less than one level."""


class Averaging:
    """A memory that halves with every frame, and a window on both sides."""

    name, device, precision = "averaging", "cpu", "native"

    def __init__(self, past: int = 1, future: int = 1) -> None:
        self.past, self.future = past, future
        self.restored: list[int] = []

    def restore(self, window: Window, state: State) -> tuple[Frame, State]:
        self.restored.append(window.centre.pts)
        shown = zip(*(frame.planes for frame in window.frames), strict=True)
        around = [np.mean(np.stack(planes), axis=0) for planes in shown]
        memory = around if state is None else [(a + b) / 2 for a, b in zip(around, state, strict=True)]
        planes = tuple(np.rint(plane).astype(window.centre.layout.dtype) for plane in memory)
        return replace(window.centre, planes=planes), memory
