"""The encoder and decoder of both networks: frames folded to 1/4 scale, down to 1/8 (and 1/16) and back up.

Only convolutions and LeakyReLU. Normalisation and global pooling would mix distant pixels, which shows as coloured
mosaics on dark frames and makes tiles differ from the whole frame; transposed convolutions would show as checkerboards;
a fully connected layer would fix the frame size.

Frames are float tensors (n, 6, h, w) at half scale, h and w multiples of 8: the four phases of luma in 0..1, then Cb
and Cr in -0.5..0.5 (see `vdeblur.backends.folding`). The output is a residual of the same shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SLOPE = 0.1


@dataclass(frozen=True)
class LadderConfig:
    """Widths and depths of the ladder."""

    quarter: int = 48
    """Channels at 1/4 of the frame's size."""
    eighth: int = 80
    """Channels at 1/8."""
    sixteenth: int = 0
    """Channels at 1/16, whose receptive field covers long blur; 0: no 1/16 scale."""
    quarter_blocks: int = 0
    """Residual blocks at 1/4 scale on the way down."""
    encoder_blocks: int = 1
    """Residual blocks at 1/8 scale on the way down."""
    sixteenth_blocks: int = 1
    """Residual blocks at 1/16 scale."""
    trunk_blocks: int = 1
    """Residual blocks at 1/8 scale on the way up (after the recurrent cell, where there is one)."""
    decoder_blocks: int = 1
    """Residual blocks at 1/4 scale on the way up."""


def activate(x: Tensor) -> Tensor:
    """LeakyReLU with the slope used everywhere."""
    return F.leaky_relu(x, SLOPE)


