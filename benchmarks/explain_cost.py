"""What an explanation costs, beside a plain pass over the same clip in the same precision on the same device.

    python benchmarks/explain_cost.py [MODEL] [DEVICE]

A clip of 10 s at 640x360 is made of a moving pattern. To be run on a machine that does nothing else.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import av
import numpy as np

import vdeblur

FRAMES, SIZE, RATE = 250, (640, 360), 25


def make_clip(path: Path) -> Path:
    """A pattern that pans, in H.264."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        across, down = np.arange(SIZE[0])[None, :], np.arange(SIZE[1])[:, None]
        for index in range(FRAMES):
            luma = 128 + 60 * np.sin((across + 4 * index) / 9) * np.cos(down / 13) + 40 * np.sin((across - down) / 31)
            picture = np.repeat(luma.astype(np.uint8)[..., None], 3, axis=2)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def main() -> None:
    """Time both."""
    model = sys.argv[1] if len(sys.argv) > 1 else "fast"
    device = sys.argv[2] if len(sys.argv) > 2 else "cpu"
    with tempfile.TemporaryDirectory() as folder:
        clip = make_clip(Path(folder) / "clip.mp4")
        restorer = vdeblur.load_restorer(vdeblur.ModelOptions(model, device, "fp32"))
        seconds = 0.0
        with vdeblur.open_source(str(clip)) as source:
            frames = list(source)
        for _ in range(2):  # the first pass warms up
            start = time.perf_counter()
            for _ in vdeblur.restored(frames, restorer):
                pass
            seconds = time.perf_counter() - start
        start = time.perf_counter()
        explanation = vdeblur.explain(str(clip), model, vdeblur.ExplainOptions(device=device))
        explanation.write_page(Path(folder) / "page.html")
        taken = time.perf_counter() - start
        size = (Path(folder) / "page.html").stat().st_size
    print(f"{model} on {device}, fp32, {FRAMES} frames of {SIZE[0]}x{SIZE[1]}, {explanation.views} views")
    print(
        f"plain pass {seconds:.1f} s, explained {taken:.1f} s: {taken / seconds:.1f} times; page of {size / 1e6:.1f} MB"
    )


if __name__ == "__main__":
    main()
