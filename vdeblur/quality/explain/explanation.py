"""An explanation: findings about an input, and how to write them."""

from __future__ import annotations

from pathlib import Path

from .findings import Findings
from .images import write_images
from .page import write_page


class Explanation(Findings):
    """The explanation of one input."""

    __slots__ = ()

    def write_page(self, path: str | Path) -> None:
        """Write the HTML page, atomically. Raises OutputError."""
        write_page(self, path)

    def write_images(self, folder: str | Path) -> None:
        """Write a PNG image of every layer of every frame shown. Raises OutputError."""
        write_images(self, folder)
