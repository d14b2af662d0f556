"""Clips to learn from: sharp pictures read from photographs and footage, blurred, packed as planes, kept in a pool.

A pool is a folder of rendered clips that several processes fill and the trainer reads. Clip i of a pool depends only on
the pool's seed and configuration, so training is the same whether a clip was rendered yesterday or a moment ago.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import InputError, UsageError, VdeblurError
from ..files import file_sha256
from ..quality import pairs
from .blur import BlurConfig, Clip, Picture, render_clip
from .packed import Bytes, augment, pack, psnr_of
from .teacher import Teacher, Teaching

IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}
VIDEO_SUFFIXES = {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".264", ".h264", ".265", ".hevc", ".y4m", ".ts"}


HELD_OUT = 16
"""Every sixteenth file of the training folders is kept for validation, where there are that many."""


def sharp_files(folders: Iterable[str | Path], held_out: bool | None = None) -> list[Path]:
    """The photographs and footage of some folders: those to learn from (False), those kept for validation (True; all,
    where they are too few to keep any), or all (None). InputError where a folder is missing.
    """
    files: list[Path] = []
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder; name a folder of sharp photographs or footage")
        files += [file for file in sorted(folder.iterdir()) if file.suffix.lower() in IMAGE_SUFFIXES | VIDEO_SUFFIXES]
    if held_out is None or len(files) < HELD_OUT:
        return files
    return [file for i, file in enumerate(files) if (i % HELD_OUT == HELD_OUT - 1) == held_out]


class SharpPictures:
    """Sharp pictures of some files: photographs, and frames of footage at half size (which hides compression)."""

    def __init__(self, files: Iterable[Path], frames_per_video: int = 12) -> None:
        """Raises InputError where there is nothing to read."""
        self.pictures: list[Picture] = []
        files = list(files)
        for file in files:
            if file.suffix.lower() in VIDEO_SUFFIXES:
                self.pictures += _stills(file, frames_per_video)
                continue
            picture = cv2.imread(str(file), cv2.IMREAD_COLOR)
            if picture is None:
                raise InputError(f"{file}: not a readable picture; remove it from the training folder")
            self.pictures.append(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False))
        if not self.pictures:
            raise InputError("no photographs or footage in the folders that were named")

    def __call__(self, rng: np.random.Generator) -> Picture:
        """A picture at random."""
        return self.pictures[int(rng.integers(len(self.pictures)))]


def _stills(file: Path, count: int) -> list[Picture]:
    import av

    with av.open(str(file)) as container:
        decoded = [frame.to_ndarray(format="rgb24") for i, frame in enumerate(container.decode(video=0)) if i % 8 == 0]
    chosen = decoded[:: max(1, len(decoded) // count)]
    halves = [cv2.resize(p, (p.shape[1] // 2, p.shape[0] // 2), interpolation=cv2.INTER_AREA) for p in chosen]
    return [half.astype(np.uint8, copy=False) for half in halves]


@dataclass(frozen=True)
class Sources:
    """Where clips come from: `data` is blurred by synthesis; `pairs`, where there are any, are taken as they are."""

    data: tuple[str, ...] = ()
    """Folders of sharp photographs and footage."""
    pairs: tuple[str, ...] = ()
    """Folders of blur/sharp pairs as `vdeblur.quality.pairs` reads them."""
    teaching: Teaching | None = None
    """What else clips are to be learnt from than the truth."""

    @property
    def sides(self) -> int:
        """Of a clip: blurred, sharp and, where there are teachers, what these make of it."""
        return 3 if self.teaching else 2


class ClipMaker:
    """Makes packed clips (sides, frames, 3/2 size, size), each determined by the generator that it is given."""

    def __init__(
        self, sources: Sources, config: BlurConfig, device: torch.device | str = "cpu", *, held_out: bool = False
    ) -> None:
        """`held_out`: of the files kept for validation, in place of those to learn from (see `sharp_files`).

        Raises InputError for folders that cannot be learnt from, UsageError where there are none, ModelError for a
        teacher that is not a model.
        """
        if not (sources.data or sources.pairs):
            message = "nothing to learn from: name folders of sharp images, or of pairs"
            raise UsageError(message, settings=("data", "pairs"))
        self.config, self.device = config, device
        self._pairs = PairedClips(sources.pairs, config, held_out) if sources.pairs else None
        files = [] if sources.pairs else sharp_files(sources.data, held_out)
        self._pictures = None if sources.pairs else SharpPictures(files)
        self._footage = None
        if config.footage and not sources.pairs:
            from .footage import Footage

            self._footage = Footage(files, config)
        self._teacher = Teacher(sources.teaching, device) if sources.teaching else None

    def __call__(self, rng: np.random.Generator) -> Bytes:
        """A clip at random."""
        packed = self._pair(rng)
        if self._teacher is None:
            return packed
        return np.concatenate([packed, self._teacher(packed)[None]])

    def _pair(self, rng: np.random.Generator) -> Bytes:
        """Blurred and sharp, (2, frames, 3/2 size, size)."""
        if self._pairs:
            return pack(rng, self._pairs(rng))
        assert self._pictures is not None
        if self._footage and rng.random() < self.config.footage:
            packed = pack(rng, self._footage.render(rng, self.device))
        else:
            packed = pack(rng, render_clip(rng, self._pictures, self.config, self.device))
        if self.config.codec and rng.random() < self.config.codec:
            from .compression import compress

            packed[0] = compress(rng, packed[0])
        return packed


class PairedClips:
    """Crops of a user's own blurred and sharp pictures."""

    def __init__(self, folders: Iterable[str | Path], config: BlurConfig, held_out: bool) -> None:
        """InputError where no clip is as long as training asks for."""
        self._size, self._frames = config.size, config.frames
        found = [clip for folder in folders for clip in pairs.find_clips(folder)]
        if len(found) >= HELD_OUT:
            found = [clip for i, clip in enumerate(found) if (i % HELD_OUT == HELD_OUT - 1) == held_out]
        self._clips = [clip for clip in found if len(clip.blur) >= config.frames]
        if not self._clips:
            longest = max(len(clip.blur) for clip in found)
            raise InputError(
                f"{', '.join(map(str, folders))}: the longest clip has {longest} frames, training asks for "
                f"{config.frames}; set a smaller blur.frames"
            )

    def __call__(self, rng: np.random.Generator) -> Clip:
        """Consecutive frames of a clip, cropped at random where its pictures are larger than asked for."""
        clip = self._clips[int(rng.integers(len(self._clips)))]
        start = int(rng.integers(len(clip.blur) - self._frames + 1))
        place = rng.random(2)
        return Clip(*(self._read(side[start : start + self._frames], place) for side in (clip.blur, clip.sharp)))

    def _read(self, files: tuple[Path, ...], place: NDArray[np.float64]) -> Tensor:
        """(frames, 3, size, size) in 0..1 of the crop at `place`, a share of the room there is."""
        pictures = np.stack([pairs.picture_of(frame) for frame in pairs.read_frames(files)])
        room = [side - self._size for side in pictures.shape[1:3]]
        if min(room) < 0:
            height, width = pictures.shape[1:3]
            raise InputError(f"{files[0]}: {width}x{height} is smaller than blur.size, {self._size}; set a smaller one")
        y, x = (int(share * (most + 1)) for share, most in zip(place, room, strict=True))
        crop = pictures[:, y : y + self._size, x : x + self._size]
        return torch.from_numpy(np.ascontiguousarray(crop.transpose(0, 3, 1, 2))).float() / 255


