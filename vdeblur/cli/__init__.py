"""The command line: the only room that prints or exits."""

from .commands import cli, main

__all__ = ["cli", "main"]
