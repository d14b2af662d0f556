"""The command line, in this process and in processes of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from click.testing import CliRunner, Result

from vdeblur.cli import cli

ROOT = Path(__file__).parents[2]
"""The checkout."""

NO_TORCH = """
import sys
from importlib.abc import MetaPathFinder

class NoTorch(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in ("torch", "safetensors"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NoTorch())
from importlib import util
find = util.find_spec
util.find_spec = lambda name, package=None: None if name == "torch" else find(name, package)
"""
"""What a script begins with to run as if torch were not installed."""


def run(*words: str | Path, **environment: str) -> Result:
    """`vdeblur WORDS` in this process."""
    return CliRunner(env=environment).invoke(cli, [str(word) for word in words])


def started(*words: str | Path) -> subprocess.Popen[str]:
    """`vdeblur WORDS` in a process of its own, its stderr in a pipe."""
    command = [sys.executable, "-m", "vdeblur", *map(str, words)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT)


def run_without_torch(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """`vdeblur WORDS` in a process in which torch and safetensors cannot be imported."""
    command = [sys.executable, "-c", f"{NO_TORCH}\nfrom vdeblur.cli import main\nmain()", *map(str, words)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def until(condition: Callable[[], object], process: subprocess.Popen[str], seconds: float = 60) -> None:
    """Wait until `condition()` holds or the process has ended."""
    deadline = time.monotonic() + seconds
    while not condition() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)


def environment_of_tests() -> dict[str, str]:
    """For processes that import what lies in tests/."""
    paths = [str(ROOT), str(ROOT / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
