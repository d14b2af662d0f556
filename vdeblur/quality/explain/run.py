"""Explain an input: restore it frame by frame, and collect figures and images of each step."""

from __future__ import annotations

import time
from dataclasses import replace

from ...backends.memory import is_out_of_memory
from ...errors import DeviceError, InputError, UsageError
from ...jobs.job import OnFrame
from ...media.options import SourceOptions
from ...media.sources import open_source
from ...scenes import SceneCuts
from .calibration import calibrate
from .collecting import Collector, OnStep
from .explanation import Explanation
from .loaded import load_model
from .options import CONTEXT, ExplainOptions, Selection

DEFAULTS = ExplainOptions()


def explain(
    input: str,
    model: str | None = None,
    options: ExplainOptions = DEFAULTS,
    *,
    on_frame: OnFrame | None = None,
    on_step: OnStep | None = None,
) -> Explanation:
    """Explain what a model changed in an input, and why. Everything is computed in fp32.

    `on_frame` is called after each frame read, `on_step` with the step and figures of each frame explained.

    Raises the errors of `open_source` and `load_restorer`; InputError for a time or frames that the input does not
    have, and for a point outside its frames; UsageError for invalid settings; DeviceError if memory runs out.
    """
    options.check()
    if input == "-":
        raise UsageError("an explanation reads its input twice, and standard input can be read only once: name a file")
    started = time.perf_counter()
    loaded = load_model(model, options.device)
    with open_source(input) as source:
        info = source.info
        origin = next((frame.seconds for frame in source), 0.0)  # times are counted from the first frame
    at, point, views = options.at, options.point, options.views
    if point is not None and not (0 <= point[0] < info.width and 0 <= point[1] < info.height):
        size = f"{info.width}x{info.height}"
        raise InputError(f"{input}: the point {point[0]},{point[1]} is outside the frames of {size}")
    rate = float(info.frame_rate or 25)
    selection = Selection(at, options.frames, rate, (info.frames or 2 * CONTEXT) // 2)
    start = 0.0 if at is None else max(at - (CONTEXT + loaded.warm_up + 2) / rate, 0.0)
    collector = Collector(loaded, options, selection)
    with open_source(input, SourceOptions(start_seconds=start or None)) as source:
        cuts = SceneCuts() if options.scene_cuts else None
        try:
            collector.follow(source, cuts, (start, origin), on_frame, on_step)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            size = f"{info.width}x{info.height}"
            raise DeviceError(
                f"{loaded.device}: not enough memory to explain frames of {size}; fewer views need less"
            ) from error
        damaged = source.damaged
    if collector.focus is None:
        raise InputError(f"{input}: {_missing(options, collector)}")
    found = replace(collector.explanation(input, (info.width, info.height)), damaged=damaged)
    if loaded.is_network:
        known = calibrate(lambda: loaded.network_steps(views), collector.sharpest(), options.pairs)
        found = replace(found, certainty=known.certainty, motion=known.motion, calibrated_on=known.measured_on)
    if options.exposure is not None:
        found = replace(found, exposure_share=options.exposure)
    return replace(found, seconds=time.perf_counter() - started)


def _missing(options: ExplainOptions, collector: Collector) -> str:
    if options.at is not None:
        return f"no frame is shown at {options.at:g} s; it ends at {collector.last_seconds:.3f} s"
    return f"there is no frame {options.frames[0] if options.frames else 0}; it has {collector.read}"
