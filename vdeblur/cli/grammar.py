"""The shape of the command line: `vdeblur INPUT` and `vdeblur COMMAND` in one group, and the layout of their help."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import zip_longest
from typing import Any, TypeVar

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from ..errors import Problems, VdeblurError
from .console import set_quiet, set_verbose

F = TypeVar("F", bound=Callable[..., Any])

RESTORE = "restore"
"""Hidden name of the command that `vdeblur INPUT` runs."""

CONTEXT = {"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "VDEBLUR", "max_content_width": 100}

PARAMETER_NAMES = {
    "start_seconds": "ss",
    "end_seconds": "to",
    "encoder_options": "encoder_option",
    "container": "output_format",
}
"""Settings with another name on the command line: field of an options class -> parameter of a command."""

PLACES: Mapping[ParameterSource | None, str] = {
    ParameterSource.ENVIRONMENT: "from a variable of the environment",
    ParameterSource.DEFAULT_MAP: "from a --config file",
}
"""Where a value comes from that is not on the command line."""

GENERAL = "General"
"""Help section of the options common to all commands."""


class Option(click.Option):
    """An option with the help section that lists it, and variables of the environment named after its long flag."""

    def __init__(self, *args: Any, section: str = "Options", **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.section = section
        self.bare = None if settings.get("is_flag", True) else settings.get("flag_value")
        """The value of an option given without one; None if it needs a value."""

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """The variable of this command, such as VDEBLUR_SERVE_PORT, or else that of all commands, VDEBLUR_PORT.

        click would name it after the parameter of the Python function, which people do not know: VDEBLUR_AS_JSON. An
        option with `allow_from_autoenv=False` has its own `envvar` only.
        """
        if not self.allow_from_autoenv or ctx.auto_envvar_prefix is None:
            return super().resolve_envvar_value(ctx)
        flag = next(flag for flag in self.opts if flag.startswith("--"))
        names = (f"{ctx.command.name}-{flag[2:]}", flag[2:])
        variables = (f"{ctx.auto_envvar_prefix}_{name.upper().replace('-', '_')}" for name in names)
        return next(filter(None, map(os.environ.get, variables)), None)

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        """Check a value, as click does; an invalid one that is not on the command line is told with its place."""
        try:
            return super().process_value(ctx, value)
        except click.BadParameter as error:
            place = PLACES.get(ctx.get_parameter_source(str(self.name)))
            if place is None:
                raise
            raise click.BadParameter(f"{error.message} ({place})", error.ctx, error.param, error.param_hint) from error


def option(*flags: str, **settings: Any) -> Callable[[F], F]:
    """`click.option` with `section`, the help section that lists it."""
    return click.option(*flags, cls=Option, **settings)


VERBOSITY = (
    Option(
        ["-v", "--verbose"],
        section=GENERAL,
        count=True,
        expose_value=False,
        callback=set_verbose,
        help="Show more messages; -vv shows debug output.",
    ),
    Option(
        ["-q", "--quiet"],
        section=GENERAL,
        is_flag=True,
        expose_value=False,
        callback=set_quiet,
        help="Show errors only.",
    ),
)
"""-v and -q, which every command has."""


class Command(click.Command):
    """A command with -v and -q, whose help shows examples first and groups the options in sections."""

    def __init__(self, *args: Any, examples: str = "", **settings: Any) -> None:
        super().__init__(*args, **settings, context_settings=CONTEXT)  # type: ignore[misc]
        self.examples = examples
        self.params.extend(VERBOSITY)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; errors about settings get a note with the flags of those settings."""
        try:
            return super().invoke(ctx)
        except VdeblurError as raised:
            for error in errors_in(raised):
                if flags := self._flags_of(error.settings):
                    error.add_note(f"({', '.join(flags)})")
            raise

    def _flags_of(self, settings: Sequence[str]) -> list[str]:
        """Flags such as -m/--model of the settings that this command has."""
        names = [PARAMETER_NAMES.get(setting, setting) for setting in settings]
        mine = {str(parameter.name): parameter for parameter in self.params if isinstance(parameter, click.Option)}
        return ["/".join(mine[name].opts) for name in names if name in mine]

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write usage, summary, examples, the rest of the description, and options."""
        self.format_usage(ctx, formatter)
        first, _, rest = inspect.cleandoc(self.help or "").partition("\n\n")
        _write_text(formatter, first)
        write_examples(formatter, self.examples)
        _write_text(formatter, rest)
        self.format_options(ctx, formatter)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write options by section, in the order of declaration; the general ones last."""
        write_options(ctx, formatter, self.get_params(ctx))


