"""Evidence: a side-car for a restored video that says, frame by frame, what was done to it, and from what.

The input is restored once more as it is explained, and each frame is set against the restored file's own: the hashes
tie the figures to the files, and the agreement says whether that file really is what this model makes of this input.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError, OutputError, UsageError, reason_of
from ...files import write_json
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
"""Luma's PSNR below which a frame of the restored file is not what the model gives, lossy coding allowed for."""
MOST_DB = 100.0
"""Of equal frames."""


def evidence_path(restored: str) -> Path:
    """Where the side-car of a restored file lies."""
    return Path(f"{restored.rstrip('/')}.evidence.json")


def write_evidence(
    input: str,
    restored: str,
    model: str | None = None,
    options: ExplainOptions = DEFAULTS,
    *,
    on_frame: OnFrame | None = None,
) -> tuple[Explanation, dict[str, Any]]:
    """Explain `input`, compare with the file `restored` from it, and write the side-car beside that.

    Returns the explanation and what was written. Raises what `explain` raises, InputError where the restored file has
    other sizes or fewer frames, and OutputError where the side-car cannot be written.
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
        raise InputError(f"{restored}: has {surplus} frames more than {input}; it was not restored from it")
    evidence = _of(explanation, input, restored, options.scene_cuts, frames)
    target = evidence_path(restored)
    try:
        write_json(target, evidence)
    except OSError as error:
        raise OutputError(f"{target}: cannot write the evidence ({reason_of(error)})") from error
    return explanation, evidence


def read_evidence(path: str | Path) -> dict[str, Any]:
    """The side-car in a file; InputError where it is none."""
    try:
        found: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
        if found["format"] == FORMAT:
            return found
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: cannot be read as evidence ({reason_of(error)})") from error
    raise InputError(f"{path}: is no evidence of this version")


def _next(theirs: Iterator[Frame], restored: str, index: int) -> Frame:
    frame = next(theirs, None)
    if frame is None:
        raise InputError(f"{restored}: ends after {index} frames; it is not the whole input, restored")
    return frame


def _frame(step: Step, facts: FrameFacts, output: Frame) -> dict[str, Any]:
    if output.size != step.restored.size:
        sizes = (f"{w}x{h}" for w, h in (output.size, step.restored.size))
        raise InputError("the restored file's frames are {}, the input's {}; they must be alike".format(*sizes))
    return {"pts": step.window.centre.pts, "agreement_db": agreement_db(step.restored, output)} | asdict(facts)


def agreement_db(one: Frame, two: Frame) -> float:
    """PSNR of the first planes (luma, or red), both as 8-bit levels; 100 for equal ones."""
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
