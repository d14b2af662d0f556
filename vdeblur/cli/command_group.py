"""The grammar of the command line: `vdeblur INPUT` and `vdeblur COMMAND` in one group."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

RESTORE = "restore"
"""Name under which `vdeblur INPUT` is kept in the group; it is not shown, nor needed."""


class InputCommand(click.Command):
    """The command that needs no name."""

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Show how it is called, which is without its name."""
        formatter.write_usage("vdeblur", "INPUT [-o OUTPUT] [OPTIONS]")


class InputOrCommand(click.Group):
    """A group where the first word is a command or, if it is none, the input of `restore`; ./live is a file."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the hidden command's name before an input. Raises click.UsageError where there is no word at all."""
        if not args and not ctx.resilient_parsing:
            raise click.UsageError("say what to restore (vdeblur INPUT) or which command to run; --help shows both")
        own = {"-h", "--help", "--version"}
        if args and args[0] not in own and args[0] not in set(self.commands) - {RESTORE}:
            args = [RESTORE, *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete commands, file names, and the options of `vdeblur INPUT`."""
        if incomplete.startswith("-"):
            restore = self.commands[RESTORE]
            return restore.shell_complete(click.Context(restore, parent=ctx, info_name=RESTORE), incomplete)
        return [*super().shell_complete(ctx, incomplete), CompletionItem(incomplete, type="file")]

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Show commands and the options of `vdeblur INPUT` on one page."""
        formatter.write_usage("vdeblur", "INPUT [-o OUTPUT] [OPTIONS]")
        formatter.write_usage("vdeblur", "COMMAND [ARGUMENTS]", prefix="       ")
        self.format_help_text(ctx, formatter)
        self.format_commands(ctx, formatter)
        restore = self.commands[RESTORE]
        restore.format_options(click.Context(restore, parent=ctx, info_name=RESTORE), formatter)
        self.format_epilog(ctx, formatter)
