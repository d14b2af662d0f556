"""What a machine lacks is never passed over unnoticed where it was said to be there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support import needs
from support.commands import ROOT

SKIPS = re.compile(r"\b(pytest\.skip|skipif|importorskip|xfail)\b")


def test_only_one_place_skips() -> None:
    mine = (Path(needs.__file__), Path(__file__))
    files = [path for path in (ROOT / "tests").rglob("*.py") if path not in mine]
    assert [path.name for path in files if SKIPS.search(path.read_text(encoding="utf-8"))] == []


def test_every_mark_names_a_known_need(request: pytest.FixtureRequest) -> None:
    marked = {name for item in request.session.items for mark in item.iter_markers("needs") for name in mark.args}
    assert marked <= needs.NEEDS.keys()


def test_a_missing_need_skips_and_a_required_one_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv(needs.VARIABLE, "linux,,ffmpeg")
    with pytest.raises(pytest.skip.Exception, match="apt-get install chromium"):
        needs.require("chromium")
    with pytest.raises(pytest.fail.Exception, match="VDEBLUR_REQUIRE says that it is here"):
        needs.require("ffmpeg")


def test_a_misspelt_need_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(needs.VARIABLE, "chromium,firefox")
    with pytest.raises(pytest.UsageError, match="unknown firefox; choose from chromium, cuda"):
        needs.required()


@pytest.mark.parametrize(("required", "code", "said"), [("", 0, "skipped"), ("chromium", 1, "needs chromium")])
def test_a_mark_skips_or_fails_tests(required: str, code: int, said: str) -> None:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", "tests/test_serve_page.py"]
    environment = os.environ | {"PATH": "", needs.VARIABLE: required}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout
    assert said in done.stdout


def test_every_test_module_is_in_the_table_of_promises() -> None:
    named = set(re.findall(r"`(test_\w+\.py)`", (ROOT / "tests" / "README.md").read_text(encoding="utf-8")))
    assert named == {path.name for path in (ROOT / "tests").glob("test_*.py")}
