"""Types of command-line values: times, rates, sizes, key=value and so on."""

from __future__ import annotations

from fractions import Fraction
from math import isfinite

import click


class Seconds(click.ParamType):  # type: ignore[type-arg]  # generic only in newer versions of click
    """A time as seconds or [hh:]mm:ss, with an optional fraction."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the time in seconds."""
        texts = str(value).split(":")
        try:
            parts = [float(text) for text in texts]
        except ValueError:
            parts = []
        is_clock = all(part >= 0 and isfinite(part) for part in parts) and all(part < 60 for part in parts[1:])
        if not 1 <= len(parts) <= 3 or not is_clock or any(part % 1 for part in parts[:-1]):
            self.fail(f"{value!r} is neither seconds (12.5) nor a time (1:02:03.5)", param, ctx)
        return sum(part * unit for part, unit in zip(reversed(parts), (1, 60, 3600), strict=False))


class Rate(click.ParamType):  # type: ignore[type-arg]
    """Frames per second, as a number or a fraction."""

    name = "rate"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Fraction:
        """Return the exact rate."""
        try:
            rate = Fraction(str(value))
        except (ValueError, ZeroDivisionError):
            rate = Fraction(0)
        if not 0 < rate <= 1000:
            self.fail(f"{value!r} is not a frame rate (25, 29.97 or 30000/1001)", param, ctx)
        return rate


class TileSize(click.ParamType):  # type: ignore[type-arg]
    """The side of tiles in pixels: "auto" is None, 0 is the whole frame."""

    name = "tile"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        """Return the side."""
        text = str(value)
        if text == "auto":
            return None
        if not text.isdecimal() or 0 < int(text) < 64:
            self.fail(f"{value!r} is neither auto, 0 (no tiles) nor a side of 64 pixels or more", param, ctx)
        return int(text)


class ThreadCount(click.ParamType):  # type: ignore[type-arg]
    """A number of threads; None stands for auto."""

    name = "threads"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        """Return the number."""
        text = str(value)
        if text == "auto":
            return None
        if not text.isdecimal() or not 1 <= int(text) <= 1024:
            self.fail(f"{value!r} is neither auto nor a number of threads from 1 to 1024", param, ctx)
        return int(text)


class KeyValue(click.ParamType):  # type: ignore[type-arg]
    """A setting as key=value."""

    name = "key=value"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Return the pair."""
        if isinstance(value, tuple):
            return value
        key, equals, text = str(value).partition("=")
        if not equals or not key:
            self.fail(f"{value!r} is not of the form key=value", param, ctx)
        return key, text


class FrameSize(click.ParamType):  # type: ignore[type-arg]
    """Width and height as 1280x720."""

    name = "WxH"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Return (width, height)."""
        if isinstance(value, tuple):
            return value
        width, _, height = str(value).lower().partition("x")
        if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
            self.fail(f"{value!r} is not a size such as 1280x720", param, ctx)
        return int(width), int(height)


class BlurThreshold(click.ParamType):  # type: ignore[type-arg]
    """A length of blur in pixels, or auto."""

    name = "auto|pixels"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the length in pixels; 0 stands for auto, which depends on the frame size."""
        if value == "auto":
            return 0.0
        try:
            pixels = float(str(value))
        except ValueError:
            pixels = 0.0
        if not 0 < pixels <= 1000:
            self.fail(f"{value!r} is neither auto nor a blur length in pixels such as 4.5", param, ctx)
        return pixels


class FrameRange(click.ParamType):  # type: ignore[type-arg]
    """The first and the last of a range of frames, or one frame alone, counted from 0."""

    name = "A-B"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Return (first, last)."""
        if isinstance(value, tuple):
            return value
        first, _, last = str(value).partition("-")
        last = last or first
        if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last)):
            self.fail(f"{value!r} is not a range of frames such as 90-120", param, ctx)
        return int(first), int(last)


class Point(click.ParamType):  # type: ignore[type-arg]
    """A pixel as x,y, counted from the top left."""

    name = "X,Y"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Return (x, y)."""
        if isinstance(value, tuple):
            return value
        x, _, y = str(value).partition(",")
        if not (x.isdecimal() and y.isdecimal()):
            self.fail(f"{value!r} is not a pixel such as 320,180", param, ctx)
        return int(x), int(y)
