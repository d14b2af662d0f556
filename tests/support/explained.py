"""What explanations are tested on: frames with a known truth, and a network that is known by construction."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from vdeblur.backends.checkpoints import save
from vdeblur.models import StreamNetwork, build

Picture = NDArray[np.uint8]

COPYING = {
    "quarter": 104,
    "eighth": 8,
    "sixteenth": 0,
    "hidden": 8,
    "neighbour": 8,
    "encoder_blocks": 0,
    "trunk_blocks": 0,
    "decoder_blocks": 0,
}


def copying() -> StreamNetwork:
    """A network that takes the past frame's detail where the past shows the same, and sharpens by itself a little.

    Its residual, in luma, is the past frame less the centre, let through by a gate that shuts where their local means
    differ, plus a fifth of what luma differs from its mean over 4 x 4 pixels. It never looks at the future or the
    cell's past.
    Pairs of channels carry a value and its negative, so that the activations between do no harm.
    """
    network: Any = build("convlstm", COPYING)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        beside = network.beside.weight[:, :, 0, 0]
        stem = network.encoder.stem.weight[:, :, 1, 1]
        luma = [phase * 6 + channel for phase in range(4) for channel in range(4)]
        for place, k in enumerate(luma):
            beside[k, place], beside[24 + k, place] = 1.0, -1.0
        for k in luma:
            stem[48 + k, k] = 0.2
            stem[48 + k, luma] -= 0.2 / len(luma)
            stem[72 + k] = -stem[48 + k]
        stem[96, luma] = 1 / len(luma)
        network.encoder.down.weight[0, 96] = 1 / 9
        network.to_neighbour.weight[0, 0] = 1.0
        past, own = 0, COPYING["neighbour"]
        for channel, sign in ((0, 1.0), (1, -1.0)):
            network.fuse.weight[channel, [past, own], 1, 1] = torch.tensor([sign, -sign])
        cell, hidden = network.cell, COPYING["hidden"]
        cell.from_input.weight[3 * hidden, :2] = 100.0
        cell.from_input.bias[3 * hidden] = -4.0
        for gate, value in enumerate((20.0, -20.0, 20.0)):  # let in, forget, let out
            cell.from_input.bias[gate * hidden : (gate + 1) * hidden] = value
        network.recall.weight[2, 0] = 1.0
        for phase in range(4):
            network.decoder.scale.weight[phase * 104 : phase * 104 + 48, 2] = -1 / float(torch.tanh(torch.ones(())))
        head = network.decoder.head.weight[:, :, 1, 1]
        for k in range(24):
            head[k, k], head[k, 24 + k] = 1 / 1.01, -1 / 1.01
            head[k, 48 + k], head[k, 72 + k] = 1 / 1.001, -1 / 1.001
    network.eval()
    return cast(StreamNetwork, network)


def scribble(size: tuple[int, int] = (160, 128), seed: int = 0, low: int = 140, high: int = 250) -> Picture:
    """A sharp picture of shapes with hard edges, (height, width, 3)."""
    rng = np.random.default_rng(seed)
    width, height = size
    picture = np.full((height, width, 3), (low + high) // 2, np.uint8)
    for _ in range(width * height // 250):
        colour = tuple(int(c) for c in rng.integers(low, high, 3))
        x, y, a, b = rng.integers(0, width), rng.integers(0, height), *rng.integers(4, 24, 2)
        cv2.rectangle(picture, (int(x), int(y)), (int(x + a), int(y + b)), colour, -1)
    return picture


def smeared(picture: Picture, length: int = 9) -> Picture:
    """The picture blurred evenly along its rows."""
    return np.asarray(cv2.blur(picture, (length, 1)), np.uint8)


def write_frames(folder: Path, pictures: Sequence[Picture]) -> str:
    """A folder of PNG, in order."""
    folder.mkdir(parents=True)
    for index, picture in enumerate(pictures):
        assert cv2.imwrite(str(folder / f"{index:04}.png"), picture[..., ::-1])
    return str(folder)


def write_model(path: Path, network: StreamNetwork) -> str:
    """The network as a file that -m takes."""
    save(path, network, "convlstm", network.state_dict(), {})
    return str(path)
