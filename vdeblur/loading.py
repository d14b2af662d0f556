"""Loads models as restorers, each network once per process."""

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
"""The published model used when a recurrent result is not finite."""

LEAST_WARM_UP = 12
"""Least number of warm-up frames, also for restorers without state: windows look back, and scene cuts next to black or
burnt-out frames need the frames before them."""

MOST_LOADED = 8
"""Number of networks kept in memory; the least recently requested is dropped first."""

OnRetreat = Callable[[str], None]
"""Called with a short description when a network continues in smaller tiles or on the CPU for lack of memory."""


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """Which model to use, and how to run it; the defaults are those of the command line."""

    name: str | None = None
    """A published model, a .safetensors file, the folder of an exported model, a classical filter or a
    registered restorer; None: the default for the device."""
    device: str = "auto"
    """"auto", "cpu", "cuda", "cuda:N" or "mps"."""
    precision: str = "auto"
    """"auto", "fp32", "bf16", "fp16" or "int8". int8 is faster on most processors and loses a few hundredths of a dB,
    but differs from fp32 by more than a level of 255 on several samples of a hundred: so "auto" never takes it."""
    tile: int | None = None
    """Side of tiles in pixels; 0: the whole frame at once, None: depends on the free memory."""
    views: int = 1
    """Number of symmetric views of each frame to average, 1 to 8, each at full cost."""
    engine: str = "auto"
    """"torch", "onnx", "openvino", or "auto": the fastest one measured by `vdeblur bench`, or torch."""

    def named(self) -> ModelOptions:
        """These options with the name filled in. Raises what `default_model` raises."""
        return replace(self, name=self.name or default_model(self.device))


def load_restorer(
    model: ModelOptions | str | None = None,
    *,
    look_ahead: bool = True,
    on_retreat: OnRetreat = lambda _: None,
) -> Restorer:
    """The restorer of a model; `load_restorer("fast")` is `load_restorer(ModelOptions("fast"))`.

    A network is loaded once per process for the same device and settings, and shared by all callers, one frame at a
    time. With `look_ahead` False it uses no future frames, for live streams. `on_retreat` is called for this caller's
    frames only.

    Raises ModelError for an unknown model or an invalid file, DeviceError for an unavailable device and
    UsageError for a precision that the device does not support or a number of views other than 1 to 8.
    """
    options = (model if isinstance(model, ModelOptions) else ModelOptions(model)).named()
    if options.views not in range(1, 9):  # None and 0 would be taken for slices: of all views, and of no view at all
        raise UsageError(f"{options.views} views: choose 1 to 8", settings=("views",))
    assert options.name is not None
    if options.name in MADE:
        return MADE[options.name].make()
    return SharedRestorer(_loaded(options, options.name, look_ahead), on_retreat)


def load_per_frame(restorer: Restorer, *, look_ahead: bool = True, on_retreat: OnRetreat = lambda _: None) -> Restorer:
    """The per-frame network, on the device and in the precision of the restorer that it replaces."""
    precision = restorer.precision if restorer.precision in ("fp32", "bf16", "fp16") else "auto"
    options = ModelOptions(PER_FRAME_MODEL, restorer.device, precision)
    return load_restorer(options, look_ahead=look_ahead, on_retreat=on_retreat)


def default_model(device: str = "auto") -> str:
    """The published default model for the kind of device.

    Raises ModelError if there is none, DeviceError for an unavailable device where that decides.
    """
    defaults = {place: model.name for model in published() for place in model.default_on.split()}
    place = "cpu"
    if len(set(defaults.values())) > 1 and device != "cpu" and is_installed("torch"):  # slow to import: only if needed
        from .backends.pytorch import choose_device

        place = "cpu" if choose_device(device) == "cpu" else "gpu"
    if place not in defaults:
        raise ModelError("no models are installed; reinstall vdeblur, or name a model file")
    return defaults[place]


def warm_up_of(model: ModelOptions) -> int:
    """Number of warm-up frames after which results are within 1/255 of those with a longer past."""
    name = model.named().name
    if name in MADE:
        return max(MADE[name].warm_up, LEAST_WARM_UP)
    weights = load_graph(name).weights_sha256 if name and is_graph(name) else None
    measured = (entry.warm_up for entry in published() if name == entry.name or weights == entry.sha256)
    return max(next(measured, UNMEASURED_WARM_UP), LEAST_WARM_UP)


def unknown_model(name: str) -> ModelError:
    """The error for an unknown model, with suggestions."""
    known = [*(model.name for model in published()), *MADE]
    others = "a .safetensors file or the folder of an exported model"
    hint = did_you_mean(name, known) or f"; choose {', '.join(known)}, {others}"
    return ModelError(f"unknown model {name!r}{hint}")


