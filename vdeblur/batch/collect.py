"""Which files a batch takes, and what their outputs are called."""

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
from ..media.paths import IMAGE_SUFFIXES, default_output, is_image_input

MEDIA_SUFFIXES = frozenset(
    {*FORMATS, *MORE_FORMATS, ".mpg", ".mpeg", ".wmv", ".3gp", ".ogv", ".vob", ".m2v", ".mod", ".tod", ".dv", ".asf"}
    | {".qt", ".divx", ".ivf", ".265", ".264", ".rm", ".rmvb", ".f4v", ".mjpeg"}
)
"""What a folder is searched for; a file that is named itself may be called anything."""

_NUMBERED = re.compile(r"(.*?)\d+(\D*)")

FIELDS = ("name", "stem", "suffix", "index")


@dataclass(frozen=True, slots=True)
class Item:
    """One job of a batch."""

    input: str
    """A media file, an image, or a folder or %d pattern of numbered images."""
    output: str
    """A file; for images a folder, which ends in a slash, unless the template names a media file."""


def collect(
    paths: Sequence[str],
    folder: str | None,
    *,
    recursive: bool = False,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    name: str = "{stem}{suffix}",
) -> list[Item]:
    """Every file once, in order: files, folders, patterns, and @list.txt with one path a line.

    Outputs go into `folder`, under the same names; where it is None, beside their inputs under `default_output`'s, and
    what is such an output of another input is no input itself.

    A folder of numbered images (see `is_sequence`) is one item, as a file is. `include` and `exclude` are patterns of
    names or of paths below a folder. Raises InputError for a path that names nothing, UsageError for a template that
    cannot be and for two inputs with one output.
    """
    items: dict[str, Item] = {}
    outputs: dict[str, str] = {}
    target = None if folder is None else os.path.abspath(folder)
    found = list(_found(paths, recursive))
    made = {os.path.abspath(default_output(path)) for path, _ in found} if target is None else set()
    for path, below in found:
        absolute = os.path.abspath(path)
        if absolute in items or absolute in made or (target and os.path.commonpath([absolute, target]) == target):
            continue
        if (include and not _matches(below, include)) or _matches(below, exclude):
            continue
        if target is None:
            output = default_output(absolute)
        else:
            output = os.path.join(Path(target) / Path(below).parent, _named(name, path, Path(below).name, len(items)))
        other = outputs.setdefault(output.rstrip("/"), path)
        if other != path:
            message = f"{path} and {other} would both become {output}: add {{index}} to the outputs' name"
            raise UsageError(message, settings=("name",))
        items[absolute] = Item(absolute, output)
    if not items:
        message = f"{', '.join(paths)}: no media files there{'' if recursive else '; folders below were not searched'}"
        raise InputError(message, settings=() if recursive else ("recursive",))
    return list(items.values())


def _found(paths: Iterable[str], recursive: bool) -> Iterator[tuple[str, str]]:
    """(path, path below the folder that was named)."""
    from ..media.image_files import image_files

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
        elif is_image_input(path) and image_files(path):
            yield path, Path(path).resolve().parent.name
        else:
            raise InputError(f"{path}: no such file, folder or pattern")


def _in_folder(folder: Path, recursive: bool) -> Iterator[tuple[str, str]]:
    if is_sequence(folder):
        yield str(folder), folder.resolve().name
        return
    for root, folders, files in os.walk(folder):
        here = Path(root)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        sequences = [name for name in folders if is_sequence(here / name)]
        media = [name for name in files if Path(name).suffix.lower() in MEDIA_SUFFIXES and not name.startswith(".")]
        for name in sorted([*media, *sequences]):
            yield str(here / name), str((here / name).relative_to(folder))
        folders[:] = [name for name in folders if name not in sequences] if recursive else []


def is_sequence(folder: Path) -> bool:
    """Whether a folder is footage by itself: it holds two or more images whose names are alike but for a number, and
    neither media files nor further folders. What is hidden does not count."""
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


def _named(template: str, source: str, name: str, index: int) -> str:
    """The name of an output below its folder; `name` is the input's, or its folder's where that is the input."""
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
        raise UsageError(f"{template}: knows {{stem}}, {{suffix}}, {{name}} and {{index}} only", settings=("name",))
    for field, value in values.items():
        made = made.replace(f"\0{field}\0", value)
    no_file = made.endswith("/") and suffix != "/"
    if not made.strip() or no_file or Path(made).is_absolute() or ".." in Path(made).parts:
        raise UsageError(f"{template}: must name a file below the output folder", settings=("name",))
    return made if Path(made).suffix.lower() in kinds or made.endswith("/") else made + suffix
