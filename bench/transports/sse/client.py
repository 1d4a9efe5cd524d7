"""A client of Server-Sent Events: one request, then the events of a stream, as a browser's `EventSource`.

    receive ─► the whole read is a tick that another client has parsed ─► delivery       almost always
            ├► chunks that are each one event of id and data ─┬► parsed before ─► delivery     in bursts
            │                                                 └► message                       a tick's first client
            └► chunks ─► content, perhaps compressed ─► lines ─► events ─► message, refusal

`EventParser` follows the HTML standard (section 9.2.6, Interpreting an event stream) byte for byte: lines
end with CR, LF or CRLF; a byte order mark may come first; an event may have several lines of data; comments
and unknown fields are ignored; an event that the stream's end cuts is discarded. `plain` says that the fast
path is open: the stream is not compressed, and neither a chunk nor an event is under way.

The client asks for the same address each time, and after the first event names the last id that it got
(`Last-Event-ID`): the cursor of that event. When a stream ends, for whatever reason, it asks again after
the pause that the server named (`retry`; 0 with a refusal that names another cursor), or 3 s. Two things are
not as in `EventSource`, where the standard leaves them to the browser or the page:

- From the second failure in a row on it waits at least as long as the clients of other transports would.
- After an HTTP error, or a response that is no event stream, `EventSource` gives up; the page then has to make a
  new one. Here that is done after the same pause.

Known weakness: all clients of a server that died ask again after the same pause, so they come back in
step, except for the time that each took to notice. That is what browsers do.
"""

from __future__ import annotations

import random
from typing import NamedTuple

import orjson

from bench.transports import NEVER, Action, ClientMachine, ClientSpec, Sink
from bench.transports.clients import ClientLife, message_of, pause_ns, remember, resume_of, target_of
from bench.transports.outgoing import Outgoing
from bench.transports.posting import Poster
from bench.transports.sse.protocol import CONTENT_TYPE, LAST_EVENT_ID, Options
from bench.wire.contract import REFUSALS, Cursor, Refusal
from bench.wire.http_client import BadResponse, Expander, Head, StreamReader, encode_request
from bench.wire.options import message_head, stream_head

EVENT_MAX = 16 * 2**20
"""The largest event that is accepted, in bytes; a larger one ends the connection."""
RETRY_MAX_MS = 3_600_000
"""The longest pause that a server may ask for, in ms; a longer one is cut to this."""
RETRY_USUAL_NS = 3_000_000_000
"""The pause where the server names none: that of Chrome and Safari."""

_EVENT_ENDS = b"\n\n\r\n"
"""The end of a chunk that ends with an event."""
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

Ticks = dict[bytes, tuple[bytes, int, int, Cursor]]
"""By a chunk that is an event with one bare tick: the event's id, the tick's index and due instant, and the id as a
cursor."""

_ticks: Ticks = {}
_no_ticks: Ticks = {}
"""Known to a client that must do more with a read than to deliver what was found in it."""


class Event(NamedTuple):
    """One event of a stream."""

    kind: bytes
    """Its type; empty for a message."""
    data: bytes
    """Its lines of data, joined by LF."""
    last_id: bytes
    """The last id of the stream when the event was complete."""


