"""Restore with a model of your own: any function of a window of frames, with or without a memory, under a name.

python examples/python/model_of_your_own.py INPUT OUTPUT

All that vdeblur does around a model is done around yours: containers, times, colours, segments, resuming; and
`vdeblur.Stream` and `vdeblur.evaluate` take it as it is.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import torch
from torch import Tensor, nn

import vdeblur
from vdeblur import Frame, Restorer, Window


class Sharpener(nn.Module):
    """Stands for your network: luma of three frames (1, 3, height, width), 0..1 -> a residual (1, 1, height, width)."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 1, 3, padding=1, padding_mode="replicate", bias=False)
        laplacian = torch.tensor([[0.0, -1, 0], [-1, 4, -1], [0, -1, 0]]) * 0.3
        with torch.no_grad():
            self.convolution.weight.zero_()
            self.convolution.weight[0, 1] = laplacian  # of the frame in the middle

    def forward(self, frames: Tensor) -> Tensor:
        """The residual."""
        residual: Tensor = self.convolution(frames)
        return residual


class MyRestorer:
    """What vdeblur asks of a restorer: five facts and one method."""

    name = "sharpener"
    device = "cpu"
    precision = "fp32"
    past, future = 1, 1
    """Frames that a window holds around its centre; at the ends of a scene the outermost one repeats."""

    def __init__(self) -> None:
        self.network = Sharpener().eval()

    @torch.inference_mode()
    def restore(self, window: Window, state: Tensor | None) -> tuple[Frame, Tensor]:
        """Restore the centre of the window.

        `state` is what the last call returned, None at the start of a scene: here the mean of the residuals so far,
        which steadies the result. Planes are (height, width) of uint8 or uint16; new ones are made, never written to.
        """
        frame = window.centre
        peak = 2**frame.layout.bits - 1
        luma = torch.stack([torch.from_numpy(each.planes[0].astype("float32")) for each in window.frames]) / peak
        residual = self.network(luma[None])[0, 0]
        state = residual if state is None else 0.8 * residual + 0.2 * state
        restored = (luma[window.past] + state).clamp(0, 1) * peak
        plane = restored.round().numpy().astype(frame.layout.dtype)
        return replace(frame, planes=(plane, *frame.planes[1:])), state


def make() -> Restorer:
    """Called for each job; load your weights here."""
    return MyRestorer()


def main(source: str, target: str) -> None:
    """Register the model, then use it by name as any other."""
    # 0.2 ** 4 of any change is less than 1/255.
    vdeblur.register("sharpener", make, warm_up=4, version="1")
    job = vdeblur.Job(source, target, vdeblur.ModelOptions("sharpener"), sink=vdeblur.SinkOptions(overwrite=True))
    print(vdeblur.restore(job).to_text())


if __name__ == "__main__":
    main(*sys.argv[1:])
