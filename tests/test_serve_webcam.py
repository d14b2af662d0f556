"""A webcam over WebRTC, with a peer of our own in the browser's place."""

from __future__ import annotations

import asyncio
import json
from fractions import Fraction
from typing import Any

import aiohttp
import aiortc
import av
import numpy as np
import pytest

from vdeblur.errors import DeviceError
from vdeblur.loading import ModelOptions
from vdeblur.serve.options import ServeOptions
from vdeblur.serve.server import running


class Gray(aiortc.VideoStreamTrack):
    """A flat picture, 30 times a second."""

    async def recv(self) -> av.VideoFrame:
        pts, time_base = await self.next_timestamp()
        picture = av.VideoFrame.from_ndarray(np.full((144, 96), 100, np.uint8), format="yuv420p")
        picture.pts, picture.time_base = pts, Fraction(time_base)
        return picture


async def call(session: Any, url: str, peer: Any, **settings: Any) -> int:
    """Offer, as the page does; the HTTP status."""
    await peer.setLocalDescription(await peer.createOffer())
    async with session.post(f"{url}api/peers", json={"sdp": peer.localDescription.sdp, **settings}) as response:
        said = await response.json()
        if response.status == 200:
            await peer.setRemoteDescription(aiortc.RTCSessionDescription(said["sdp"], said["type"]))
        return int(response.status)


def new_peer() -> Any:
    return aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=[]))


def test_a_webcam_comes_back_restored_with_figures_and_controls() -> None:
    async def main() -> None:
        async with (
            running(ServeOptions(port=0, model=ModelOptions("unsharp"))) as url,
            aiohttp.ClientSession() as session,
        ):
            peer = new_peer()
            came: asyncio.Queue[Any] = asyncio.Queue()
            said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
            peer.on("track", came.put_nowait)
            channel = peer.createDataChannel("control")
            channel.on("message", lambda message: said.put_nowait(json.loads(message)))
            peer.addTrack(Gray())
            async with asyncio.timeout(30):
                assert await call(session, url, peer) == 200
                track = await came.get()
                for _ in range(3):
                    picture = await track.recv()
                assert (picture.width, picture.height) == (96, 96)
                luma = picture.to_ndarray(format="gray")
                assert luma[:, 48].mean() > luma[:, 10].mean() + 60  # the dividing line
                while (stats := await said.get())["restored_fps"] == 0:
                    pass
                assert stats["step"] == "unsharp"
                for wrong in ("no json", "[1]", '{"divider": 7}', "x" * 5000, '{"model": "/etc/passwd"}'):
                    channel.send(wrong)
                channel.send(json.dumps({"divider": 0, "strength": 0.5, "model": "richardson-lucy"}))
                while (await said.get()).get("step") != "richardson-lucy":
                    pass
                while abs(int(luma[:, 48].mean()) - int(luma[:, 10].mean())) > 8:
                    luma = (await track.recv()).to_ndarray(format="gray")
            await peer.close()

    asyncio.run(main())


def test_the_number_of_webcams_is_bounded_and_bad_offers_are_refused() -> None:
    async def main() -> None:
        options = ServeOptions(port=0, model=ModelOptions("unsharp"), max_peers=1)
        async with running(options) as url, aiohttp.ClientSession() as session, asyncio.timeout(30):
            offers: list[Any] = [{}, [], {"sdp": "v=0"}, {"sdp": "nonsense"}, {"sdp": "v=0", "model": "../x"}]
            for wrong in offers:
                async with session.post(f"{url}api/peers", json=wrong) as response:
                    assert response.status == 400
            deaf = new_peer()
            deaf.createDataChannel("control")
            assert await call(session, url, deaf) == 400  # no video in it
            peers = [new_peer(), new_peer()]
            for peer in peers:
                peer.addTrack(Gray())
            assert [await call(session, url, peer) for peer in peers] == [200, 429]
            for peer in (deaf, *peers):
                await peer.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("place", "error", "told"),
    [
        ("model", DeviceError("out of memory"), "out of memory"),
        ("model", RuntimeError("/home/me/x"), "internal error (RuntimeError); see the log of the server"),
        ("frame", DeviceError("out of memory"), "out of memory"),
        ("frame", RuntimeError("/home/me/x"), "internal error (RuntimeError); see the log of the server"),
        ("size", None, "the camera's frames of 96x96 are too large; choose 1920x1080 or less"),
    ],
)
def test_the_page_is_told_what_goes_wrong(
    place: str, error: Exception | None, told: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> Any:
        assert error is not None
        raise error

    if place == "size":
        monkeypatch.setattr("vdeblur.serve.restored_track.MAX_PIXELS", 96 * 95)
    elif place == "frame":
        monkeypatch.setattr("vdeblur.serve.peers.LiveStream.restore", fail)

    async def main() -> None:
        options = ServeOptions(port=0, model=ModelOptions("unsharp"))
        async with running(options) as url, aiohttp.ClientSession() as session, asyncio.timeout(30):
            peer, said, is_open = new_peer(), asyncio.Queue[dict[str, Any]](), asyncio.Event()
            channel = peer.createDataChannel("control")
            channel.on("message", lambda message: said.put_nowait(json.loads(message)))
            channel.on("open", is_open.set)
            peer.addTrack(Gray())
            assert await call(session, url, peer) == 200
            await is_open.wait()
            if place == "model":
                monkeypatch.setattr("vdeblur.serve.peers.ladder", fail)
                channel.send(json.dumps({"model": "nlm"}))
            while "error" not in (answer := await said.get()):
                pass
            assert answer == {"error": told}
            while "error" in (answer := await said.get()):  # the channel outlives it
                pass
            await peer.close()

    asyncio.run(main())
    logged = [record.getMessage() for record in caplog.records if record.name.startswith("vdeblur")]
    assert logged == (["a webcam failed"] if isinstance(error, RuntimeError) else [])
