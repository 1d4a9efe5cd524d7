"""The HTTP service on aiohttp: everything except the response to a request for ticks.

    head ─► limits ─► admission ─► path ─► query ─► ticks(…) ─► 200 | 304 | a stream (`serving.streams`)
              │           │          │        │        │
             408 414     403 405    404     400 404   409 410 503        refusals, as JSON
             431 400     413 421

It is built on aiohttp's low-level server: there are five paths at most, with one method each, for which a router, an
application and middlewares would be work without use. A polling transport provides `respond`, which returns
a response at once (short polling) or when there is news (long polling).

aiohttp limits the size of a head and closes a connection that stays idle. It has no limit on the time that a
head may take, so `_sweep` looks for heads that take too long. A connection that breaks while a request is
parked cancels `respond`.

A server that takes messages of its clients does so here for every transport that it serves: `POST /messages`.

A client that closes only its own side (a half-close) still gets the responses to its requests: the connection
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
from functools import partial

from aiohttp import HttpVersion10, HttpVersion11, web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.web_protocol import RequestHandler

from bench.serving import openapi
from bench.serving.admission import MESSAGES, NOT_HTTP, PREFLIGHT, page_fields
from bench.serving.chassis import Chassis, HttpBase
from bench.serving.config import HEAD_LINE_BYTES, HEAD_LINES, MESSAGE_BYTES, TARGET_BYTES
from bench.serving.responses import BODILESS, HEADERS, BatchResponse, Representer
from bench.serving.sockets import BACKLOG
from bench.serving.streams import Stream, Streaming
from bench.serving.target import parse_query
from bench.uplink.relay import Bucket, Relay, content_length
from bench.wire.contract import REFUSALS, Refusal, Request
from bench.wire.options import HttpWire

NONE_SENT: tuple[str, ...] = ()
"""The values of a header that is not present."""


class HttpService(HttpBase):
    """Serves the pages of every server, and at `GET /ticks` whatever `ticks` returns."""

    async def ticks(self, request: web.BaseRequest, asked: Request, connection: HttpConnection) -> web.StreamResponse:
        """Return the response to a request for ticks. Raises `Refusal`."""
        raise NotImplementedError

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
        """Close idle connections, wait a little for responses under way, and close the rest."""
        self._sweeper.cancel()
        await self._runner.cleanup()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        connection = request.protocol
        assert isinstance(connection, HttpConnection)
        connection.busy = True
        origins = request.headers.getall("Origin", NONE_SENT)
        try:
            response = await self._respond(request, connection, origins)
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

    async def _respond(
        self, request: web.BaseRequest, connection: HttpConnection, origins: Sequence[str]
    ) -> web.StreamResponse:
        if request.version < HttpVersion10:
            raise Refusal("bad-request", NOT_HTTP)
        headers = request.headers
        asked = self.chassis.admission.admit(
            request.method, request.raw_path, headers.getall("Host", NONE_SENT), origins,
            has_body=request.body_exists, old=request.version < HttpVersion11,
            asks_leave=PREFLIGHT in headers,
        )
        if asked is None:
            return web.Response(status=204, headers=BODILESS | self.chassis.admission.leave(request.raw_path))
        path, query = asked
        if path == "/ticks":
            self.chassis.counts.requests += 1
            return await self.ticks(request, parse_query(query), connection)
        if path == MESSAGES and self.chassis.relay is not None:   # admission lets nothing but a POST in
            return await self._take_message(request, connection, self.chassis.relay)
        status, body = self.chassis.page(path, self.description)
        return web.Response(status=status, body=body, headers=HEADERS)

    async def _take_message(
        self, request: web.BaseRequest, connection: HttpConnection, relay: Relay
    ) -> web.StreamResponse:
        """Read a message, hand it on, and return its response. Raises `Refusal` if it can't be read."""
        loop = asyncio.get_running_loop()
        size = content_length(list(request.headers.getall("Content-Length", NONE_SENT)), MESSAGE_BYTES)
        try:
            async with asyncio.timeout(self.chassis.config.limits.head_s):
                body = await request.content.readexactly(size) if size else b""
        except TimeoutError:
            raise Refusal("timeout", "the message took too long") from None
        except asyncio.IncompleteReadError:
            raise Refusal("bad-request", NOT_HTTP) from None
        if not hasattr(connection, "bucket"):
            connection.bucket = relay.bucket(loop.time())
        waiting: asyncio.Future[tuple[int, bytes]] = loop.create_future()

        def reply(status: int, answered: bytes) -> None:
            if not waiting.done():   # else the author is gone
                waiting.set_result((status, answered))

        relay.take(body, connection.bucket, loop.time(), reply)
        status, answered = await waiting
        return web.Response(status=status, body=answered, headers=HEADERS)

    def refuse(self, refusal: Refusal) -> web.Response:
        """Count a refusal, and return it as a response."""
        self.chassis.counts.refuse(refusal)
        response = web.Response(status=refusal.status.http, body=refusal.to_json(), headers=HEADERS)
        if refusal.code == "method-not-allowed":
            response.headers["Allow"] = refusal.allowed
        if refusal.code in ("too-large", "stopping", "timeout"):
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


