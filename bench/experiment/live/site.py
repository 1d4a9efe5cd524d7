"""The live page's HTTP service: its files, and what a tab asks of its relays.

    GET  /                        the page; beside it its modules, its sheet and its icon
    GET  /live.json               the subjects: titles, colours, options, client modules
    GET  /transports/<name>.js    the client of a transport in a page, from the transport's folder
    POST /tabs                    new relays for a tab: {"tab": "3f…", "ports": [40213, …]}, a port per subject
    GET  /tabs/<tab>              the instant on the run clock, and the counts of each relay
    POST /tabs/<tab>/<n>/cut?s=5      cut the tab's relay to the subject n for 5 s
    POST /tabs/<tab>/<n>/server?n=1   lead it to the subject's server 1, which has another flush

Each tab has relays of its own, so that two tabs neither share a cut nor are counted together. When there are more
than `TABS_MAX`, the oldest tab's are closed.

The page may load what comes from here and connect to loopback, and nothing else: its Content-Security-Policy says
so. It is isolated from other origins, since browsers then give it a finer clock. The service answers only for its own
names (`bench.serving.admission` has the reason), and does nothing for another site's page: a POST has to name this
page as its origin.

Known weakness: a tab that is closed keeps its relays until others push them out; they cost a listening socket each.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from aiohttp import web

from bench import transports
from bench.clock import RunClock
from bench.errors import HostError
from bench.experiment.live.config import LOCALHOST, LiveConfig, origins
from bench.experiment.live.relay import Relay
from bench.transports.description import FEED_MODULE

STATIC = Path(__file__).with_name("static")
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
TABS_MAX = 32
CUT_MAX_S = 30.0
POLICY = "; ".join((
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'",
    f"connect-src 'self' http://{LOCALHOST}:* ws://{LOCALHOST}:*",
    "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
))
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Site:
    """The service. As a context it listens from beginning to end."""

    def __init__(self, config: LiveConfig) -> None:
        self.config = config
        self._clock = RunClock(config.clock_origin_ns)
        self._origins = origins(config.port)
        self._files = files(config)
        self._tabs: dict[str, list[Relay]] = {}
        application = web.Application(middlewares=[self._guard])
        application.router.add_post("/tabs", self._new_tab)
        application.router.add_get("/tabs/{tab}", self._counts)
        application.router.add_post("/tabs/{tab}/{n}/cut", self._cut)
        application.router.add_post("/tabs/{tab}/{n}/server", self._switch)
        application.router.add_get("/{path:.*}", self._file)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)

    async def __aenter__(self) -> Site:
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, LOCALHOST, self.config.port).start()
        except OSError as error:
            raise HostError(f"can't listen at {LOCALHOST}:{self.config.port}: {error}") from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for tab in list(self._tabs):
            self._close(tab)
        await self._runner.cleanup()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer for this page alone, and send its policy with each response."""
        if f"http://{request.host}" not in self._origins:
            response: web.StreamResponse = web.Response(status=421, text="this page is at another address")
        elif request.method != "GET" and request.headers.get("Origin") not in self._origins:
            response = web.Response(status=403, text="only the page itself may ask for this")
        else:
            try:
                response = await handler(request)
            except web.HTTPException as error:
                response = web.Response(status=error.status, text=error.text)
        response.headers.update(HEADERS)
        return response

    async def _file(self, request: web.Request) -> web.Response:
        found = self._files.get(request.path)
        if found is None:
            raise web.HTTPNotFound
        content_type, body = found
        return web.Response(body=body, content_type=content_type, charset="utf-8")

    async def _new_tab(self, request: web.Request) -> web.Response:
        """Open relays for a tab."""
        while len(self._tabs) >= TABS_MAX:
            self._close(next(iter(self._tabs)))
        tab = secrets.token_hex(8)
        relays = [Relay([each.port for each in subject.servers]) for subject in self.config.subjects]
        self._tabs[tab] = relays
        return web.json_response({"tab": tab, "ports": [await relay.open() for relay in relays]})

    def _close(self, tab: str) -> None:
        for relay in self._tabs.pop(tab):
            relay.close()

    async def _counts(self, request: web.Request) -> web.Response:
        """Return the instant on the run clock in ms, and the counts of the tab's relays."""
        counts = [
            {"bytes_up": relay.bytes_up, "bytes_down": relay.bytes_down, "connections": relay.connections,
             "cut_s": relay.cut_s, "server": relay.server}
            for relay in self._relays(request)
        ]
        return web.json_response({"now_ms": self._clock.now_ns() / 1e6, "relays": counts})

    async def _cut(self, request: web.Request) -> web.Response:
        self._relay(request).cut(number(request, "s", 0.0, CUT_MAX_S))
        return web.json_response({})

    async def _switch(self, request: web.Request) -> web.Response:
        relay = self._relay(request)
        relay.switch(int(number(request, "n", 0, len(relay.ports) - 1)))
        return web.json_response({})

    def _relays(self, request: web.Request) -> list[Relay]:
        """Return the relays of the tab that asks; raise `HTTPNotFound` where there are none."""
        relays = self._tabs.get(request.match_info["tab"])
        if relays is None:
            raise web.HTTPNotFound(text="this tab has no relays any more: load the page again")
        return relays

    def _relay(self, request: web.Request) -> Relay:
        relays, n = self._relays(request), request.match_info["n"]
        if not (n.isdecimal() and int(n) < len(relays)):
            raise web.HTTPNotFound(text="there is no such subject")
        return relays[int(n)]


def number(request: web.Request, name: str, low: float, high: float) -> float:
    """Return the number `name` of a request's query; raise `HTTPBadRequest` if it is not from `low` to `high`."""
    text = request.query.get(name, "")
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise web.HTTPBadRequest(text=f"{name}: found {text!r}, allowed is a number from {low:g} to {high:g}")
    return value


def files(config: LiveConfig) -> dict[str, tuple[str, bytes]]:
    """Return all files of the page by their paths: their types and bytes."""
    found = {f"/{path.name}": (TYPES[path.suffix], path.read_bytes())
             for path in STATIC.iterdir() if path.suffix in TYPES}
    found["/"] = found.pop("/index.html")
    found["/feed.js"] = (TYPES[".js"], FEED_MODULE.read_bytes())
    modules = {subject.transport for subject in config.subjects}
    for transport in modules:
        path = transports.describe(transport).live
        assert path is not None, f"{transport} is a subject of the page"
        found[f"/transports/{transport}.js"] = (TYPES[".js"], path.read_bytes())
    found["/live.json"] = ("application/json", web.json_response(description(config)).body)   # type: ignore[assignment]
    return found


def description(config: LiveConfig) -> dict[str, Any]:
    """Return what the page is told of the feed, its rooms and the subjects, without ports: a tab gets its own."""
    subjects = [
        {"label": each.label, "title": each.title, "colour": transports.describe(each.transport).colour,
         "module": f"/transports/{each.transport}.js", "options": dict(each.options),
         "flushes_ms": [server.flush_ms for server in each.servers if server.flush_ms is not None]}
        for each in config.subjects
    ]
    return {"feed": config.feed, "rooms": config.rooms, "subjects": subjects, "notes": config.notes}
