"""The page of an explanation: one self-contained HTML file."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from ...files import check_replaceable, write_text, writing
from .. import plots
from ..report import STYLE
from . import drawing
from .findings import Findings, Shown
from .layers import LAYERS, PageLayer
from .motion import length
from .sources import SOURCES

HERE = Path(__file__).parent


def check_page(path: str | Path) -> None:
    """Raise before an explanation the OutputError that `write_page` would raise after it."""
    with writing("the page", path):
        check_replaceable(Path(path))


def write_page(explanation: Findings, path: str | Path) -> None:
    """Write the page to `path`, atomically. Raises OutputError."""
    with writing("the page", path):
        write_text(Path(path), to_html(explanation))


def to_html(explanation: Findings) -> str:
    """The page as HTML."""
    name = escape(Path(explanation.input).name or explanation.input)
    width, height = explanation.size
    layers = _layers_there(explanation)
    data = json.dumps(_data(explanation, layers)).replace("</", "<\\/")
    css, script, guide = ((HERE / f"page.{kind}").read_text(encoding="utf-8") for kind in ("css", "js", "guide.html"))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name} explained</title>
<style>{STYLE}{css}</style>
</head>
<body>
<header><h1>{name}, explained</h1><p>{_summary(explanation)}</p></header>
<main>
<section aria-label="Frames">
<div class="stage" id="stage" style="aspect-ratio:{width}/{height};--x:50%">
<img id="before" alt="The frame before"><img id="after" class="right" alt="The frame after">
<img id="layer" alt=""><svg id="arrows" viewBox="0 0 1000 {1000 * height / width:.1f}" aria-hidden="true">
<path class="under"/><path/></svg>
<span class="divider"></span><span class="tag before">before</span><span class="tag after">after</span>
<input id="divider" type="range" min="0" max="100" step="0.5" value="50" aria-label="Divider between before and after">
</div>
<div class="row"><button id="back" aria-label="Previous frame">◀</button>
<input id="frame" type="range" min="0" max="{max(len(explanation.shown) - 1, 0)}" value="0" aria-label="Frame">
<button id="on" aria-label="Next frame">▶</button><button id="play" aria-pressed="false">Play</button>
<output id="where"></output></div>
{_choices(layers)}
<div class="row"><label>Opacity <input id="opacity" type="range" min="0" max="100" value="85"></label></div>
<div id="legend" aria-live="polite"></div>
<dl id="facts"></dl>
<p class="note">Change the frame with the arrow keys or a click in a plot. Compare before and after by
dragging on the frame, or by focusing it and pressing the arrow keys.</p>
</section>
<section><h2>Over time</h2>{_plots(explanation)}</section>
{_reach(explanation)}{_check(explanation)}{_calibration(explanation)}
{_network(explanation)}<section class="guide"><h2>How to read this</h2>{guide}</section>
<section><h2>Settings</h2>{_settings(explanation)}</section>
</main>
<script type="application/json" id="data">{data}</script>
<script>{script}</script>
</body>
</html>
"""


def _data(explanation: Findings, layers: Sequence[PageLayer]) -> dict[str, Any]:
    index = {facts.frame: i for i, facts in enumerate(explanation.frames)}
    share = explanation.exposure_share or 0.0
    lengths = [float(np.quantile(length(s.velocity), 0.98)) for s in explanation.shown if s.velocity is not None]
    top = max(share * max(lengths, default=0.0), 1.0)
    shown = [_frame(entry, index[entry.facts.frame], share, top) for entry in explanation.shown]
    focus = next((i for i, entry in enumerate(explanation.shown) if entry.facts.frame == explanation.focus), 0)
    inside = plots.WIDTH - plots.LEFT - plots.RIGHT
    return {
        "frames": [asdict(facts) for facts in explanation.frames],
        "shown": shown,
        "start": focus,
        "exposure_share": share,
        "layers": [{"name": layer.name, "legend": _legend(layer, top)} for layer in layers],
        "plot": {
            "left": plots.LEFT,
            "width": inside,
            "whole": plots.WIDTH,
            "top": plots.TOP,
            "bottom": plots.HEIGHT - plots.BOTTOM,
        },
    }


