"""Plots as SVG text, without a plotting library; colours for light and dark come from the CSS of the page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 640, 240
LEFT, RIGHT, TOP, BOTTOM = 48, 12, 12, 36
SERIES_COLOURS = 8
"""The CSS of the page defines the classes s0 to s7; s0 is the input."""


def lines(
    title: str,
    series: Mapping[str, Sequence[float]],
    x_label: str,
    y_label: str,
    first_colour: int = 0,
    marks: Mapping[float, str] | None = None,
) -> str:
    """A line plot of values over their index, one line per series; infinite values leave gaps.

    Colours count from `first_colour`; colour 0 is dashed. `marks` are indices and the labels below them; without, the
    first, the middle and the last index are labelled.
    """
    finite = [value for values in series.values() for value in values if math.isfinite(value)]
    if not finite:
        return ""
    ticks = _ticks(min(finite), max(finite))
    low, high = min(ticks[0], *finite), max(ticks[-1], *finite)
    longest = max(len(values) for values in series.values())

    def x_at(index: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * index / max(longest - 1, 1)

    def y_at(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low)

    parts = []
    for tick in ticks:
        parts.append(f'<path class="grid" d="M{LEFT} {y_at(tick):.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y_at(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for index, mark in (marks or {i: str(i) for i in (0, (longest - 1) // 2, longest - 1)}).items():
        x, y = f"{x_at(index):.1f}", HEIGHT - BOTTOM + 16
        parts.append(f'<text x="{x}" y="{y}" text-anchor="middle">{escape(mark)}</text>')
    parts.append(f'<text x="{(LEFT + WIDTH) / 2:.0f}" y="{HEIGHT - 4}" text-anchor="middle">{escape(x_label)}</text>')
    parts.append(
        f'<text transform="translate(12 {HEIGHT / 2 - 10}) rotate(-90)" text-anchor="middle">{escape(y_label)}</text>'
    )
    for number, (name, values) in enumerate(series.items(), start=first_colour):
        colour = number % SERIES_COLOURS
        points = [(x_at(i), y_at(v)) if math.isfinite(v) else None for i, v in enumerate(values)]
        path = ""
        for before, point in zip([None, *points], points, strict=False):
            if point:
                path += f"{'L' if before else 'M'}{point[0]:.1f} {point[1]:.1f}"
        dots = "".join(f'<circle cx="{p[0]:.1f}" cy="{p[1]:.1f}" r="2.5"/>' for p in points if p and longest <= 60)
        parts.append(f'<g class="s{colour}"><title>{escape(name)}</title><path class="line" d="{path}"/>{dots}</g>')
    return _svg(title, HEIGHT, parts)


def bars(title: str, values: Mapping[str, float], unit: str) -> str:
    """A bar chart, one horizontal bar per name; colours as in `lines`, from its second series on."""
    if not values:
        return ""
    low, high = min(0.0, *values.values()), max(0.0, *values.values())
    span = (high - low) or 1.0
    row, names, margin = 26, 190, 70
    room = WIDTH - names - 2 * margin
    zero = names + margin + room * -low / span
    parts = []
    for number, (name, value) in enumerate(values.items()):
        y = TOP + number * row
        end = zero + room * value / span
        parts.append(f'<text x="{names}" y="{y + 15}" text-anchor="end">{escape(name)}</text>')
        colour = (number + 1) % SERIES_COLOURS
        box = f'x="{min(zero, end):.1f}" y="{y + 2}" width="{abs(end - zero):.1f}" height="18" rx="2"'
        parts.append(f'<rect class="s{colour}" {box}/>')
        anchor, gap = ("start", 6) if value >= 0 else ("end", -6)
        parts.append(
            f'<text x="{end + gap:.1f}" y="{y + 15}" text-anchor="{anchor}">{value:+.2f} {escape(unit)}</text>'
        )
    height = TOP + len(values) * row + 8
    parts.append(f'<path class="axis" d="M{zero:.1f} {TOP - 4}V{height - 8}"/>')
    return _svg(title, height, parts)


def _ticks(low: float, high: float) -> list[float]:
    """Four to ten round numbers that cover low..high."""
    span = max(high - low, 1e-3)
    step = 10 ** math.floor(math.log10(span / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if span / (step * factor) <= 6)
    first = math.floor(low / step)
    count = max(math.ceil(high / step), first + 1) - first
    return [round((first + i) * step, 10) for i in range(count + 1)]


def _svg(title: str, height: float, parts: Sequence[str]) -> str:
    label = escape(title, quote=True)
    return f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def standalone(panels: Mapping[str, tuple[str, Sequence[str]]]) -> str:
    """A complete SVG file of panels one below another: title -> (plot of `lines`, names of its series)."""
    parts, y = [], 0
    for title, (plot, names) in panels.items():
        parts.append(f'<text x="{LEFT}" y="{y + 18}"><tspan class="title">{escape(title)}</tspan>')
        for number, name in enumerate(names):
            parts.append(f'<tspan dx="14" class="s{number % SERIES_COLOURS}">{escape(name)}</tspan>')
        parts.append("</text>")
        parts.append(plot.replace("<svg ", f'<svg y="{y + 24}" width="{WIDTH}" height="{HEIGHT}" ', 1))
        y += HEIGHT + 32
    box = f'viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {box}><style>{STANDALONE_CSS}</style>{"".join(parts)}</svg>\n'


STANDALONE_CSS = (
    "svg{background:#fff;font:12px system-ui,sans-serif}text{fill:#555}.title{fill:#111;font-weight:600}"
    ".grid{stroke:#ddd}.line{fill:none;stroke:currentColor;stroke-width:1.6}circle{fill:currentColor}"
    "tspan[class^=s]{fill:currentColor}.s0{color:#777}.s0 .line{stroke-dasharray:5 3}.s1{color:#0a6cbd}"
    ".s2{color:#c2410c}.s3{color:#15803d}.s4{color:#7c3aed}.s5{color:#be185d}.s6{color:#0e7490}.s7{color:#854d0e}"
)
