"""Finds all problems of a job, not only the first."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from ..errors import VdeblurError
from ..loading import load_restorer
from ..media.encoders import check_codec
from ..media.options import SinkOptions
from ..media.partial import Partial
from ..media.paths import is_image_input, is_image_output, output_of
from ..media.sinks import open_sink
from ..media.sources import open_source
from .job import Job


def check_output(job: Job, output: str) -> None:
    """Raise before the work what would be raised when the output takes its name: it exists, or cannot be written.

    Nothing is checked for a pipe, nor for images, whose folder may hold other files.
    """
    if output != "-" and not is_image_output(output, is_image_input(job.input)):
        Partial(output, job.sink.overwrite, (job.input,)).discard()


def problems_of(job: Job) -> list[VdeblurError]:
    """Errors that the job would raise before its first frame: of input, model, output and encoder."""
    found: list[VdeblurError] = []

    def attempt(step: Callable[[], object]) -> None:
        try:
            step()
        except VdeblurError as error:
            if str(error) not in map(str, found):
                found.append(error)

    output = output_of(job.input, job.output)
    attempt(lambda: check_codec(job.sink.codec))
    for sink in _single_settings(job.sink):
        attempt(partial(_open_output, job, output, sink))
    attempt(lambda: load_restorer(job.model))
    attempt(lambda: check_output(job, output))
    return found


def _single_settings(sink: SinkOptions) -> list[SinkOptions]:
    """`sink` split into options with one encoder setting each, so that no invalid setting hides another."""
    plain = replace(sink, crf=None, preset=None, pix_fmt=None, encoder_options={}, overwrite=True)
    names = ("crf", "preset", "pix_fmt", "encoder_options")
    return [plain, *(replace(plain, **{name: value}) for name in names if (value := getattr(sink, name)))]


def _open_output(job: Job, output: str, sink: SinkOptions) -> None:
    """Open input and output, ignoring an existing output; what is written to a pipe goes nowhere.

    Skips input from pipes, which could be read only once.
    """
    if job.input != "-":
        with open_source(job.input, job.source) as source:
            open_sink(output, source, sink, stdout=io.BytesIO()).abort()
