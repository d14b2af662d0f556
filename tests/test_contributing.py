"""The worked example of CONTRIBUTING.md, done as it says: a model that is added keeps the contracts of all models."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.commands import ROOT
from support.fading import CONTRIBUTING, example


@pytest.mark.slow
def test_a_model_is_added_as_the_example_says(tmp_path: Path) -> None:
    for name in ("vdeblur", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("weights", "pyproject.toml", "benchmarks", "CONTRIBUTING.md"):
        (tmp_path / name).symlink_to(ROOT / name)
    line = re.search(r'`("fading": .*?)` to `MODELS`', CONTRIBUTING)
    tests = re.search(r"`bash tests/run (-k fading)`", CONTRIBUTING)
    assert line
    assert tests
    models = tmp_path / "vdeblur" / "models"
    (models / "fading.py").write_text(example(), encoding="utf-8")
    door = (models / "__init__.py").read_text(encoding="utf-8")
    door = door.replace("from .cnn import CNN", "from .cnn import CNN\nfrom .fading import Fading")
    door = door.replace('    "cnn": ', f'    {line[1]},\n    "cnn": ')
    (models / "__init__.py").write_text(door, encoding="utf-8")

    lint = [sys.executable, "-m", "ruff", "check", "--no-cache", "vdeblur/models/fading.py"]
    found = subprocess.run(lint, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", *shlex.split(tests[1])]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed
    assert int(passed[1]) >= 20
