"""Tiled equals untiled: over both kinds of network, odd sizes, every sub-sampling, and a clip's length of state."""

from __future__ import annotations

import functools
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from support.commands import environment_of_tests
from support.fading import KIND, add_fading
from support.in_memory import picture, restored_by
from support.networks import CONFIGS, TINY, awakened, difference, tiny
from support.shaken import shaken_clip
from support.starved import SIZE, wide
from vdeblur.backends import memory
from vdeblur.backends.memory import MIN_TILE, bytes_needed, choose_tile
from vdeblur.backends.pytorch import TorchRestorer
from vdeblur.backends.tiles import spans
from vdeblur.frames import Layout
from vdeblur.models import MODELS, build
from vdeblur.recurrence import CELL

pytestmark = pytest.mark.arithmetic

LAYOUTS = [
    Layout("yuv", 8, (1, 1)),
    Layout("yuv", 10, (1, 0)),
    Layout("yuv", 8, (2, 0)),
    Layout("yuv", 8, (0, 0), alpha=True),
    Layout("rgb", 8),
    Layout("gray", 16),
]


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: f"{layout.model}{layout.bits}{layout.chroma_shift}")
@pytest.mark.parametrize("kind", MODELS)
def test_tiled_equals_untiled(kind: str, layout: Layout) -> None:
    network = tiny(kind)
    frames = [picture(i, (331, 205), layout) for i in range(5)]
    whole = restored_by(TorchRestorer("whole", network, "cpu", "fp32", tile=0), frames)
    tiled = restored_by(TorchRestorer("tiled", network, "cpu", "fp32", tile=64), frames)
    assert difference(whole, frames) > 20
    assert difference(whole, tiled) <= 1
    assert [(f.size, f.layout, f.pts) for f in tiled] == [(f.size, f.layout, f.pts) for f in frames]


@pytest.mark.parametrize(("width", "height"), [(64, 64), (65, 1), (1, 200), (136, 72), (200, 7)])
def test_tiles_of_any_size(width: int, height: int) -> None:
    network = tiny("convlstm")
    frames = [picture(i, (width, height)) for i in range(3)]
    whole = restored_by(TorchRestorer("whole", network, "cpu", "fp32", tile=0), frames)
    for tile in (1, 50, 64, 4000):
        tiled = restored_by(TorchRestorer("tiled", network, "cpu", "fp32", tile=tile), frames)
        assert difference(whole, tiled) <= 1


