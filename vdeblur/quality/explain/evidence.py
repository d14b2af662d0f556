"""Evidence: a sidecar file for a restored video with the explanation of every frame.

The input is restored again while it is explained, and each frame is compared with the restored file. Hashes tie the
figures to the files; the agreement shows whether the file really is this model's result for this input.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError, UsageError
from ...files import write_json, writing
from ...frames import Frame
from ...jobs.fingerprints import input_sha256
from ...jobs.job import OnFrame
from ...media.sources import open_source
from ...version import __version__
from .explanation import Explanation
from .findings import FrameFacts
from .options import ExplainOptions
from .run import DEFAULTS, explain
from .steps import Step

FORMAT = "vdeblur-evidence/1"
AGREES_DB = 30.0
"""Lowest PSNR of luma at which a frame counts as the model's result; leaves room for lossy coding."""
MOST_DB = 100.0
"""PSNR of equal frames."""


def evidence_path(restored: str) -> Path:
    """The path of the sidecar file of a restored file."""
    return Path(f"{restored.rstrip('/')}.evidence.json")


def write_evidence(
    input: str,
    restored: str,
    model: str | None = None,
    options: ExplainOptions = DEFAULTS,
    *,
    on_frame: OnFrame | None = None,
) -> tuple[Explanation, dict[str, Any]]:
    """Explain `input`, compare with the file `restored` from it, and write the sidecar file next to it.

    Returns the explanation and the content of the sidecar file. Raises the errors of `explain`; UsageError if `options`
    select only some frames; InputError if the restored file has other sizes or another number of frames; OutputError if
    the sidecar file cannot be written.
    """
    if options.at is not None or options.frames is not None:
        raise UsageError("evidence covers all frames: give neither a time nor a range of frames")
    frames: list[dict[str, Any]] = []
    with open_source(restored) as output:
        theirs = iter(output)

        def note(step: Step, facts: FrameFacts) -> None:
            frames.append(_frame(step, facts, _next(theirs, restored, len(frames))))

        explanation = explain(input, model, options, on_frame=on_frame, on_step=note)
        surplus = sum(1 for _ in theirs)
    if surplus:
        raise InputError(f"{restored}: has {surplus} frames more than {input}, so it was not restored from it")
    evidence = _of(explanation, input, restored, options.scene_cuts, frames)
    target = evidence_path(restored)
    with writing("the evidence", target):
        write_json(target, evidence)
    return explanation, evidence


def _next(theirs: Iterator[Frame], restored: str, index: int) -> Frame:
    frame = next(theirs, None)
    if frame is None:
        raise InputError(f"{restored}: ends after {index} frames, before the input")
    return frame


def _frame(step: Step, facts: FrameFacts, output: Frame) -> dict[str, Any]:
    if output.size != step.restored.size:
        sizes = (f"{w}x{h}" for w, h in (output.size, step.restored.size))
        raise InputError("the restored file has frames of {}, but the input of {}".format(*sizes))
    return {"pts": step.window.centre.pts, "agreement_db": agreement_db(step.restored, output)} | asdict(facts)


def agreement_db(one: Frame, two: Frame) -> float:
    """PSNR of the first planes (luma or red), as 8-bit levels; 100 for equal planes."""
    a, b = (f.planes[0].astype(np.float32) / np.float32(1 << (f.layout.bits - 8)) for f in (one, two))
    error = float(np.square(a - b).mean())
    return MOST_DB if error == 0 else min(float(10 * np.log10(255**2 / error)), MOST_DB)


def _of(
    explanation: Explanation, input: str, restored: str, scene_cuts: bool, frames: list[dict[str, Any]]
) -> dict[str, Any]:
    summary = explanation.to_json()
    summary.pop("frames")
    summary.pop("seconds")
    agreements = [frame["agreement_db"] for frame in frames]
    return {
        "format": FORMAT,
        "vdeblur": __version__,
        "input": {"path": input, "sha256": input_sha256(input)},
        "output": {"path": restored, "sha256": input_sha256(restored)},
        "model": {"name": explanation.model, "sha256": explanation.model_sha256},
        "settings": {"precision": "fp32", "views": explanation.views, "scene_cuts": scene_cuts},
        "agrees": min(agreements) >= AGREES_DB,
        "agreement_db": {"mean": sum(agreements) / len(agreements), "least": min(agreements)},
        "cuts": [frame["frame"] for frame in frames if frame["is_cut"]][1:],
        "fallbacks": [frame["frame"] for frame in frames if frame["is_fallback"]],
        "mean_change": sum(frame["change"] for frame in frames) / len(frames),
        "explanation": {key: value for key, value in summary.items() if key not in ("format", "input", "model")},
        "frames": frames,
    }
