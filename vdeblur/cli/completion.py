"""`completion`: shell completion scripts, and the answers that those scripts ask for."""

from __future__ import annotations

import os

import click
from click.shell_completion import get_completion_class, shell_complete

from .grammar import command

_VARIABLE = "_VDEBLUR_COMPLETE"
"""Environment variable through which a completion script requests words."""


@command(
    "completion",
    examples="""
bash:  vdeblur completion bash > ~/.local/share/bash-completion/completions/vdeblur
zsh:   vdeblur completion zsh > "${fpath[1]}/_vdeblur"
fish:  vdeblur completion fish > ~/.config/fish/completions/vdeblur.fish
""",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion_command(ctx: click.Context, shell: str) -> None:
    """Print a completion script for your shell."""
    kind = get_completion_class(shell)
    assert kind is not None
    script = kind(ctx.find_root().command, {}, "vdeblur", _VARIABLE)
    click.echo(script.source_template % script.source_vars())


def complete(group: click.Group) -> int | None:
    """Answer a completion script and return the exit code; None if this is not such a request."""
    instruction = os.environ.get(_VARIABLE)
    return shell_complete(group, {}, "vdeblur", _VARIABLE, instruction) if instruction else None
