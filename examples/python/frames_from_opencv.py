"""Restore frames that are NumPy arrays, one by one, as OpenCV and many others make them.

python examples/python/frames_from_opencv.py INPUT OUTPUT.avi

OpenCV's frames are (height, width, 3) of uint8, 0..255, in the order blue, green, red. vdeblur's are planes, each
(height, width): for RGB red, green and blue of uint8 or, with 9 to 16 bits, uint16.
"""

from __future__ import annotations

import sys
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from vdeblur import Color, Frame, Layout, SceneCuts, Stream, load_restorer

RGB = Layout("rgb", bits=8)
FULL = Color(matrix=0, full_range=True)
"""Matrix 0 is RGB in ITU-T H.273."""


def frame_of(image: NDArray[np.uint8], number: int, rate: Fraction) -> Frame:
    """An image (height, width, 3) in BGR as a frame; the planes are views, nothing is copied."""
    blue, green, red = (image[..., channel] for channel in range(3))
    return Frame((red, green, blue), RGB, FULL, pts=number, time_base=1 / rate)


def image_of(frame: Frame) -> NDArray[np.uint8]:
    """The frame as an image (height, width, 3) in BGR."""
    red, green, blue = frame.planes
    return np.stack([blue, green, red], axis=-1).astype(np.uint8)


def main(source: str, target: str) -> None:
    """Read with OpenCV, restore, write with OpenCV."""
    video = cv2.VideoCapture(source)
    rate = Fraction(video.get(cv2.CAP_PROP_FPS) or 25).limit_denominator(1001)
    size = int(video.get(cv2.CAP_PROP_FRAME_WIDTH)), int(video.get(cv2.CAP_PROP_FRAME_HEIGHT))
    output = cv2.VideoWriter(target, cv2.VideoWriter.fourcc(*"MJPG"), float(rate), size)

    stream = Stream(load_restorer("fast"), SceneCuts())
    number = 0
    while True:
        is_there, image = video.read()
        if not is_there:
            break
        for result in stream.feed(frame_of(np.asarray(image, np.uint8), number, rate)):
            output.write(image_of(result.after))  # one frame behind: the network looks into the future
        number += 1
    for result in stream.flush():
        output.write(image_of(result.after))
    output.release()
    print(f"{target}: {number} frames")


if __name__ == "__main__":
    main(*sys.argv[1:])
