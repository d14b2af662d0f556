"""Webcams over WebRTC: a browser calls; its video comes in, is restored in time (`restored_track`) and goes back."""

from __future__ import annotations

import asyncio
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from aioice import ice
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.codecs import h264, vpx

from ..errors import UsageError, VdeblurError
from ..live.stream import LiveStream, ladder
from .choices import Choices, checked_strength
from .restored_track import RestoredTrack

if TYPE_CHECKING:
    from aiohttp import web

    from .options import ServeOptions

log = logging.getLogger(__name__)

STATS_SECONDS = 0.5
CONNECT_SECONDS = 30.0
"""A peer that has not connected by then is dropped."""
MAX_MESSAGE = 1000
"""Characters of a control message."""

# The library's own rates suit a face in a small window; at half a megabit the codec hides what restoring gains.
vpx.DEFAULT_BITRATE, vpx.MAX_BITRATE = 2_500_000, 8_000_000
h264.DEFAULT_BITRATE, h264.MAX_BITRATE = 2_500_000, 8_000_000

_network_addresses = ice.get_host_addresses


def _own_addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
    """Those of the network and, what the library leaves out, of this machine alone: a laptop may be on no network."""
    return [*_network_addresses(use_ipv4, use_ipv6), *(["127.0.0.1"] if use_ipv4 else [])]


ice.get_host_addresses = _own_addresses


class Peer:
    """One browser with its webcam."""

    def __init__(self, options: ServeOptions, choices: Choices, stream: LiveStream) -> None:
        self._options, self._choices, self._stream = options, choices, stream
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="vdeblur-peer")
        self._track: RestoredTrack | None = None
        self._sender: asyncio.Task[None] | None = None
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        """No server helps to connect: peers are on this machine, or on one that reaches it."""
        self.waiting: asyncio.Task[None] | None = None
        """Gives up on a peer that does not connect."""

    async def answer(self, sdp: str) -> str:
        """Accept an offer; returns the answer's SDP. Raises UsageError for an offer that cannot be read."""
        connection = self.connection

        @connection.on("track")
        def on_track(track: MediaStreamTrack) -> None:
            if track.kind == "video" and self._track is None:
                self._track = RestoredTrack(track, self._stream, self._pool)
                connection.addTrack(self._track)

        @connection.on("datachannel")
        def on_channel(channel: Any) -> None:
            channel.on("message", partial(self._heed, channel))
            if self._sender is None:
                self._sender = asyncio.ensure_future(self._send_stats(channel))

        try:
            await connection.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
            await connection.setLocalDescription(await connection.createAnswer())
        except (ValueError, KeyError, IndexError, AssertionError, AttributeError) as error:
            raise UsageError("this offer of WebRTC cannot be read") from error
        if self._track is None:
            raise UsageError("this offer of WebRTC has no video")
        return connection.localDescription.sdp

    async def close(self) -> None:
        """Hang up and let go of the thread."""
        for task in (self._sender, self.waiting):
            if task is not None and task is not asyncio.current_task():
                task.cancel()
        if self._track is not None:
            self._track.stop()
        await self.connection.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _heed(self, channel: Any, message: object) -> None:
        """A control: {"divider": 0..1}, {"strength": 0..1} or {"model": name}; anything else is ignored."""
        if not isinstance(message, str) or len(message) > MAX_MESSAGE or self._track is None:
            return
        try:
            control = json.loads(message)
            if not isinstance(control, dict):
                return
            if "divider" in control:
                self._track.divider = checked_strength(control["divider"])
            if "strength" in control:
                self._stream.strength = checked_strength(control["strength"])
            if "model" in control:
                self._pool.submit(self._change_model, control["model"])
        except (ValueError, RecursionError, UsageError) as error:
            channel.send(json.dumps({"error": str(error)[:200]}))

    def _change_model(self, name: object) -> None:
        try:
            model = self._choices.checked_model(name)
            self._stream.use(ladder(replace(self._options.model, name=model)))
        except VdeblurError as error:
            log.warning("a webcam asked for another model: %s", error)

    async def _send_stats(self, channel: Any) -> None:
        while channel.readyState == "open":
            if self._track is not None:
                channel.send(json.dumps(self._track.stats()))
            await asyncio.sleep(STATS_SECONDS)


class Peers:
    """All webcams of a server, of a bounded number."""

    def __init__(self, options: ServeOptions, choices: asyncio.Future[Choices]) -> None:
        self._options, self._choices = options, choices
        self._peers: set[Peer] = set()
        self._coming = 0

    def add_routes(self, app: web.Application) -> None:
        """POST /api/peers with {"sdp": ..., "model": ..., "strength": ...} -> {"sdp": ..., "type": "answer"}."""
        app.router.add_post("/api/peers", self.connect)

    async def connect(self, request: web.Request) -> web.Response:
        """Take up one more webcam."""
        from aiohttp import web

        if len(self._peers) + self._coming >= self._options.max_peers:
            raise web.HTTPTooManyRequests(text="too many webcams are connected to this server")
        self._coming += 1
        try:
            try:
                wanted = await request.json()
                sdp = str(wanted["sdp"])
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise web.HTTPBadRequest(text="an offer of WebRTC is missing") from error
            choices = await asyncio.shield(self._choices)
            model = choices.checked_model(wanted.get("model"))
            strength = checked_strength(wanted.get("strength"))
            rungs = await asyncio.to_thread(ladder, replace(self._options.model, name=model))
            peer = Peer(self._options, choices, LiveStream(rungs, strength=strength))
            try:
                answer = await peer.answer(sdp)
            except BaseException:
                await peer.close()
                raise
            self._peers.add(peer)
        finally:
            self._coming -= 1
        self._watch(peer)
        return web.json_response({"sdp": answer, "type": "answer"})

    def _watch(self, peer: Peer) -> None:
        """Drop a peer that hangs up, or never connects."""

        async def drop() -> None:
            if peer in self._peers:
                self._peers.discard(peer)
                await peer.close()

        @peer.connection.on("connectionstatechange")
        async def on_state() -> None:
            if peer.connection.connectionState in ("failed", "closed", "disconnected"):
                await drop()

        async def give_up() -> None:
            await asyncio.sleep(CONNECT_SECONDS)
            if peer.connection.connectionState != "connected":
                await drop()

        peer.waiting = asyncio.ensure_future(give_up())

    async def close(self) -> None:
        """Hang up on all."""
        peers, self._peers = list(self._peers), set()
        await asyncio.gather(*(peer.close() for peer in peers))
