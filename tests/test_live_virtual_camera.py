"""A virtual camera: the pictures that other programs are handed, and one clear line where there is none."""

from __future__ import annotations

import sys
import types
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from support.commands import run
from support.videos import footage, frames
from vdeblur.errors import DeviceError, UsageError
from vdeblur.frames import StreamInfo
from vdeblur.live.virtual_camera import VirtualCamera


class Device:
    """pyvirtualcam.Camera without a driver: keeps what it is sent."""

    opened: tuple[Any, ...] = ()

    def __init__(self, width: int, height: int, fps: float, *, fmt: str) -> None:
        type(self).opened = (width, height, fps, fmt)
        self.sent: list[Any] = []
        self.is_closed = False

    def send(self, picture: Any) -> None:
        self.sent.append(picture.copy())

    def close(self) -> None:
        self.is_closed = True


def driver(monkeypatch: pytest.MonkeyPatch, camera: Any) -> None:
    module = types.ModuleType("pyvirtualcam")
    module.Camera, module.PixelFormat = camera, types.SimpleNamespace(I420="I420")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pyvirtualcam", module)


def info_of(size: tuple[int, int]) -> StreamInfo:
    first = frames(1, size=size)[0]
    return StreamInfo(*size, first.layout, first.color, first.time_base, frame_rate=Fraction(25))


def test_the_virtual_camera_gets_the_planes_of_each_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    driver(monkeypatch, Device)
    (frame,) = frames(1)
    with VirtualCamera(info_of((64, 48))) as camera:
        camera.write(frame)
        device = camera._camera
    assert Device.opened == (64, 48, 25.0, "I420")
    assert np.array_equal(device.sent[0], np.concatenate([plane.ravel() for plane in frame.planes]))
    assert device.is_closed


def test_odd_sizes_lose_their_last_line(monkeypatch: pytest.MonkeyPatch) -> None:
    driver(monkeypatch, Device)
    with VirtualCamera(info_of((65, 49))) as camera:
        camera.write(frames(1, size=(65, 49))[0])
        assert camera._camera.sent[0].size == 64 * 48 * 3 // 2


def test_without_the_extra_the_error_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    with pytest.raises(UsageError, match=r"pip install 'vdeblur\[virtual-camera\]'"):
        VirtualCamera(info_of((64, 48)))


def test_without_a_driver_it_says_what_the_system_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object, **__: object) -> None:
        raise RuntimeError("v4l2loopback: device not found.\nmore lines")

    driver(monkeypatch, none)
    with pytest.raises(DeviceError, match=r"not found\); Linux needs the module v4l2loopback") as caught:
        VirtualCamera(info_of((64, 48)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("has_extra", "code"), [(True, 4), (False, 2)])
def test_the_command_ends_with_one_line(
    has_extra: bool, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object, **__: object) -> None:
        raise RuntimeError("no device")

    if has_extra:
        driver(monkeypatch, none)
    else:
        monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    clip = footage(tmp_path / "clip.mp4")
    words = ["live", "--camera", str(clip), "-m", "unsharp", "--no-window", "--virtual-camera"]
    result = run(*words)
    assert result.exit_code == code
    (line,) = result.stderr.splitlines()
    assert "virtual" in line


@pytest.mark.needs("virtual-camera")
def test_the_virtual_camera_library_gets_every_frame(tmp_path: Path) -> None:
    import pyvirtualcam

    class Driver:
        """Registered with the library as those of OBS and v4l2loopback are."""

        sent: ClassVar[list[Any]] = []
        opened: ClassVar[dict[str, Any]] = {}

        def __init__(self, **settings: Any) -> None:
            type(self).opened.update(settings)

        def send(self, picture: Any) -> None:
            self.sent.append(picture.copy())

        def close(self) -> None:
            self.opened["closed"] = True

        def device(self) -> str:
            return "tests"

        def native_fourcc(self) -> int | None:
            return None

    pyvirtualcam.register_backend("tests", Driver)
    (frame,) = frames(1)
    try:
        with VirtualCamera(info_of((64, 48))) as camera:
            camera.write(frame)
    finally:
        del pyvirtualcam.camera.BACKENDS["tests"]
    assert (Driver.opened["width"], Driver.opened["height"], Driver.opened["fps"]) == (64, 48, 25.0)
    assert Driver.opened["closed"]
    (sent,) = Driver.sent
    assert np.array_equal(np.ravel(sent), np.concatenate([plane.ravel() for plane in frame.planes]))


@pytest.mark.needs("virtual-camera", "linux")
@pytest.mark.needs("no-camera")
def test_without_a_driver_the_library_is_one_line_with_the_remedy(tmp_path: Path) -> None:
    clip = footage(tmp_path / "clip.mp4")
    result = run("live", "--camera", str(clip), "-m", "unsharp", "--no-window", "--virtual-camera")
    assert result.exit_code == 4
    (line,) = result.stderr.splitlines()
    assert "modprobe v4l2loopback" in line