class _Network:
    """A loaded network, shared by several callers, one frame at a time; retreats are reported to the current caller."""

    def __init__(self, load: Callable[[OnRetreat], Restorer]) -> None:
        self.lock = Lock()
        self.on_retreat: OnRetreat = lambda _: None
        self.has_retreated = False
        self.restorer = load(self._retreat)

    def _retreat(self, how: str) -> None:
        self.has_retreated = True
        self.on_retreat(how)


class SharedRestorer(Wrapper):
    """A caller's handle to a network that may be shared with others."""

    def __init__(self, network: _Network, on_retreat: OnRetreat) -> None:
        super().__init__(network.restorer)
        self._network, self._on_retreat = network, on_retreat

    def restore(self, window: Window, state: State) -> tuple[Frame, State]:
        """Restore the centre, waiting for other callers."""
        with self._network.lock:
            self._network.on_retreat = self._on_retreat
            return self.inner.restore(window, state)


_networks: dict[tuple[object, ...], _Network] = {}
_networks_lock = Lock()


def _loaded(options: ModelOptions, name: str, look_ahead: bool) -> _Network:
    path, sha256 = weights_of(name, options.precision)
    options = replace(options, engine=_engine(options, name, path, sha256))
    if options.engine == "torch":
        from .backends.pytorch import choose_device, choose_precision

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
        if (
            network is None or network.has_retreated
        ):  # there may be enough memory again: retry with the requested settings
            network = _Network(new)
        _networks[key] = network
        while len(_networks) > MOST_LOADED:
            del _networks[next(iter(_networks))]
        return network


def _engine(options: ModelOptions, name: str, path: Path, sha256: str | None) -> str:
    """The engine for a model, with "auto" resolved. Raises UsageError if it cannot run the model."""
    if is_graph(path) or options.precision == "int8":
        return choose_graph_engine(options.engine, options.device, load_graph(path, sha256).precision)
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
        views=options.views,
        on_retreat=on_retreat,
    )


def _load_graph(
    options: ModelOptions, name: str, path: Path, sha256: str | None, look_ahead: bool, on_retreat: OnRetreat
) -> Restorer:
    from .backends.graph_engine import GraphEngine
    from .backends.network_restorer import NetworkRestorer

    if not is_graph(path):
        from .backends.cache import exported

        path, sha256 = exported(name, path, sha256 or file_sha256(path)), None
    return NetworkRestorer(
        name,
        GraphEngine(path, options.engine, options.precision, sha256),
        look_ahead=look_ahead,
        tile=options.tile,
        views=options.views,
        on_retreat=on_retreat,
    )


def export_model(name: str, output: str | Path) -> Graph:
    """Export a published model or a .safetensors file; see `backends.export`. Raises what that raises."""
    from .backends.checkpoints import load
    from .backends.export import export

    path, sha256 = weights_of(name)
    if is_graph(path):
        raise UsageError(f"{name}: already exported")
    checkpoint = load(path, sha256)
    return export(checkpoint, output, name=Path(name).stem, weights_sha256=sha256 or file_sha256(path))


def quantise_model(name: str, clips: Iterable[tuple[str, Iterable[Frame]]], output: str | Path) -> Graph:
    """Quantise a model, exported or not, to int8; see `backends.quantising`. Raises what that raises."""
    from .backends.cache import exported
    from .backends.quantising import quantise

    path, sha256 = weights_of(name)
    folder = path if is_graph(path) else exported(name, path, sha256 or file_sha256(path))
    return quantise(folder, clips, output)


def weights_of(name: str, precision: str = "auto") -> tuple[Path, str | None]:
    """The file of a model, or the folder of an exported or int8 one, and its expected hash if known.

    Raises ModelError for an unknown model and for what is no network, UsageError for one that does not come in int8.
    """
    if name in MADE:
        raise ModelError(f"{name} is not a network; `vdeblur models` lists the networks")
    models = published()
    found = next((model for model in models if model.name == name), None)
    if found and found.int8 and precision == "int8":
        return found.int8.path, found.int8.sha256
    if not found and not name.endswith(".safetensors") and not is_graph(name):
        raise unknown_model(name)
    if precision == "int8" and not is_graph(name):
        known = " and ".join(model.name for model in models if model.int8)
        raise UsageError(f"{name} does not come in int8, unlike {known}; `vdeblur compress` makes others in int8")
    return (found.path, found.sha256) if found else (Path(name), None)
