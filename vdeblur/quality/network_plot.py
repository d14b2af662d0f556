"""Draws a network as SVG: a box per convolution, a row per scale, arrows from layer to layer."""

from __future__ import annotations

from html import escape
from pathlib import Path

from ..files import write_text, writing
from ..models.anatomy import Anatomy, Part, said_of_frames

STEP, BOX, TALL, ROW, TOP, LEFT = 44, 28, 112, 176, 56, 78


def network_svg(anatomy: Anatomy, name: str) -> str:
    """The text of an SVG file, whose colours follow a light or dark scheme."""
    scales = sorted({part.scale for part in anatomy.parts})
    rows = {scale: TOP + ROW * number + ROW // 2 for number, scale in enumerate(scales)}
    places = {part.name: (LEFT + STEP * i, rows[part.scale]) for i, part in enumerate(anatomy.parts)}
    width, height = LEFT + STEP * len(anatomy.parts) + 20, TOP + ROW * len(scales) + 30
    parts = [
        f'<text class="title" x="12" y="22">{escape(name)}: {anatomy.parameters:,} parameters, {anatomy.gmac:.1f} GMAC '
        f"per 1280x720 frame, {anatomy.reach} px of reach</text>",
        f'<text x="12" y="40">{escape(said_of_frames(anatomy))}</text>',
    ]
    for scale, y in rows.items():
        parts.append(f'<text x="12" y="{y + 4}">1/{scale}</text><path class="row" d="M{LEFT - 24} {y}H{width - 12}"/>')
    for part in anatomy.parts:
        for number, feeder in enumerate(reversed(part.fed_by)):
            parts.append(_arrow(places[feeder], places[part.name], is_main=number == 0))
    parts += [_box(part, places[part.name]) for part in anatomy.parts]
    if anatomy.is_recurrent:
        parts.append(_state([places[part.name] for part in anatomy.parts if part.name.startswith("cell")]))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{escape(name, quote=True)}, layer by layer"><style>{CSS}</style>'
        f"{''.join(parts)}</svg>\n"
    )


def write_drawing(anatomy: Anatomy, name: str, path: str | Path) -> None:
    """Write the drawing to a file. Raises OutputError if that fails."""
    with writing("the drawing", path):
        write_text(Path(path), network_svg(anatomy, name))


def _arrow(start: tuple[int, int], end: tuple[int, int], is_main: bool) -> str:
    """From the right edge of one box to the left edge of another; skip connections bend around the boxes between."""
    (x0, y0), (x1, y1) = (start[0] + BOX, start[1]), end
    if is_main and x1 - x0 < STEP:
        return f'<path class="main" d="M{x0} {y0}C{x0 + 12} {y0} {x1 - 12} {y1} {x1} {y1}"/>'
    bend = min(y0, y1) - TALL * 0.62 - min((x1 - x0) / 20, 26)
    kind = "main" if is_main else "side"
    start_point, end_point = f"{x0 - BOX // 2} {y0 - TALL // 2}", f"{x1 + BOX // 2} {y1 - TALL // 2}"
    return f'<path class="{kind}" d="M{start_point}C{x0} {bend:.0f} {x1} {bend:.0f} {end_point}"/>'


def _box(part: Part, place: tuple[int, int]) -> str:
    x, y = place
    kind = "cell" if part.name.startswith("cell") else "wide" if part.kernel > 1 else "point"
    title = (
        f"{part.name}: {part.kernel}x{part.kernel}, {part.inputs} to {part.outputs} channels, {part.parameters:,} "
        f"parameters, {part.gmac:.3f} GMAC, {part.reach} px"
    )
    short = ".".join(part.name.split(".")[-3:])
    return (
        f'<g class="{kind}"><title>{escape(title)}</title>'
        f'<rect x="{x}" y="{y - TALL // 2}" width="{BOX}" height="{TALL}" rx="4"/>'
        f'<text class="n" x="{x + BOX / 2}" y="{y + TALL // 2 + 12}" text-anchor="middle">{part.outputs}</text>'
        f'<text class="name" transform="translate({x + BOX / 2 + 3} {y}) rotate(-90)" text-anchor="middle">'
        f"{escape(short)}</text></g>"
    )


def _state(places: list[tuple[int, int]]) -> str:
    """The loop of h and c, from the cell to itself one frame later; empty without a cell."""
    if not places:
        return ""
    left, right, y = places[0][0], places[-1][0] + BOX, places[0][1] + TALL // 2 + 16
    return (
        f'<path class="loop" d="M{right} {y}C{right + 10} {y + 34} {left - 10} {y + 34} {left} {y}"/>'
        f'<text x="{(left + right) / 2}" y="{y + 42}" text-anchor="middle">h, c of the frame before</text>'
    )


CSS = (
    "svg{font:11px system-ui,sans-serif;color-scheme:light dark;background:#fff}text{fill:#444}"
    ".title{font-size:14px;font-weight:600;fill:#111}.row{stroke:#e2e5e9}.main,.side,.loop{fill:none;stroke:#5b6570}"
    ".main,.loop{stroke-width:1.6}.side{stroke:#9aa3ad;stroke-width:.8}.loop{stroke:#b85a94;stroke-dasharray:5 3}"
    "rect{stroke-width:1.2}.name,.n{font-size:9px}.name{fill:#111}.cell rect{fill:#f7dcea;stroke:#b85a94}"
    ".wide rect{fill:#cfe4f7;stroke:#0a7abf}.point rect{fill:#e4f3e9;stroke:#009e73}"
    "@media(prefers-color-scheme:dark){svg{background:#14171b}text{fill:#a3adb8}.title,.name{fill:#e8eaed}"
    ".row{stroke:#2a3037}.wide rect{fill:#123a5a}.point rect{fill:#0d3d30}.cell rect{fill:#4a2440}}"
)