class EventParser:
    """Reads a stream of events, in any splitting of its bytes. `last_id` is that of the stream before."""

    def __init__(self, last_id: bytes = b"") -> None:
        self.last_id = last_id
        self.retry_ms: int | None = None
        """The pause that the stream asked for, in ms; None if it did not."""
        self._begun = False
        """True once the first line, which a byte order mark may precede, is complete."""
        self._after_cr = False
        """True if the bytes before ended with CR: a LF that follows belongs to it."""
        self._line: list[bytes] = []
        """The pieces of the line that is not complete."""
        self._line_size = 0
        self._kind = b""
        self._data: list[bytes] = []
        self._data_size = 0
        self._id = last_id

    @property
    def between(self) -> bool:
        """Return True if the next byte begins an event, and nothing was left over by the bytes before."""
        return self._begun and not (self._after_cr or self._line or self._kind or self._data) and (
            self._id == self.last_id)

    def feed(self, content: bytes) -> list[Event]:
        """Return the events that `content` completes. Raises `ValueError` for one above `EVENT_MAX` bytes."""
        if self._after_cr and content:
            content = content.removeprefix(b"\n")
            self._after_cr = False
        events: list[Event] = []
        for line in content.splitlines(keepends=True):
            text = line.rstrip(b"\r\n")
            self._line_size += len(text)
            if self._line_size + self._data_size > EVENT_MAX:
                raise ValueError(f"an event of over {EVENT_MAX} bytes")
            if len(text) == len(line):
                self._line.append(text)
                self._after_cr = False
                break
            if self._line:
                text = b"".join((*self._line, text))
                self._line.clear()
            self._line_size = 0
            self._end_line(text, events)
            self._after_cr = line.endswith(b"\r")
        return events

    def pass_over(self, last_id: bytes) -> None:
        """Record that a whole event with this id was read elsewhere."""
        self.last_id = self._id = last_id

    def _end_line(self, line: bytes, events: list[Event]) -> None:
        """Process a whole line, without its end."""
        if not self._begun:
            self._begun = True
            line = line.removeprefix(_BYTE_ORDER_MARK)
        if line:
            name, _, text = line.partition(b":")
            self._take_field(name, text.removeprefix(b" "))
            return
        self.last_id = self._id
        if self._data:
            events.append(Event(self._kind, b"\n".join(self._data), self.last_id))
        self._data.clear()
        self._data_size = 0
        self._kind = b""

    def _take_field(self, name: bytes, text: bytes) -> None:
        """Process a field; those that the standard does not know, and comments (no name), are ignored."""
        if name == b"data":
            self._data.append(text)
            self._data_size += len(text) + 1
        elif name == b"id":
            if b"\0" not in text:
                self._id = text
        elif name == b"event":
            self._kind = text
        elif name == b"retry" and text.isdigit():
            self.retry_ms = min(int(text), RETRY_MAX_MS) if len(text) <= 9 else RETRY_MAX_MS


