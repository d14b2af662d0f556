"""Resources that run out and media that mean harm: each through the real command line or `restore_whole`."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import Result

from support.commands import ROOT, run
from support.networks import tiny
from support.videos import Recipe, frames, noise, packets, write
from vdeblur.backends.checkpoints import save
from vdeblur.backends.published import weights_folder
from vdeblur.frames import Frame, StreamInfo
from vdeblur.jobs.job import Job
from vdeblur.jobs.whole import restore_whole
from vdeblur.loading import ModelOptions

FILTER = ("-m", "unsharp")


def refused(result: Result, code: int, *words: str) -> None:
    assert result.exit_code == code, result.stderr
    (line,) = result.stderr.splitlines()
    assert line.startswith("vdeblur: error: ")
    assert all(word in line for word in words), line


def clip(folder: Path, name: str = "in.mkv", count: int = 5) -> Path:
    return Path(write(folder / name, Recipe(frames(count), codec="ffv1")))


def images(folder: Path, count: int = 5) -> Path:
    folder.mkdir()
    for index in range(count):
        cv2.imwrite(str(folder / f"{index:03d}.png"), np.full((48, 64, 3), index, np.uint8))
    return folder


# -- resources -------------------------------------------------------------------------------------------------------


@pytest.mark.needs("linux")
def test_a_file_size_limit_is_a_one_line_error_and_leaves_no_output(tmp_path: Path) -> None:
    path = write(tmp_path / "in.mkv", Recipe(frames(30, size=(160, 120), make=noise), codec="ffv1"))
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000,) * 2)"
    limited = f"{limit}; from vdeblur.cli import main; main()"
    command = [sys.executable, "-c", limited, path, "-o", str(tmp_path / "out.mkv"), *FILTER, "--codec", "ffv1"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 5, done.stderr
    assert done.stderr.startswith("vdeblur: error: ")
    assert "out.mkv: cannot be written" in done.stderr
    assert done.stderr.count("\n") == 1
    assert [file.name for file in tmp_path.iterdir()] == ["in.mkv"]


@pytest.mark.needs("linux")
def test_a_folder_that_takes_no_files(tmp_path: Path) -> None:
    refused(run(clip(tmp_path), "-o", "/proc/out.mkv", *FILTER), 5, "/proc/out.mkv", "cannot be written")


@pytest.mark.needs("linux")
def test_output_on_another_file_system(tmp_path: Path) -> None:
    out = Path("/dev/shm") / f"vdeblur-test-{os.getpid()}"
    out.mkdir()
    try:
        assert run(clip(tmp_path), "-o", out / "out.mkv", *FILTER).exit_code == 0
        assert [file.name for file in out.iterdir()] == ["out.mkv"]
    finally:
        shutil.rmtree(out)


@pytest.mark.needs("linux")
@pytest.mark.parametrize("words", [(), ("-y",)])
def test_pipes_and_devices_are_not_outputs(tmp_path: Path, words: tuple[str, ...]) -> None:
    """As root, `-o /dev/null -y` would make a file of it."""
    path, pipe, device = clip(tmp_path), tmp_path / "pipe.mkv", tmp_path / "null.mkv"
    os.mkfifo(pipe)
    device.symlink_to("/dev/null")
    refused(run(pipe, *FILTER, *words), 3, "pipe.mkv: is a pipe, which can be read only once")
    refused(run(path, "-o", pipe, *FILTER, *words), 5, "pipe.mkv: is a pipe or a device")
    refused(run(path, "-o", device, *FILTER, *words), 5, "null.mkv: is a pipe or a device")
    assert pipe.is_fifo()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["in.mkv", "null.mkv", "pipe.mkv"]


@pytest.mark.needs("linux")
def test_a_name_that_no_file_system_takes(tmp_path: Path) -> None:
    path = clip(tmp_path)
    refused(run(path, "-o", tmp_path / f"{'n' * 300}.mkv", *FILTER), 5, "cannot be written: File name too long")
    assert [file.name for file in tmp_path.iterdir()] == ["in.mkv"]


@pytest.mark.needs("linux")
@pytest.mark.parametrize("there", [False, True])
def test_an_output_that_is_a_link_is_written_where_it_points(tmp_path: Path, there: bool) -> None:
    """As on a machine whose large disk is elsewhere."""
    path, link, disk = clip(tmp_path), tmp_path / "out.mkv", tmp_path / "disk"
    disk.mkdir()
    link.symlink_to(disk / "film.mkv")
    if there:
        (disk / "film.mkv").write_bytes(b"an older result")
        refused(run(path, "-o", link, *FILTER), 5, "out.mkv: already exists")
    assert run(path, "-o", link, "-y", *FILTER).exit_code == 0
    assert link.is_symlink()
    assert [file.name for file in disk.iterdir()] == ["film.mkv"]
    assert len(packets(str(disk / "film.mkv"), "video")) == 5


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOSYS, errno.ENOTSUP])
@pytest.mark.parametrize("name", ["out.mkv", "out/"])
def test_a_network_folder_that_cannot_wait_for_its_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: int
) -> None:
    """FUSE, CIFS and some NFS servers refuse fsync, or refuse it for folders."""

    def refuse(handle: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    path = clip(tmp_path) if name == "out.mkv" else images(tmp_path / "in")
    result = run(path, "-o", f"{tmp_path}/{name}", *FILTER)
    assert result.exit_code == 0, result.stderr
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_an_error_of_fsync_leaves_no_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """A network folder may tell so late that it is full."""

    def refuse(handle: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    refused(run(clip(tmp_path), "-o", tmp_path / "out.mkv", *FILTER), 5, "out.mkv: cannot be written")
    assert [file.name for file in tmp_path.iterdir()] == ["in.mkv"]


def test_a_result_that_cannot_be_renamed_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some file systems rename onto nothing that is there, or nothing that others watch."""
    path, out = clip(tmp_path), tmp_path / "out.mkv"
    out.write_bytes(b"an older result")
    replace = os.replace

    def refuse(source: Path, target: Path) -> None:
        if Path(target) == out:
            raise FileExistsError(errno.EEXIST, "File exists")
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    result = run(path, "-o", out, "-y", *FILTER)
    refused(result, 5, "out.mkv: cannot take its name: File exists; all of it is in ")
    (whole,) = tmp_path.glob(".*.part")
    assert str(whole) in result.stderr
    assert out.read_bytes() == b"an older result"
    assert len(packets(str(whole), "video")) == 5


