"""Explain a moment of examples/handheld.mp4 into examples/handheld.explained.html, the page that the README points to.

Run from the checkout: python examples/make_explanation.py [MODEL]
"""

from __future__ import annotations

import sys

import vdeblur

OPTIONS = vdeblur.ExplainOptions(frames=(26, 38), point=(300, 180), device="cpu", most_shown=1)
"""The frames where the hand shakes most; the spoon."""


def main(model: str = "fast") -> None:
    """Three of the frames are shown, figures are of all."""
    found = vdeblur.explain("examples/handheld.mp4", model, OPTIONS)
    found.write_page("examples/handheld.explained.html")


if __name__ == "__main__":
    main(*sys.argv[1:])
