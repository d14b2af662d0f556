"""A virtual camera for other programs such as video calls, through pyvirtualcam (the extra `virtual-camera`)."""

from __future__ import annotations

from ..errors import DeviceError, UsageError
from ..frames import Frame, StreamInfo
from ..media.planes import convert, video_frame
from ..protocols import Closing


class VirtualCamera(Closing):
    """A sink whose frames other programs receive as those of a camera."""

    def __init__(self, info: StreamInfo) -> None:
        """Open it. Raises UsageError without pyvirtualcam, DeviceError if the system has no virtual camera."""
        try:
            import pyvirtualcam
        except ImportError as error:
            raise UsageError("a virtual camera needs the extra: pip install 'vdeblur[virtual-camera]'") from error
        self.warnings: list[str] = []
        self._size = (info.width // 2 * 2, info.height // 2 * 2)
        rate = float(info.frame_rate or 30)
        try:
            self._camera = pyvirtualcam.Camera(*self._size, rate, fmt=pyvirtualcam.PixelFormat.I420)
        except (RuntimeError, ValueError, OSError) as error:
            raise DeviceError(
                f"no virtual camera ({_first_line(error)}); Linux needs the module v4l2loopback, "
                "Windows and macOS need OBS Studio"
            ) from error

    def write(self, frame: Frame) -> None:
        """Send one frame."""
        converted = convert(video_frame(frame), "yuv420p", self._size)
        self._camera.send(converted.to_ndarray().ravel())

    def close(self) -> None:
        """Close the device."""
        self._camera.close()

    def abort(self) -> None:
        """Close the device."""
        self._camera.close()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
