"""A model file is whole, ours and finite, or it is refused with a line that names it."""

from __future__ import annotations

import json
import pickle
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from support.networks import CONFIGS, TINY, tiny
from vdeblur.backends import checkpoints
from vdeblur.errors import ModelError
from vdeblur.files import file_sha256
from vdeblur.loading import ModelOptions, load_restorer
from vdeblur.models import MODELS


@pytest.fixture
def file(tmp_path: Path) -> Path:
    network = tiny("convlstm")
    path = tmp_path / "model.safetensors"
    checkpoints.save(path, network, "convlstm", network.state_dict(), {"steps": 7, "data": ["photos"]})
    return path


@pytest.mark.parametrize("kind", MODELS)
def test_saved_weights_are_loaded_unchanged(tmp_path: Path, kind: str) -> None:
    network = tiny(kind)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    path = tmp_path / "model.safetensors"
    checkpoints.save(path, network, kind, network.state_dict(), {"steps": 7})
    checkpoint = checkpoints.load(path, file_sha256(path))
    assert (checkpoint.kind, checkpoint.provenance) == (kind, {"steps": 7})
    assert CONFIGS.get(kind, TINY).items() <= checkpoint.config.items()
    clip = torch.rand(1, 2, 6, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.allclose(checkpoint.network()(clip)[0], network(clip)[0], atol=1e-6)
    assert not checkpoint.network().training


def test_a_path_is_a_models_name(file: Path) -> None:
    assert load_restorer(ModelOptions(str(file), "cpu")).name == str(file)


def test_one_flipped_byte_is_refused(file: Path) -> None:
    whole = file.read_bytes()
    sha256 = file_sha256(file)
    for position in (0, 100, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        with pytest.raises(ModelError, match=r"model\.safetensors.*SHA-256"):
            checkpoints.load(file, sha256)
    file.write_bytes(whole)
    assert checkpoints.load(file, sha256).kind == "convlstm"


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_truncated_file_is_refused(file: Path, share: float) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ModelError, match=r"model\.safetensors: not a readable"):
        checkpoints.load(file)


def rewrite_header(file: Path, change: Any) -> None:
    whole = file.read_bytes()
    (length,) = struct.unpack("<Q", whole[:8])
    header = json.loads(whole[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + whole[8 + length :])


def longer(header: dict[str, Any]) -> None:
    name = next(key for key in header if key != "__metadata__")
    header[name]["shape"] = [10**9]


def overlapping(header: dict[str, Any]) -> None:
    first, second = [key for key in header if key != "__metadata__"][:2]
    header[first]["data_offsets"] = header[second]["data_offsets"]


def of_another_format(header: dict[str, Any]) -> None:
    header["__metadata__"]["format"] = "vdeblur/99"


def without_config(header: dict[str, Any]) -> None:
    del header["__metadata__"]["config"]


def with_broken_config(header: dict[str, Any]) -> None:
    header["__metadata__"]["config"] = "{"


def with_a_list_as_config(header: dict[str, Any]) -> None:
    header["__metadata__"]["config"] = "[1]"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (longer, "not a readable safetensors"),
        (overlapping, "not a readable safetensors"),
        (of_another_format, "not a vdeblur model"),
        (lambda header: header.pop("__metadata__"), "not a vdeblur model"),
        (without_config, "header is damaged"),
        (with_broken_config, "header is damaged"),
        (with_a_list_as_config, "header is damaged"),
    ],
)
def test_a_lying_header_is_refused(file: Path, change: Any, message: str) -> None:
    rewrite_header(file, change)
    with pytest.raises(ModelError, match=f"model.safetensors: .*{message}"):
        checkpoints.load(file)


def test_a_header_that_claims_a_huge_length_is_refused(file: Path) -> None:
    file.write_bytes(struct.pack("<Q", 1 << 62) + file.read_bytes()[8:])
    with pytest.raises(ModelError, match="not a readable"):
        checkpoints.load(file)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"kind": "transformer"}, "unknown kind of model 'transformer'"),
        ({"config": json.dumps({"eighth": 16})}, "do not match"),
        ({"config": json.dumps({"depth": 16})}, "do not match"),
        ({"config": json.dumps({"eighth": "wide"})}, "do not match"),
        ({"config": json.dumps({"eighth": -8})}, "do not match"),
    ],
)
def test_weights_of_another_network_are_refused(file: Path, metadata: dict[str, str], message: str) -> None:
    rewrite_header(file, lambda header: header["__metadata__"].update(metadata))
    with pytest.raises(ModelError, match=message):
        checkpoints.load(file).network()


def test_pickle_is_never_read(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "exploded",))

    for name, write in (("a", lambda p: p.write_bytes(pickle.dumps(Bomb()))), ("b", lambda p: torch.save(Bomb(), p))):
        file = tmp_path / f"{name}.safetensors"
        write(file)
        with pytest.raises(ModelError, match="not a readable safetensors"):
            checkpoints.load(file)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    network = tiny("cnn")
    tensors = network.state_dict()
    tensors["decoder.head.bias"][3] = value
    checkpoints.save(tmp_path / "m.safetensors", network, "cnn", tensors, {})
    with pytest.raises(ModelError, match=r"m\.safetensors.*not finite"):
        checkpoints.load(tmp_path / "m.safetensors")


def test_other_peoples_safetensors_are_named_as_such(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(2)}, str(tmp_path / "other.safetensors"))
    with pytest.raises(ModelError, match="not a vdeblur model"):
        checkpoints.load(tmp_path / "other.safetensors")


def test_a_missing_file_says_where_models_are_listed(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no such model file; `vdeblur models` lists"):
        checkpoints.load(tmp_path / "none.safetensors")


def test_a_folder_is_not_called_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"a folder; this needs the \.safetensors file"):
        checkpoints.load(tmp_path)