def _frame(shown: Shown, index: int, share: float, top: float) -> dict[str, Any]:
    layers = {name: _uri(picture) for name, picture in shown.layers.items()}
    arrows: list[list[float]] = []
    if shown.velocity is not None:
        blur = shown.velocity * np.float32(share)
        layers["motion"] = _uri(drawing.webp(drawing.wheel(blur, top)))
        arrows = drawing.arrows(blur)
    return {
        "index": index,
        "before": _uri(shown.before),
        "after": _uri(shown.after),
        "layers": layers,
        "arrows": arrows,
    }


def _layers_there(explanation: Findings) -> list[PageLayer]:
    names = {name for shown in explanation.shown for name in shown.layers}
    if any(shown.velocity is not None for shown in explanation.shown):
        names.add("motion")
    return [layer for layer in LAYERS if layer.name in names]


def _choices(layers: Sequence[PageLayer]) -> str:
    groups: dict[str, list[PageLayer]] = {}
    for layer in layers:
        groups.setdefault(layer.group, []).append(layer)
    rows = [
        '<fieldset><span>Layer</span><label><input type="radio" name="layer" value="" checked>None</label></fieldset>'
    ]
    for group, members in groups.items():
        labels = "".join(
            f'<label><input type="radio" name="layer" value="{escape(m.name)}">{escape(m.label)}</label>'
            for m in members
        )
        rows.append(f"<fieldset><span>{escape(group)}</span>{labels}</fieldset>")
    return f'<div role="radiogroup" aria-label="Layer over the frame">{"".join(rows)}</div>'


def _legend(layer: PageLayer, top: float) -> str:
    if layer.legend == "wheel":
        key = f'<span class="wheel"></span><span>full colour is {top:.0f} px or more; arrows are to scale</span>'
    elif layer.legend == "sources":
        key = "".join(
            f'<span><span class="dot" style="background:rgb{drawing.COLOURS[source]}"></span>{source}</span>'
            for source in SOURCES
        )
    elif layer.legend == "mark":
        key = f'<span><span class="dot" style="background:rgb{drawing.MARK}"></span>marked</span>'
    else:
        low, high = layer.legend.split("|")
        key = f'<span>{low}</span><span class="glow"></span><span>{high}</span>'
    return f"{key}<span>{escape(layer.says)}</span>"


def _plots(explanation: Findings) -> str:
    frames = explanation.frames
    first = frames[0].frame if frames else 0

    def plot(title: str, unit: str, series: Mapping[str, Sequence[float]]) -> str:
        known = {name: values for name, values in series.items() if any(map(math.isfinite, values))}
        drawn = plots.lines(title, known, f"frame, counted from {first}", unit, first_colour=1) if known else ""
        if not drawn:
            return ""
        key = "".join(f'<li class="s{i}">{escape(name)}</li>' for i, name in enumerate(known, start=1))
        return f'<div class="plot"><h3>{escape(title)}</h3>{drawn}<ul class="key">{key}</ul></div>'

    def column(name: str, scale: float = 1.0) -> list[float]:
        return [math.nan if getattr(f, name) is None else scale * getattr(f, name) for f in frames]

    shares = {s: [100 * f.shares[s] if f.shares else math.nan for f in frames] for s in SOURCES}
    cell = {n: [f.cell["means"][n] if f.cell else math.nan for f in frames] for n in ("i", "f", "o", "g", "c")}
    share = explanation.exposure_share or 0.0
    return (
        plot("Where the change came from", "share in %", shares)
        + plot("Change and spread", "levels of luma", {"change": column("change"), "spread": column("spread")})
        + plot("Blur", "px", {"estimated from the frame": column("blur_px"), "motion map": column("flow_px", share)})
        + plot("Cell", "mean", cell)
    )


def _reach(explanation: Findings) -> str:
    reach = explanation.reach
    if reach is None:
        return ""
    top = max((float(np.quantile(values, 0.999)) for values in reach.maps.values()), default=0.0) or 1.0
    said = {-1: "frame after", 0: "this frame", 1: "frame before"}
    figures = "".join(
        f'<figure><img alt="Pixels of {said.get(lag, f"{lag} frames before")} that influence the point" '
        f'src="{_uri(drawing.webp(drawing.over(reach.frames[lag], drawing.heat(values, top))))}">'
        f"<figcaption>{said.get(lag, f'{lag} before')}: {100 * reach.influence[lag]:.1f} %</figcaption></figure>"
        for lag, values in sorted(reach.maps.items())
    )
    half_life = (
        "" if reach.half_life is None else f" The influence of past frames halves every {reach.half_life:.1f} frames."
    )
    x, y = reach.point
    return (
        f"<section><h2>Receptive field</h2><p>Influence on the change at {x},{y} in frame {explanation.focus}: half of "
        f"that of the frame itself lies within {reach.radius:.0f} px.{half_life}</p>"
        f'<div class="reach">{figures}</div></section>'
    )


