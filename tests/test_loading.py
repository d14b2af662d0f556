"""Loading: a network is in memory once, whoever asks for it, and each hears of what happens to its own frames."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from support.commands import ROOT
from support.in_memory import Identity, picture
from support.networks import tiny
from vdeblur.backends import checkpoints, published
from vdeblur.backends.pytorch import TorchRestorer
from vdeblur.errors import DeviceError, ModelError, UsageError
from vdeblur.loading import (
    PER_FRAME_MODEL,
    ModelOptions,
    SharedRestorer,
    default_model,
    load_per_frame,
    load_restorer,
    weights_of,
)
from vdeblur.pipeline import restored
from vdeblur.restorer import Wrapper
from vdeblur.restorers.fallback import WithFallback


@pytest.fixture
def file(tmp_path: Path) -> str:
    network = tiny("convlstm")
    path = tmp_path / "model.safetensors"
    checkpoints.save(path, network, "convlstm", network.state_dict(), {})
    return str(path)


def network_of(options: ModelOptions, **more: Any) -> TorchRestorer:
    restorer = load_restorer(options, **more)
    assert isinstance(restorer, SharedRestorer)
    assert isinstance(restorer.inner, TorchRestorer)
    return restorer.inner


def test_a_network_is_loaded_once_for_the_same_options(file: str) -> None:
    one = network_of(ModelOptions(file, "cpu", "fp32"))
    assert network_of(ModelOptions(file, "cpu", "fp32")) is one
    assert network_of(ModelOptions(file, "cpu", "fp32"), look_ahead=False) is not one
    assert network_of(ModelOptions(file, "cpu", "fp32", views=2)) is not one
    assert network_of(ModelOptions(file, "cpu", "bf16")) is not one


@pytest.mark.parametrize("views", [None, 0, -1, 9])
def test_views_that_there_are_not_are_refused(file: str, views: Any) -> None:
    """None would run all eight, 0 none (and so return NaN), 9 eight under the name of nine."""
    for name in (file, "unsharp"):
        with pytest.raises(UsageError, match="views: choose 1 to 8"):
            load_restorer(ModelOptions(name, "cpu", views=views))
    assert load_restorer(ModelOptions(file, "cpu", views=8)).name.endswith("8 views")


def test_a_filter_has_no_weights() -> None:
    """It is known, and so is not to be told of as an unknown model that may have been meant as itself."""
    with pytest.raises(ModelError, match="unsharp is not a network"):
        weights_of("unsharp")


def test_a_changed_file_is_loaded_again_and_a_deleted_one_is_missing(file: str) -> None:
    one = network_of(ModelOptions(file, "cpu"))
    network = tiny("cnn")
    checkpoints.save(file, network, "cnn", network.state_dict(), {})
    assert network_of(ModelOptions(file, "cpu")) is not one
    Path(file).unlink()
    with pytest.raises(ModelError, match="no such model file"):
        load_restorer(ModelOptions(file, "cpu"))


def test_running_out_of_memory_is_reported_to_the_job_concerned_and_the_next_job_starts_as_requested(
    file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ModelOptions(file, "cpu", "fp32", tile=0)
    said: dict[str, list[str]] = {"one": [], "other": []}
    one = load_restorer(options, on_retreat=said["one"].append)
    other = load_restorer(options, on_retreat=said["other"].append)
    list(restored([picture(0, (256, 256))], one))
    whole = TorchRestorer._restore

    def lacking(self: TorchRestorer, *arguments: object) -> object:
        if self._tile == 0:
            raise MemoryError
        return whole(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(TorchRestorer, "_restore", lacking)
    list(restored([picture(0, (256, 256))], other))
    assert said["one"] == []
    assert len(said["other"]) == 1
    assert network_of(options)._tile == 0


def test_streams_in_several_threads_share_a_network(file: str) -> None:
    frames = [picture(index, (64, 48)) for index in range(6)]
    options = ModelOptions(file, "cpu", "fp32")
    expected = [result.after.planes[0].tobytes() for result in restored(frames, load_restorer(options))]
    results: dict[int, list[bytes]] = {}

    def run(number: int) -> None:
        results[number] = [result.after.planes[0].tobytes() for result in restored(frames, load_restorer(options))]

    threads = [threading.Thread(target=run, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [results[number] for number in range(3)] == [expected] * 3


def test_the_per_frame_network_follows_the_device_of_the_main_one() -> None:
    beside = Identity(device="cpu", precision="bf16")
    restorer = load_per_frame(beside, look_ahead=False)
    assert (restorer.name, restorer.device, restorer.precision, restorer.future) == (PER_FRAME_MODEL, "cpu", "bf16", 0)
    assert load_per_frame(Identity(precision="native")).precision in ("fp32", "bf16")


def test_a_wrapper_says_where_the_inner_restorer_is_now() -> None:
    inner = Identity(device="cuda:0", precision="fp16")
    wrapped = WithFallback(Wrapper(inner), Identity)
    inner.device, inner.precision = "cpu", "fp32"
    assert (wrapped.name, wrapped.device, wrapped.precision) == ("identity", "cpu", "fp32")
    assert (wrapped.past, wrapped.future) == (1, 1)


def test_the_default_model_is_named_without_loading_torch() -> None:
    """As long as it is the same everywhere: an engine without torch need not wait for it."""
    code = "import sys; from vdeblur.loading import default_model; default_model(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_a_device_may_have_a_default_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = json.loads((published.weights_folder() / "manifest.json").read_text())
    for entry in entries:
        entry["default_on"] = {"fast": "gpu", "cnn": "cpu"}.get(entry["name"], "")
    (tmp_path / "manifest.json").write_text(json.dumps(entries))
    monkeypatch.setattr(published, "weights_folder", lambda: tmp_path)
    assert default_model("cpu") == "cnn"
    with pytest.raises(DeviceError):
        default_model("cuda:99")
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(ModelError, match="no models are installed"):
        default_model()