def test_the_state_shows_no_seams_of_tiles_after_many_frames() -> None:
    """With a state kept for each tile alone, what the margin lacks would come one cell nearer with every frame."""
    network = tiny("convlstm")
    frames = [picture(i, (200, 72)) for i in range(40)]
    whole = restored_by(TorchRestorer("whole", network, "cpu", "fp32", tile=0), frames)
    tiled = restored_by(TorchRestorer("tiled", network, "cpu", "fp32", tile=64), frames)
    assert difference(whole, tiled) <= 1


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"sixteenth": 0},
        {"encoder_blocks": 0, "sixteenth_blocks": 0, "trunk_blocks": 0, "decoder_blocks": 0},
        {"quarter_blocks": 1, "encoder_blocks": 2, "sixteenth_blocks": 3, "trunk_blocks": 3, "decoder_blocks": 2},
    ],
)
@pytest.mark.parametrize("kind", MODELS)
def test_the_reach_is_enough_and_not_much_too_wide(kind: str, config: dict[str, int]) -> None:
    """A cell of every input is changed, and the outputs are asked how far they have noticed."""
    torch.manual_seed(0)
    network = awakened(build(kind, CONFIGS.get(kind, TINY) | config))
    length = 2 * max(network.reach) + 9  # cells
    with torch.inference_mode():
        encoded = network.encoded(torch.rand(1, 6, CELL // 2, length * CELL // 2))
        aligned = network.align(encoded, None, None, None)
    for function, inputs, reach in (
        (network.encode, (encoded.frame,), network.reach[0]),
        (network.compute, aligned, network.reach[1]),
    ):
        assert reach - 2 <= farthest(function, inputs, length) <= reach


@torch.inference_mode()
def farthest(function: Callable[..., Sequence[Tensor]], shown: Sequence[Tensor], length: int) -> int:
    """How many cells from one that is changed in every input an output changes; all are `length` cells wide."""
    middle = length // 2
    inputs = [torch.rand_like(x) for x in shown]
    changed = [x.clone() for x in inputs]
    for x in changed:
        samples = x.shape[-1] // length
        x[..., middle * samples : (middle + 1) * samples] += 1.0
    touched = set()
    for one, other in zip(function(*inputs), function(*changed), strict=True):
        columns = (one - other).abs().amax((0, 1, 2)).nonzero().flatten() // (one.shape[-1] // length)
        touched |= {abs(int(column) - middle) for column in columns}
    return max(touched)


@given(st.integers(1, 400), st.integers(1, 80), st.integers(0, 20))
def test_cores_cover_an_axis_once(length: int, tile: int, margin: int) -> None:
    cut = list(spans(length, tile, margin))
    assert [i for span in cut for i in range(span.core.start, span.core.stop)] == list(range(length))
    for span in cut:
        assert 0 < span.core.stop - span.core.start <= tile
        assert 0 <= span.seen.start <= max(span.core.start - margin, 0)
        assert min(span.core.stop + margin, length) <= span.seen.stop <= length
    assert len({span.seen.stop - span.seen.start for span in cut}) == 1


@given(st.integers(64, 8000), st.integers(64, 8000), st.integers(1 << 28, 1 << 36))
def test_auto_takes_what_fits_into_half_of_what_is_free(width: int, height: int, free: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "free_bytes", lambda _: free)
        tile = choose_tile(5.0, 8, (width, height), "cpu", 4)
    assert tile == 0 or tile >= MIN_TILE
    if tile != MIN_TILE:
        assert bytes_needed(5.0, 8, (width, height), tile, 4) <= free // 2


def test_free_memory_is_a_plausible_number() -> None:
    assert 1 << 26 < memory.free_bytes("cpu") < 1 << 46


def test_cached_files_of_a_container_are_free_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container of 4 GB that has read a video of 3: else it would restore in the smallest tiles. The files are as the
    kernel writes them; only their folder is another."""
    left = functools.partial(memory._left_of_group, tmp_path)
    assert left() is None
    (tmp_path / "memory.max").write_text("4000000000\n")
    (tmp_path / "memory.current").write_text("3900000000\n")
    assert left() == 100_000_000
    (tmp_path / "memory.stat").write_text(
        "anon 800000000\nfile 3010000000\nkernel 90000000\nfile_mapped 7000000\nfile_dirty 0\ninactive_anon 800000000\n"
        "active_anon 10000000\ninactive_file 2000000000\nactive_file 1000000000\nworkingset_refault_file 9\n"
    )
    assert left() == 3_100_000_000
    monkeypatch.setattr(memory, "_left_of_group", left)
    monkeypatch.setattr(memory, "_available_of_system", lambda: 16_000_000_000)
    assert choose_tile(5.0, 8, (1280, 720), "cpu", 4) == 0
    (tmp_path / "memory.max").write_text("max\n")
    assert left() is None


@pytest.mark.parametrize("kind", ["convlstm", KIND])
def test_a_gpu_too_small_for_any_tile_continues_on_the_cpu(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state goes along, to a network that aligns in NumPy on a CPU and to one that aligns in torch.

    (The processor stands in for the GPU: only its failure is made up.)
    """
    said: list[str] = []
    add_fading(monkeypatch)
    network = tiny(kind, residual=0.3)
    frames, _ = shaken_clip(0, 6)  # no noise, which a GPU warps a little differently
    expected = restored_by(TorchRestorer("whole", network, "cpu", "bf16", tile=0), frames)
    restorer = TorchRestorer("small", network, "cpu", "bf16", tile=64, on_retreat=said.append)
    monkeypatch.setattr(restorer.engine, "device", "cuda:0")
    compute, calls = network.compute, iter(range(100))

    def short_of_memory(*aligned: Tensor) -> tuple[Tensor, ...]:
        if next(calls) == 9:  # in the third frame, which comes with a state
            raise torch.OutOfMemoryError("CUDA out of memory")
        return compute(*aligned)

    monkeypatch.setattr(network, "compute", short_of_memory)
    result = restored_by(restorer, frames)
    assert restorer.device == "cpu"
    assert said == ["cuda:0: not enough memory for a 128x96 frame: continued on the CPU"]
    assert difference(result, expected) <= 4


@pytest.mark.needs("linux")
def test_out_of_memory_continues_in_tiles_with_a_warning(tmp_path: Path) -> None:
    """In a process that may grow no further: the real allocator fails, and tiles give the same picture."""
    done = starved(110, tmp_path / "planes.npz")
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert said  # once, or again with smaller tiles: how much memory is left is the allocator's affair
    for line in said:
        assert re.fullmatch("cpu: not enough memory for a 800x600 frame: continued in tiles of [0-9]+ pixels", line)
    assert "continuing in tiles of" in done.stderr
    whole = restored_by(TorchRestorer("whole", wide(), "cpu", "fp32", tile=0), [picture(i, SIZE) for i in range(2)])
    with np.load(tmp_path / "planes.npz") as planes:
        tiled = list(planes.values())
    expected = [plane for frame in whole for plane in frame.planes]
    assert len(tiled) == len(expected) == 6
    assert max(int(np.abs(a.astype(int) - b).max()) for a, b in zip(tiled, expected, strict=True)) <= 1


@pytest.mark.needs("linux")
def test_too_little_memory_for_any_tile_is_one_error(tmp_path: Path) -> None:
    done = starved(20, tmp_path / "planes.npz")
    assert done.returncode == 1
    assert "DeviceError: cpu: not enough memory for a 800x600 frame, even in tiles" in done.stderr.splitlines()[-1]


def starved(megabytes: int, result: Path) -> subprocess.CompletedProcess[str]:
    """What is freed goes back to the system at once, so that the limit is met at the same place in every run."""
    command = [sys.executable, "-m", "support.starved", str(megabytes), str(result)]
    exact = {"MALLOC_TRIM_THRESHOLD_": "131072", "MALLOC_MMAP_THRESHOLD_": "131072"}
    return subprocess.run(command, capture_output=True, text=True, env=environment_of_tests() | exact, check=False)
