"""Restore what another decoder gives: here PyAV's, of which one still a second is written as PNG.

python examples/python/decoder_of_your_own.py INPUT FOLDER

Any iterable of frames will do. Native planes keep every bit: 4:2:0 stays 4:2:0 and ten bits stay ten.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from vdeblur import Color, Frame, Layout, SceneCuts, load_restorer, restored

LAYOUTS = {
    "yuv420p": Layout("yuv", 8, chroma_shift=(1, 1)),
    "yuv422p": Layout("yuv", 8, chroma_shift=(1, 0)),
    "yuv444p": Layout("yuv", 8),
    "yuv420p10le": Layout("yuv", 10, chroma_shift=(1, 1)),
}


def frames_of(path: str) -> Iterator[Frame]:
    """Every frame of a video with its planes: Y (height, width), Cb and Cr (height/2, width/2) for 4:2:0."""
    with av.open(path) as container:
        for decoded in container.decode(video=0):
            layout = LAYOUTS[decoded.format.name]
            shapes = layout.plane_shapes(decoded.width, decoded.height)
            planes: tuple[Any, ...] = tuple(
                # FFmpeg pads its lines: a plane is (height, line_size), of which the first samples are the picture's.
                np.frombuffer(memoryview(plane), layout.dtype).reshape(height, -1)[:, :width]
                for plane, (height, width) in zip(decoded.planes, shapes, strict=True)
            )
            full_range = {1: False, 2: True}.get(decoded.color_range)
            color = Color(decoded.color_primaries, decoded.color_trc, decoded.colorspace, full_range)
            assert decoded.pts is not None
            assert decoded.time_base is not None
            yield Frame(planes, layout, color, decoded.pts, decoded.time_base)


def write_png(frame: Frame, path: Path) -> None:
    """Write the frame, converted to RGB by FFmpeg."""
    width, height = frame.size
    name = next(name for name, layout in LAYOUTS.items() if layout == frame.layout)
    video = av.VideoFrame(width, height, name)
    for plane, samples in zip(video.planes, frame.planes, strict=True):
        lines = np.frombuffer(memoryview(plane), samples.dtype).reshape(samples.shape[0], -1)
        lines[:, : samples.shape[1]] = samples
    video.colorspace = frame.color.matrix
    cv2.imwrite(str(path), video.to_ndarray(format="bgr24"))


def main(source: str, folder: str) -> None:
    """Restore every frame, because the state travels along all of them; write those that begin a second."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    second = -1
    for result in restored(frames_of(source), load_restorer("fast"), SceneCuts()):
        if int(result.after.seconds) > second:
            second = int(result.after.seconds)
            write_png(result.after, Path(folder) / f"{second:05}.png")
    print(f"{folder}: {second + 1} stills")


if __name__ == "__main__":
    main(*sys.argv[1:])
