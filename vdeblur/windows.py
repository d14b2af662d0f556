"""Frames to windows: past, centre and future of every frame, none of which crosses a scene cut."""

from __future__ import annotations

from dataclasses import dataclass

from .frames import Frame


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """The frames around one centre. At the ends of a scene the outermost frame repeats."""

    frames: tuple[Frame, ...]
    """past + 1 + future frames, in time order."""
    past: int
    is_scene_start: bool

    @property
    def centre(self) -> Frame:
        """The frame to restore."""
        return self.frames[self.past]
