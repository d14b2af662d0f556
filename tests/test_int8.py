"""The published int8: made from the weights that ship, refused where it was changed, run by OpenVINO alone, and true.

What it promises of its frames: against fp32 its error stays LEAST_DB_BELOW_THE_CHANGE below what the model changes, and
a clip gains what it gains in fp32 within MOST_DB_LOST. Single samples may differ by more than a level.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from make_golden import GAINS, gains, restored_clip
from support.commands import run, run_without_torch
from support.in_memory import assert_streams_are_independent, picture, restored_by
from support.networks import difference
from support.shaken import luma_psnr, shaken_clip
from support.videos import footage, packets
from vdeblur.backends import engines, published
from vdeblur.backends.graphs import PARTS, file_names, hashes_of, load_graph
from vdeblur.errors import ModelError, UsageError
from vdeblur.jobs.fingerprints import model_identity
from vdeblur.jobs.speed import with_int8
from vdeblur.live.stream import ladder
from vdeblur.loading import ModelOptions, load_restorer
from vdeblur.serve.choices import Choices
from vdeblur.training.rounding import LEVELS

MODELS = published.published()
INT8 = ModelOptions("fast", "cpu", "int8")
LEAST_DB_BELOW_THE_CHANGE = 12
MOST_DB_LOST = 0.05
"""By one clip of ten small frames."""
MOST_DB_LOST_ON_A_SET = 0.03
MOST_LEVELS_IN_NOISE = 3.0
"""Of 255: mean difference from fp32."""

needs_openvino = pytest.mark.needs("openvino")
each_model = pytest.mark.parametrize("model", [model.name for model in MODELS if model.int8])


def test_it_is_of_the_weights_that_ship() -> None:
    """Otherwise: `python benchmarks/publish_int8.py`."""
    in_int8 = {model.name: (model, model.int8) for model in MODELS if model.int8}
    assert "fast" in in_int8
    for model, int8 in in_int8.values():
        graph = load_graph(int8.path, int8.sha256)
        assert int8.weights_sha256 == graph.weights_sha256 == model.sha256
        assert (graph.precision, graph.kind, graph.config) == ("int8", model.kind, model.config)
        assert int8.calibration == graph.provenance["calibration"]
        assert {"nncf", "openvino"} <= int8.made_by.keys()
        assert int8.lost_db
        assert max(int8.lost_db.values()) < MOST_DB_LOST_ON_A_SET
    folders = {path.name for path in published.weights_folder().glob("*-int8")}
    assert folders == {int8.folder for _, int8 in in_int8.values()}


@each_model
def test_weights_have_the_levels_that_training_rounds_to(model: str) -> None:
    int8 = next(entry.int8 for entry in MODELS if entry.name == model)
    assert int8 is not None
    largest = set()
    for part in PARTS:
        data = (int8.path / f"{part}.bin").read_bytes()
        for layer in ElementTree.parse(int8.path / f"{part}.xml").iterfind(".//layer[@type='Const']/data"):
            if layer.get("element_type") == "i8":
                start, size = int(layer.get("offset", "")), int(layer.get("size", ""))
                outputs = int(layer.get("shape", "").split(",")[0])
                weights = np.frombuffer(data, np.int8, size, start).reshape(outputs, -1)
                largest |= set(np.abs(weights.astype(int)).max(1).tolist())
    assert largest == {LEVELS}


@needs_openvino
@pytest.mark.arithmetic
@each_model
def test_it_restores_as_fp32_does(model: str) -> None:
    blurred = shaken_clip(0)[0]
    fp32, int8 = restored_clip(model, 0), restored_clip(model, 0, "int8")
    assert difference(fp32, int8) > 0
    assert luma_psnr(int8, fp32) > luma_psnr(blurred, fp32) + LEAST_DB_BELOW_THE_CHANGE


@needs_openvino
@pytest.mark.arithmetic
@each_model
def test_every_clip_has_the_gain_of_fp32(model: str) -> None:
    golden = json.loads(GAINS.read_text(encoding="utf-8"))[model]["gains_db"]
    assert gains(model, "int8") == pytest.approx(golden, abs=MOST_DB_LOST)


@needs_openvino
@pytest.mark.arithmetic
def test_noise_does_not_overflow() -> None:
    """Products of eight-bit weights are added in 16 bits on CPUs without VNNI, where large ones could overflow."""
    noise = [picture(i, (256, 192)) for i in range(5)]
    fp32, int8 = (restored_by(load_restorer(options), noise) for options in (replace(INT8, precision="fp32"), INT8))
    pairs = [(one.planes[0].astype(int), other.planes[0]) for one, other in zip(fp32, int8, strict=True)]
    assert np.mean([np.abs(one - other).mean() for one, other in pairs]) < MOST_LEVELS_IN_NOISE


@needs_openvino
def test_streams_are_independent_and_reproducible() -> None:
    assert_streams_are_independent(load_restorer(INT8))


@needs_openvino
@pytest.mark.parametrize("size", [(1, 1), (17, 3), (640, 8), (5, 200)])
def test_it_takes_any_size(size: tuple[int, int]) -> None:
    frames = [picture(i, size) for i in range(3)]
    assert [frame.size for frame in restored_by(load_restorer(INT8), frames)] == [size] * 3


@needs_openvino
def test_tiled_equals_untiled() -> None:
    untiled, tiled = (load_restorer(ModelOptions("fast", "cpu", "int8", tile=tile)) for tile in (0, 64))
    frames = [picture(i, (150, 72)) for i in range(4)]
    assert difference(restored_by(tiled, frames), restored_by(untiled, frames)) <= 1


@needs_openvino
def test_it_needs_no_torch(tmp_path: Path) -> None:
    clip = footage(tmp_path / "in.mkv")
    words = (clip, "--precision", "int8", "--codec", "ffv1", "-q", "-o")
    done = run_without_torch(*words, tmp_path / "without.mkv")
    assert (done.returncode, done.stderr) == (0, "")
    assert run(*words, tmp_path / "with.mkv").exit_code == 0
    without, with_torch = (packets(str(tmp_path / f"{name}.mkv"), "video") for name in ("without", "with"))
    assert [data for _, data in without] == [data for _, data in with_torch]
    assert without


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"engine": "torch"}, "the torch engine does not run models in int8; choose openvino"),
        ({"engine": "onnx"}, "the onnx engine does not run models in int8; choose openvino"),
        ({"device": "cuda:0"}, "models in int8 run on the CPU, not on cuda:0"),
        ({"name": "cnn"}, "cnn does not come in int8, unlike fast.*; `vdeblur compress` makes others"),
        ({"name": "my.safetensors"}, r"my\.safetensors does not come in int8"),
    ],
)
def test_unsupported_requests_are_errors_that_name_the_supported_ones(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        load_restorer(ModelOptions(**{"name": "fast", "precision": "int8"} | options))


def test_a_missing_engine_is_reported_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(engines.ENGINES, "openvino", "a_package_that_nobody_has")
    for engine, said in {
        "auto": "run on openvino",
        "torch": "choose openvino",
        "openvino": "openvino engine is",
    }.items():
        with pytest.raises(UsageError, match=rf"{said}.* not installed: pip install 'vdeblur\[openvino\]'"):
            load_restorer(ModelOptions("fast", "auto", "int8", engine=engine))
    assert with_int8([ModelOptions("fast")]) == [ModelOptions("fast")]


@pytest.mark.parametrize("name", file_names("int8"))
def test_altered_graphs_are_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the folder's own manifest was changed along with it."""
    folder = copied_weights(tmp_path, monkeypatch) / "fast-int8"
    with (folder / name).open("ab") as file:
        file.write(b" ")
    with pytest.raises(ModelError, match=rf"{name}: has been altered .*; reinstall vdeblur"):
        load_restorer(INT8)
    entries = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(entries | {"graphs_sha256": hashes_of(folder, "int8")}))
    with pytest.raises(ModelError, match=r"fast-int8: has been altered .*; reinstall vdeblur"):
        load_restorer(INT8)


