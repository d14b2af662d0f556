"""An explanation: what was found out about an input, and how it is written down."""

from __future__ import annotations

from pathlib import Path

from .findings import Findings
from .page import write_page
from .pictures import write_pictures


class Explanation(Findings):
    """The explanation of one input."""

    __slots__ = ()

    def write_page(self, path: str | Path) -> None:
        """Write the HTML page, whole or not at all; OutputError where that cannot be."""
        write_page(self, path)

    def write_pictures(self, folder: str | Path) -> None:
        """Write a PNG of every layer of every frame shown into a folder; OutputError where that cannot be."""
        write_pictures(self, folder)
