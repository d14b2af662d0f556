"""Recognises common mistakes in the inputs: a misspelt command, a missing -o, a folder of videos."""

from __future__ import annotations

import os

import click

from ..errors import InputError, did_you_mean


def check_inputs(ctx: click.Context, inputs: tuple[str, ...]) -> None:
    """Raise InputError for what looks like a misspelt command, an output without -o or a folder of videos."""
    first, last = inputs[0], inputs[-1]
    group = ctx.parent.command if ctx.parent else None
    if "." not in first and not os.path.exists(first) and isinstance(group, click.Group):
        commands = {name for name, member in group.commands.items() if not member.hidden}
        if hint := did_you_mean(first, commands):
            raise InputError(f"{first}: neither a file nor a command{hint}")
    if len(inputs) == 1 and os.path.isdir(first):
        _refuse_folder_of_videos(first)
    if len(inputs) == 2 and os.path.exists(first) and _is_no_file(last):
        raise InputError(f'{last}: no such file; did you mean "-o {last}"?')


def _refuse_folder_of_videos(path: str) -> None:
    """Raise InputError for a folder that holds videos in place of images."""
    from ..batch.collect import MEDIA_SUFFIXES
    from ..media.paths import IMAGE_SUFFIXES

    try:
        suffixes = {os.path.splitext(name)[1].lower() for name in os.listdir(path)}
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    if not suffixes & set(IMAGE_SUFFIXES) and suffixes & MEDIA_SUFFIXES:
        raise InputError(f"{path}: a folder of videos; `vdeblur batch {path} -o FOLDER` restores all of them")


def _is_no_file(word: str) -> bool:
    return not os.path.exists(word) and not any(sign in word for sign in "*?[%@") and word != "-"