def test_doctor_names_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(copied_weights(tmp_path, monkeypatch) / "fast-int8")
    found = json.loads(run("doctor", "--json").stdout)
    intact = {name for name, good in found["weights"].items() if good}
    assert intact == {model.name for model in MODELS}
    assert found["weights"]["fast in int8"] is False
    assert any("fast-int8" in problem and "reinstall vdeblur" in problem for problem in found["problems"])


def copied_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in the place of that of the published weights."""
    folder = tmp_path / "weights"
    shutil.copytree(published.weights_folder(), folder, ignore=shutil.ignore_patterns("training"))
    monkeypatch.setattr(published, "weights_folder", lambda: folder)
    return folder


def test_a_job_stores_the_precision_it_was_started_in() -> None:
    fp32, int8 = (model_identity(ModelOptions("fast", precision=precision)) for precision in ("fp32", "int8"))
    assert fp32 != int8


@needs_openvino
def test_live_serve_and_bench_offer_what_comes_in_it() -> None:
    assert {rung.step.model for rung in ladder(INT8)} == {"fast"}
    assert {rung.restorer.precision for rung in ladder(INT8)} == {"int8"}
    offered = Choices.of(INT8).models
    assert "fast" in offered
    assert "cnn" not in offered
    models = [ModelOptions("fast"), ModelOptions("cnn"), ModelOptions("fast", precision="fp32")]
    assert [(m.name, m.precision) for m in with_int8(models)] == [
        ("fast", "auto"),
        ("fast", "int8"),
        ("cnn", "auto"),
        ("fast", "fp32"),
    ]
    assert with_int8(models, ["torch"]) == models
