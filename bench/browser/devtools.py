"""The DevTools protocol: messages of JSON over a WebSocket, one for the browser and one for each of its pages.

    us ──{"id": 7, "method": "Runtime.evaluate", "params": {…}}──► page
       ◄─{"method": "Log.entryAdded", "params": {…}}──              events, in between
       ◄─{"id": 7, "result": {…}}──                                 the answer

A call waits for its answer and notes the events that come before it. Only domains that were enabled send events, so a
page that is only asked for values costs nothing in between.

Known weakness: a page whose code does not return does not answer; a call then fails after `PATIENCE_S`.
"""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from bench.errors import TickertapeError

PATIENCE_S = 60.0
"""The longest time for an answer, and for a condition that is waited for."""


class BrowserError(TickertapeError):
    """A browser that ended, did not answer, or answered with an error."""


class Control:
    """A conversation with the browser, or with one of its pages."""

    def __init__(self, address: str) -> None:
        try:
            # No pings: while nothing is asked, nothing is read, and events of the page would hold up its pongs.
            self._socket = connect(address, max_size=None, compression=None, proxy=None, legacy=True,
                                   ping_interval=None)
        except (OSError, WebSocketException) as error:
            raise BrowserError(f"the browser does not answer at {address}: {error}") from error
        self._number = 0

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result. Raises `BrowserError` where there is none."""
        self._number += 1
        try:
            self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
            while (message := json.loads(self._socket.recv(PATIENCE_S))).get("id") != self._number:
                self.note(message.get("method"), message.get("params", {}))
        except (OSError, WebSocketException) as error:
            raise BrowserError(f"{method}: the browser did not answer: {error or type(error).__name__}") from error
        if "error" in message:
            raise BrowserError(f"{method}: {message['error']}")
        result: dict[str, Any] = message["result"]
        return result

    def note(self, event: str | None, details: dict[str, Any]) -> None:
        """Note an event; here it is forgotten."""

    def close(self) -> None:
        """End the conversation; the page stays."""
        self._socket.close()

    def __enter__(self) -> Control:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()


@dataclass(eq=False)
class Page:
    """A page."""

    address: str
    """The address of its control."""
    requested: list[str] = field(default_factory=list)
    """The addresses that it has asked for, once it is `watched`."""
    complaints: list[dict[str, Any]] = field(default_factory=list)
    """Entries of its console that are errors, once it is `watched`: `source` is `network` for a request that failed."""

    def __post_init__(self) -> None:
        self._control = Control(self.address)
        self._control.note = self._note   # type: ignore[method-assign]

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol, as `Control.ask` does."""
        return self._control.ask(method, **parameters)

    def close(self) -> None:
        """End the conversation; the page stays."""
        self._control.close()

    def _note(self, event: str | None, details: dict[str, Any]) -> None:
        match event:
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

    def watch(self) -> None:
        """Note its requests and complaints from now on."""
        for domain in ("Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def open(self, url: str) -> None:
        """Open an address."""
        self.ask("Page.enable")
        failure = self.ask("Page.navigate", url=url).get("errorText")
        if failure:
            raise BrowserError(f"{url}: {failure}")

    def value(self, expression: str) -> Any:
        """Return the value of a JavaScript expression; wait for it where it is a promise."""
        done = self.ask("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in done:
            thrown = done["exceptionDetails"]
            raise BrowserError(f"{expression}: {thrown.get('exception', {}).get('description', thrown['text'])}")
        return done["result"].get("value")

    def wait(self, expression: str) -> None:
        """Wait until a JavaScript expression is true. Raises `BrowserError` with the page's text after `PATIENCE_S`."""
        ends = time.monotonic() + PATIENCE_S
        look = f"""new Promise((done) => {{ const until = performance.now() + 2000; (function look() {{
            if ({expression}) done(true); else if (performance.now() > until) done(false); else setTimeout(look, 50);
        }})(); }})"""
        while not self.value(look):
            if time.monotonic() > ends:
                raise BrowserError(f"{expression}:\n{self.value('document.body.innerText')}")

    def size(self, width: int, height: int, *, dark: bool = False) -> None:
        """Give the page this size and colour scheme."""
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                 mobile=width < 600)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])

    def picture(self) -> bytes:
        """Return a picture of the whole page as PNG."""
        return base64.b64decode(self.ask("Page.captureScreenshot", captureBeyondViewport=True)["data"])
