"""Maps as images, transparent where they are zero, to overlay on the frame."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from ...frames import Frame, Image
from ...media.planes import video_frame
from .motion import Field, length
from .sources import AFTER, BEFORE, STATE, THIS

Map = NDArray[np.float32]

COLOURS = {THIS: (10, 122, 191), BEFORE: (213, 94, 0), AFTER: (0, 158, 115), STATE: (184, 90, 148)}
"""RGB of each source, from the palette of Okabe and Ito for colour-blind people."""
MARK = (255, 40, 40)
WIDEST_FRAME, WIDEST_LAYER = 960, 480
"""Pixels; wider images are scaled down."""


def rgb(frame: Frame) -> Image:
    """The frame as 8-bit RGB."""
    return np.asarray(video_frame(frame).to_ndarray(format="rgb24"), np.uint8)


def heat(values: Map, top: float) -> Image:
    """Values of 0..top as a heat map from purple to yellow, transparent at 0."""
    part = np.clip(values / top, 0, 1)
    glow = cv2.applyColorMap(np.rint(90 + part * 165).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    return _with_alpha(np.asarray(glow, np.uint8), np.sqrt(part))


def wheel(field: Field, top: float) -> Image:
    """A field with directions as hue and lengths of 0..top px as saturation."""
    part = np.clip(length(field) / max(top, 1e-6), 0, 1)
    hue = np.mod(np.arctan2(field[..., 1], field[..., 0]) / np.pi * 90, 180)
    hsv = np.stack([hue, 255 * part, np.full_like(hue, 255)], axis=-1)
    colours = cv2.cvtColor(np.rint(hsv).astype(np.uint8), cv2.COLOR_HSV2RGB)
    return _with_alpha(np.asarray(colours, np.uint8), np.sqrt(part))


def shares(parts: Mapping[str, Map], top: float) -> Image:
    """Each pixel in the mixed colours of its main sources, with an opacity by its change of 0..top."""
    weights = {source: np.square(part) for source, part in parts.items()}
    whole = np.maximum(sum(weights.values()), 1e-12)
    mixed = sum((weight / whole)[..., None] * np.array(COLOURS[source]) for source, weight in weights.items())
    return _with_alpha(np.rint(mixed).astype(np.uint8), np.sqrt(np.clip(sum(parts.values()) / top, 0, 1)))


def marks(where: NDArray[np.bool_]) -> Image:
    """Red where marked, else transparent."""
    return _with_alpha(np.broadcast_to(np.array(MARK, np.uint8), (*where.shape, 3)), where.astype(np.float32))


def with_arrows(image: Image, arrows: list[list[float]]) -> Image:
    """A copy with an arrow for each [x, y, dx, dy], in units of the image width."""
    drawn = image.copy()
    for x, y, dx, dy in arrows:
        start, end = ((round(a * image.shape[1]), round(b * image.shape[1])) for a, b in ((x, y), (x + dx, y + dy)))
        for colour, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
            cv2.arrowedLine(drawn, start, end, colour, thickness, cv2.LINE_AA, tipLength=0.3)
    return drawn


def arrows(field: Field, across: int = 16) -> list[list[float]]:
    """[x, y, dx, dy] of arrows centred on a coarse grid, in units of the frame width, without short ones."""
    height, width = field.shape[:2]
    step = max(width // across, 1)
    found = []
    for top in range(0, height - step + 1, step):
        for left in range(0, width - step + 1, step):
            dx, dy = np.median(field[top : top + step, left : left + step].reshape(-1, 2), axis=0) / (2 * width)
            if np.hypot(dx, dy) * 2 * width >= 1:
                middle = (left + step / 2) / width, (top + step / 2) / width
                found.append([round(float(v), 5) for v in (middle[0] - dx / 2, middle[1] - dy / 2, dx, dy)])
    return found


def over(frame: Image, layer: Image) -> Image:
    """The layer over the frame in grey, at the size of the frame."""
    layer = np.asarray(cv2.resize(layer, frame.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.uint8)
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)[..., None].astype(np.float32) * 0.7
    alpha = layer[..., 3:].astype(np.float32) / 255
    return np.rint(grey * (1 - alpha) + layer[..., :3] * alpha).astype(np.uint8)


def at_most(image: Image, width: int) -> Image:
    """The image, scaled down to this width if it is wider."""
    if image.shape[1] <= width:
        return image
    height = max(round(image.shape[0] * width / image.shape[1]), 1)
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def webp(image: Image, quality: int = 85) -> bytes:
    """Encode as WebP, with alpha."""
    order = [2, 1, 0, 3][: image.shape[2]]
    _, encoded = cv2.imencode(".webp", np.ascontiguousarray(image[..., order]), [cv2.IMWRITE_WEBP_QUALITY, quality])
    return encoded.tobytes()


def _with_alpha(colours: Image, alpha: Map) -> Image:
    return np.concatenate([colours, np.rint(alpha * 255).astype(np.uint8)[..., None]], axis=2)
