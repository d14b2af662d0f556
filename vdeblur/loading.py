"""Loading: a model's name and how it is to run become a restorer, once per process."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

from .backends.choice import choose_engine, choose_graph_engine
from .backends.engines import is_installed
from .backends.graphs import MANIFEST, Graph, is_graph, load_graph
from .backends.published import UNMEASURED_WARM_UP, published
from .errors import ModelError, UsageError, did_you_mean
from .files import file_sha256
from .frames import Frame
from .restorer import Restorer, State, Wrapper
from .restorers.made import MADE
from .windows import Window

PER_FRAME_MODEL = "cnn"
"""The published model that stands in where a recurrent result is not finite."""

LEAST_WARM_UP = 12
"""Frames before a start that are run through even without a memory: windows look back, and black or burnt-out frames
can only be told from scene cuts by what came before them."""

MOST_LOADED = 8
"""Networks kept; the one that was asked for longest ago goes first."""

OnRetreat = Callable[[str], None]
"""Told, in a few words, that a network went to smaller tiles or to the CPU because it ran out of memory."""


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """Which model, and how it runs; the defaults are those of the command line."""

    name: str | None = None
    """A published model, a .safetensors file, the folder of an exported model, a classical filter or one that was
    registered; None: the default of the device."""
    device: str = "auto"
    """"auto", "cpu", "cuda", "cuda:N" or "mps"."""
    precision: str = "auto"
    """"auto", "fp32", "bf16", "fp16" or "int8"."""
    tile: int | None = None
    """Side of tiles in pixels; 0: the whole frame at once, None: by the memory that is free."""
    views: int | None = None
    """Symmetric views of each frame that a network averages, 1 to 8, at as many times the cost; None: the model's."""
    engine: str = "auto"
    """"torch", "onnx", "openvino", or "auto": the one that `vdeblur bench` found to be the fastest here, or torch."""

    def named(self) -> ModelOptions:
        """The same with name and views filled in. Raises what `default_model` raises."""
        name = self.name or default_model(self.device)
        if self.views is not None:
            return replace(self, name=name)
        return replace(self, name=name, views=next((model.views for model in published() if model.name == name), 1))


def load_restorer(
    model: ModelOptions | str | None = None,
    *,
    look_ahead: bool = True,
    on_retreat: OnRetreat = lambda _: None,
) -> Restorer:
    """The restorer of a model; `load_restorer("fast")` is `load_restorer(ModelOptions("fast"))`.

    A network is loaded once: whoever asks for it again in this process, on the same device and so on, shares it, one
    frame at a time. `look_ahead` False makes a network do without future frames, for live streams. `on_retreat` is
    told of what happens to this caller's frames.

    Raises ModelError for an unknown model or an invalid file, DeviceError for an unavailable device and
    UsageError for a precision that the device cannot do.
    """
    options = (model if isinstance(model, ModelOptions) else ModelOptions(model)).named()
    assert options.name is not None
    if options.name in MADE:
        return MADE[options.name].make()
    return SharedRestorer(_loaded(options, options.name, look_ahead), on_retreat)


def load_per_frame(beside: Restorer, *, look_ahead: bool = True, on_retreat: OnRetreat = lambda _: None) -> Restorer:
    """The per-frame network, on the device and in the precision of the restorer that it stands in for."""
    precision = beside.precision if beside.precision in ("fp32", "bf16", "fp16") else "auto"
    options = ModelOptions(PER_FRAME_MODEL, beside.device, precision)
    return load_restorer(options, look_ahead=look_ahead, on_retreat=on_retreat)


def default_model(device: str = "auto") -> str:
    """The published model used where none is named: a GPU has time for the best, a CPU takes the one that keeps pace.

    Raises ModelError where none is marked so, DeviceError for an unavailable device.
    """
    place = "cpu"
    if device != "cpu" and is_installed("torch"):  # it loads slowly: only if it must
        from .backends.pytorch import choose_device

        place = "cpu" if choose_device(device) == "cpu" else "gpu"
    for model in published():
        if place in model.default_on.split():
            return model.name
    raise ModelError("no model comes with this copy of vdeblur; install it again, or name a model file")


def warm_up_of(model: ModelOptions) -> int:
    """Frames to restore and throw away before one that must be within 1/255 of what a longer past would give."""
    name = model.named().name
    if name in MADE:
        return max(MADE[name].warm_up, LEAST_WARM_UP)
    weights = load_graph(name).weights_sha256 if name and is_graph(name) else None
    measured = (entry.warm_up for entry in published() if name == entry.name or weights == entry.sha256)
    return max(next(measured, UNMEASURED_WARM_UP), LEAST_WARM_UP)


def unknown_model(name: str) -> ModelError:
    """What to say of a name that is no model's."""
    known = [*(model.name for model in published()), *MADE]
    others = "a .safetensors file or the folder of an exported model"
    hint = did_you_mean(name, known) or f"; choose {', '.join(known)}, {others}"
    return ModelError(f"unknown model {name!r}{hint}")


