"""Content hashes that identify a job: its input, model and settings; and the job itself as JSON."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from fractions import Fraction
from typing import Any

from ..backends.graphs import is_graph, load_graph
from ..errors import ModelError
from ..files import file_sha256
from ..loading import ModelOptions, weights_of
from ..media.image_files import images_of
from ..media.options import SinkOptions, SourceOptions
from ..restorers.made import MADE
from .job import Job


def model_identity(model: ModelOptions) -> str:
    """Identifies a model regardless of its name: the hash of its weights, or a name and a version.

    Raises ModelError for an unknown model, UsageError for one that does not come in the precision.
    """
    name = model.named().name or ""
    if name in MADE:
        return f"{name} {MADE[name].version}"
    path, sha256 = weights_of(name, model.precision)
    if sha256 is not None:
        return sha256
    if is_graph(path):
        return load_graph(path).sha256
    if not path.is_file():
        raise ModelError(f"{name}: no such model file; `vdeblur models` lists those that come with vdeblur")
    return file_sha256(path)


def input_sha256(path: str) -> str:
    """SHA-256 of an input: of a file, or of names and contents of all images of a sequence. Raises InputError."""
    images = images_of(path)
    if images is None:
        return file_sha256(path)
    listed = "".join(f"{image.name}\0{file_sha256(image)}\n" for image in images)
    return hashlib.sha256(listed.encode()).hexdigest()


def settings_of(job: Job) -> dict[str, Any]:
    """The settings of a job that affect its frames, as JSON: without paths and the name of the model."""
    settings = job_to_json(job)
    for key in ("input", "output"):
        del settings[key]
    del settings["model"]["name"]
    for key in ("overwrite", "partial_folder"):
        del settings["sink"][key]
    return settings


def settings_sha256(job: Job, **more: object) -> str:
    """SHA-256 of the settings of a job and of further values."""
    text = json.dumps(settings_of(job) | more, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def job_to_json(job: Job) -> dict[str, Any]:
    """A job as JSON, for `job_from_json`."""
    made = asdict(replace(job, sink=replace(job.sink, encoder_options=dict(job.sink.encoder_options))))
    rate = job.source.frame_rate
    made["source"]["frame_rate"] = None if rate is None else str(rate)
    return made


def job_from_json(made: dict[str, Any]) -> Job:
    """A job from the JSON of `job_to_json`."""
    source = dict(made["source"])
    rate, pts = source["frame_rate"], source["pts_range"]
    source["frame_rate"] = None if rate is None else Fraction(rate)
    source["pts_range"] = None if pts is None else tuple(pts)
    model = ModelOptions(**made["model"])
    return Job(**made | {"model": model, "source": SourceOptions(**source), "sink": SinkOptions(**made["sink"])})