def space_to_depth(x: Tensor) -> Tensor:
    """Fold by 2: (n, c, 2h, 2w) -> (n, 4c, h, w), the four phases one after another (ONNX's SpaceToDepth).

    The order of channels differs from that of torch's pixel_unshuffle: in channels_last memory it copies contiguous
    runs of channels, which is more than ten times as fast on a CPU.
    """
    n, c, h, w = x.shape
    if torch.onnx.is_in_onnx_export():
        return _onnx("SpaceToDepth", x, (n, 4 * c, h // 2, w // 2))
    phases = x.permute(0, 2, 3, 1).reshape(n, h // 2, 2, w // 2, 2, c).permute(0, 1, 3, 2, 4, 5)
    return phases.reshape(n, h // 2, w // 2, 4 * c).permute(0, 3, 1, 2)


def depth_to_space(x: Tensor) -> Tensor:
    """Undo `space_to_depth`: (n, 4c, h, w) -> (n, c, 2h, 2w) (ONNX's DepthToSpace in its mode DCR)."""
    n, c, h, w = x.shape
    if torch.onnx.is_in_onnx_export():
        return _onnx("DepthToSpace", x, (n, c // 4, 2 * h, 2 * w), mode="DCR")
    phases = x.permute(0, 2, 3, 1).reshape(n, h, w, 2, 2, c // 4).permute(0, 1, 3, 2, 4, 5)
    return phases.reshape(n, 2 * h, 2 * w, c // 4).permute(0, 3, 1, 2)


def _onnx(name: str, x: Tensor, shape: tuple[int, int, int, int], **settings: str) -> Tensor:
    """A single ONNX operator; torch would export five instead."""
    return torch.onnx.ops.symbolic(name, (x,), {"blocksize": 2, **settings}, dtype=x.dtype, shape=shape, version=13)


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
    """`count` residual blocks in sequence; the identity for 0."""
    return nn.Sequential(*(ResidualBlock(channels) for _ in range(count)))


class Encoder(nn.Module):
    """A folded frame -> features at 1/4 scale (the skip connection) and at 1/8."""

    def __init__(self, config: LadderConfig) -> None:
        super().__init__()
        self.stem = nn.Conv2d(24, config.quarter, 3, padding=1)
        self.quarter_blocks = residual_blocks(config.quarter, config.quarter_blocks)
        self.down = nn.Conv2d(config.quarter, config.eighth, 3, stride=2, padding=1)
        self.blocks = residual_blocks(config.eighth, config.encoder_blocks)
        self.coarse = Coarse(config) if config.sixteenth else None

    @property
    def reach(self) -> int:
        """Radius of the receptive field in cells: 1/4 for a convolution at 1/4 scale, 1/2 at 1/8."""
        quarter = radius(self.stem) + radius(self.quarter_blocks) + radius(self.down)
        coarse = 0.5 + radius(self.coarse.blocks) if self.coarse else 0
        return ceil(quarter / 4 + radius(self.blocks) / 2 + coarse)

    def forward(self, frame: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 6, h, w) -> skip (n, quarter, h/2, w/2), features (n, eighth, h/4, w/4)."""
        skip = self.quarter_blocks(activate(self.stem(space_to_depth(frame))))
        deep = self.blocks(activate(self.down(skip)))
        return skip, deep if self.coarse is None else deep + self.coarse(deep)


class Coarse(nn.Module):
    """Features at 1/8 scale -> a term computed at 1/16 to add to them; initialised to zero."""

    def __init__(self, config: LadderConfig) -> None:
        super().__init__()
        self.down = nn.Conv2d(config.eighth, config.sixteenth, 3, stride=2, padding=1)
        self.blocks = residual_blocks(config.sixteenth, config.sixteenth_blocks)
        self.up = zero(nn.Conv2d(config.sixteenth, 4 * config.eighth, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(n, eighth, h, w) -> the same."""
        return depth_to_space(self.up(activate(self.blocks(activate(self.down(x))))))


def zero(convolution: nn.Conv2d) -> nn.Conv2d:
    """The same convolution with all parameters zero."""
    for parameter in convolution.parameters():
        nn.init.zeros_(parameter)
    return convolution


class Decoder(nn.Module):
    """Features at 1/8 scale and the skip connection at 1/4 -> the residual of the frame; initialised to zero.

    The coarse features scale and shift the skip at every pixel (FiLM, Perez et al. 2018): the kind of blur decides how
    detail is sharpened, which adding them could not express.
    """

    def __init__(self, config: LadderConfig) -> None:
        super().__init__()
        self.blocks_before = residual_blocks(config.eighth, config.trunk_blocks)
        self.scale = nn.Conv2d(config.eighth, 4 * config.quarter, 1)
        self.shift = nn.Conv2d(config.eighth, 4 * config.quarter, 1)
        self.blocks = residual_blocks(config.quarter, config.decoder_blocks)
        self.head = nn.Conv2d(config.quarter, 24, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    @property
    def reach(self) -> int:
        """Radius of the receptive field in cells."""
        quarter = radius(self.blocks) + radius(self.head)
        return ceil(quarter / 4 + radius(self.blocks_before) / 2 + 0.5)

    def forward(self, features: Tensor, skip: Tensor) -> Tensor:
        """(n, eighth, h/4, w/4), (n, quarter, h/2, w/2) -> (n, 6, h, w)."""
        features = activate(self.blocks_before(features))
        scale, shift = depth_to_space(self.scale(features)), depth_to_space(self.shift(features))
        x = activate(skip * (1 + scale) + shift)
        return depth_to_space(self.head(activate(self.blocks(x))))


def radius(module: nn.Module) -> int:
    """Radius, in samples, of the receptive field of a module's convolutions in sequence."""
    return sum(conv.kernel_size[0] // 2 for conv in module.modules() if isinstance(conv, nn.Conv2d))


BRANCH = 0.25
"""Initial scale of residual branches: without normalisation, features grow too large over a dozen unscaled ones."""


def initialise(network: nn.Module) -> None:
    """Kaiming initialisation (He et al. 2015) of every convolution that is not zero; see `BRANCH`."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and bool(torch.any(module.weight != 0)):
            nn.init.kaiming_normal_(module.weight, a=SLOPE, nonlinearity="leaky_relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for module in network.modules():
        if isinstance(module, ResidualBlock):
            with torch.no_grad():
                module.second.weight.mul_(BRANCH)
