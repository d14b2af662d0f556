"""The `vdeblur` command: all commands, and how exceptions become messages and exit codes.

Data goes to stdout, messages to stderr. A `VdeblurError` is one line and its exit code; any other exception is one line
that points to -v, which shows the traceback.
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
from .batch import batch_command, segment_command
from .completion import complete, completion_command
from .console import is_verbose, log_to_stderr
from .encoders import encoders_command
from .engines import bench_command, compress_command, export_command
from .explain import explain_command
from .grammar import InputOrCommand, errors_in
from .listings import doctor_command, info_command, models_command, presets_command
from .live import live_command, serve_command
from .quality import eval_command, synth_command
from .restore import EXAMPLES, restore_command
from .training import train_command

THREADS = ("vdeblur-decode", "vdeblur-encode", "vdeblur-serve")
"""Names of the threads of `vdeblur.threads` and of `vdeblur.serve.threads`."""

COMMANDS = {
    "Restore": (restore_command, batch_command, segment_command, live_command, serve_command),
    "Inspect": (
        *(info_command, explain_command, models_command, presets_command),
        *(encoders_command, doctor_command, bench_command),
    ),
    "Measure and train": (eval_command, synth_command, train_command, export_command, compress_command),
    "Shell": (completion_command,),
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
            # One hangs in a read that never returns, or in long work of a server that was told to stop, and holds locks
            # that Python's normal exit would wait for.
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
            # The reader of stdout has closed it: not an error. Python would still complain when it flushes at exit.
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return EXIT_OK
        except MemoryError as error:
            return _fail("ran out of memory; a smaller model or frame size needs less", error, DeviceError.exit_code)
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
    """Remove motion blur from video, and keep everything else in the file unchanged."""


def main() -> NoReturn:
    """Entry point of the `vdeblur` command."""
    cli.main()