class Client(ClientLife):
    """See `transports.ClientMachine`."""

    __slots__ = (
        "_address", "_answered", "_error", "_events", "_expander", "_head", "_known", "_plain", "_retry_ns", "_stream",
        "_word",
    )

    def __init__(self, spec: ClientSpec, options: Options, sink: Sink, rng: random.Random) -> None:
        super().__init__(spec, sink, rng)
        self._head = stream_head(options, spec.host, CONTENT_TYPE, options.compression)
        self._address = target_of(self._fixed_query, None)
        self._retry_ns = RETRY_USUAL_NS
        self._stream: StreamReader | None = None
        """The response of this connection; None once its further bytes are of no interest."""
        self._events = EventParser()
        self._expander: Expander | None = None
        self._answered = False
        """True once the head of this connection's response has come."""
        self._error: list[bytes] = []
        """The pieces of the body of an HTTP error."""
        self._plain = False
        self._known = _no_ticks
        """The reads of which nothing is left to do but to deliver what was found in them; decided after each other."""
        self._word: str | None = None
        """The reason for the end of this connection, if this client or the server gave one."""

    # The connection's life

    def opened(self, now_ns: int) -> None:
        """See `ClientMachine`."""
        self.counts.connections += 1
        last_id = str(self.cursor).encode() if self.cursor is not None else b""
        line = b"%b: %b\r\n" % (LAST_EVENT_ID.encode(), last_id) if last_id else b""
        request = encode_request(self._address, self._head, line)
        self.outbox += request
        self.counts.requests += 1
        self.counts.header_bytes_up += len(request)
        self._stream, self._events, self._expander = StreamReader(), EventParser(last_id), None
        self._answered, self._word = False, None
        self._error.clear()

    def receive(self, data: bytes, kernel_ns: int, app_ns: int) -> bool:
        """See `ClientMachine`."""
        tick = self._known.get(data)
        if tick is not None:
            counts = self.counts
            counts.body_bytes_down += len(data)
            counts.updates += 1
            last_id, index, due_ns, self.cursor = tick
            self._events.pass_over(last_id)
            self._deliver(self._number, index, due_ns, kernel_ns, app_ns)
            return True
        try:
            rest = self._receive_events(data, kernel_ns, app_ns) if self._plain else data
            if rest:
                self._receive_stream(rest, kernel_ns, app_ns)
        except (BadResponse, ValueError, KeyError, TypeError):
            self.failures += 1
            self._finish("bad-answer")
        self._known = _ticks if self._plain and self._is_steady else _no_ticks
        return False

    def closed(self, now_ns: int, reason: str) -> None:
        """See `ClientMachine`."""
        self.counts.header_bytes_up -= len(self.outbox)
        self.outbox.clear()
        self._leave_stream()
        if self.stopped:
            return
        if self._word is None:
            self._word = reason
            self.failures += 1
        self.counts.errors[self._word] += 1
        if self._events.retry_ms is not None:
            self._retry_ns = self._events.retry_ms * 1_000_000
        longer_ns = pause_ns(self.failures, self._rng) if self.failures > 1 else 0
        self.deadline_ns = self.reopen_ns = now_ns + max(self._retry_ns, longer_ns)

    def timer(self, now_ns: int) -> None:
        """See `ClientMachine`."""
        self.reopen_if_due(now_ns)
        self.deadline_ns = self.reopen_ns

    def stop(self, now_ns: int) -> None:
        """See `ClientMachine`. There is nobody to tell: the connection is closed."""
        self.stopped = True
        self.deadline_ns = NEVER
        self._leave_stream()
        self.action = Action.CLOSE

    def _leave_stream(self) -> None:
        """Take no further bytes of this connection's response."""
        self._stream = None
        self._plain = False
        self._known = _no_ticks

    def _finish(self, word: str) -> None:
        """End this connection for the reason `word`."""
        self._word = word
        self._leave_stream()
        self.action = Action.CLOSE

    # The response

    @property
    def _is_steady(self) -> bool:
        """True if nothing is left to do with a tick that was parsed but to deliver it."""
        return self.subscribed and not (self.failures or self._held_skips)

    def _receive_events(self, data: bytes, kernel_ns: int, app_ns: int) -> bytes:
        """Process the chunks at the beginning of a read that are each one event; return the rest."""
        begin, counts = 0, self.counts
        counts.body_bytes_down += len(data)   # also where an error ends this
        while (end := data.find(_EVENT_ENDS, begin)) >= 0:
            end += len(_EVENT_ENDS)
            chunk = data[begin:end]
            tick = _ticks.get(chunk) if self._is_steady else None
            if tick is not None:
                last_id, index, due_ns, self.cursor = tick
                counts.updates += 1
                self._events.pass_over(last_id)
                self._deliver(self._number, index, due_ns, kernel_ns, app_ns)
            elif (found := one_event(chunk)) is not None:
                last_id, text = found
                self._events.pass_over(last_id)
                self._message(text, last_id, kernel_ns, app_ns, chunk)
            else:
                break
            begin = end
        counts.body_bytes_down -= len(data) - begin
        return data[begin:]

    def _receive_stream(self, data: bytes, kernel_ns: int, app_ns: int) -> None:
        """Process what is left of a read, in whatever pieces the chunks and events come."""
        counts, stream = self.counts, self._stream
        counts.body_bytes_down += len(data)
        if stream is None:
            return
        heads = stream.header_bytes
        try:
            content = stream.feed(data)
        finally:
            counts.header_bytes_down += stream.header_bytes - heads
            counts.body_bytes_down -= stream.header_bytes - heads
        head = stream.head
        if head is None:
            return
        if not self._answered:
            self._answered = True
            self._begin(head)
        if head.status == 200:
            self._take_content(content, kernel_ns, app_ns)
        else:
            self._error.append(content)
        if self._stream is None:
            return
        self._plain = self._expander is None and stream.between and self._events.between
        if stream.ended:
            self._end_of_response(head)

    def _begin(self, head: Head) -> None:
        """Process the head of the response. Raises `BadResponse` if it begins something else than a stream."""
        self.counts.responses += 1
        if head.status == 200:
            kind = head.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
            if kind != CONTENT_TYPE.encode():
                raise BadResponse(f"200 of the type {kind[:80]!r}")
            if head.coding is not None:
                self._expander = Expander(head.coding)

    def _end_of_response(self, head: Head) -> None:
        """Handle the end of the stream, or of an HTTP error."""
        if head.status == 200:
            self.failures += 1
            self._finish("eof")
            return
        if head.status in (409, 410):
            self.refused(resume_of(b"".join(self._error)))
        else:
            self.failures += 1
        self._finish(f"http-{head.status}")

    def _take_content(self, content: bytes, kernel_ns: int, app_ns: int) -> None:
        """Process bytes of the stream."""
        if self._expander is not None:
            self.counts.compressed_bytes_down += len(content)
            content = self._expander.feed(content)
            self.counts.expanded_bytes_down += len(content)
        for event in self._events.feed(content):
            if event.kind in (b"", b"message"):
                self._message(event.data, event.last_id, kernel_ns, app_ns)
            elif event.kind == b"refusal":
                self._take_refusal(event)
                return

    def _message(self, text: bytes, last_id: bytes, kernel_ns: int, app_ns: int, read: bytes | None = None) -> None:
        """Process the data of a message, a bare tick or a batch, after which the cursor is `last_id`.

        `read` is the chunk that is this message alone, if there is one.
        """
        message, cursor = message_of(text), cursor_of(last_id)
        if isinstance(message, dict):
            index, due_ns = self.take_tick(message, cursor, kernel_ns, app_ns)
            if read is not None:
                remember(_ticks, read, (last_id, index, due_ns, cursor))
        else:
            self.take_batch(message, kernel_ns, app_ns)
            self.cursor = cursor

    def _take_refusal(self, event: Event) -> None:
        """Handle the server's refusal to continue; the event's id is the cursor to continue from.

        Raises `ValueError`, `KeyError` or `TypeError` if it is not a refusal.
        """
        code = orjson.loads(event.data)["error"]
        if code not in REFUSALS:
            raise ValueError(f"a refusal {str(code)[:80]!r}")
        self.refused(event.last_id.decode() or None)
        self._finish(f"refusal-{REFUSALS[code].http}")


def one_event(data: bytes) -> tuple[bytes, bytes] | None:
    """Return the id and the data of a read that is one chunk with one event of these two lines; else None."""
    lines = data.split(b"\n")
    if len(lines) != 6 or data[-4:] != b"\n\n\r\n" or data.count(b"\r") != 2:
        return None
    size, identity, text, _, _, _ = lines
    if identity[:4] != b"id: " or text[:6] != b"data: " or b"\0" in identity:
        return None
    if size != b"%x\r" % (len(data) - len(size) - 3):   # of a chunk in upper case the slow path takes care
        return None
    return identity[4:], text[6:]


def cursor_of(last_id: bytes) -> Cursor:
    """Return the cursor that an event's id represents. Raises `ValueError` if it is none."""
    try:
        return Cursor.parse(last_id.decode())
    except Refusal as error:
        raise ValueError(str(error)) from error


def two_way(
    spec: ClientSpec, options: Options, sink: Sink, rng: random.Random, outgoing: Outgoing
) -> tuple[ClientMachine, ...]:
    """Return a client and the further connection on which it sends; see `transports.TwoWay`."""
    return Client(spec, options, sink, rng), Poster(spec, message_head(options, spec.host), rng, outgoing)
