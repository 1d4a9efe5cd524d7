"""A headless Chromium, driven over its DevTools protocol: one page, its requests, and what it complains about."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ABSENT = f"no Chromium here: none of {', '.join(NAMES)} is on the path (on Debian: apt-get install chromium)"
FLAGS = (
    "--headless=new", "--disable-gpu", "--no-first-run", "--no-default-browser-check", "--disable-extensions",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--no-proxy-server", "--remote-debugging-port=0",
)
PATIENCE_S = 60.0


def found() -> str | None:
    """Return the path of a Chromium, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@dataclass
class Page:
    """The one page of a Chromium."""

    socket: ClientConnection
    requested: list[str] = field(default_factory=list)
    """The addresses that it has asked for."""
    complaints: list[dict[str, Any]] = field(default_factory=list)
    """Entries of its console that are errors: `source` is `network` for a request that failed."""
    _number: int = 0

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol, and return its result."""
        self._number += 1
        self.socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while (message := json.loads(self.socket.recv(PATIENCE_S))).get("id") != self._number:
            self._note(message)
        assert "error" not in message, message["error"]
        result: dict[str, Any] = message["result"]
        return result

    def _note(self, event: dict[str, Any]) -> None:
        details = event.get("params", {})
        match event.get("method"):
            case "Network.requestWillBeSent":
                self.requested.append(details["request"]["url"])
            case "Network.webSocketCreated":
                self.requested.append(details["url"])
            case "Runtime.exceptionThrown":
                self.complaints.append({"source": "exception", "text": json.dumps(details["exceptionDetails"])})
            case "Runtime.consoleAPICalled" if details["type"] in ("error", "warning", "assert"):
                self.complaints.append({"source": "console", "text": json.dumps(details["args"])})
            case "Log.entryAdded" if details["entry"]["level"] == "error":
                self.complaints.append(details["entry"])

    def open(self, url: str) -> None:
        """Open an address."""
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")
        self.ask("Page.navigate", url=url)

    def value(self, expression: str) -> Any:
        """Return the value of a JavaScript expression; wait for it where it is a promise."""
        done = self.ask("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def wait(self, expression: str) -> None:
        """Wait until a JavaScript expression is true; fail with the page's text after `PATIENCE_S`."""
        ends = time.monotonic() + PATIENCE_S
        look = f"""new Promise((done) => {{ const until = performance.now() + 2000; (function look() {{
            if ({expression}) done(true); else if (performance.now() > until) done(false); else setTimeout(look, 50);
        }})(); }})"""
        while not self.value(look):
            assert time.monotonic() < ends, f"{expression}:\n{self.value('document.body.innerText')}"

    def size(self, width: int, height: int, *, dark: bool = False) -> None:
        """Give the page this size and colour scheme."""
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                 mobile=width < 600)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])

    def picture(self) -> bytes:
        """Return a picture of the whole page as PNG."""
        return base64.b64decode(self.ask("Page.captureScreenshot", captureBeyondViewport=True)["data"])


@contextmanager
def chromium(path: str, folder: Path, environment: dict[str, str]) -> Iterator[Page]:
    """Start the Chromium at `path` with its profile in `folder`, and yield its page."""
    flags = [*FLAGS, f"--user-data-dir={folder}"] + ["--no-sandbox"] * (os.geteuid() == 0)
    with (folder.parent / "chromium.log").open("wb") as log:
        process = subprocess.Popen([path, *flags, "about:blank"], stdout=log, stderr=log,
                                   env={**os.environ, **environment})
    try:
        with connect(_address(process, folder), max_size=None) as socket:
            yield Page(socket)
    finally:
        process.terminate()
        process.wait(30)


def _address(process: subprocess.Popen[bytes], folder: Path) -> str:
    """Return the address of the page's control, once it is there."""
    ends = time.monotonic() + PATIENCE_S
    while True:
        assert process.poll() is None, (folder.parent / "chromium.log").read_text()
        assert time.monotonic() < ends, (folder.parent / "chromium.log").read_text()
        try:
            port = (folder / "DevToolsActivePort").read_text().split()[0]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=10) as answer:
                pages = [each for each in json.loads(answer.read()) if each["type"] == "page"]
            return str(pages[0]["webSocketDebuggerUrl"])
        except (OSError, IndexError):
            time.sleep(0.05)
