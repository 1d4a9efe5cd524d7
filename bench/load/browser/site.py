"""The files of a measured page, on a port of their own.

    GET /            the page
    GET /page.js     what notes the client's calls
    GET /feed.js     what every client in a page reports to
    GET /client.js   the client of the transport that is measured

The page is isolated from other origins, since browsers then give it a finer clock, and may connect to loopback alone.
The server of the trial allows its origin.

It runs in a thread of the load process, and has nothing to do once the pages are there.
"""

from __future__ import annotations

from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any

from bench.transports.description import FEED_MODULE

STATIC = Path(__file__).with_name("static")
LOCALHOST = "127.0.0.1"
HTML, SCRIPT = "text/html; charset=utf-8", "text/javascript; charset=utf-8"
HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; script-src 'self'; connect-src http://{LOCALHOST}:* ws://{LOCALHOST}:*; base-uri 'none'"),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def files(client: Path) -> dict[str, tuple[str, bytes]]:
    """Return the types and bytes of all files by their paths; `client` is the transport's client in a page."""
    return {
        "/": (HTML, (STATIC / "page.html").read_bytes()),
        "/page.js": (SCRIPT, (STATIC / "page.js").read_bytes()),
        "/feed.js": (SCRIPT, FEED_MODULE.read_bytes()),
        "/client.js": (SCRIPT, client.read_bytes()),
    }


class PageSite:
    """The service. As a context it listens on `port` from beginning to end."""

    def __init__(self, client: Path, port: int) -> None:
        self._server = ThreadingHTTPServer((LOCALHOST, port), _handler(files(client)))
        self.address = f"http://{LOCALHOST}:{self._server.server_port}/"
        self._thread = Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> PageSite:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(found: Mapping[str, tuple[str, bytes]]) -> type[BaseHTTPRequestHandler]:
    """Return a class that answers with these files, and with 404 for all others."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            kind, body = found.get(self.path, (HTML, b""))
            self.send_response(200 if self.path in found else 404)
            for name, value in {**HEADERS, "Content-Type": kind, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:
            """Print nothing: only our own pages ask."""

    return Handler
