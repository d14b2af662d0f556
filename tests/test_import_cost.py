"""Importing vdeblur and asking for help load no heavy library."""

from __future__ import annotations

import resource
import subprocess
import sys
import tomllib

import pytest

import vdeblur
from support.commands import ROOT

HEAVY = ("torch", "cv2", "av", "numpy", "rich", "safetensors")


@pytest.mark.parametrize(
    "code",
    [
        "import vdeblur",
        "import vdeblur.cli",
        "from vdeblur.cli import cli; cli(['--help'])",
        "from vdeblur.cli import cli; cli(['input.mp4', '--help'])",
        "from vdeblur.cli import cli; cli(['completion', 'bash'])",
    ],
)
def test_nothing_heavy_is_loaded(code: str) -> None:
    code = (
        f"import sys\ntry:\n    {code}\nexcept SystemExit as end:\n    assert not end.code\n"
        f"sys.exit(repr([name for name in {HEAVY} if name in sys.modules] or ''))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert result.stderr.strip() == "''"


@pytest.mark.needs("linux")
def test_help_answers_at_once() -> None:
    """In seconds of the processor, which other work on the machine does not add to."""

    def seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "vdeblur", "--help"], capture_output=True, cwd=ROOT, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    assert min(seconds() for _ in range(3)) < 0.5


@pytest.mark.parametrize("name", vdeblur.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(vdeblur, name) is not None
    assert name in dir(vdeblur)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'deblur'"):
        vdeblur.deblur  # noqa: B018


def test_the_version_is_the_packages() -> None:
    assert vdeblur.__version__ == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
