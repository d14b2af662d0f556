"""The wheel carries all that an installed vdeblur needs: code, types and the published weights."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from support.commands import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory)


def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built offline, from a copy, with the build backend that is installed here."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("vdeblur", "weights"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--no-index", "-q"]
    environment = os.environ | {"SOURCE_DATE_EPOCH": "1800000000"}
    done = subprocess.run(
        [*command, "-w", target, source], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return next(target.glob("vdeblur-*.whl"))


def test_the_wheel_holds_every_module_and_the_weights(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        files = {file.relative_to(ROOT) for file in (ROOT / "vdeblur").rglob("*") if file.is_file()}
        assert {file.as_posix() for file in files if "__pycache__" not in file.parts} <= names
        manifest = json.loads(archive.read("vdeblur/weights/manifest.json"))
        assert {entry["file"] for entry in manifest} >= {"fast.safetensors", "cnn.safetensors"}
        for entry in manifest:
            weights = archive.read(f"vdeblur/weights/{entry['file']}")
            assert hashlib.sha256(weights).hexdigest() == entry["sha256"]
            assert f"vdeblur/weights/{Path(entry['file']).stem}.toml" in names
            if entry["int8"]:
                folder = f"vdeblur/weights/{entry['int8']['folder']}"
                graph = json.loads(archive.read(f"{folder}/manifest.json"))
                for name, sha256 in graph["graphs_sha256"].items():
                    assert hashlib.sha256(archive.read(f"{folder}/{name}")).hexdigest() == sha256
    assert not [name for name in names if name.startswith(("tests", "benchmarks"))]


def test_the_same_source_gives_the_same_wheel_anywhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Built again in another folder, from files of another time; `.ci/build` does the same with the last commit."""
    again = built(tmp_path_factory)
    assert again.parent != wheel.parent
    assert again.read_bytes() == wheel.read_bytes()


def test_an_installed_package_finds_its_weights(wheel: Path, tmp_path: Path) -> None:
    """Unpacked as pip does it, and run from another folder."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    command = [sys.executable, "-P", "-m", "vdeblur", "models", "--json"]
    environment = {"PYTHONPATH": str(tmp_path / "site"), "PATH": ""}
    listed = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert listed.returncode == 0, listed.stderr
    places = sorted(place for model in json.loads(listed.stdout) for place in model["default_on"].split())
    assert places == ["cpu", "gpu"]
    code = "import vdeblur.backends.published as p; print(p.weights_folder())"
    where = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert Path(where.stdout.strip()) == tmp_path / "site" / "vdeblur" / "weights"
