"""The command line: the only package that prints or exits. A file per group of commands; `main` puts them together."""

from .main import cli, main

__all__ = ["cli", "main"]
