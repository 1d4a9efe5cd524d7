"""The HTTP service that polling transports share: everything except the time at which an answer is due.

    head ─► limits ─► admission ─► path ─► query ─► respond(request, connection) ─► 200 | 304
              │           │          │        │            │
             408 414     403 405    404     400 404       409 410 503        refusals, as JSON
             431 400     413 421

It is built on aiohttp's low-level server: there are four paths and one method, for which a router, an
application and middlewares would be work without use. A transport provides `respond`, which returns an
answer at once (short polling) or when there is news (long polling).

aiohttp limits the size of a head and closes a connection that stays idle. It has no limit on the time that a
head may take, so `_sweep` looks for heads that take too long. A connection that breaks while a request is
parked cancels `respond`.

A client that closes only its own side (a half-close) still gets the answers to its requests: the connection
is closed after the last of them. A parked request is then due at once, since the server can't know whether
the client still wants to wait.

Known weakness: a head that begins in the same segment as the end of the request before it is noticed only
when more of it arrives; until then the idle limit applies. Over TLS, asyncio takes the end of one side for
the end of both.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import HttpVersion10, HttpVersion11, web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.web_protocol import RequestHandler

from bench.serving import openapi
from bench.serving.admission import LEAVE, NOT_HTTP, PREFLIGHT, page_fields
from bench.serving.answers import (
    BODILESS,
    HEADERS,
    Answer,
    accepts,
    coding_fields,
    compressed,
    matches,
    tag_fields,
)
from bench.serving.chassis import Chassis
from bench.serving.config import HEAD_LINE_BYTES, HEAD_LINES, TARGET_BYTES
from bench.serving.sockets import BACKLOG
from bench.serving.target import parse_query
from bench.wire.contract import REFUSALS, Refusal, Request
from bench.wire.options import HttpWire, answer_headers

NONE_SENT: tuple[str, ...] = ()
"""The values of a header that is not present."""


class HttpService:
    """Serves `respond` at `GET /ticks`, and the pages of every server."""

    def __init__(self, chassis: Chassis, respond: Respond, options: HttpWire) -> None:
        self.chassis = chassis
        self.respond = respond
        self.options = options
        keeps = options.connection == "keep-alive"
        self._headers = answer_headers(options, HEADERS, keeps)
        self._bodiless = answer_headers(options, BODILESS, keeps)
        self._openapi = openapi.document(chassis.config.transport, options.entity_tags)

    async def start(self, sock: socket.socket) -> None:
        """Begin to serve on `sock`."""
        limits = self.chassis.config.limits
        self._server = HttpServer(
            self,
            handler_cancellation=True,
            keepalive_timeout=limits.idle_s,
            max_line_size=TARGET_BYTES,
            max_field_size=HEAD_LINE_BYTES,
            max_headers=HEAD_LINES,
            lingering_time=limits.close_s,
            auto_decompress=False,
            access_log=None,
        )
        self._runner = web.ServerRunner(self._server, shutdown_timeout=limits.close_s)
        await self._runner.setup()
        await web.SockSite(self._runner, sock, backlog=BACKLOG, ssl_context=self.chassis.tls).start()
        self._sweeper = asyncio.create_task(self._sweep())

    async def stop(self) -> None:
        """Close idle connections, wait a little for answers under way, and close the rest."""
        self._sweeper.cancel()
        await self._runner.cleanup()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        connection = request.protocol
        assert isinstance(connection, HttpConnection)
        connection.busy = True
        origins = request.headers.getall("Origin", NONE_SENT)
        try:
            response = await self._answer(request, connection, origins)
        except Refusal as refusal:
            response = self.refuse(refusal)
        finally:
            connection.busy = request.can_read_body   # the body is read and discarded before the next head
            connection.head_since = None
        if origins and self.chassis.admission.admits(origins):
            headers = response.headers
            headers.update(page_fields(origins[0], headers.get("Vary"), "ETag" in headers))
        connection.close_if_last()
        return response

    async def _answer(
        self, request: web.BaseRequest, connection: HttpConnection, origins: Sequence[str]
    ) -> web.Response:
        if request.version < HttpVersion10:
            raise Refusal("bad-request", NOT_HTTP)
        headers = request.headers
        asked = self.chassis.admission.admit(
            request.method, request.raw_path, headers.getall("Host", NONE_SENT), origins,
            has_body=request.body_exists, old=request.version < HttpVersion11,
            asks_leave=PREFLIGHT in headers,
        )
        if asked is None:
            return web.Response(status=204, headers=BODILESS | LEAVE)
        path, query = asked
        if path == "/ticks":
            self.chassis.counts.requests += 1
            answer = await self.respond(parse_query(query), connection)
            self.chassis.counts.hand_over(answer.batch)
            return self._hand_over(request, answer)
        if path == "/openapi.json":
            return web.Response(body=self._openapi, headers=HEADERS)
        page = self.chassis.page(path)
        if page is None:
            raise Refusal("not-found", "there are /ticks, /health, /stats and /openapi.json")
        status, body = page
        return web.Response(status=status, body=body, headers=HEADERS)

    def _hand_over(self, request: web.BaseRequest, answer: Answer) -> web.Response:
        """Return the response for an answer: tagged, 304 or compressed, depending on the options and the
        request."""
        options, pressed = self.options, None
        tag = tag_fields(options, answer.tag)
        if tag and matches(request.headers.get("If-None-Match"), answer.tag):
            return web.Response(status=304, headers=self._bodiless | tag)
        if options.compression != "none" and accepts(
            request.headers.get("Accept-Encoding"), options.compression
        ):
            pressed = compressed(answer.body, options.compression)
        body = answer.body if pressed is None else pressed
        headers = self._headers | tag | coding_fields(options, pressed is not None)
        return web.Response(body=body, headers=headers)

    def refuse(self, refusal: Refusal) -> web.Response:
        """Count a refusal, and return it as a response."""
        self.chassis.counts.refuse(refusal)
        response = web.Response(status=refusal.status.http, body=refusal.to_json(), headers=HEADERS)
        if refusal.code == "method-not-allowed":
            response.headers["Allow"] = "GET"
        if refusal.code in ("too-large", "stopping"):
            response.force_close()
        return response

    async def _sweep(self) -> None:
        """Close connections whose request head takes too long, until cancelled."""
        patience = self.chassis.config.limits.head_s
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(1.0, patience / 4))
            late = loop.time() - patience
            for connection in self._server.connections:
                assert isinstance(connection, HttpConnection)
                since = connection.head_since
                if since is not None and since < late and not connection.busy:
                    self.chassis.counts.timeouts += 1
                    connection.give_up()


class HttpServer(web.Server):
    """aiohttp's server, which creates our connections."""

    def __init__(self, service: HttpService, **options: object) -> None:
        super().__init__(service.handle, **options)  # type: ignore[arg-type]
        self.service = service

    def __call__(self) -> HttpConnection:
        """Return a new connection."""
        return HttpConnection(self.service, self, loop=self._loop, **self._kwargs)


