"""What `vdeblur info --model` tells of a network is what the network is and does."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from support.commands import run
from support.networks import tiny
from vdeblur.backends.published import published
from vdeblur.models import MODELS
from vdeblur.models.anatomy import dissect
from vdeblur.quality.network_plot import network_svg
from vdeblur.recurrence import Motion


@pytest.mark.parametrize("kind", MODELS)
def test_costs_are_those_that_torch_counts(kind: str) -> None:
    network = tiny(kind)
    frame, flow = torch.zeros(1, 6, 64, 96), torch.zeros(1, 2, 64, 96)
    state = network.begin([network.encoded(frame)])
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        encoded = network.encoded(frame)
        network.restore(encoded, encoded, Motion(flow, flow), state)
    found = dissect(network, (192, 128))
    assert found.gmac == pytest.approx(counter.get_total_flops() / 2e9)
    assert found.parameters == sum(p.numel() for p in network.parameters())
    assert next(network.parameters()).device.type == "cpu"


@pytest.mark.parametrize("kind", MODELS)
def test_the_graph_and_the_reach_are_true(kind: str) -> None:
    network = tiny(kind)
    found = dissect(network)
    names = [part.name for part in found.parts]
    assert set(found.parts[-1].fed_by) >= {names[-2]} or len(found.parts[-1].fed_by) > 0
    for index, part in enumerate(found.parts):
        assert set(part.fed_by) <= set(names[:index])
    assert found.is_recurrent == (kind != "cnn")

    # How far a change of one sample really goes, in samples of the half-scale planes.
    side = 8 * (2 * found.reach // 16 + 4)
    frame = torch.rand(1, 6, side, side)
    still = torch.zeros(1, 2, side, side)
    changed = frame.clone()
    changed[..., side // 2, side // 2] += 1
    state = network.begin([network.encoded(frame)])
    results = [network.restore(x, x, Motion(still, still), state)[0] for x in map(network.encoded, (frame, changed))]
    rows, columns = torch.nonzero((results[0] - results[1]).abs().amax((0, 1)), as_tuple=True)
    far = 2 * max(int((axis - side // 2).abs().max()) for axis in (rows, columns))
    assert 16 < far <= found.reach + 16  # a sample of the coarsest scale is 16 px wide


def test_published_models_cost_what_their_card_says() -> None:
    for model in published():
        described = json.loads(run("info", "--model", model.name, "--json").stdout)
        assert described["parameters"] == model.params
        assert described["gmac"] == pytest.approx(model.gmac_720p, rel=0.03)


def test_the_drawing_has_every_layer(tmp_path: Path) -> None:
    found = dissect(tiny("convlstm"))
    svg = ElementTree.fromstring(network_svg(found, "a <name>"))
    space = "{http://www.w3.org/2000/svg}"
    titles = [title.text or "" for title in svg.iter(f"{space}title")]
    assert [title.partition(":")[0] for title in titles] == [part.name for part in found.parts]
    assert any(path.get("class") == "loop" for path in svg.iter(f"{space}path"))

    name = next(model.name for model in published())
    done = run("info", "-m", name, "--drawing", tmp_path / "net.svg")
    assert done.exit_code == 0, done.output
    assert "reach" in done.stdout.splitlines()[0]
    ElementTree.fromstring((tmp_path / "net.svg").read_text())


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "give either a FILE or a --model"),
        (("a.mp4", "--model", "fast"), 2, "give either a FILE or a --model"),
        (("a.mp4", "--drawing", "a.svg"), 2, "add --model"),
        (("--model", "unsharp"), 3, "is not a network"),
        (("--model", "fsat"), 3, 'did you mean "fast"?'),
    ],
)
def test_usage_errors_are_one_line(words: tuple[str, ...], code: int, said: str) -> None:
    done = run("info", *words)
    assert done.exit_code == code
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