def combined(request: web.BaseRequest, name: str) -> str | None:
    """Return a header that is a list, from all its lines (RFC 9110, section 5.3), or None."""
    return ", ".join(request.headers.getall(name, NONE_SENT)) or None


class PollService(HttpService):
    """Answers each request for ticks with the batch that `respond` returns."""

    def __init__(self, chassis: Chassis, respond: Respond, options: HttpWire) -> None:
        super().__init__(chassis, openapi.document(
            chassis.config.transport, options.entity_tags, takes_messages=chassis.relay is not None))
        self.respond = respond
        self._representer = Representer(options)

    async def ticks(self, request: web.BaseRequest, asked: Request, connection: HttpConnection) -> web.StreamResponse:
        """Return the response once it is due: tagged, 304 or compressed, depending on the options and the request."""
        response = await self.respond(asked, connection)
        status, fields, body = self._representer.represent(
            response, combined(request, "If-None-Match"), combined(request, "Accept-Encoding"))
        self.chassis.counts.respond(response.batch, status)
        return web.Response(status=status, body=body or None, headers=fields)


class StreamService(Streaming, HttpService):
    """Answers each request for ticks with a stream in a transport's format."""

    async def ticks(self, request: web.BaseRequest, asked: Request, connection: HttpConnection) -> web.StreamResponse:
        """Send a stream, and return once it has ended."""
        if request.version < HttpVersion11:
            raise Refusal("bad-request", "a stream is a response of HTTP/1.1")
        origins = request.headers.getall("Origin", NONE_SENT)
        origin = origins[0] if self.chassis.admission.admits(origins) else None
        over = connection.stream_over = asyncio.get_running_loop().create_future()
        stream = self.streams.begin(connection, asked, partial(combined, request), origin)
        if stream is not None:
            if connection.ended:
                stream.ended()
            await over   # cancelled where the connection is lost
        return Written()


class Written(web.StreamResponse):
    """A response whose bytes are already written; the connection is closed after it."""

    def __init__(self) -> None:
        super().__init__()
        self.force_close()

    async def prepare(self, request: web.BaseRequest) -> None:
        """Write no head."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Write no end."""


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

    bucket: Bucket
    """The messages that this connection may still send; set with its first one."""
    __slots__ = ("bucket", "busy", "ended", "head_since", "on_end", "service", "spoken", "stream", "stream_over")

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
        """Called when the client closes its side; set while a request is parked or a stream is sent."""
        self.stream: Stream | None = None
        """The stream that is sent: the last response of this connection."""
        self.stream_over: asyncio.Future[None] | None = None

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
        if self.stream is not None:
            self.stream.lost()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Handle a full write buffer."""
        super().pause_writing()
        if self.stream is not None:
            self.stream.pause()

    def resume_writing(self) -> None:
        """Handle a write buffer that has drained."""
        super().resume_writing()
        if self.stream is not None:
            self.stream.resume()

    def data_received(self, data: bytes) -> None:
        """Record and process received bytes; those that come during a stream are discarded."""
        if self.stream is not None:
            return
        self.spoken = True
        if self.head_since is None:
            self.head_since = self._loop.time()
        super().data_received(data)

    def eof_received(self) -> bool:   # type: ignore[override]
        """Handle the client's closing of its side.

        Return True if responses are still due to it, and False if the connection is to be closed.
        """
        waiter = self._waiter
        if self._request_count == 0 or (waiter is not None and not waiter.done()):
            return False
        self.ended = True
        if self.on_end is not None:
            self.on_end()
        if not self._messages:
            self.close()   # after the response under way
        return True

    def carry(self, stream: Stream) -> None:
        """Hand all that happens to the connection to `stream` from here on."""
        self.stream = stream
        self.on_end = stream.ended

    def stream_ended(self) -> None:
        """Let the request for the stream end; aiohttp closes the connection after it."""
        if self.stream_over is not None and not self.stream_over.done():
            self.stream_over.set_result(None)

    def close_if_last(self) -> None:
        """Close the connection after the present response if the client has closed its side and no request is
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
            self.transport.write(raw_response(refusal))
        self.force_close()


Respond = Callable[[Request, HttpConnection], Awaitable[BatchResponse]]
"""The function that a transport provides: it returns the response to a request once it is due."""


def refusal_of(error: HttpProcessingError) -> Refusal:
    """Return the refusal of a head that aiohttp could not read."""
    if isinstance(error, LineTooLong) and error.args[1] == TARGET_BYTES:
        return Refusal("target-too-long", f"a request's target has at most {TARGET_BYTES} bytes")
    if isinstance(error, LineTooLong):
        return Refusal("headers-too-large", f"a header line has at most {HEAD_LINE_BYTES} bytes")
    if "Too many headers" in error.message:
        return Refusal("headers-too-large", f"a request has at most {HEAD_LINES} header lines")
    return Refusal("bad-request", NOT_HTTP)


def raw_response(refusal: Refusal) -> bytes:
    """Return a refusal as bytes, for a connection without a request to answer; it is closed after them."""
    body = refusal.to_json()
    head = (
        f"HTTP/1.1 {REFUSALS[refusal.code].http} Refused\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
