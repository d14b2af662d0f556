"""Output for people: messages, log lines and progress on stderr, as verbose as -v and -q ask for."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from ..errors import EXIT_DAMAGED_INPUT
from ..signals import NOTICE

if TYPE_CHECKING:
    from ..batch.progress import BatchProgress
    from ..jobs.job import Summary
    from ..progress import Progress

log = logging.getLogger("vdeblur")


def is_verbose() -> bool:
    """Whether -v was given."""
    return log.isEnabledFor(logging.INFO)


def is_quiet() -> bool:
    """Whether -q was given."""
    return not log.isEnabledFor(logging.WARNING)


def say(line: str) -> None:
    """Print a line (or several) for people, unless -q was given."""
    if not is_quiet():
        for each in line.splitlines():
            click.echo(f"vdeblur: {each}", err=True)


def say_json(value: object) -> None:
    """Print a value as one line of JSON on stdout."""
    click.echo(json.dumps(value))


def conclude(
    ctx: click.Context, summary: Summary, more: Sequence[str] = (), result: Mapping[str, object] | None = None
) -> None:
    """Show the warnings of a job and what was done, print `result` as JSON, and exit with 6 if the input was damaged.

    `more` are further parts of the line for people.
    """
    for warning in summary.warnings:
        log.warning("%s", warning)
    say("; ".join([summary.to_text(), *more]))
    if result is not None:
        say_json(result)
    if summary.damaged:
        ctx.exit(EXIT_DAMAGED_INPUT)


@contextlib.contextmanager
def log_to_stderr() -> Iterator[None]:
    """Within the block the package's log lines appear on stderr, warnings and worse."""
    handler = _StderrHandler()
    log.addHandler(handler)
    log.propagate = False
    log.setLevel(NOTICE)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.propagate = True
        log.setLevel(logging.NOTSET)


class _StderrHandler(logging.Handler):
    """Looks up stderr for each line, so that lines appear above a progress bar and are captured by tests."""

    def emit(self, record: logging.LogRecord) -> None:
        level = "" if record.levelno == NOTICE else f"{record.levelname.lower()}: "
        click.echo(f"vdeblur: {level}{record.getMessage()}", err=True)


def set_verbose(ctx: click.Context, param: click.Parameter, count: int) -> None:
    """Callback of -v."""
    if count:
        log.setLevel(logging.INFO if count == 1 else logging.DEBUG)


def set_quiet(ctx: click.Context, param: click.Parameter, quiet: bool) -> None:
    """Callback of -q."""
    if quiet:
        log.setLevel(logging.ERROR)


def has_display() -> bool:
    """Whether a graphical program could open a window here."""
    return not sys.platform.startswith("linux") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _progress_kind(kind: str) -> str:
    """`kind`, with "auto" resolved: a bar on a terminal, otherwise none."""
    on_terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    return kind if kind != "auto" else "bar" if on_terminal and not is_quiet() else "none"


def progress_of(kind: str) -> Progress:
    """The progress display for a value of `--progress`."""
    from ..progress import Bar, JsonLines, Silent

    shown = _progress_kind(kind)
    if shown == "json":
        return JsonLines(lambda line: click.echo(line, err=True))
    return Bar(force=kind == "bar") if shown == "bar" else Silent()


def batch_progress_of(kind: str) -> BatchProgress:
    """The progress display of a batch for a value of `--progress`."""
    from ..batch.progress import BatchBars, BatchLines, NoBatchProgress

    shown = _progress_kind(kind)
    if shown == "json":
        return BatchLines(lambda line: click.echo(line, err=True))
    return BatchBars(force=True) if shown == "bar" else NoBatchProgress()
