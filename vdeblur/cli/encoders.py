"""`encoders`: the values of --codec, and of --crf, --preset and -e for each encoder."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from . import options
from .console import say_json
from .grammar import command


@command(
    "encoders",
    examples="""
vdeblur encoders
vdeblur encoders libx265                   every option for -e, with its values
vdeblur input.mp4 --codec hevc -e tune=grain
""",
)
@click.argument("name", required=False)
@options.as_json
def encoders_command(name: str | None, as_json: bool) -> None:
    """List the video encoders, or the options of one.

    NAME is an encoder (libx265) or a codec (hevc), as in --codec.
    """
    from ..media.encoder_ranges import options_of
    from ..media.encoders import ENCODERS, check_codec

    if name is not None:
        check_codec(name)
        found = options_of(ENCODERS.get(name, name))
        if as_json:
            say_json([asdict(option) for option in found])
            return
        for option in found:
            default = f"  [default: {option.default}]" if option.default else ""
            click.echo(f"{option.name:<22}{option.valid_values or 'text'}{default}")
            if option.help:
                click.echo(f"{'':<22}{option.help}")
        return
    rows: list[dict[str, Any]] = []
    for encoder in dict.fromkeys(ENCODERS.values()):
        known = {option.name: option.valid_values for option in options_of(encoder)}
        codecs = [codec for codec, used in ENCODERS.items() if used == encoder and codec != encoder]
        crf, preset = known.get("crf"), known.get("preset", known.get("cpu-used"))
        rows.append({"encoder": encoder, "codecs": codecs, "crf": crf, "preset": preset})
    if as_json:
        say_json(rows)
        return
    for row in rows:
        click.echo(f"{row['encoder']:<12}{' '.join(row['codecs'] or ())}")
        for key in ("crf", "preset"):
            if row[key]:
                click.echo(f"{'':<12}--{key} {row[key]}")
