"""Every engine restores as torch does, needs no torch for it, and refuses what it cannot trust or do."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from support.commands import run, run_without_torch
from support.exported import exported, saved
from support.fading import KIND, add_fading
from support.in_memory import assert_streams_are_independent, picture, restored_by
from support.networks import difference, tiny
from support.shaken import luma_psnr, shaken_clip
from support.videos import footage, packets
from vdeblur.backends import cache, choice, engines
from vdeblur.backends.aligning import ALIGNERS
from vdeblur.backends.graph_engine import GraphEngine
from vdeblur.backends.graphs import PARTS, file_names, graph_file, load_graph
from vdeblur.backends.network_restorer import NetworkRestorer
from vdeblur.backends.pytorch import TorchEngine, TorchRestorer
from vdeblur.converting import export_model, quantise_model
from vdeblur.errors import InputError, ModelError, OutputError, UsageError
from vdeblur.files import file_sha256
from vdeblur.frames import Layout
from vdeblur.loading import ModelOptions, load_restorer

pytestmark = pytest.mark.arithmetic

ENGINES = ["onnx", pytest.param("openvino", marks=pytest.mark.needs("openvino"))]
KINDS = pytest.mark.parametrize("kind", ALIGNERS)
LEAST_DB_BELOW_THE_CHANGE = 12
"""How far int8's error stays below what the model changes, at least."""
MOST_DB_LOST = 0.1
"""Of a clip's gain, by int8."""
LAYOUTS = [Layout("yuv", 8, (1, 1)), Layout("yuv", 10, (1, 0)), Layout("rgb", 8, alpha=True), Layout("gray", 16)]


def on(engine: str, kind: str, precision: str = "fp32", **settings: Any) -> NetworkRestorer:
    return NetworkRestorer(kind, GraphEngine(exported(kind), engine, precision), **settings)


@KINDS
@pytest.mark.parametrize("engine", ENGINES)
def test_it_restores_as_torch_does(engine: str, kind: str) -> None:
    by_torch = TorchRestorer("torch", tiny(kind), "cpu", "fp32")
    restorer = on(engine, kind)
    assert (restorer.past, restorer.future) == (by_torch.past, by_torch.future)
    for layout in LAYOUTS:
        frames = [picture(i, (83, 45), layout) for i in range(6)]
        expected = restored_by(by_torch, frames)
        assert difference(expected, frames) > 20
        assert difference(restored_by(restorer, frames), expected) <= 1


@KINDS
@pytest.mark.parametrize("engine", ENGINES)
def test_one_graph_takes_any_size(engine: str, kind: str) -> None:
    """More of them than an engine prepares for at a time, and one again that it has forgotten."""
    restorer, by_torch = on(engine, kind), TorchRestorer("torch", tiny(kind), "cpu", "fp32")
    for size in [(1, 1), (16, 16), (17, 3), (640, 8), (5, 200), (1, 1)]:
        frames = [picture(i, size) for i in range(3)]
        assert difference(restored_by(restorer, frames), restored_by(by_torch, frames)) <= 1


@pytest.mark.parametrize("settings", [{"tile": 64}, {"views": 3}, {"look_ahead": False}])
@pytest.mark.parametrize("engine", ENGINES)
def test_tiles_views_and_look_ahead_are_those_of_torch(engine: str, settings: dict[str, Any]) -> None:
    frames = [picture(i, (150, 72)) for i in range(4)]
    expected = restored_by(TorchRestorer("torch", tiny("convlstm"), "cpu", "fp32", **settings), frames)
    assert difference(restored_by(on(engine, "convlstm", **settings), frames), expected) <= 1


@pytest.mark.parametrize("engine", ENGINES)
def test_interleaved_streams_are_independent_and_reproducible(engine: str) -> None:
    assert_streams_are_independent(on(engine, "convlstm"))


def test_the_command_line_restores_without_torch(tmp_path: Path) -> None:
    """In a process in which torch and safetensors cannot be imported, to the bytes that this process gets."""
    clip = footage(tmp_path / "in.mkv")
    words = [str(clip), "-m", str(exported("convlstm")), "--engine", "onnx", "--codec", "ffv1", "-q", "-o"]
    done = run_without_torch(*words, tmp_path / "without.mkv")
    assert (done.returncode, done.stderr) == (0, "")
    assert run(*words, str(tmp_path / "with.mkv")).exit_code == 0
    without, with_torch = (packets(str(tmp_path / f"{name}.mkv"), "video") for name in ("without", "with"))
    assert [data for _, data in without] == [data for _, data in with_torch]
    assert without

    done = run_without_torch(clip, "-m", "fast", "-o", tmp_path / "without.mkv", "-y")
    assert done.returncode == UsageError.exit_code
    assert done.stderr.startswith("vdeblur: error: the torch engine is not installed: pip install torch")


