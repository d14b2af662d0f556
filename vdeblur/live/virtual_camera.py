"""The restored stream as a camera that a video call can use, through pyvirtualcam (the extra `virtual-camera`)."""

from __future__ import annotations

from typing import Any

from ..errors import DeviceError, UsageError
from ..frames import Frame, StreamInfo
from ..media.planes import convert, video_frame


class VirtualCamera:
    """A sink whose frames other programs see as a camera's."""

    def __init__(self, info: StreamInfo, device: str | None = None) -> None:
        """Open it. Raises UsageError without pyvirtualcam, DeviceError where the system has no virtual camera."""
        try:
            import pyvirtualcam
        except ImportError as error:
            raise UsageError("a virtual camera needs the extra: pip install 'vdeblur[virtual-camera]'") from error
        self.warnings: list[str] = []
        self._size = (info.width // 2 * 2, info.height // 2 * 2)
        rate = float(info.frame_rate or 30)
        try:
            self._camera: Any = pyvirtualcam.Camera(
                *self._size, rate, fmt=pyvirtualcam.PixelFormat.I420, device=device or None
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise DeviceError(
                f"no virtual camera here ({_first_line(error)}); Linux needs the module v4l2loopback, "
                "Windows and macOS need OBS Studio"
            ) from error

    def write(self, frame: Frame) -> None:
        """Show one frame."""
        picture = convert(video_frame(frame), "yuv420p", self._size)
        self._camera.send(picture.to_ndarray().ravel())

    def close(self) -> None:
        """Let go of it."""
        self._camera.close()

    def abort(self) -> None:
        """As `close`."""
        self._camera.close()

    def __enter__(self) -> VirtualCamera:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
