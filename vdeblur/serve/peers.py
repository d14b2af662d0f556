"""Webcams over WebRTC: a browser's video is received, restored in real time (`restored_track`) and sent back."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from aioice import ice
from aiortc import MediaStreamTrack, RTCConfiguration, RTCDataChannel, RTCPeerConnection, RTCSessionDescription
from aiortc.codecs import h264, vpx

from ..errors import UsageError, VdeblurError
from ..live.stream import LiveStream, ladder
from .choices import Choices, check_names, checked_strength
from .restored_track import RestoredTrack
from .restoring import unexpected

if TYPE_CHECKING:
    from aiohttp import web

    from .options import ServeOptions

log = logging.getLogger(__name__)

STATS_SECONDS = 0.5
CONNECT_SECONDS = 30.0
"""A peer that has not connected by then is closed."""
MAX_MESSAGE = 1000
"""Longest control message or error, in characters."""

# The library's default bit rates are so low that compression would hide the gain of restoring.
vpx.DEFAULT_BITRATE, vpx.MAX_BITRATE = 2_500_000, 8_000_000
h264.DEFAULT_BITRATE, h264.MAX_BITRATE = 2_500_000, 8_000_000

_network_addresses = ice.get_host_addresses


def _own_addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
    """Addresses of the network plus loopback, which the library omits: the machine may be on no network."""
    return [*_network_addresses(use_ipv4, use_ipv6), *(["127.0.0.1"] if use_ipv4 else [])]


ice.get_host_addresses = _own_addresses


class Peer:
    """One browser with its webcam."""

    def __init__(self, options: ServeOptions, choices: Choices, stream: LiveStream) -> None:
        self._options, self._choices, self._stream = options, choices, stream
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="vdeblur-peer")
        self._track: RestoredTrack | None = None
        self._channel: RTCDataChannel | None = None
        self._unsent: deque[str] = deque(maxlen=10)
        """Errors before the channel is open."""
        self._tasks: set[asyncio.Task[None]] = set()
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        """Without STUN or TURN servers: peers are on this machine, or reach it directly."""
        self.waiting: asyncio.Task[None] | None = None
        """Closes a peer that does not connect in time."""

    async def answer(self, sdp: str) -> str:
        """Accept an offer; return the SDP of the answer. Raises UsageError for an invalid offer."""
        connection = self.connection

        @connection.on("track")
        def on_track(track: MediaStreamTrack) -> None:
            if track.kind == "video" and self._track is None:
                self._track = RestoredTrack(track, self._stream, self._pool, self._report)
                connection.addTrack(self._track)

        @connection.on("datachannel")
        def on_channel(channel: RTCDataChannel) -> None:
            channel.on("message", self._control)
            if self._channel is None:
                self._channel = channel
                self._send_errors()
                self._start(self._send_stats(channel))

        try:
            await connection.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
            await connection.setLocalDescription(await connection.createAnswer())
        except (ValueError, KeyError, IndexError, AssertionError, AttributeError) as error:
            raise UsageError("invalid WebRTC offer") from error
        if self._track is None:
            raise UsageError("the WebRTC offer has no video")
        return connection.localDescription.sdp

    async def close(self) -> None:
        """Close the connection and stop the thread."""
        for task in (*self._tasks, self.waiting):
            if task is not None and task is not asyncio.current_task():
                task.cancel()
        if self._track is not None:
            self._track.stop()
        await self.connection.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _control(self, message: object) -> None:
        """Handle a control message: {"divider": 0..1}, {"strength": 0..1} or {"model": name}; others are ignored."""
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
                self._start(self._change_model(self._choices.checked_model(control["model"])))
        except UsageError as error:
            self._report(error)
        except (ValueError, RecursionError):
            self._report(UsageError("invalid control message"))

    async def _change_model(self, name: str) -> None:
        options = replace(self._options.model, name=name)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._pool, lambda: self._stream.use(ladder(options)))

    async def _send_stats(self, channel: RTCDataChannel) -> None:
        while channel.readyState == "open":
            if self._track is not None:
                channel.send(json.dumps(self._track.stats()))
            await asyncio.sleep(STATS_SECONDS)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        """Do some work beside the stream; its errors are reported."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self._report(error)

    def _report(self, error: Exception) -> None:
        """Tell the page, and the log what users can do nothing about."""
        if not isinstance(error, VdeblurError):
            log.error("a webcam failed", exc_info=error)
        self._unsent.append(str(error) if isinstance(error, VdeblurError) else unexpected(error))
        self._send_errors()

    def _send_errors(self) -> None:
        while self._unsent and self._channel is not None and self._channel.readyState == "open":
            self._channel.send(json.dumps({"error": self._unsent.popleft()[:MAX_MESSAGE]}))


class Peers:
    """All webcams of a server."""

    def __init__(self, options: ServeOptions, choices: asyncio.Future[Choices]) -> None:
        self._options, self._choices = options, choices
        self._peers: set[Peer] = set()
        self._connecting = 0

    def add_routes(self, app: web.Application) -> None:
        """POST /api/peers with {"sdp": ..., "model": ..., "strength": ...} -> {"sdp": ..., "type": "answer"}."""
        app.router.add_post("/api/peers", self.connect)

    async def connect(self, request: web.Request) -> web.Response:
        """Connect one more webcam."""
        from aiohttp import web

        if len(self._peers) + self._connecting >= self._options.max_peers:
            raise web.HTTPTooManyRequests(text="too many webcams are connected to this server")
        self._connecting += 1
        try:
            try:
                wanted = await request.json()
                sdp = str(wanted["sdp"])
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise web.HTTPBadRequest(text="missing WebRTC offer") from error
            check_names(wanted, ("sdp", "type", "model", "strength"))
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
            self._connecting -= 1
        self._watch(peer)
        return web.json_response({"sdp": answer, "type": "answer"})

    def _watch(self, peer: Peer) -> None:
        """Remove a peer that disconnects or never connects."""

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
        """Close all connections."""
        peers, self._peers = list(self._peers), set()
        await asyncio.gather(*(peer.close() for peer in peers))