def altered(folder: Path, **entries: Any) -> Path:
    """A copy of an exported model with another manifest."""
    shutil.copytree(exported("cnn"), folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | entries))
    return folder


@pytest.mark.parametrize("part", PARTS)
def test_an_altered_graph_or_one_of_another_version_is_refused(tmp_path: Path, part: str) -> None:
    with pytest.raises(ModelError, match=r"has the unsupported format 'vdeblur-graph/99' \(.*export it again"):
        load_restorer(str(altered(tmp_path / "version", format="vdeblur-graph/99")))
    folder = altered(tmp_path / "graph")
    file = graph_file(folder, part)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(ModelError, match=rf"{file.name}: has been altered"):
        load_restorer(str(folder))
    file.unlink()
    with pytest.raises(ModelError, match="is incomplete"):
        load_restorer(str(folder))
    (folder / "manifest.json").write_text("{")
    with pytest.raises(ModelError, match=r"manifest\.json cannot be read"):
        load_restorer(str(folder))


def test_the_error_for_a_missing_engine_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(engines.ENGINES, "openvino", "a_package_that_nobody_has")
    with pytest.raises(UsageError, match=r"openvino engine is not installed: pip install 'vdeblur\[openvino\]'"):
        load_restorer(ModelOptions(str(exported("cnn")), engine="openvino"))
    with pytest.raises(UsageError, match=r"openvino engine is not installed: pip install 'vdeblur\[openvino\]'"):
        load_restorer(ModelOptions("fast", engine="openvino"))
    assert choice.choose_graph_engine("auto") == "onnx"
    with pytest.raises(UsageError, match=r"models in int8 run on openvino, not installed: .*\[openvino\]"):
        choice.choose_graph_engine("auto", precision="int8")
    monkeypatch.setitem(engines.ENGINES, "onnx", "a_package_that_nobody_has")
    with pytest.raises(UsageError, match=r"not installed: pip install 'vdeblur\[onnx\]'"):
        load_restorer(str(exported("cnn")))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"engine": "torch"}, "the torch engine does not run exported models; choose openvino or onnx"),
        ({"engine": "onnx", "device": "cuda:0"}, "run on the CPU"),
        ({"engine": "onnx", "precision": "bf16"}, "runs this model in fp32, not in bf16"),
        ({"engine": "onnx", "precision": "int8"}, "`vdeblur compress` makes a model in int8 of it"),
        ({"engine": "abacus"}, "unknown engine 'abacus'"),
    ],
)
def test_unsupported_requests_of_an_engine_are_errors_that_name_the_supported_ones(
    options: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        load_restorer(ModelOptions(str(exported("cnn")), **options))


def test_a_checkpoint_is_exported_once_for_an_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And again where what was kept has been damaged."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    model = ModelOptions(str(saved("cnn", tmp_path)), "cpu", "fp32", engine="onnx")
    frames = [picture(0, (40, 24))]
    expected = restored_by(TorchRestorer("torch", tiny("cnn"), "cpu", "fp32"), frames)
    assert difference(restored_by(load_restorer(model), frames), expected) <= 1
    (graph,) = (tmp_path / "cache" / "vdeblur" / "graphs").glob("cnn-*/compute.onnx")
    first = graph.stat().st_mtime_ns
    load_restorer(ModelOptions(model.name, "cpu", "auto", engine="onnx"))
    assert graph.stat().st_mtime_ns == first
    graph.write_bytes(b"damaged")
    load_restorer(ModelOptions(model.name, "auto", "fp32", engine="onnx"))
    assert graph.stat().st_size > 1000


def meet(all_here: Barrier) -> None:
    all_here.wait(timeout=120)


@pytest.mark.parametrize("found", ["nothing", "damaged", "half removed"])
def test_processes_that_need_an_export_at_once_share_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: str
) -> None:
    """As the workers of a batch do that is the first to use an engine."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    model = saved("cnn", tmp_path)
    arguments = "cnn", model, file_sha256(model)
    if found != "nothing":
        kept = cache.exported(*arguments)
        (kept / "compute.onnx").write_bytes(b"damaged")
        if found == "half removed":
            (kept / "manifest.json").unlink()
    processes = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, processes, meet, (processes.Barrier(2),)) as pool:
        one, other = [pool.submit(cache.exported, *arguments) for _ in range(2)]
        assert one.result() == other.result()
    load_graph(one.result())
    assert list((tmp_path / "cache" / "vdeblur" / "graphs").iterdir()) == [one.result()]


def test_an_export_is_whole_or_not_there(tmp_path: Path) -> None:
    model = str(saved("cnn", tmp_path))
    (tmp_path / "taken").mkdir()
    with pytest.raises(OutputError, match="already exists"):
        export_model(model, tmp_path / "taken")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        export_model(model, tmp_path / "file" / "below")
    with pytest.raises(UsageError, match="already exported"):
        export_model(str(exported("cnn")), tmp_path / "again")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cnn.safetensors", "file", "taken"]


def test_a_kind_without_an_aligner_runs_on_torch_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That it uses motion does not make it a ConvLSTM."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    add_fading(monkeypatch)
    model = str(saved(KIND, tmp_path))
    with pytest.raises(UsageError, match="fading runs on torch only; choose the engine torch"):
        export_model(model, tmp_path / "graphs")
    with pytest.raises(UsageError, match="fading runs on torch only; choose the engine torch"):
        load_restorer(ModelOptions(model, "cpu", engine="onnx"))
    assert [path.name for path in tmp_path.iterdir()] == ["fading.safetensors"]
    frames = [picture(i, (83, 45)) for i in range(4)]
    restored = restored_by(load_restorer(ModelOptions(model, "cpu", "fp32", engine="torch")), frames)
    assert difference(restored, frames) > 20
    with pytest.raises(ModelError, match=r"unknown kind 'fading' \(known: .*\); export it again"):
        load_restorer(str(altered(tmp_path / "graphs", kind=KIND)))


def test_a_network_says_which_inputs_stay_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    network = tiny("cnn")
    seen: list[torch.dtype] = []

    def compute(*aligned: Tensor) -> tuple[Tensor, ...]:
        seen.extend(x.dtype for x in aligned)
        return aligned

    monkeypatch.setattr(network, "compute", compute)
    monkeypatch.setattr(network, "in_float32", 3)
    TorchEngine(network, "cpu", "bf16").compute([torch.zeros(1, 1, 4, 4)] * 8)
    assert seen == [torch.bfloat16] * 5 + [torch.float32] * 3


def test_auto_is_what_bench_found_to_be_the_fastest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert choice.choose_engine("auto", "fast", "auto", "auto") == "torch"
    choice.keep_fastest({"fast": "onnx", "quality": "torch"})
    assert choice.choose_engine("auto", "fast", "auto", "auto") == "onnx"
    assert choice.choose_engine("auto", "fast", "cuda:0", "auto") == "torch"
    assert choice.choose_engine("auto", "fast", "cpu", "bf16") == "torch"
    assert choice.choose_engine("auto", "cnn", "auto", "auto") == "torch"
    monkeypatch.setattr(choice, "threads", lambda: 77)  # another machine, as far as speed goes
    assert choice.choose_engine("auto", "fast", "auto", "auto") == "torch"


def test_what_was_measured_without_a_gpu_says_nothing_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor the other way round."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for gpu_then in (False, True):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=gpu_then: there)
        choice.keep_fastest({"fast": "onnx"})
        assert choice.choose_engine("auto", "fast", "auto", "auto") == "onnx"
        assert choice.choose_engine("auto", "fast", "cpu", "auto") == ("torch" if gpu_then else "onnx")
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=not gpu_then: there)
        assert choice.choose_engine("auto", "fast", "auto", "auto") == "torch"


@pytest.mark.parametrize(
    ("system", "place"), [("linux", ".cache"), ("darwin", "Library/Caches"), ("win32", "AppData/Local")]
)
def test_what_bench_found_is_kept_where_the_system_keeps_caches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str, place: str
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    choice.keep_fastest({"fast": "onnx"})
    assert [path.relative_to(tmp_path) for path in tmp_path.rglob("*.json")] == [Path(place, "vdeblur", "engines.json")]


def test_bench_measures_odd_sizes() -> None:
    words = ("bench", "-m", "unsharp", "--size", "63x41", "--size", "62x42", "--engine", "torch", "--seconds", "1")
    done = run(*words, "--json")
    assert done.exit_code == 0, done.output
    assert [speed["size"] for speed in json.loads(done.stdout)["speeds"]] == ["62x42", "63x41"]


def test_bench_measures_and_chooses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    model = str(saved("cnn", tmp_path, residual=0.1))
    words = (
        "bench",
        "-m",
        model,
        "--size",
        "96x64",
        "--engine",
        "torch",
        "--engine",
        "onnx",
        "--seconds",
        "1",
        "--json",
    )
    done = run(*words)
    assert done.exit_code == 0, done.output
    measured = json.loads(done.stdout)
    assert [speed["engine"] for speed in measured["speeds"]] == ["torch", "onnx"]
    for speed in measured["speeds"]:
        assert speed["fps"] > 0
        assert speed["model_fps"] > 0
        assert speed["ms"]["network"] > 0
        assert speed["ms"]["decode"] > 0
        assert speed["ms"]["flow"] == 0  # which the per-frame network does not want
        assert sum(speed["shares"].values()) == pytest.approx(1, abs=0.01)
    fastest = max(measured["speeds"], key=lambda speed: speed["model_fps"])
    assert choice.fastest_engine(model) == fastest["engine"]
    kept = tmp_path / "cache" / "vdeblur" / "engines.json"
    kept.unlink()
    assert run(*words, "--device", "cpu").exit_code == 0  # which "auto" need not be
    assert not kept.exists()


@pytest.fixture(scope="module")
def in_int8(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published `fast` in int8, its ranges taken from clips that no test below measures."""
    folder = tmp_path_factory.mktemp("int8")
    export_model("fast", folder / "fp32")
    quantise_model(
        str(folder / "fp32"), [(f"seed {seed}", shaken_clip(seed)[0]) for seed in (7, 8, 9)], folder / "int8"
    )
    return folder


