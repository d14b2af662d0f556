"""Evaluations as a Markdown table, and as a self-contained HTML page with sliders and plots."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

from ..files import check_replaceable, write_text, writing
from ..frames import Image
from . import plots
from .evaluate import Evaluation, ExampleFrame
from .metrics import METRICS

INPUT_ROW = "blurred input"


def to_markdown(results: Sequence[Evaluation]) -> str:
    """A row for the input and one per model; the best figure of each column is bold."""
    header, *rows = table(results)
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def table(results: Sequence[Evaluation]) -> list[list[str]]:
    """Header and rows as text, with the columns of METRICS; "**" marks the best figure of a column."""
    first = results[0]
    measured = list(next(iter(first.clips.values())).output)
    header, columns, better = ["model"], [[INPUT_ROW, *[result.model for result in results]]], []

    def column(title: str, digits: int, higher_is_better: bool, values: Sequence[float | None]) -> None:
        header.append(title)
        known = [value for value in values if value is not None]
        best = (max if higher_is_better else min)(known, default=None)
        texts = ["–" if value is None else f"{value:.{digits}f}" for value in values]
        best_text = "" if best is None or len(known) < 2 else f"{best:.{digits}f}"
        columns.append([f"**{text}**" if text == best_text else text for text in texts])
        better.append(higher_is_better)

    for name in measured:
        metric = METRICS[name]
        values = [first.mean_input(name), *[result.mean(name) for result in results]]
        column(_with_unit(metric.label, metric.unit), metric.digits, metric.higher_is_better, values)
        if name == "psnr":
            column("gain dB", 2, True, [None, *[result.gain_db() for result in results]])
            worst = [min(result.gain_db(clip) for clip in result.clips) for result in results]
            column("worst clip dB", 2, True, [None, *worst])
    if any(result.still for result in results):
        still = [result.still.mean("flicker") if result.still else None for result in results]
        column("flicker held still", METRICS["flicker"].digits, False, [None, *still])
    if any(result.sharp for result in results):
        kept = [result.sharp.mean("psnr") if result.sharp else None for result in results]
        column("sharp kept dB", 2, True, [None, *kept])
    return [header, *[list(row) for row in zip(*columns, strict=True)]]


def check_report(path: str | Path) -> None:
    """Raise before an evaluation the OutputError that `write_report` would raise after it."""
    with writing("the report", path):
        check_replaceable(Path(path))


def write_report(results: Sequence[Evaluation], path: str | Path) -> None:
    """Write the page to `path` atomically. Raises OutputError if that fails."""
    with writing("the report", path):
        write_text(Path(path), to_html(results))


def to_html(results: Sequence[Evaluation]) -> str:
    """One self-contained page for results on the same clips."""
    first = results[0]
    gains = {result.model: result.gain_db() for result in results}
    clips = "".join(_clip_section(results, clip) for clip in first.clips)
    summary = f"{first.frames} frames in {len(first.clips)} clips, {len(results)} models"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>vdeblur evaluation</title>
<style>{STYLE}</style>
</head>
<body>
<header><h1>vdeblur evaluation</h1><p>{summary}</p></header>
<main>
<section><h2>Scores</h2>{_html_table(table(results))}{LEGEND}</section>
<section><h2>Gain over the input</h2>{plots.bars("Gain over the input by model", gains, "dB")}</section>
{clips}
</main>
<script>{SCRIPT}</script>
</body>
</html>
"""


def _clip_section(results: Sequence[Evaluation], clip: str) -> str:
    before = results[0].clips[clip].input["psnr"]
    series = {INPUT_ROW: before} | {result.model: result.clips[clip].output["psnr"] for result in results}
    gains = {model: [b - a for a, b in zip(before, after, strict=True)] for model, after in series.items()}
    plot = plots.lines(f"PSNR of each frame of {clip}", series, "frame", "PSNR in dB")
    plot += plots.lines(f"Gain over the input of each frame of {clip}", gains, "frame", "gain in dB")
    key = "".join(
        f'<li class="s{number % plots.SERIES_COLOURS}">{escape(name)}</li>' for number, name in enumerate(series)
    )
    examples = {result.model: result.clips[clip].example for result in results}
    kept = {model: example for model, example in examples.items() if example is not None}
    slider = _slider(clip, kept) if kept else ""
    return f'<section><h2>{escape(clip)}</h2>{slider}{plot}<ul class="key">{key}</ul></section>'


