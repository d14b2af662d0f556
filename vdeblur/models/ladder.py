"""The ladder of features that both networks climb: a picture folded to 1/4 scale, down to 1/8 and back.

Only plain convolutions and LeakyReLU: no normalisation and no global pooling (both leak between distant pixels, which
shows as coloured mosaics on dark frames and makes tiles differ from the whole), no transposed convolution
(checkerboards), and no fully connected layer, which would tie the network to one picture size.

Pictures are float tensors (n, 6, h, w) at half scale, h and w multiples of 4: the four phases of luma in 0..1, then Cb
and Cr about 0, in -0.5..0.5 (see `vdeblur.media.planes`). The network answers with a residual of the same shape.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SLOPE = 0.1
CELL = 8
"""Pixels per sample of the coarsest features; sizes and tiles are multiples of it."""


@dataclass(frozen=True)
class LadderConfig:
    """Widths and depths of the ladder."""

    quarter: int = 48
    """Channels at 1/4 of the picture's size."""
    eighth: int = 96
    """Channels at 1/8."""
    quarter_blocks: int = 0
    """Residual blocks at 1/4 scale on the way down, before the first look at 1/8."""
    encoder_blocks: int = 1
    """Residual blocks at 1/8 scale on each frame by itself; their result is cached between windows."""
    trunk_blocks: int = 1
    """Residual blocks at 1/8 scale after fusion (and after the recurrent cell, where there is one)."""
    decoder_blocks: int = 1
    """Residual blocks at 1/4 scale on the way up."""


class StreamNetwork(nn.Module, ABC):
    """What every network promises: frames are encoded once each, windows of encodings are restored, a state goes along.

    Streaming equals offline: `forward` on a clip is `encode` and `restore` window by window, with edges repeated.
    """

    past: ClassVar[int]
    future: ClassVar[int]
    config: LadderConfig
    encoder: Encoder
    decoder: Decoder

    @property
    @abstractmethod
    def reach(self) -> tuple[int, int]:
        """How many cells beyond a sample's own `encode` and `restore` look, the latter into features and state alike.

        Features, state and residual are tensors (n, c, h, w), or tuples of them, of which every cell has the same
        number of samples: so a tile of them, with margins of this width, stands for the whole.
        """

    @abstractmethod
    def encode(self, picture: Tensor) -> Any:
        """Features of a frame by itself, (n, 6, h, w); computed once and shared by the windows that hold the frame."""

    @abstractmethod
    def restore(self, window: Sequence[Any], state: Any) -> tuple[Tensor, Any]:
        """Features of past + 1 + future frames -> residual of the centre (n, 6, h, w), and the next state.

        `state` None is the start of a scene.
        """

    @abstractmethod
    def forward(self, clip: Tensor, state: Any = None, look_ahead: Tensor | None = None) -> tuple[Tensor, Any]:
        """A whole clip (n, t, 6, h, w) -> residuals of the same shape, and the state after it; for training.

        `look_ahead` (n,) of bool says which clips may see future frames; the others see their centre in their place, as
        a live stream does.
        """


def activate(x: Tensor) -> Tensor:
    """LeakyReLU with the slope used everywhere."""
    return F.leaky_relu(x, SLOPE)


def space_to_depth(x: Tensor) -> Tensor:
    """Fold by 2: (n, c, 2h, 2w) -> (n, 4c, h, w), the four phases one after another.

    The order of channels differs from torch's pixel_unshuffle, so that in channels_last memory whole runs of channels
    are copied: more than ten times as fast on a CPU.
    """
    n, c, h, w = x.shape
    phases = x.permute(0, 2, 3, 1).reshape(n, h // 2, 2, w // 2, 2, c).permute(0, 1, 3, 2, 4, 5)
    return phases.reshape(n, h // 2, w // 2, 4 * c).permute(0, 3, 1, 2)


def depth_to_space(x: Tensor) -> Tensor:
    """Undo `space_to_depth`: (n, 4c, h, w) -> (n, c, 2h, 2w)."""
    n, c, h, w = x.shape
    phases = x.permute(0, 2, 3, 1).reshape(n, h, w, 2, 2, c // 4).permute(0, 1, 3, 2, 4, 5)
    return phases.reshape(n, 2 * h, 2 * w, c // 4).permute(0, 3, 1, 2)


class ResidualBlock(nn.Module):
    """x + conv(act(conv(x))), 3x3, without normalisation (EDSR, Lim et al. 2017)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> the same."""
        return x + self.second(activate(self.first(x)))


def residual_blocks(channels: int, count: int) -> nn.Sequential:
    """`count` residual blocks in a row; none is the identity."""
    return nn.Sequential(*(ResidualBlock(channels) for _ in range(count)))


class Encoder(nn.Module):
    """One frame by itself: (n, 6, h, w) -> features at 1/4 scale (the skip) and at 1/8 scale."""

    def __init__(self, config: LadderConfig) -> None:
        super().__init__()
        self.stem = nn.Conv2d(24, config.quarter, 3, padding=1)
        self.quarter_blocks = residual_blocks(config.quarter, config.quarter_blocks)
        self.down = nn.Conv2d(config.quarter, config.eighth, 3, stride=2, padding=1)
        self.blocks = residual_blocks(config.eighth, config.encoder_blocks)

    @property
    def reach(self) -> int:
        """Cells; a convolution at 1/4 scale looks half a cell far."""
        fine = radius(self.stem) + radius(self.quarter_blocks) + radius(self.down)
        return ceil(fine / 2) + radius(self.blocks)

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 6, h, w) -> (n, quarter, h/2, w/2), (n, eighth, h/4, w/4)."""
        skip = self.quarter_blocks(activate(self.stem(space_to_depth(picture))))
        return skip, self.blocks(activate(self.down(skip)))


class Decoder(nn.Module):
    """Features at 1/8 scale and the skip at 1/4 -> the residual of the picture. It starts out as zero.

    The coarse features scale and shift the skip (FiLM, Perez et al. 2018, here for every pixel): what the blur is like
    decides how detail is sharpened, which a sum alone cannot say.
    """

    def __init__(self, config: LadderConfig) -> None:
        super().__init__()
        self.up = nn.Conv2d(config.eighth, 8 * config.quarter, 1)
        self.blocks = residual_blocks(config.quarter, config.decoder_blocks)
        self.head = nn.Conv2d(config.quarter, 24, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    @property
    def reach(self) -> int:
        """Cells, all of them in convolutions at 1/4 scale."""
        return ceil((radius(self.blocks) + radius(self.head)) / 2)

    def forward(self, features: Tensor, skip: Tensor) -> Tensor:
        """(n, eighth, h/4, w/4), (n, quarter, h/2, w/2) -> (n, 6, h, w)."""
        scale, shift = depth_to_space(self.up(features)).chunk(2, dim=1)
        x = activate(skip * (1 + scale) + shift)
        return depth_to_space(self.head(activate(self.blocks(x))))


def radius(module: nn.Module) -> int:
    """How many samples far the convolutions of a module look, one after another."""
    return sum(conv.kernel_size[0] // 2 for conv in module.modules() if isinstance(conv, nn.Conv2d))


def initialise(network: nn.Module) -> None:
    """Kaiming initialisation (He et al. 2015) of every convolution that is not already zero."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and bool(torch.any(module.weight != 0)):
            nn.init.kaiming_normal_(module.weight, a=SLOPE, nonlinearity="leaky_relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
