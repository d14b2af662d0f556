"""Restorer: the protocol that the ConvLSTM, the per-frame CNN, a classical filter and a test's identity share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from .errors import ModelError, did_you_mean
from .frames import Frame
from .windows import Window

State: TypeAlias = Any
"""Opaque to all but the restorer that made it; None is the start of a scene."""


class Restorer(Protocol):
    """Restores the centre of a window. Holds weights and settings, never anything of a stream."""

    name: str
    """What `-m` calls it."""
    device: str
    """"cpu", "cuda:0" and so on."""
    precision: str
    """"fp32", "bf16" or "fp16"; "native" for filters on the samples themselves."""
    past: int
    future: int

    def restore(self, window: Window, state: State) -> tuple[Frame, State]:
        """Return the restored centre (same size, layout, pts and colour) and the state for the next window."""
        ...


def load_restorer(
    name: str,
    device: str = "auto",
    precision: str = "auto",
    *,
    look_ahead: bool = True,
    tile: int | None = None,
    views: int = 1,
    on_retreat: Callable[[str], None] = lambda _: None,
) -> Restorer:
    """The restorer that `-m` calls `name`: a published model, a .safetensors file, or a classical filter.

    `look_ahead` False makes a network do without future frames, for live streams. `tile` is the side of tiles in
    pixels; 0 is the whole picture at once, None goes by the memory that is free. `views` is how many symmetric views a
    network averages (see `backends.views`), 1 to 8. `on_retreat` is told when a network went to smaller tiles or to the
    CPU, because memory did not do. Raises ModelError for an unknown name or a file that cannot be trusted, DeviceError
    and UsageError for a device or precision that is not to be had.
    """
    from .backends.published import published
    from .restorers.classical import CLASSICAL

    if name in CLASSICAL:
        return CLASSICAL[name]()
    models = {model.name: model for model in published()}
    if name not in models and not name.endswith(".safetensors"):
        raise unknown_model(name)

    from .backends.checkpoints import load
    from .backends.pytorch import TorchRestorer

    model = models.get(name)
    checkpoint = load(model.path, model.sha256) if model else load(name)
    return TorchRestorer(
        name,
        checkpoint.network(),
        device,
        precision,
        look_ahead=look_ahead,
        tile=tile,
        views=views,
        on_retreat=on_retreat,
    )


def unknown_model(name: str) -> ModelError:
    """What to say of a name that is no model's."""
    from .backends.published import published
    from .restorers.classical import CLASSICAL

    known = [*(model.name for model in published()), *CLASSICAL]
    hint = did_you_mean(name, known) or f"; choose {', '.join(known)} or a .safetensors file"
    return ModelError(f"unknown model {name!r}{hint}")
