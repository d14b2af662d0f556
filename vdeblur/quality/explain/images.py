"""An explanation as a folder of PNG images: each layer of the page over its frame."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from ...files import writing
from ...frames import Image
from . import drawing
from .findings import Findings
from .motion import length


def write_images(explanation: Findings, folder: str | Path) -> None:
    """Write FRAME-before.png, FRAME-after.png and FRAME-LAYER.png for every frame shown. Raises OutputError."""
    target = Path(folder)
    share = np.float32(explanation.exposure_share or 0.0)
    lengths = [float(np.quantile(length(s.velocity), 0.98)) for s in explanation.shown if s.velocity is not None]
    top = max(float(share) * max(lengths, default=0.0), 1.0)
    with writing("the images", target):
        target.mkdir(parents=True, exist_ok=True)
        for shown in explanation.shown:
            before, after = (_decoded(image) for image in (shown.before, shown.after))
            images = {"before": before, "after": after}
            images |= {name: drawing.over(before, _decoded(layer)) for name, layer in shown.layers.items()}
            if shown.velocity is not None:
                blur = share * shown.velocity
                coloured = drawing.over(before, drawing.wheel(blur, top))
                images["motion"] = drawing.with_arrows(coloured, drawing.arrows(blur))
            for name, image in images.items():
                _, encoded = cv2.imencode(".png", np.ascontiguousarray(image[..., ::-1]))
                (target / f"{shown.facts.frame:06}-{name.replace(' ', '-')}.png").write_bytes(encoded.tobytes())


def _decoded(image: bytes) -> Image:
    """RGB, or RGB with alpha where there is one."""
    found = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_UNCHANGED)
    assert found is not None
    order = [2, 1, 0, 3][: found.shape[2]]
    return np.asarray(found[..., order], np.uint8)
