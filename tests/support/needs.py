"""What some tests need of the machine. Without it they are skipped, unless VDEBLUR_REQUIRE names it: then they fail.

    VDEBLUR_REQUIRE=chromium,x11 pytest

`.ci/run` requires what it has installed, so that nothing is skipped there unnoticed.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import av
import pytest
import torch

from support.chromium import chromium
from support.commands import ROOT

VARIABLE = "VDEBLUR_REQUIRE"
SHARED = ROOT.parent / "shared"
"""Footage that lies beside the checkout on the developers' machines."""

VAPOURSYNTH = ROOT / ".venv-vapoursynth" / ("Scripts" if sys.platform == "win32" else "bin")
"""The programs of an environment with VapourSynth, which wants another Python than torch does."""


@dataclass(frozen=True)
class Need:
    """Something that a machine may lack."""

    is_here: Callable[[], bool]
    remedy: str
    """What it is, or how it comes to the machine."""


@cache
def may_mount() -> bool:
    """Whether a small file system can be mounted here, which takes root and a container that allows it."""
    if shutil.which("mount") is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        words = ["mount", "-t", "tmpfs", "-o", "size=4k", "vdeblur-test", folder]
        if subprocess.run(words, capture_output=True, check=False).returncode:
            return False
        subprocess.run(["umount", folder], check=True)
        return True


NEEDS = {
    "chromium": Need(lambda: chromium() is not None, "apt-get install chromium"),
    "cuda": Need(torch.cuda.is_available, "a GPU of NVIDIA and a build of torch with CUDA"),
    "ffmpeg": Need(lambda: shutil.which("ffmpeg") is not None, "apt-get install ffmpeg"),
    "glibc": Need(lambda: platform.libc_ver()[0] == "glibc", "Linux with the GNU C library"),
    "linux": Need(lambda: sys.platform == "linux", "limits of processes, /proc and /dev as Linux has them"),
    "nncf": Need(lambda: find_spec("nncf") is not None, "pip install '.[compress]'"),
    "no-camera": Need(lambda: not list(Path("/dev").glob("video*")), "a machine without a camera"),
    "nvenc": Need(lambda: "h264_nvenc" in av.codecs_available, "PyAV with an FFmpeg that knows hardware encoders"),
    "openvino": Need(lambda: find_spec("openvino") is not None, "pip install '.[openvino]'"),
    "ray": Need(lambda: find_spec("ray") is not None, "pip install '.[ray]'"),
    "root": Need(may_mount, "root, in a container that may mount a file system"),
    "shared": Need(SHARED.is_dir, "the developers' footage in ../shared"),
    "user": Need(lambda: os.geteuid() != 0, "any user but root, who may write anywhere"),
    "vapoursynth": Need(VAPOURSYNTH.is_dir, "tests/make-vapoursynth, where there is a Python 3.12"),
    "virtual-camera": Need(lambda: find_spec("pyvirtualcam") is not None, "pip install '.[virtual-camera]'"),
    "x11": Need(lambda: all(map(shutil.which, ("Xvfb", "xdotool"))), "apt-get install xvfb xdotool"),
}


def required() -> frozenset[str]:
    """The names in VDEBLUR_REQUIRE; pytest.UsageError for one that means nothing."""
    names = frozenset(name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip())
    if unknown := sorted(names - NEEDS.keys()):
        raise pytest.UsageError(f"{VARIABLE}: unknown {', '.join(unknown)}; choose from {', '.join(NEEDS)}")
    return names


def require(name: str) -> None:
    """Skip the test, or fail it where VDEBLUR_REQUIRE says so, unless the machine has what `name` stands for."""
    if not NEEDS[name].is_here():
        _lacks(name)


def _lacks(name: str) -> NoReturn:
    reason = f"needs {name} ({NEEDS[name].remedy})"
    if name in required():
        pytest.fail(f"{reason}, and {VARIABLE} says that it is here", pytrace=False)
    pytest.skip(reason)
