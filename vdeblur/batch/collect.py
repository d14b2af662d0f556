"""Finds the input files of a batch and names their outputs."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from ..errors import InputError, UsageError
from ..media.containers import FORMATS, MORE_FORMATS
from ..media.image_files import image_files
from ..media.paths import IMAGE_SUFFIXES, default_output, is_image_input

MEDIA_SUFFIXES = frozenset(
    {*FORMATS, *MORE_FORMATS, ".mpg", ".mpeg", ".wmv", ".3gp", ".ogv", ".vob", ".m2v", ".mod", ".tod", ".dv", ".asf"}
    | {".qt", ".divx", ".ivf", ".265", ".264", ".rm", ".rmvb", ".f4v", ".mjpeg"}
)
"""Suffixes that a folder is searched for; a file named explicitly may have any suffix."""

_NUMBERED = re.compile(r"(.*?)\d+(\D*)")

FIELDS = ("name", "stem", "suffix", "index")


@dataclass(frozen=True, slots=True)
class Item:
    """One job of a batch."""

    input: str
    """A media file, an image, or a folder or %d pattern of numbered images."""
    output: str
    """A file, or for images a folder, with a trailing slash, unless the template names a media file."""


def collect(
    paths: Sequence[str],
    folder: str | None,
    *,
    recursive: bool = False,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    name: str = "{stem}{suffix}",
    may_clash: bool = False,
) -> list[Item]:
    """Collect each file once, in order, from files, folders, patterns, and @list.txt with one path per line.

    Outputs go into `folder` under the same names; if it is None, next to their inputs under the name of
    `default_output`, and files that are such an output of another input are left out.

    A folder of numbered images (see `is_sequence`) is one item. `include` and `exclude` are patterns for names or
    for paths relative to a folder. Raises InputError for a path that matches nothing, UsageError for an invalid
    template, for two inputs with the same output, and for an output that is an input.

    Files below `folder` that a search meets are earlier outputs and are left out; a file named explicitly never is, and
    neither is one of a searched folder that itself lies below `folder`.

    With `may_clash`, inputs with the same output are all returned: `BatchRun` restores the first and fails the others.
    """
    items: dict[str, Item] = {}
    outputs: dict[str, str] = {}
    target = None if folder is None else os.path.abspath(folder)
    found = list(_find(paths, recursive))
    made = {os.path.abspath(default_output(path)) for path, *_ in found} if target is None else set()
    for path, below, searched in found:
        absolute = os.path.abspath(path)
        if absolute in items or absolute in made:
            continue
        if target and searched and _is_below(target, os.path.abspath(searched)) and _is_below(absolute, target):
            continue
        if (include and not _matches(below, include)) or _matches(below, exclude):
            continue
        if target is None:
            output = default_output(absolute)
        else:
            output = os.path.join(
                Path(target) / Path(below).parent, _output_name(name, path, Path(below).name, len(items))
            )
        other = outputs.setdefault(output.rstrip("/"), path)
        if other != path and not may_clash:
            message = f"{path} and {other} would both be written to {output}; add {{index}} to the name of outputs"
            raise UsageError(message, settings=("name",))
        items[absolute] = Item(absolute, output)
    for item in items.values():
        if (replaced := os.path.abspath(item.output)) in items:
            whose = "its own output" if replaced == item.input else f"the output of {item.input}"
            message = f"{replaced}: would be replaced by {whose}; choose another folder or other names"
            raise UsageError(message, settings=("output",))
    if not items:
        message = f"{', '.join(paths)}: no media files found{'' if recursive else '; subfolders were not searched'}"
        raise InputError(message, settings=() if recursive else ("recursive",))
    return list(items.values())


def _find(
    paths: Iterable[str], recursive: bool, lists: frozenset[str] = frozenset()
) -> Iterator[tuple[str, str, str | None]]:
    """(path, path relative to the folder that was searched, that folder); None for a path that was named.

    `lists` are the real paths of the lists that name `paths`.
    """
    for path in paths:
        if path.startswith("@") and not os.path.exists(path):
            if (real := os.path.realpath(path[1:])) in lists:
                what = "this list of files names itself, at once or by another"
                raise InputError(f"{path[1:]}: {what}; remove the line {path}")
            yield from _find(_listed(path[1:]), recursive, lists | {real})
        elif os.path.isdir(path):
            yield from _in_folder(Path(path), recursive)
        elif os.path.exists(path):
            yield path, Path(path).name, None
        elif matches := sorted(glob.glob(path, recursive=True)):
            yield from _find(matches, recursive)
        elif is_image_input(path) and image_files(path):
            yield path, Path(path).resolve().parent.name, None
        else:
            raise InputError(f"{path}: no such file, folder or pattern")


def _listed(path: str) -> list[str]:
    """The lines of a list of files but for empty ones and those that begin with #."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as a list of files: {error}") from error
    return [line for line in map(str.strip, lines) if line and not line.startswith("#")]


