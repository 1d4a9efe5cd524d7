"""The pages of a trial and their control.

    opened ─► bracketed ─► begun ─► handed over, again and again ─► ended
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bench.browser.chromium import Browser
from bench.browser.devtools import BrowserError, Page
from bench.clock import RunClock
from bench.load.browser.brackets import PageClock
from bench.load.browser.events import PageClient

BRACKETS = 30
"""Readings of a page's clock before it begins, and again at the end."""


class ClientPage:
    """A page that is one client."""

    def __init__(self, page: Page, clock: RunClock) -> None:
        self._page = page
        self._run_clock = clock
        self.clock = PageClock()
        self.client: PageClient | None = None
        """Its reports, once it has begun."""

    @classmethod
    def open(cls, browser: Browser, address: str, clock: RunClock) -> ClientPage:
        """Open a page of the site at `address`. Raises `BrowserError` where its clock would be coarse."""
        page = browser.page()
        page.open(address)
        page.wait("globalThis.tickertape")
        if page.value("tickertape.isolated") is not True:
            raise BrowserError(f"{address} is not isolated from other origins, so its clock is too coarse")
        return cls(page, clock)

    def bracket(self) -> None:
        """Read its clock some times."""
        for _ in range(BRACKETS):
            self._exchange("performance.now()", lambda value: float(value))

    def begin(self, client: PageClient, port: int, query: str, options: Mapping[str, Any]) -> None:
        """Let its client connect to the server at `port`."""
        offset_ms = (self.clock.offset_ns) / 1e6
        settings = {"port": port, "query": query, "options": dict(options), "offset_ms": offset_ms}
        self._page.value(f"tickertape.begin({json.dumps(settings)})")
        self.client = client

    def hand_over(self) -> int:
        """Take over what it noted since the last time; return the instant before which nothing more can come, in ns.

        Raises `BrowserError` where its code failed.
        """
        text, before_ns = self._exchange("tickertape.handOver()", lambda value: float(json.loads(value)["now"]))
        noted = json.loads(text)
        if noted["problems"]:
            raise BrowserError(f"the page's code failed: {noted['problems']}")
        if self.client is not None:
            self.client.take(noted["events"], noted["turns"])
            self.client.ticks = noted["ticks"]
            self.client.read_until(before_ns)
        return before_ns

    def end(self) -> None:
        """Let its client leave."""
        if self.client is not None:
            self._page.value("tickertape.end()")

    def close(self) -> None:
        """End the control of the page."""
        self._page.close()

    def _exchange(self, expression: str, read: Any) -> tuple[Any, int]:
        """Return the value of an expression, and the instant before it was asked for; take it for a bracket."""
        before_ns = self._run_clock.now_ns()
        value = self._page.value(expression)
        after_ns = self._run_clock.now_ns()
        self.clock.bracket(before_ns, read(value), after_ns)
        return value, before_ns
