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


def run(*words: str | Path, **environment: str) -> Result:
    """`vdeblur WORDS` in this process."""
    return CliRunner(env=environment).invoke(cli, [str(word) for word in words])


def started(*words: str | Path) -> subprocess.Popen[str]:
    """`vdeblur WORDS` in a process of its own, its stderr in a pipe."""
    command = [sys.executable, "-m", "vdeblur", *map(str, words)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT)


def until(condition: Callable[[], object], process: subprocess.Popen[str], seconds: float = 60) -> None:
    """Wait until `condition()` holds or the process has ended."""
    deadline = time.monotonic() + seconds
    while not condition() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)


def environment_of_tests() -> dict[str, str]:
    """For processes that import what lies in tests/."""
    paths = [str(ROOT), str(ROOT / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