def command(
    name: str | None = None, cls: type[Command] = Command, **settings: Any
) -> Callable[[Callable[..., Any]], Command]:
    """`click.command` for a `Command`; `examples` are lines of the help."""
    return click.command(name, cls=cls, **settings)


class InputCommand(Command):
    """The command that runs without being named, `vdeblur INPUT`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Do not take an input for the value of a preceding option whose value is optional."""
        bare = {flag: p.bare for p in self.params if isinstance(p, Option) and p.bare is not None for flag in p.opts}
        spelled = []
        for word, following in zip_longest(args, args[1:], fillvalue=""):
            is_bare = word in bare and not following.replace(".", "", 1).isdecimal()
            spelled.append(f"{word}={bare[word]}" if is_bare else word)
        return super().parse_args(ctx, spelled)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Show the usage without the hidden name."""
        formatter.write_usage("vdeblur", "INPUT... [-o OUTPUT] [OPTIONS]")


class InputOrCommand(click.Group):
    """A group whose first word is a command or else an input of `restore`; a file named live is given as ./live."""

    def __init__(
        self, *args: Any, sections: Mapping[str, Sequence[click.Command]], examples: str, **settings: Any
    ) -> None:
        """`sections` are the commands by section of the help."""
        super().__init__(*args, context_settings=CONTEXT, **settings)
        self.sections = sections
        self.examples = examples
        for commands in sections.values():
            for member in commands:
                self.add_command(member)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the hidden command's name before an input. Raises click.UsageError without any arguments."""
        if not args and not ctx.resilient_parsing:
            raise click.UsageError("name an input (vdeblur INPUT) or a command; --help lists both")
        if args[:1] == ["help"] and not os.path.exists("help"):
            args = [*args[1:], "--help"]
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
        """Show examples, commands and the options of `vdeblur INPUT` on one page."""
        formatter.write_usage("vdeblur", "INPUT... [-o OUTPUT] [OPTIONS]")
        formatter.write_usage("vdeblur", "COMMAND [ARGUMENTS]", prefix="       ")
        self.format_help_text(ctx, formatter)
        write_examples(formatter, self.examples)
        self.format_commands(ctx, formatter)
        restore = self.commands[RESTORE]
        version = [parameter for parameter in self.params if parameter.name == "version"]
        own = click.Context(restore, parent=ctx, info_name=RESTORE)
        write_options(own, formatter, [*restore.get_params(own), *version])

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Show the commands by section."""
        width = max(len(str(member.name)) for member in self.commands.values())
        for heading, members in self.sections.items():
            rows = [
                (str(member.name).ljust(width), member.get_short_help_str(limit=1000))
                for member in members
                if not member.hidden
            ]
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows)


def errors_in(raised: VdeblurError) -> tuple[VdeblurError, ...]:
    """The single errors in `raised`: those of `Problems`, or the error itself."""
    return raised.errors if isinstance(raised, Problems) else (raised,)


def write_examples(formatter: click.HelpFormatter, examples: str) -> None:
    """Write a section with these lines, unwrapped."""
    if examples:
        with formatter.section("Examples"):
            for line in examples.strip().splitlines():
                formatter.write(f"{'':{formatter.current_indent}}{line.strip()}\n")


def write_options(ctx: click.Context, formatter: click.HelpFormatter, params: Sequence[click.Parameter]) -> None:
    """Write options by section, in the order of declaration; the general ones last."""
    sections: dict[str, list[tuple[str, str]]] = {}
    for parameter in params:
        record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
        if record is not None:
            sections.setdefault(getattr(parameter, "section", GENERAL), []).append(record)
    if GENERAL in sections:
        sections[GENERAL] = sections.pop(GENERAL)
    width = min(max((len(flags) for records in sections.values() for flags, _ in records), default=0), 30)
    for heading, records in sections.items():
        with formatter.section(heading):
            formatter.write_dl([(flags.ljust(width), text) for flags, text in records])


def _write_text(formatter: click.HelpFormatter, text: str) -> None:
    if text:
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(text)


model_option = partial(option, section="Model")
input_option = partial(option, section="Input")
output_option = partial(option, section="Output")
run_option = partial(option, section="Run")