class HttpConnection(RequestHandler):
    """aiohttp's connection that also knows since when it waits for a head, and sends refusals as JSON."""

    __slots__ = ("busy", "ended", "head_since", "on_end", "service", "spoken")

    def __init__(self, service: HttpService, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type]
        self.service = service
        self.busy = False
        """True while a request is answered, or its unwanted body is read."""
        self.head_since: float | None = None
        """The start of the wait for the present head, on the loop's clock; None between requests."""
        self.spoken = False
        """True once the client has sent anything."""
        self.ended = False
        """True once the client has closed its side: requests already sent are answered, and no others."""
        self.on_end: Callable[[], None] | None = None
        """Called when the client closes its side; set while a request is parked."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count a client that has connected; from here on a head is due."""
        counts = self.service.chassis.counts
        counts.connections += 1
        counts.connections_open += 1
        self.head_since = self._loop.time()
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Count a connection that is gone."""
        self.service.chassis.counts.connections_open -= 1
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Record and process received bytes."""
        self.spoken = True
        if self.head_since is None:
            self.head_since = self._loop.time()
        super().data_received(data)

    def eof_received(self) -> bool:   # type: ignore[override]
        """Handle the client's closing of its side.

        Return True if answers are still due to it, and False if the connection is to be closed.
        """
        waiter = self._waiter
        if self._request_count == 0 or (waiter is not None and not waiter.done()):
            return False
        self.ended = True
        if self.on_end is not None:
            self.on_end()
        if not self._messages:
            self.close()   # after the answer under way
        return True

    def close_if_last(self) -> None:
        """Close the connection after the present answer if the client has closed its side and no request is
        left."""
        if self.ended and not self._messages:
            self.close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return a refusal for bytes that were no request, or aiohttp's own page (with a traceback) for a
        bug."""
        if not isinstance(exc, HttpProcessingError):
            return super().handle_error(request, status, exc, message)
        response = self.service.refuse(refusal_of(exc))
        response.force_close()
        return response

    def give_up(self) -> None:
        """Close a connection whose head did not arrive in time."""
        if self.spoken and self.transport is not None:
            refusal = Refusal("timeout", "the request's head took too long")
            self.service.chassis.counts.refuse(refusal)
            self.transport.write(raw_answer(refusal))
        self.force_close()


Respond = Callable[[Request, HttpConnection], Awaitable[Answer]]
"""The function that a transport provides: it returns the answer to a request once it is due."""


def refusal_of(error: HttpProcessingError) -> Refusal:
    """Return the refusal of a head that aiohttp could not read."""
    if isinstance(error, LineTooLong) and error.args[1] == TARGET_BYTES:
        return Refusal("target-too-long", f"a request's target has at most {TARGET_BYTES} bytes")
    if isinstance(error, LineTooLong):
        return Refusal("headers-too-large", f"a header line has at most {HEAD_LINE_BYTES} bytes")
    if "Too many headers" in error.message:
        return Refusal("headers-too-large", f"a request has at most {HEAD_LINES} header lines")
    return Refusal("bad-request", NOT_HTTP)


def raw_answer(refusal: Refusal) -> bytes:
    """Return a refusal as bytes, for a connection without a request to answer; it is closed after them."""
    body = refusal.to_json()
    head = (
        f"HTTP/1.1 {REFUSALS[refusal.code].http} Refused\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
