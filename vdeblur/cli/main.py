"""The whole command line: its commands, and how each of them ends.

Data goes to stdout, everything said to people to stderr. An error made on purpose is one line and its exit code; any
other exception is one line that points to -v, which shows the traceback.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import threading
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from ..errors import EXIT_INTERNAL, EXIT_OK, DeviceError, OutputError, UsageError, VdeblurError
from ..signals import Stopped, stop_signals
from ..version import __version__
from .batch import batch, segment
from .completion import complete, completion
from .console import is_verbose, log_to_stderr
from .encoders import encoders
from .engines import bench, compress, export
from .explain import explain
from .grammar import InputOrCommand, errors_in
from .listings import doctor, info, models, presets
from .live import live, serve
from .quality import evaluate, synth
from .restore import EXAMPLES, restore
from .training import train

THREADS = ("vdeblur-decode", "vdeblur-encode")
"""Names that `vdeblur.threads` gives."""

COMMANDS = {
    "Restore": (restore, batch, segment, live, serve),
    "Look": (info, explain, models, presets, encoders, doctor, bench),
    "Measure and train": (evaluate, synth, train, export, compress),
    "Shell": (completion,),
}


class Vdeblur(InputOrCommand):
    """The group whose `main` turns every exception into one line and an exit code."""

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **_: Any
    ) -> NoReturn:
        """Run a command line and exit."""
        code = complete(self)
        if code is None:
            code = _run(self, list(sys.argv[1:] if args is None else args))
        if any(thread.name in THREADS for thread in threading.enumerate()):
            # One hangs in a read that never returns, and holds locks that Python's own way out would wait for.
            sys.stderr.flush()
            os._exit(code)
        sys.exit(code)


def _run(group: click.Group, args: list[str]) -> int:
    with log_to_stderr():
        try:
            with stop_signals() as stop, group.make_context("vdeblur", args, obj=stop) as ctx:
                group.invoke(ctx)
            sys.stdout.flush()
            return EXIT_OK
        except click.exceptions.Exit as error:
            return error.exit_code
        except click.ClickException as error:
            return _fail(error.format_message(), error, UsageError.exit_code)
        except VdeblurError as raised:
            for each in errors_in(raised):
                _fail(" ".join([str(each), *getattr(each, "__notes__", ())]), each, each.exit_code)
            return raised.exit_code
        except Stopped as stop:
            click.echo(f"vdeblur: stopped; {stop.what_is_left}", err=True)
            return stop.exit_code
        except BrokenPipeError:
            # The reader of stdout has had enough: no fault. Python would still complain when it flushes at the end.
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return EXIT_OK
        except MemoryError as error:
            return _fail("ran out of memory; a smaller model or frame needs less", error, DeviceError.exit_code)
        except OSError as error:
            code = OutputError.exit_code if error.errno in (errno.ENOSPC, errno.EROFS) else EXIT_INTERNAL
            return _fail(str(error), error, code)
        except Exception as error:
            hint = "" if is_verbose() else " (internal error; -v shows the traceback)"
            return _fail(f"{type(error).__name__}: {error}{hint}", error, EXIT_INTERNAL)


def _fail(message: str, error: BaseException, code: int) -> int:
    if is_verbose():
        click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
    click.echo(f"vdeblur: error: {' '.join(message.split())}", err=True)
    return code


@click.group(cls=Vdeblur, sections=COMMANDS, examples=EXAMPLES, subcommand_metavar="COMMAND")
@click.version_option(__version__, "--version", prog_name="vdeblur", message="%(prog)s %(version)s")
def cli() -> None:
    """Make blurred footage sharper, and keep everything else in the file as it was."""


def main() -> NoReturn:
    """Entry point of the `vdeblur` command."""
    cli.main()
