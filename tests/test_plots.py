"""Plots are well-formed SVG, keep inside their frame and survive any values."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ElementTree

from hypothesis import given
from hypothesis import strategies as st

from vdeblur.quality import plots

values = st.floats(-200, 200).map(lambda value: round(value, 3)) | st.sampled_from([math.inf, -math.inf, math.nan])
names = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=8)


def points(path: str | None) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path or "")]


@given(st.dictionaries(names, st.lists(values, min_size=1, max_size=8), min_size=1, max_size=10))
def test_lines_draw_every_finite_value_inside_the_frame(series: dict[str, list[float]]) -> None:
    text = plots.lines("<title> & more", series, "x", "y")
    finite = [[value for value in line if math.isfinite(value)] for line in series.values()]
    if not any(finite):
        assert text == ""
        return
    drawn = [points(path.get("d")) for path in ElementTree.fromstring(text).iterfind("g/path")]
    assert [len(line) for line in drawn] == [len(line) for line in finite]
    for line, given_values in zip(drawn, finite, strict=True):
        for x, y in line:
            assert plots.LEFT <= x <= plots.WIDTH - plots.RIGHT
            assert plots.TOP - 0.1 <= y <= plots.HEIGHT - plots.BOTTOM + 0.1
        assert line[given_values.index(max(given_values))][1] == min(y for _, y in line) if line else True


@given(st.dictionaries(names, st.floats(-50, 50), min_size=1, max_size=10))
def test_bars_share_one_zero(gains: dict[str, float]) -> None:
    root = ElementTree.fromstring(plots.bars("gains", gains, "dB"))
    bars = [(float(bar.attrib["x"]), float(bar.attrib["width"])) for bar in root.iterfind("rect")]
    ((zero, _), *_) = points(root.findall("path")[-1].get("d"))
    assert len(bars) == len(gains)
    for (x, width), value in zip(bars, gains.values(), strict=True):
        assert abs((x if value >= 0 else x + width) - zero) <= 0.21
        assert 0 <= x <= x + width <= plots.WIDTH