class _Network:
    """A network in memory, for all who use it: one frame at a time, and whoever's frame it is hears of a retreat."""

    def __init__(self, load: Callable[[OnRetreat], Restorer]) -> None:
        self.lock = Lock()
        self.on_retreat: OnRetreat = lambda _: None
        self.has_retreated = False
        self.restorer = load(self._retreat)

    def _retreat(self, how: str) -> None:
        self.has_retreated = True
        self.on_retreat(how)


class SharedRestorer(Wrapper):
    """One caller's hold on a network that others in this process may use as well."""

    def __init__(self, network: _Network, on_retreat: OnRetreat) -> None:
        super().__init__(network.restorer)
        self._network, self._on_retreat = network, on_retreat

    def restore(self, window: Window, state: State) -> tuple[Frame, State]:
        """Restore the centre when it is this caller's turn."""
        with self._network.lock:
            self._network.on_retreat = self._on_retreat
            return self.inner.restore(window, state)


_networks: dict[tuple[object, ...], _Network] = {}
_networks_lock = Lock()


def _loaded(options: ModelOptions, name: str, look_ahead: bool) -> _Network:
    path, sha256 = weights_of(name)
    options = replace(options, engine=_engine(options, name, path))
    if options.engine == "torch":
        from .backends.pytorch import choose_device, choose_precision

        if options.precision == "int8":
            raise UsageError("torch does not compute in int8; openvino does, with a model that `vdeblur compress` made")
        device = choose_device(options.device)
        options = replace(options, device=device, precision=choose_precision(options.precision, device))
    try:
        file = (path / MANIFEST if is_graph(path) else path).stat()
        key = (options, look_ahead, path.absolute(), file.st_mtime_ns, file.st_size)
    except OSError as error:
        raise ModelError(f"{path}: no such model file; `vdeblur models` lists those that come with vdeblur") from error

    def new(on_retreat: OnRetreat) -> Restorer:
        load = _load_checkpoint if options.engine == "torch" else _load_graph
        return load(options, name, path, sha256, look_ahead, on_retreat)

    with _networks_lock:
        network = _networks.pop(key, None)
        if network is None or network.has_retreated:  # memory may do again: another caller tries as asked
            network = _Network(new)
        _networks[key] = network
        while len(_networks) > MOST_LOADED:
            del _networks[next(iter(_networks))]
        return network


def _engine(options: ModelOptions, name: str, path: Path) -> str:
    """The engine of a model, "auto" decided. Raises UsageError for one that cannot run it."""
    if is_graph(path):
        return choose_graph_engine(options.engine, options.device, load_graph(path).precision)
    return choose_engine(options.engine, name, options.device, options.precision)


def _load_checkpoint(
    options: ModelOptions, name: str, path: Path, sha256: str | None, look_ahead: bool, on_retreat: OnRetreat
) -> Restorer:
    from .backends.checkpoints import load
    from .backends.pytorch import TorchRestorer

    return TorchRestorer(
        name,
        load(path, sha256).network(),
        options.device,
        options.precision,
        look_ahead=look_ahead,
        tile=options.tile,
        views=options.views or 1,
        on_retreat=on_retreat,
    )


def _load_graph(
    options: ModelOptions, name: str, path: Path, sha256: str | None, look_ahead: bool, on_retreat: OnRetreat
) -> Restorer:
    from .backends.graph_engine import GraphEngine
    from .backends.network_restorer import NetworkRestorer

    if not is_graph(path):
        from .backends.cache import exported

        path = exported(name, path, sha256 or file_sha256(path))
    return NetworkRestorer(
        name,
        GraphEngine(path, options.engine, options.precision),
        look_ahead=look_ahead,
        tile=options.tile,
        views=options.views or 1,
        on_retreat=on_retreat,
    )


def export_model(name: str, output: str | Path) -> Graph:
    """Write a published model or a .safetensors file as a graph; see `backends.export`. Raises what that raises."""
    from .backends.checkpoints import load
    from .backends.export import export

    path, sha256 = weights_of(name)
    if is_graph(path):
        raise UsageError(f"{name}: is exported already")
    checkpoint = load(path, sha256)
    return export(checkpoint, output, name=Path(name).stem, weights_sha256=sha256 or file_sha256(path))


def quantise_model(name: str, clips: Iterable[tuple[str, Iterable[Frame]]], output: str | Path) -> Graph:
    """Write a model, exported or not, in int8; see `backends.quantising`. Raises what that raises."""
    from .backends.cache import exported
    from .backends.quantising import quantise

    path, sha256 = weights_of(name)
    folder = path if is_graph(path) else exported(name, path, sha256 or file_sha256(path))
    return quantise(folder, clips, output)


def weights_of(name: str) -> tuple[Path, str | None]:
    """A model's file (or the folder of an exported one) and the hash that it must have, if that is known.

    Raises ModelError for an unknown model.
    """
    for model in published():
        if model.name == name:
            return model.path, model.sha256
    if not name.endswith(".safetensors") and not is_graph(name):
        raise unknown_model(name)
    return Path(name), None
