"""A transport's description of itself: all that other folders need in order to name it, draw it and try it.

    transports/<name>/__init__.py   DESCRIPTION = Description(…)
                 │
    transports.describe(name) ──► title, colour, marker, dashes   the report
                              ├─► refusal_words                   statistics, simulated trials
                              ├─► command                         `tickertape serve`
                              └─► live                            its page

Nothing outside a transport's folder names the transport, so a new one edits nothing there.

Known weakness: nothing prevents two transports from declaring colours that look alike; a test compares those
that come with the project.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.wire.contract import Status

FEED_MODULE = Path(__file__).with_name("feed.js")
"""The ES module of what every client in a page reports to."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server that runs, as a command typed by hand reaches it."""

    address: str
    """`host:port`."""
    epoch: str
    """The epoch of its feed: `<epoch>:0` is the cursor before the first tick."""
    certificate: Path | None = None
    """The certificate to trust, of a server with TLS."""
    proxied: bool = False
    """True if the environment names a proxy, which the command must bypass."""

    @property
    def host_and_path(self) -> str:
        """Return the address of the ticks without its scheme."""
        return f"{self.address}/ticks"

    @property
    def url(self) -> str:
        """Return the address of the ticks over HTTP."""
        return f"http{'s' if self.certificate else ''}://{self.host_and_path}"

    @property
    def curl(self) -> str:
        """Return the `curl` that reaches the server, without its address."""
        trust = f" --cacert {self.certificate}" if self.certificate else ""
        return f"curl{trust}" + " --noproxy '*'" * self.proxied


@dataclass(frozen=True, slots=True)
class Description:
    """A transport's title, style, words for refusals, and command to try it."""

    title: str
    """Its name in the middle of a sentence: `WebSocket`, `long polling`."""
    colour: str
    """Its colour in every figure, `#rrggbb`: one that readers with a colour blindness tell from the others'."""
    marker: str
    """Its marker in every figure, as in matplotlib: different from the others' too."""
    dashes: tuple[float, ...]
    """The dash pattern of its closed form: lengths on and off, in points."""
    refusal_words: Callable[[Status], tuple[str, ...]]
    """Returns the words by which its clients count a refusal with these codes (`ClientCounts.errors`); the
    first is the one that the project's own servers cause."""
    command: Callable[[Endpoint], str]
    """Returns a command line that shows the ticks of a server, from the feed's first one on if possible."""
    live: Path | None = None
    """The ES module of its client in a page (`live.js`), which exports

    - `connect(feed, options)`: starts a client that reports to `feed` (`bench/transports/feed.js`), and
      returns an object with `close()`, and, where it can send a message, `send(body)`, a promise of the answer;
    - `lines(options)`, `note`: the few lines that a developer would write, and a sentence on what those leave out.
      They read from the address `url`, and call `show` with each tick;
    - `controls`: options that a reader may change, each with its `name`, `label` and `values` in s.

    None: it is not on the page."""


def http_words(status: Status) -> tuple[str, ...]:
    """Return the words for a refusal that is an HTTP response."""
    return (f"http-{status.http}",)


def python() -> str:
    """Return the path of this Python interpreter as one would type it here."""
    near = os.path.relpath(sys.executable)
    return near if not near.startswith("..") else sys.executable