def _slider(clip: str, examples: dict[str, ExampleFrame]) -> str:
    """The input on the left of the divider, the last model on the right; either side can show any image."""
    any_example = next(iter(examples.values()))
    shown = {INPUT_ROW: any_example.blurred, **{model: e.restored for model, e in examples.items()}}
    shown["truth"] = any_example.sharp
    left, right = INPUT_ROW, list(examples)[-1]
    height, width = any_example.sharp.shape[:2]
    images = []
    for name, image in shown.items():
        side = {left: "left", right: "right"}.get(name, "")
        alternative = escape(f"Frame {any_example.index} of {clip}: {name}", quote=True)
        data = f'data-name="{escape(name, quote=True)}" src="{_embedded(image)}"'
        images.append(f'<img class="{side}" {data} alt="{alternative}">')

    def choice(side: str, chosen: str) -> str:
        options = "".join(
            f'<option{" selected" if name == chosen else ""} value="{escape(name, quote=True)}">{escape(name)}</option>'
            for name in shown
        )
        return f'<label>{side.capitalize()} <select data-side="{side}">{options}</select></label>'

    label = escape(f"Divider between left and right image of {clip}", quote=True)
    shape = f"aspect-ratio:{width}/{height};max-width:{max(width, 960)}px"
    return (
        f'<figure class="compare"><div class="stage" style="{shape}">'
        f'{"".join(images)}<span class="divider"></span>'
        f'<input type="range" min="0" max="100" step="0.5" value="50" aria-label="{label}"></div>'
        f"<figcaption>{choice('left', left)} {choice('right', right)} <span>frame {any_example.index}; drag, or focus "
        f"the image and use the arrow keys</span></figcaption></figure>"
    )


def _embedded(image: Image) -> str:
    import cv2

    _, encoded = cv2.imencode(".webp", image[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, 95])
    return "data:image/webp;base64," + base64.b64encode(encoded.tobytes()).decode("ascii")


def _html_table(rows: Sequence[Sequence[str]]) -> str:
    def cell(text: str) -> str:
        bold = text.startswith("**")
        return f"<td>{'<strong>' * bold}{escape(text.strip('*'))}{'</strong>' * bold}</td>"

    header, *body = rows
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in header)
    lines = "".join(f'<tr><th scope="row">{escape(row[0])}</th>{"".join(map(cell, row[1:]))}</tr>' for row in body)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>'


def _with_unit(label: str, unit: str) -> str:
    return f"{label} {unit}".rstrip()


LEGEND = """<p class="note">Means over all frames, against the truth. <em>Worst clip</em>: the smallest mean gain of any
clip. <em>tOF</em>: distance of the optical flow from the truth's. <em>Flicker</em>: change from frame to frame beyond
the truth's, in levels of 255; <em>held still</em>: on one repeated image. <em>Sharp kept</em>: PSNR between
output and input on sharp footage.</p>"""

STYLE = """
:root { color-scheme: light dark; --back: #fff; --text: #1b1f24; --soft: #5b6570; --rule: #d5dae0; --focus: #0b62c4; }
@media (prefers-color-scheme: dark) {
  :root { --back: #14171b; --text: #e8eaed; --soft: #a3adb8; --rule: #363d45; --focus: #6cb2ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1040px; padding: 1rem; background: var(--back); color: var(--text);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.5rem; } header p, .note, figcaption { color: var(--soft); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .8rem; border-bottom: 1px solid var(--rule); text-align: right; white-space: nowrap; }
th:first-child { text-align: left; } tbody th { font-weight: normal; }
figure { margin: 1rem 0; }
.stage { position: relative; width: 100%; overflow: hidden; --x: 50%; border-radius: 4px; }
.stage img { position: absolute; inset: 0; width: 100%; height: 100%; visibility: hidden; }
.stage img.left, .stage img.right { visibility: visible; }
.stage img.right { clip-path: inset(0 0 0 var(--x)); z-index: 1; }
.divider { position: absolute; inset: 0 auto 0 var(--x); width: 2px; margin-left: -1px; background: #fff;
  box-shadow: 0 0 3px #000; z-index: 2; pointer-events: none; }
.stage input { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0; cursor: ew-resize;
  z-index: 3; }
.stage:focus-within { outline: 3px solid var(--focus); outline-offset: 2px; }
figcaption { display: flex; flex-wrap: wrap; gap: .4rem 1.2rem; align-items: center; margin-top: .6rem; }
select { font: inherit; }
svg { width: 100%; max-width: 760px; height: auto; font: 12px system-ui, sans-serif; }
svg text { fill: var(--text); } .grid { stroke: var(--rule); } .axis { stroke: var(--soft); }
.line { fill: none; stroke: currentColor; stroke-width: 2; } circle, rect { fill: currentColor; }
g.s0 .line { stroke-dasharray: 5 4; }
.s0 { color: #80868d; } .s1 { color: #0a7abf; } .s2 { color: #d55e00; } .s3 { color: #009e73; }
.s4 { color: #b85a94; } .s5 { color: #b58900; } .s6 { color: #7a5cd6; } .s7 { color: #c0392b; }
.key { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; padding: 0; list-style: none; }
.key li::before { content: "\\25CF\\00A0"; } .key li { font-weight: 600; }
"""

SCRIPT = """
for (const figure of document.querySelectorAll(".compare")) {
  const stage = figure.querySelector(".stage"), divider = stage.querySelector("input");
  const sides = [...figure.querySelectorAll("select")];
  divider.addEventListener("input", () => stage.style.setProperty("--x", divider.value + "%"));
  const show = () => {
    for (const image of stage.querySelectorAll("img")) image.className = "";
    for (const select of sides)
      [...stage.querySelectorAll("img")].find(i => i.dataset.name === select.value).classList.add(select.dataset.side);
    if (sides[0].value === sides[1].value) stage.querySelector("img.right").classList.remove("right");
  };
  for (const select of sides) select.addEventListener("change", show);
  stage.style.setProperty("--x", divider.value + "%");
  show();
}
"""
