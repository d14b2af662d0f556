"""A headless Chromium for tests, driven over the DevTools protocol; its camera plays a Y4M file."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import cv2
import numpy as np
from numpy.typing import NDArray

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--allow-loopback-in-peer-connection",  # where there is no network at all
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--remote-debugging-port=0",
)


def chromium() -> str | None:
    return next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
    )


class Page:
    """One tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.said: list[str] = []
        """Errors and console messages of the page."""
        self.asked: list[str] = []
        """Addresses that it loaded anything from."""
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self._socket:
            said = message.json()
            if "id" in said:
                self._answers.pop(said["id"]).set_result(said)
            elif said["method"] == "Runtime.exceptionThrown":
                self.said.append(str(said["params"]["exceptionDetails"]))
            elif said["method"] in ("Log.entryAdded", "Runtime.consoleAPICalled"):
                self.said.append(str(said["params"]))
            elif said["method"] == "Network.requestWillBeSent":
                self.asked.append(said["params"]["request"]["url"])

    async def send(self, method: str, **parameters: Any) -> Any:
        number = next(self._numbers)
        self._answers[number] = answer = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        said = await asyncio.wait_for(answer, 30)
        assert "error" not in said, said["error"]
        return said["result"]

    async def evaluate(self, code: str) -> Any:
        found = await self.send("Runtime.evaluate", expression=code, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    async def until(self, code: str, seconds: float = 90) -> None:
        """Wait until the code gives something that JavaScript takes for true."""
        async with asyncio.timeout(seconds):
            while not await self.evaluate(f"!!({code})"):
                await asyncio.sleep(0.1)

    async def open(self, url: str) -> None:
        await self.send("Page.navigate", url=url)
        await self.until("document.readyState === 'complete' && document.documentElement.dataset.ready === 'yes'")

    async def choose_files(self, selector: str, *paths: Path) -> None:
        root = (await self.send("DOM.getDocument"))["root"]["nodeId"]
        node = (await self.send("DOM.querySelector", nodeId=root, selector=selector))["nodeId"]
        await self.send("DOM.setFileInputFiles", nodeId=node, files=[str(path) for path in paths])

    async def drop_files(self, selector: str, *paths: Path) -> None:
        """Drag files or folders from outside over the middle of an element, and let go of them."""
        await self.evaluate(f"document.querySelector('{selector}').scrollIntoView()")
        middle = f"(box => [box.x + box.width / 2, box.y + box.height / 2])(document.querySelector('{selector}')"
        x, y = await self.evaluate(f"{middle}.getBoundingClientRect())")
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            await self.send("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)

    async def click(self, selector: str) -> None:
        await self.evaluate(f"document.querySelector({json.dumps(selector)}).click()")

    async def type(self, *keys: str) -> None:
        """Press keys, by the names that the page is told."""
        for key in keys:
            text = key if len(key) == 1 else ""
            await self.send("Input.dispatchKeyEvent", type="keyDown", key=key, text=text)
            await self.send("Input.dispatchKeyEvent", type="keyUp", key=key)

    async def slide(self, selector: str, value: float) -> None:
        """Move a slider there, as a hand does."""
        moved = f"slider.value = {value}; slider.dispatchEvent(new Event('input', {{bubbles: true}}))"
        await self.evaluate(f"slider = document.querySelector({json.dumps(selector)}); {moved}")

    async def pixels(self, selector: str) -> NDArray[np.uint8]:
        """What an element looks like: (height, width, 3), B, G, R."""
        box = f"box = document.querySelector({json.dumps(selector)}).getBoundingClientRect()"
        place = "[box.x + scrollX, box.y + scrollY, box.width, box.height]"
        x, y, width, height = await self.evaluate(f"{box}; {place}")
        clip = {"x": x, "y": y, "width": width, "height": height, "scale": 1}
        shot = await self.send("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        data = np.frombuffer(base64.b64decode(shot["data"]), np.uint8)
        return cv2.imdecode(data, cv2.IMREAD_COLOR)  # type: ignore[return-value]

    async def download(self, selector: str, folder: Path) -> Path:
        """Click a link, and wait until what it leads to lies whole in the empty folder."""
        folder.mkdir()
        await self.send("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
        await self.evaluate(f"document.querySelector('{selector}').click()")
        async with asyncio.timeout(30):
            while not (files := [path for path in folder.iterdir() if path.suffix != ".crdownload"]):
                await asyncio.sleep(0.1)
        return files[0]

    async def look(self, width: int, height: int, scheme: str = "light", is_phone: bool = False) -> None:
        """Take on a size and a colour scheme."""
        await self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=is_phone
        )
        await self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    async def screenshot(self, path: Path) -> None:
        shot = await self.send("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))


@contextlib.asynccontextmanager
async def browser(folder: Path, camera: Path | None = None) -> AsyncIterator[Page]:
    """A fresh Chromium whose profile lies in `folder`."""
    program = chromium()
    assert program is not None
    flags = [*FLAGS, f"--user-data-dir={folder / 'profile'}"]
    if camera is not None:
        flags.append(f"--use-file-for-fake-video-capture={camera}")
    command = [program, *flags, "about:blank"]
    if os.geteuid() == 0 and (setpriv := shutil.which("setpriv")):
        # As root it would raise its threads over everything else on the machine.
        command = [setpriv, "--bounding-set=-sys_nice", *command]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        port_file = folder / "profile" / "DevToolsActivePort"
        async with asyncio.timeout(60):
            while not port_file.exists() or len(port_file.read_text().split()) < 2:
                await asyncio.sleep(0.1)
        port = port_file.read_text().split()[0]
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as response:
                targets = await response.json()
            url = next(target["webSocketDebuggerUrl"] for target in targets if target["type"] == "page")
            async with session.ws_connect(url, max_msg_size=0) as socket:
                page = Page(socket)
                for domain in ("Page", "Runtime", "DOM", "Log", "Network"):
                    await page.send(f"{domain}.enable")
                yield page
                page._reader.cancel()
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
