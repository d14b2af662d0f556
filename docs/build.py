"""Build the pages of the library and of the command line: python docs/build.py [FOLDER]

Everything comes from the code: modules and their docstrings through pdoc, the commands' help as the command line prints
it, the examples as they are run by the tests. Needs no network, and every warning is an error.
"""

from __future__ import annotations

import sys
import types
import warnings
from collections.abc import Iterator
from pathlib import Path

import click
import pdoc

ROOT = Path(__file__).parent.parent
EXAMPLES = [
    ROOT / "examples" / "python" / f"{name}.py"
    for name in ("restore_a_file", "frames_from_opencv", "decoder_of_your_own", "live_camera", "model_of_your_own")
]
WIDTH = 100
"""Columns of the commands' help."""


PAGES = [
    "vdeblur",
    "vdeblur.cli",
    "vdeblur.errors",
    "vdeblur.restorer",
    "vdeblur.random_access",
    "vdeblur.vapoursynth",
    "vdeblur.live.cameras",
    "vdeblur.quality.evaluate",
    "vdeblur.quality.metrics",
    "vdeblur.quality.pairs",
    "vdeblur.restorers.classical",
    "vdeblur.training.synth",
]
"""What others build on: all public names under `vdeblur`, then modules whose names they import themselves."""


class Absent(types.ModuleType):
    """Stands in for a library that is not installed here, so that the module that uses it can be read."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {"__module__": self.__name__})


def build(folder: Path) -> None:
    """Write the pages into `folder`; raises the first warning."""
    warnings.simplefilter("error")
    sys.path.insert(0, str(ROOT))
    sys.modules.setdefault("vapoursynth", Absent("vapoursynth"))
    import vdeblur
    from vdeblur import cli

    for name in vdeblur.__all__:  # loaded when first used, which pdoc does not know
        setattr(vdeblur, name, getattr(vdeblur, name))
    vdeblur.__doc__ = f"{vdeblur.__doc__}\n{examples()}"
    cli.__doc__ = f"{cli.__doc__}\n{commands(cli.cli)}"
    pdoc.render.configure(docformat="markdown", search=True, show_source=True)
    pdoc.pdoc(*PAGES, output_directory=folder)


def examples() -> str:
    """The examples, whole, as Markdown."""
    parts = ["# Examples"]
    for path in EXAMPLES:
        parts.append(f"## {path.stem.replace('_', ' ').capitalize()}")
        parts.append(f"```python\n{path.read_text(encoding='utf-8')}```")
    return "\n\n".join(parts)


def commands(group: click.Group) -> str:
    """The help of every command, as Markdown."""
    parts = ["# Commands"]
    for words, command, context in walk(group, context_of(group, "vdeblur")):
        parts.append(f"## {' '.join(words)}")
        parts.append(f"```text\n{command.get_help(context)}\n```")
    return "\n\n".join(parts)


def context_of(command: click.Command, name: str, parent: click.Context | None = None) -> click.Context:
    """Where the command stands, on a terminal of WIDTH columns."""
    return click.Context(command, parent, info_name=name, terminal_width=WIDTH, max_content_width=WIDTH)


def walk(command: click.Command, context: click.Context) -> Iterator[tuple[list[str], click.Command, click.Context]]:
    """A command and all below it, each with the words that call it."""
    yield context.command_path.split(), command, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None and not below.hidden:
                yield from walk(below, context_of(below, name, context))


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "docs"
    build(target)
    print(target / "index.html")