def _check(explanation: Findings) -> str:
    check = explanation.check
    if check is None:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{source}</th><td>{100 * check.ablation[source]:.1f} %</td>'
        f"<td>{100 * check.gradients[source]:.1f} %</td></tr>"
        for source in SOURCES
    )
    return (
        f"<section><h2>Check by another method</h2><p>Shares of the energy of the change in frame {explanation.focus}: "
        "positive for a part in the direction of the change, negative for one against it. The gradients "
        f'miss {100 * abs(check.gap):.1f} % of the total.</p><div class="scroll"><table><thead><tr>'
        '<th scope="col">source</th><th scope="col">ablation</th><th scope="col">integrated gradients</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div></section>"
    )


def _calibration(explanation: Findings) -> str:
    certainty, motion, parts = explanation.certainty, explanation.motion, []
    if certainty is not None:
        series = {"spread": certainty.spread, "true error": certainty.error}
        drawn = plots.lines("Spread and true error", series, "decile of the pixels by spread", "levels of luma")
        parts.append(
            f"<p>Uncertainty, on {escape(explanation.calibrated_on)}: spread and true error have a rank correlation "
            f"of {certainty.rank_correlation:.2f} over {certainty.pixels:,} pixels (1: spread and error have the "
            f'same order, 0: they are unrelated).</p>{drawn}<ul class="key"><li class="s0">spread</li>'
            '<li class="s1">true error</li></ul>'
        )
    if motion is not None:
        parts.append(
            "<p>Motion, on frames of the input at half size, shaken by known exposures: the correlation with true "
            f"lengths is {motion.correlation:.2f}; the median error is {motion.median_error_px:.1f} px at a "
            f"median length of {motion.median_length_px:.1f} px, and {motion.direction_degrees:.0f} degrees.</p>"
        )
    return f"<section><h2>Calibration</h2>{''.join(parts)}</section>" if parts else ""


def _network(explanation: Findings) -> str:
    if not explanation.drawing:
        return ""
    encoded = base64.b64encode(explanation.drawing.encode()).decode("ascii")
    picture = (
        f'<img class="network" alt="Diagram of the layers of the network" src="data:image/svg+xml;base64,{encoded}">'
    )
    return f'<section><h2>The network</h2><div class="scroll">{picture}</div></section>'


def _summary(explanation: Findings) -> str:
    frames = explanation.frames
    width, height = explanation.size
    said = f"{len(frames)} frames of {width}x{height} with {escape(Path(explanation.model).name)}"
    shared = [facts.shares for facts in frames if facts.shares]
    if shared:
        means = {source: sum(shares[source] for shares in shared) / len(shared) for source in SOURCES}
        parts = ", ".join(f"{source} {100 * share:.0f} %" for source, share in means.items())
        said += f". Sources of the change: {parts}"
    if explanation.exposure_share is not None:
        said += f". The shutter was open for about {100 * explanation.exposure_share:.0f} % of the frame time"
    if not explanation.drawing:
        said += ". It is not a network, so that only the change is known"
    return said + "."


def _settings(explanation: Findings) -> str:
    facts = {
        "input": explanation.input,
        "model": explanation.model,
        "SHA-256 of the model": explanation.model_sha256,
        "network": ", ".join(f"{key} {value}" for key, value in explanation.network.items()),
        "device": f"{explanation.device}, fp32",
        "views": str(explanation.views),
        "took": f"{explanation.seconds:.1f} s",
    }
    rows = "".join(f"<dt>{key}</dt><dd>{escape(value)}</dd>" for key, value in facts.items() if value)
    return f'<dl class="settings">{rows}</dl>'


def _uri(picture: bytes) -> str:
    return "data:image/webp;base64," + base64.b64encode(picture).decode("ascii")
