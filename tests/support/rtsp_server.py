"""An RTSP server of our own on loopback: enough of RFC 2326 and 6184 for one H.264 stream over the same connection."""

from __future__ import annotations

import base64
import contextlib
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import av

LARGEST = 1200
"""Bytes of a packet's picture data; what is longer goes in fragments."""


class RtspServer:
    """Plays a clip over and over, 25 frames a second, to whoever calls.

    It hangs up after `frames_per_call` frames, in the middle of a group of pictures. Every call starts with other time
    stamps, as a camera's do that has been switched on anew.
    """

    def __init__(self, clip: Path, frames_per_call: int) -> None:
        self.calls, self.methods = 0, list[str]()
        self._pictures = list(coded_pictures(clip))
        self._frames_per_call = frames_per_call
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(0.1)
        self.url = f"rtsp://127.0.0.1:{self._server.getsockname()[1]}/clip"
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> RtspServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()
        self._server.close()

    def _serve(self) -> None:
        while not self._is_over.is_set():
            with contextlib.suppress(TimeoutError, OSError):
                caller, _ = self._server.accept()
                self.calls += 1
                with caller:
                    caller.settimeout(5)
                    if self._agree(caller):
                        self._play(caller)

    def _agree(self, caller: socket.socket) -> bool:
        """Answer requests until PLAY; False where the caller hangs up before."""
        while True:
            request = b""
            while not request.endswith(b"\r\n\r\n"):
                if not (received := caller.recv(4096)):
                    return False
                request += received
            lines = request.decode().splitlines()
            method = lines[0].split()[0]
            self.methods.append(method)
            number = next(line.split(":")[1].strip() for line in lines if line.lower().startswith("cseq"))
            extra, body = "", ""
            if method == "OPTIONS":
                extra = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
            elif method == "DESCRIBE":
                body = self._description()
                extra = "Content-Type: application/sdp\r\n"
            elif method == "SETUP":
                extra = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n"
            else:
                extra = "Session: 1\r\n"
            length = f"Content-Length: {len(body)}\r\n" if body else ""
            caller.sendall(f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\n{extra}{length}\r\n{body}".encode())
            if method == "PLAY":
                return True

    def _description(self) -> str:
        """SDP with the parameter sets of the first picture."""
        sets = ",".join(base64.b64encode(unit).decode() for unit in self._pictures[0] if unit[0] & 31 in (7, 8))
        lines = (
            "v=0",
            "o=- 0 0 IN IP4 127.0.0.1",
            "s=clip",
            "c=IN IP4 0.0.0.0",
            "t=0 0",
            "m=video 0 RTP/AVP 96",
            "a=rtpmap:96 H264/90000",
            f"a=fmtp:96 packetization-mode=1;sprop-parameter-sets={sets}",
            "a=control:video",
        )
        return "".join(f"{line}\r\n" for line in lines)

    def _play(self, caller: socket.socket) -> None:
        sequence, start = 1000 * self.calls, time.perf_counter()
        for index in range(self._frames_per_call):
            if self._is_over.wait(max(start + index / 25 - time.perf_counter(), 0)):
                return
            stamp = (self.calls * 777_777 + index * 3600) % 2**32
            units = self._pictures[index % len(self._pictures)]
            packets = [packet for unit in units for packet in fragments(unit)]
            for place, payload in enumerate(packets):
                marker = 0x80 if place == len(packets) - 1 else 0
                header = struct.pack(">BBHII", 0x80, marker | 96, sequence % 2**16, stamp, 1)
                caller.sendall(struct.pack(">cBH", b"$", 0, len(header) + len(payload)) + header + payload)
                sequence += 1


def coded_pictures(clip: Path) -> Iterator[list[bytes]]:
    """The NAL units of each picture of an MPEG-TS or raw H.264 clip, in order."""
    with av.open(str(clip)) as container:
        for packet in container.demux(container.streams.video[0]):
            if packet.size:
                yield [unit for unit in re.split(b"\0{2,3}\1", bytes(packet)) if unit and unit[0] & 31 != 9]


def fragments(unit: bytes) -> Iterator[bytes]:
    """RFC 6184: a NAL unit as it is, or in FU-A parts where it is long."""
    if len(unit) <= LARGEST:
        yield unit
        return
    parts = [unit[i : i + LARGEST] for i in range(1, len(unit), LARGEST)]
    for place, part in enumerate(parts):
        mark = 0x80 if place == 0 else 0x40 if place == len(parts) - 1 else 0
        yield bytes([unit[0] & 0xE0 | 28, mark | unit[0] & 31]) + part