def _is_below(path: str, folder: str) -> bool:
    """Whether `path` is `folder` or lies in it."""
    return Path(path).is_relative_to(folder)


def _in_folder(folder: Path, recursive: bool) -> Iterator[tuple[str, str, str]]:
    if is_sequence(folder):
        yield str(folder), folder.resolve().name, str(folder)
        return
    for root, folders, files in os.walk(folder):
        here = Path(root)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        sequences = [name for name in folders if is_sequence(here / name)]
        media = [name for name in files if Path(name).suffix.lower() in MEDIA_SUFFIXES and not name.startswith(".")]
        for name in sorted([*media, *sequences]):
            yield str(here / name), str((here / name).relative_to(folder)), str(folder)
        folders[:] = [name for name in folders if name not in sequences] if recursive else []


def is_sequence(folder: Path) -> bool:
    """Whether a folder is an image sequence: two or more images whose names differ only in a number, and neither
    media files nor subfolders. Hidden files do not count."""
    try:
        shown = [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError:
        return False
    images = [path.stem for path in shown if path.suffix.lower() in IMAGE_SUFFIXES]
    if len(images) < 2 or any(path.suffix.lower() in MEDIA_SUFFIXES or path.is_dir() for path in shown):
        return False
    numbered = [_NUMBERED.fullmatch(stem) for stem in images]
    return None not in numbered and len({match.groups() for match in numbered if match}) == 1


def _matches(below: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch(below, pattern) or fnmatch(Path(below).name, pattern) for pattern in patterns)


def _output_name(template: str, source: str, name: str, index: int) -> str:
    """Path of an output relative to its folder; `name` is that of the input, or of its folder for an image sequence."""
    stem, own = Path(name).stem, Path(name).suffix
    kinds: Collection[str] = FORMATS
    if not is_image_input(source):
        suffix = own if own.lower() in FORMATS else ".mkv"
    elif os.path.isfile(source):
        suffix, kinds = own, IMAGE_SUFFIXES
    else:
        stem, suffix = name, "/"
    values = {"name": stem + suffix, "stem": stem, "suffix": suffix, "index": f"{index:05}"}
    made = template
    for field in FIELDS:
        made = made.replace(f"{{{field}}}", f"\0{field}\0")
    if "{" in made or "}" in made:
        raise UsageError(
            f"{template}: unknown field; choose from {{stem}}, {{suffix}}, {{name}} and {{index}}", settings=("name",)
        )
    for field, value in values.items():
        made = made.replace(f"\0{field}\0", value)
    is_folder = made.endswith("/") and suffix != "/"
    if not made.strip() or is_folder or Path(made).is_absolute() or ".." in Path(made).parts:
        raise UsageError(f"{template}: must name a file inside the output folder", settings=("name",))
    return made if Path(made).suffix.lower() in kinds or made.endswith("/") else made + suffix
