"""Restore two frames in a process that may grow no further: `python -m support.starved MEGABYTES RESULT`."""

from __future__ import annotations

import resource
import sys

import numpy as np
import torch

from support.in_memory import picture, restored_by
from vdeblur.backends.pytorch import TorchRestorer
from vdeblur.models import StreamNetwork, build

SIZE = (800, 600)


def wide() -> StreamNetwork:
    """One whose features take far more memory than the picture."""
    torch.manual_seed(0)
    network = build("cnn", {"quarter": 192, "eighth": 8, "sixteenth": 8, "encoder_blocks": 0, "trunk_blocks": 0}).eval()
    torch.nn.init.normal_(network.decoder.head.weight, std=0.01)
    return network


def main(megabytes: int, result: str) -> None:
    torch.set_num_threads(1)
    restorer = TorchRestorer("tiled", wide(), "cpu", "fp32", tile=0, on_retreat=print)
    frames = [picture(i, SIZE) for i in range(2)]
    restored_by(restorer, [picture(0, (64, 64))])  # what is loaded at the first use is there; memory to reuse is not
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (megabytes << 20),) * 2)
    frames = restored_by(restorer, frames)
    np.savez(result, *[plane for frame in frames for plane in frame.planes])


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
