"""The rooms of the code and the arrows between them, as CONTRIBUTING.md draws them."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from support.commands import ROOT

PACKAGE = ROOT / "vdeblur"
DOOR = ("__init__", "__main__")
"""Modules that hand on what the others hold."""

PROGRAMS = ("vdeblur.live.x11",)
"""Modules that run in a process of their own."""


def module_of(path: Path) -> str:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return name.removesuffix(".__init__")


@cache
def trees() -> dict[str, tuple[Path, ast.Module]]:
    return {module_of(path): (path, ast.parse(path.read_text(encoding="utf-8"))) for path in PACKAGE.rglob("*.py")}


def imports(module: str) -> Iterator[str]:
    """Modules that a module imports anywhere in it, by their full names."""
    path, tree = trees()[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            for alias in node.names:
                yield name if (name := f"{base}.{alias.name}") in trees() else base


def room(module: str) -> str:
    """The package, or the module beside the packages."""
    return module.split(".")[1] if "." in module else "__init__"


def drawing() -> list[list[str]]:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    found = re.search(r"```rooms\n(.*?)```", text, re.DOTALL)
    assert found
    return [line.split() for line in found[1].splitlines()]


def test_every_room_is_drawn_once() -> None:
    drawn = sorted(name for line in drawing() for name in line)
    assert drawn == sorted({room(module) for module in trees()} - set(DOOR))


def test_a_room_imports_only_rooms_further_down() -> None:
    height = {name: -number for number, line in enumerate(drawing()) for name in line}
    wrong = {
        f"{module} -> {known}"
        for module in trees()
        if room(module) not in DOOR
        for known in imports(module)
        if known.startswith("vdeblur.") and room(known) != room(module)
        if height[room(known)] >= height[room(module)]
    }
    assert not wrong


def test_there_are_no_circular_imports() -> None:
    """Imports within functions count, those for types alone too."""
    waiting = {module: {k for k in imports(module) if k in trees() and k != module} for module in trees()}
    while free := [module for module, known in waiting.items() if not known & waiting.keys()]:
        for module in free:
            del waiting[module]
    assert not waiting


@pytest.mark.parametrize(("library", "said"), [("av", "PyAV"), ("torch", "torch")])
def test_heavy_libraries_are_where_the_text_says(library: str, said: str) -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    found = re.search(rf"^- {said} is imported in ([^.]*)\.", text, re.MULTILINE)
    assert found
    rooms = {room(module) for module in trees() if library in {name.split(".")[0] for name in imports(module)}}
    assert rooms == set(re.findall("`(.*?)`", found[1]))


@pytest.mark.parametrize("module", ["vdeblur", "vdeblur.pipeline", "vdeblur.restorer", "vdeblur.windows"])
def test_the_pipeline_loads_neither_a_codec_nor_a_tensor_library(module: str) -> None:
    code = f"import sys, {module}; print(sorted({{'av', 'cv2', 'torch'}} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_only_the_command_line_prints_and_exits() -> None:
    names = {"print", "exit", "quit"}
    wrong = [
        f"{module}:{node.lineno}"
        for module, (_, tree) in trees().items()
        if room(module) not in ("cli", "__main__") and module not in PROGRAMS
        for node in ast.walk(tree)
        if (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names)
        or (isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.exit")
    ]
    assert not wrong


def test_a_name_is_defined_once() -> None:
    """Classes, type aliases and type variables; constants and functions are named for their module."""
    homes: dict[str, list[str]] = {}
    for module, (_, tree) in trees().items():
        for name in {name for node in tree.body for name in defined(node) if re.search("^[A-Z].*[a-z]|^[A-Z]$", name)}:
            homes.setdefault(name, []).append(module)
    assert not {name: modules for name, modules in homes.items() if len(modules) > 1}


def defined(node: ast.stmt) -> Iterator[str]:
    """The names that a top-level statement defines, those within branches included."""
    if isinstance(node, ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        yield from (target.id for target in targets if isinstance(target, ast.Name))
    elif isinstance(node, ast.If | ast.Try):
        for part in (*node.body, *node.orelse):
            yield from defined(part)
