"""Small media files, made on the spot with PyAV."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np


def footage(
    path: Path, frames: int = 12, size: tuple[int, int] = (64, 48), audio: bool = False, cut_at: int | None = None
) -> Path:
    """A moving pattern in H.264, 25 frames a second, with silence beside it if `audio`; another one from `cut_at`."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        sound = container.add_stream("aac", rate=48000) if audio else None
        across, down = np.arange(size[0])[None, :], np.arange(size[1])[:, None]
        for index in range(frames):
            if index == cut_at:
                across, down = down * 2, across * 1.7
            luma = (128 + 100 * np.sin((across + 3 * index) / 5) * np.cos(down / 7)).astype(np.uint8)
            luma = np.broadcast_to(luma, size[::-1])
            frame = av.VideoFrame.from_ndarray(np.stack([luma] * 3, axis=-1), format="rgb24")
            frame.pts = index
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if sound is not None:
            for index in range(frames * 1920 // 1024):
                silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
                silence.sample_rate, silence.pts = 48000, index * 1024
                container.mux(sound.encode(silence))
            container.mux(sound.encode(None))
    return path


def sound_only(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=48000)
        for index in range(20):
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            silence.sample_rate, silence.pts = 48000, index * 1024
            container.mux(sound.encode(silence))
        container.mux(sound.encode(None))
    return path


def count_frames(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(container.streams.video[0]))