class FreshClips:
    """Clips made for each batch anew on the device that trains: for GPUs, which render faster than they would read."""

    ATTEMPTS = 12
    """To make a clip that is blurred enough, where one is asked for."""

    def __init__(self, sources: Sources, config: BlurConfig, device: torch.device | str) -> None:
        self._make = ClipMaker(sources, config, device)
        self.rendered = 0

    def batch(
        self, rng: np.random.Generator, size: int, available: int, frames: int, patch: int, worse_than: float = math.inf
    ) -> Tensor:
        """As `Pool.batch`, but there is no pool that `available` would limit. Slot i depends on `rng` and i alone."""
        return torch.from_numpy(
            np.stack([augment(slot, self._blurred(slot, worse_than), frames, patch) for slot in rng.spawn(size)])
        )

    def _blurred(self, rng: np.random.Generator, worse_than: float) -> Bytes:
        for _ in range(self.ATTEMPTS):
            packed = self._make(rng)
            self.rendered += 1
            if psnr_of(packed) < worse_than:
                break
        return packed

    def close(self) -> None:
        """Nothing runs beside it."""


class Pool:
    """Rendered clips in a folder: `clips` places, filled in order by `start_rendering`'s processes."""

    def __init__(
        self,
        folder: Path,
        clips: int,
        config: BlurConfig,
        sources: Sources,
        seed: int,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """Opens or creates the pool; a folder that holds a pool of other settings is an InputError.

        `check` is called while a batch waits for clips, and may raise.
        """
        self.folder, self.clips, self.config, self.sources, self.seed = folder, clips, config, sources, seed
        self._check = check
        folder.mkdir(parents=True, exist_ok=True)
        stamp: dict[str, Any] = {"clips": clips, "blur": asdict(config), "sources": sources.data, "seed": seed}
        if sources.pairs:
            stamp["pairs"] = sources.pairs
        if sources.teaching:
            stamp["teaching"] = asdict(sources.teaching) | {"models": [*map(file_sha256, sources.teaching.models)]}
        stamp = json.loads(json.dumps(stamp))
        stamp_file = folder / "pool.json"
        if stamp_file.exists() and _read_stamp(stamp_file) != stamp:
            raise InputError(f"{folder}: holds clips of other settings; name another pool folder or delete this one")
        stamp_file.write_text(json.dumps(stamp, indent=1))
        shape = (clips, sources.sides, config.frames, config.size * 3 // 2, config.size)
        self.data = _memmap(folder / "clips.u8", shape)
        self.done = _memmap(folder / "done.u8", (clips,))
        """0: not rendered yet; else the blurred clip's PSNR in whole dB, at least 1."""
        self._renderers: list[multiprocessing.process.BaseProcess] = []
        self._failures: SimpleQueue[VdeblurError] | None = None

    def start_rendering(self, processes: int) -> None:
        """Fill the pool in the background; `close` ends it."""
        context = multiprocessing.get_context("spawn")
        self._failures = context.SimpleQueue()
        with _children_ignore_interrupts():
            for worker in range(processes if not self.done.all() else 0):
                place = (self.folder, self.clips, self.config, self.sources, self.seed, worker, processes)
                arguments = (*place, os.getpid(), self._failures)
                process = context.Process(target=_render_into, args=arguments, daemon=True)
                process.start()
                self._renderers.append(process)

    @property
    def rendered(self) -> int:
        """Clips that are there."""
        return int(np.count_nonzero(self.done))

    def batch(
        self, rng: np.random.Generator, size: int, available: int, frames: int, patch: int, worse_than: float = math.inf
    ) -> Tensor:
        """`size` augmented clips out of the first `available`: (size, sides, frames, 6, patch/2, patch/2) uint8.

        `worse_than` leaves out clips whose blurred PSNR, in dB, is not under it. Waits for clips that are not rendered
        yet; raises what ended their rendering, and RuntimeError where nobody renders them. Where no clip is blurred
        that much, all are taken.
        """
        asked = self.done[: min(available, self.clips)]
        while not asked.all():
            self._check()
            rendering = any(process.is_alive() for process in self._renderers)  # asked first: they fail, then end
            if self._failures and not self._failures.empty():
                raise self._failures.get()
            if not rendering:
                raise RuntimeError("the clips' renderers have stopped before the pool was full")
            time.sleep(0.05)
        wanted = np.flatnonzero(asked < worse_than)
        chosen = rng.choice(wanted if len(wanted) else np.arange(len(asked)), size)
        return torch.from_numpy(np.stack([augment(rng, self.data[i], frames, patch) for i in chosen]))

    def close(self) -> None:
        """End the rendering processes."""
        for process in self._renderers:
            process.terminate()
            process.join()
        self._renderers.clear()


def _memmap(file: Path, shape: tuple[int, ...]) -> np.memmap[Any, np.dtype[np.uint8]]:
    if not file.exists():
        with file.open("wb") as stream:
            stream.truncate(int(np.prod(shape)))
    return np.memmap(file, np.uint8, "r+", shape=shape)


@contextmanager
def _children_ignore_interrupts() -> Iterator[None]:
    """Processes started within leave Ctrl-C, which a terminal sends to all, to the trainer: it ends its renderers."""
    if threading.current_thread() is not threading.main_thread():  # which alone may say so
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _read_stamp(file: Path) -> dict[str, Any]:
    """A pool's settings; those that it was made before knowing have their defaults."""
    stamp: dict[str, Any] = json.loads(file.read_text())
    new = {"codec": 0.0, "footage": 0.0}
    return stamp | {"blur": new | stamp["blur"]}


def _render_into(
    folder: Path,
    clips: int,
    config: BlurConfig,
    sources: Sources,
    seed: int,
    worker: int,
    workers: int,
    parent: int,
    failures: SimpleQueue[VdeblurError],
) -> None:
    if hasattr(os, "nice"):
        os.nice(10)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        pool = Pool(folder, clips, config, sources, seed)
        make = ClipMaker(sources, config)
        for i in range(worker, clips, workers):
            if os.getppid() != parent:  # the trainer is gone
                return
            if not pool.done[i]:
                packed = make(np.random.default_rng([seed, i]))
                pool.data[i] = packed
                pool.done[i] = np.clip(psnr_of(packed), 1, 255)
    except VdeblurError as error:
        failures.put(error)