@pytest.mark.needs("linux")
def test_an_input_deleted_while_running(tmp_path: Path) -> None:
    path = clip(tmp_path, count=40)

    def delete(info: StreamInfo, frame: Frame) -> None:
        path.unlink(missing_ok=True)

    summary = restore_whole(Job(str(path), str(tmp_path / "out.mkv"), model=ModelOptions("unsharp")), delete)
    assert (summary.frames, summary.damaged) == (40, False)
    assert len(packets(str(tmp_path / "out.mkv"), "video")) == 40


def test_images_deleted_meanwhile_are_concealed_and_counted(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for i in range(60):
        cv2.imwrite(str(tmp_path / "in" / f"{i:03d}.png"), np.full((480, 640, 3), i, np.uint8))

    def delete(info: StreamInfo, frame: Frame) -> None:
        (tmp_path / "in" / "059.png").unlink(missing_ok=True)

    job = Job(str(tmp_path / "in"), str(tmp_path / "out") + os.sep, model=ModelOptions("unsharp"))
    summary = restore_whole(job, delete)
    assert (summary.frames, summary.concealed, summary.damaged) == (60, 1, True)
    assert any("059.png" in warning for warning in summary.warnings)
    assert len(list((tmp_path / "out").iterdir())) == 60


def test_a_published_model_with_one_flipped_byte_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(weights_folder(), tmp_path / "weights")
    file = tmp_path / "weights" / "fast.safetensors"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    monkeypatch.setattr("vdeblur.backends.published.weights_folder", lambda: tmp_path / "weights")
    refused(run(clip(tmp_path), "-m", "fast"), 3, "fast.safetensors", "SHA-256")
    assert not (tmp_path / "in.deblur.mkv").exists()


# -- claims ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", ["W100000 H100000", "W2147483647 H2147483647", "W20000 H16000"])
def test_a_huge_image_is_refused_before_allocating_memory(tmp_path: Path, size: str) -> None:
    (tmp_path / "in.y4m").write_text(f"YUV4MPEG2 {size} F25:1 C420\nFRAME\n" + "x" * 1000)
    refused(run(tmp_path / "in.y4m", *FILTER), 3, "in.y4m")


def test_an_image_file_that_claims_to_be_huge(tmp_path: Path) -> None:
    good = bytearray(cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes())
    good[16:24] = struct.pack(">II", 30000, 30000)
    good[29:33] = struct.pack(">I", zlib.crc32(bytes(good[12:29])))
    (tmp_path / "a.png").write_bytes(good)
    refused(run(tmp_path / "a.png", *FILTER), 3, "a.png", "30000x30000")
    jpeg = bytearray(cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes())
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = struct.pack(">HH", 30000, 30000)
    (tmp_path / "b.jpg").write_bytes(jpeg)
    refused(run(tmp_path / "b.jpg", *FILTER), 3, "b.jpg", "30000x30000")


@pytest.mark.parametrize("rate", ["F2147483647:1", "F1:2147483647", "F0:0"])
def test_absurd_rates_give_the_frames_or_one_line(tmp_path: Path, rate: str) -> None:
    body = b"".join(b"FRAME\n" + bytes([50 * i]) * (16 * 16 * 3 // 2) for i in range(3))
    (tmp_path / "in.y4m").write_bytes(f"YUV4MPEG2 W16 H16 {rate} C420\n".encode() + body)
    result = run(tmp_path / "in.y4m", "-o", tmp_path / "out.mkv", *FILTER, "--codec", "ffv1")
    assert result.exit_code in (0, 3, 5, 6), result.stderr
    assert "internal error" not in result.stderr
    if result.exit_code in (0, 6):
        assert len(packets(str(tmp_path / "out.mkv"), "video")) == 3


def test_a_frame_30000_pixels_wide_is_restored_in_tiles(tmp_path: Path) -> None:
    network = tiny("convlstm")
    save(tmp_path / "tiny.safetensors", network, "convlstm", network.state_dict(), {})
    path = write(tmp_path / "in.mkv", Recipe(frames(2, size=(30000, 16)), codec="ffv1"))
    words = ("-m", tmp_path / "tiny.safetensors", "-d", "cpu", "--tile", "512", "--codec", "ffv1")
    result = run(path, "-o", tmp_path / "out.mkv", *words)
    assert result.exit_code == 0, result.stderr
    assert len(packets(str(tmp_path / "out.mkv"), "video")) == 2


# -- names and addresses ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{url}/a.ts\n#EXT-X-ENDLIST\n"),
        ("a.mp4", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{url}/a.ts\n#EXT-X-ENDLIST\n"),
        ("a.ffconcat", "ffconcat version 1.0\nfile '{url}/a.ts'\n"),
        ("a.mkv", "ffconcat version 1.0\nfile '{url}/a.ts'\n"),
        (
            "a.mpd",
            '<MPD><Period><AdaptationSet mimeType="video/mp4"><BaseURL>{url}/</BaseURL></AdaptationSet></Period></MPD>',
        ),
        (
            "a.m3u8",
            '#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MAP:URI="{url}/i.mp4"\n#EXTINF:1,\na.ts\n#EXT-X-ENDLIST\n',
        ),
    ],
)
def test_a_script_in_a_file_reaches_no_address(tmp_path: Path, name: str, text: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        (tmp_path / name).write_text(text.format(url=f"http://127.0.0.1:{server.getsockname()[1]}"))
        refused(run(tmp_path / name, *FILTER), 3, name)
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.parametrize(
    "name", ["-in.mkv", "a b.mkv", "100%.mkv", "%03d.mkv", "'q\"`$(x)`.mkv", "a\nb.mkv", "*.mkv", "é漢.mkv"]
)
def test_any_file_name_can_be_input_and_output(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clip(tmp_path, "plain.mkv").rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    result = run(*FILTER, "--", name)
    assert result.exit_code == 0, result.stderr
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([name, f"{name[:-4]}.deblur.mkv"])


@pytest.mark.parametrize("command", [(), ("info",), ("explain",)])
def test_an_empty_name_is_reported_as_such(command: tuple[str, ...]) -> None:
    """As a script has it whose variable was never set: the folder it runs in is not meant."""
    refused(run(*command, ""), 2, "the name of the input is empty")
