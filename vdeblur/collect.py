"""Which files a batch takes, and what their outputs are called."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from .containers import FORMATS, MORE_FORMATS
from .errors import InputError, UsageError

MEDIA_SUFFIXES = frozenset(
    {*FORMATS, *MORE_FORMATS, ".mpg", ".mpeg", ".wmv", ".3gp", ".ogv", ".vob", ".m2v", ".mod", ".tod", ".dv", ".asf"}
    | {".qt", ".divx", ".ivf", ".265", ".264", ".rm", ".rmvb", ".f4v", ".mjpeg"}
)
"""What a folder is searched for; a file that is named itself may be called anything."""

FIELDS = ("name", "stem", "suffix", "index")


@dataclass(frozen=True, slots=True)
class Item:
    """One file of a batch."""

    input: str
    output: str


def collect(
    paths: Sequence[str],
    folder: str,
    *,
    recursive: bool = False,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    name: str = "{stem}{suffix}",
) -> list[Item]:
    """Every file once, in order: files, folders, patterns, and @list.txt with one path a line.

    `include` and `exclude` are patterns of names or of paths below a folder. Raises InputError for a path that names
    nothing, UsageError for a template that cannot be and for two inputs with one output.
    """
    items: dict[str, Item] = {}
    outputs: dict[str, str] = {}
    target = os.path.abspath(folder)
    for path, below in _found(paths, recursive):
        absolute = os.path.abspath(path)
        if absolute in items or os.path.commonpath([absolute, target]) == target:
            continue
        if (include and not _matches(below, include)) or _matches(below, exclude):
            continue
        output = str(Path(target) / Path(below).parent / _named(name, Path(below).name, len(items)))
        if output in outputs:
            raise UsageError(f"{path} and {outputs[output]} would both become {output}: add {{index}} to --name")
        outputs[output] = path
        items[absolute] = Item(absolute, output)
    if not items:
        raise InputError(f"{', '.join(paths)}: no media files there{'' if recursive else '; --recursive goes deeper'}")
    return list(items.values())


def _found(paths: Iterable[str], recursive: bool) -> Iterator[tuple[str, str]]:
    """(path, path below the folder that was named)."""
    for path in paths:
        if path.startswith("@") and not os.path.exists(path):
            try:
                lines = Path(path[1:]).read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise InputError(f"{path[1:]}: cannot be read as a list of files: {error}") from error
            yield from _found([line.strip() for line in lines if line.strip() and line[0] != "#"], recursive)
        elif os.path.isdir(path):
            yield from _in_folder(Path(path), recursive)
        elif os.path.exists(path):
            yield path, Path(path).name
        elif matches := sorted(glob.glob(path, recursive=True)):
            yield from _found(matches, recursive)
        else:
            raise InputError(f"{path}: no such file, folder or pattern")


def _in_folder(folder: Path, recursive: bool) -> Iterator[tuple[str, str]]:
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith(".")) if recursive else []
        for file in sorted(files):
            if Path(file).suffix.lower() in MEDIA_SUFFIXES and not file.startswith("."):
                path = Path(root) / file
                yield str(path), str(path.relative_to(folder))


def _matches(below: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch(below, pattern) or fnmatch(Path(below).name, pattern) for pattern in patterns)


def _named(template: str, name: str, index: int) -> str:
    path = Path(name)
    suffix = path.suffix if path.suffix.lower() in FORMATS else ".mkv"
    values = {"name": path.stem + suffix, "stem": path.stem, "suffix": suffix, "index": f"{index:05}"}
    made = template
    for field in FIELDS:
        made = made.replace(f"{{{field}}}", f"\0{field}\0")
    if "{" in made or "}" in made:
        raise UsageError(f"--name {template}: knows {{stem}}, {{suffix}}, {{name}} and {{index}} only")
    for field, value in values.items():
        made = made.replace(f"\0{field}\0", value)
    if not made.strip() or Path(made).is_absolute() or ".." in Path(made).parts:
        raise UsageError(f"--name {template}: must name a file below the output folder")
    return made if Path(made).suffix.lower() in FORMATS else made + suffix
