"""What lies around the package says the same as the package: versions, commands, options."""

from __future__ import annotations

import ast
import re
import shlex
import sys
import tomllib
from pathlib import PurePosixPath

import pytest
from click.testing import CliRunner

from support.commands import ROOT
from vdeblur import __version__
from vdeblur.cli import cli

UNITS = sorted((ROOT / "examples/systemd").glob("*.service"))
DOCKERFILE = ROOT / "examples/container/Dockerfile"
WORKFLOW = ROOT / ".github/workflows/ci.yml"


def understood(words: list[str]) -> str:
    """What the command line says to these words, asked for help so that nothing starts."""
    answer = CliRunner().invoke(cli, [*words, "--help"])
    assert answer.exit_code == 0, answer.output
    return answer.output


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_systemd_unit_starts_a_command_that_there_is(unit) -> None:  # type: ignore[no-untyped-def]
    text = unit.read_text(encoding="utf-8")
    (command,) = re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)
    program, *words = shlex.split(command)
    assert program.endswith("/bin/vdeblur")
    help_text = understood(words)
    for option in re.findall(r"\bVDEBLUR_SERVE_(\w+)=", text):
        assert f"--{option.lower().replace('_', '-')} " in help_text


def test_the_page_keeps_its_videos_where_its_unit_may_write() -> None:
    text = (ROOT / "examples/systemd/vdeblur-serve.service").read_text(encoding="utf-8")
    settings: dict[str, list[str]] = {}
    for name, value in re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE):
        settings.setdefault(name, []).extend(shlex.split(value))
    assert {"ProtectSystem=strict", "DynamicUser=yes"} <= set(text.splitlines())
    roots = {"StateDirectory": "/var/lib", "CacheDirectory": "/var/cache", "RuntimeDirectory": "/run"}
    writable = [PurePosixPath(root, one) for name, root in roots.items() for one in settings.get(name, [])]
    writable += map(PurePosixPath, settings.get("ReadWritePaths", []))
    words = settings["ExecStart"]
    folder = PurePosixPath(words[words.index("--folder") + 1])
    assert any(folder.is_relative_to(one) for one in writable)


def test_the_container_starts_commands_that_there_are() -> None:
    text = DOCKERFILE.read_text(encoding="utf-8")
    assert 'ENTRYPOINT ["vdeblur"]' in text
    (words,) = re.findall(r"^CMD \[(.*)\]$", text, re.MULTILINE)
    understood(re.findall(r'"([^"]*)"', words))
    for line in re.findall(r"^#   docker run .* vdeblur ((?:batch|holiday).*)$", text, re.MULTILINE):
        understood(shlex.split(line))
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    (named,) = re.findall(r"'\.\[([\w,]+)\]'", text)
    assert set(named.split(",")) <= set(extras)


def test_the_page_imports_only_what_it_declares_and_patches_only_versions_that_are_known() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = [re.split("(?=[<>=!])", one, maxsplit=1) for one in project["optional-dependencies"]["serve"]]
    extra = dict(declared)
    everywhere = {re.split("[<>=!]", one)[0] for one in project["dependencies"]}
    modules = {"cv2" if name == "opencv-python" else name for name in (*extra, *everywhere)}
    for file in (ROOT / "vdeblur/serve").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            imported = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                imported = [str(node.module)]
            named = {name.partition(".")[0] for name in imported} - sys.stdlib_module_names
            assert named <= modules, (file.name, named - modules)
    for name in ("aioice", "aiortc"):  # `peers` sets variables of theirs
        assert re.search(r"<\d", extra[name])
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert all(f"\n{name}==" in pinned for name in extra)


def test_the_citation_is_of_this_version() -> None:
    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_every_python_that_the_package_names_is_tested() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = [name.split(" :: ")[-1] for name in project["classifiers"] if name.startswith("Programming Language")]
    (tested,) = re.findall(r"^\s+python: \[(.*)\]$", WORKFLOW.read_text(encoding="utf-8"), re.MULTILINE)
    versions = re.findall(r"[\d.]+", tested)
    assert versions == [version for version in named if version.startswith("3.")]
    assert project["requires-python"] == f">={versions[0]}"