@pytest.mark.needs("nncf")
@pytest.mark.parametrize("seed", range(3))
def test_int8_restores_as_fp32_does(in_int8: Path, seed: int) -> None:
    blurred, sharp = shaken_clip(seed)
    by_fp32, by_int8 = (
        restored_by(load_restorer(ModelOptions(str(in_int8 / name), precision=name, engine="openvino")), blurred)
        for name in ("fp32", "int8")
    )
    assert difference(by_fp32, by_int8) > 0
    assert luma_psnr(by_int8, by_fp32) > luma_psnr(blurred, by_fp32) + LEAST_DB_BELOW_THE_CHANGE
    assert luma_psnr(by_int8, sharp) > luma_psnr(by_fp32, sharp) - MOST_DB_LOST


@pytest.mark.needs("nncf")
def test_int8_models_name_their_origin_and_their_engine(in_int8: Path, tmp_path: Path) -> None:
    folder = in_int8 / "int8"
    made, origin = load_graph(folder), load_graph(in_int8 / "fp32")
    assert (made.precision, origin.precision) == ("int8", "fp32")
    assert made.provenance["calibration"] == ["seed 7", "seed 8", "seed 9"]
    assert made.provenance["calibration_frames"] == 30
    assert made.weights_sha256 == origin.weights_sha256
    assert {"nncf", "openvino"} <= made.made_by.keys()
    small, large = (sum(file.stat().st_size for file in path.iterdir()) for path in (folder, in_int8 / "fp32"))
    assert small < large / 2
    assert load_restorer(str(folder)).precision == "int8"
    with pytest.raises(UsageError, match="onnx engine does not run models in int8; choose openvino"):
        load_restorer(ModelOptions(str(folder), engine="onnx"))
    with pytest.raises(UsageError, match="torch engine does not run models in int8; choose openvino"):
        load_restorer(ModelOptions(str(folder), engine="torch"))
    with pytest.raises(UsageError, match="the openvino engine runs this model here in int8, not fp32"):
        load_restorer(ModelOptions(str(folder), precision="fp32"))
    with pytest.raises(ModelError, match="is already in int8"):
        quantise_model(str(folder), [("noise", [picture(0)])], tmp_path / "again")
    with pytest.raises(InputError, match="no frames to calibrate on"):
        quantise_model(str(in_int8 / "fp32"), [("nothing", [])], tmp_path / "again")
    assert not (tmp_path / "again").exists()


@pytest.mark.needs("nncf")
@pytest.mark.parametrize("name", file_names("int8"))
def test_altered_int8_graphs_are_refused(in_int8: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(in_int8 / "int8", tmp_path / "changed")
    with (tmp_path / "changed" / name).open("ab") as file:
        file.write(b" ")
    with pytest.raises(ModelError, match=rf"{name}: has been altered"):
        load_restorer(str(tmp_path / "changed"))
