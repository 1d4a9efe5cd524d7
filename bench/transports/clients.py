"""The code shared by the client machines of all transports: connections, cursor, and the effect of a
batch.

    start ─► OPEN ─► opened ─► receive … ─► closed ─► pause ─► OPEN ─► …          stop ─► CLOSE

- The cursor moves with every response. After an interruption a client continues from its last cursor. If
  the server refuses this cursor and names another (`resume`), the client continues from that one; if the
  server names none, from now.
- A lost connection is opened again after a pause. The mean pause doubles with each failure in a row, from
  0.1 s up to 5 s. Each pause is drawn uniformly from half to one and a half times the mean, so that the
  clients of a server that died do not all come back at once. After a refusal that names a cursor there is
  no pause, the first time.
- A server may close a persistent connection at any time, even while a request is on its way to it. A GET that
  meets such a close before any byte of a response is repeated at once on a new connection (RFC 9112,
  section 9.3.1). This is a retry, not an error. On a connection that has answered nothing yet it is an
  error. A 408 on a persistent connection announces such a close (RFC 9110, section 15.5.9).
- After `stop` bytes are counted, but nothing is judged or delivered: many servers answer the half-closed
  connection of a client that leaves with an empty body or an error.
- Bytes that are not a batch are the server's mistake: `bad-answer` is counted, the connection is closed,
  and nothing of the batch is delivered.
- A push of one tick is the same bytes for every client, so it is parsed and checked once: a client whose whole
  read is bytes that another one has parsed (`remember`) takes what was found in them. A batch is the same text for
  all who ask for the same ticks, or get them by one flush, and is parsed once, too (`message_of`).

Known weakness: a server that keeps a connection open and never answers holds its client until the trial
ends. There is no timeout. The ticks that the client should have received then count as lost, which is
what the record should show.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeVar

import orjson

from bench.transports import NEVER, Action, ClientCounts, ClientSpec, Sink
from bench.wire.contract import NONE_SKIPPED, Cursor, ReceivedBatch, Refusal, Request, batch_of, tick_fields
from bench.wire.http_client import BadResponse, Response, ResponseReader, encode_request, expand
from bench.wire.options import HttpWire, fetch_head

Found = TypeVar("Found")

PAUSE_MIN_NS = 100_000_000
PAUSE_MAX_NS = 5_000_000_000
IN_ORDER = frozenset({"eof", "closed"})
CLOSES = IN_ORDER | {"reset"}
"""Words for the ways in which a server may end a connection that it kept."""
READS_KEPT = 256
"""The number of reads that `remember` keeps."""
MESSAGES_KEPT = 64
"""The number of messages that `message_of` keeps; a batch may be long."""
DUE_END_NS = 2**63
"""The bound of a due instant that a record can hold."""
INDEX_MAX = 2**32 - 1
"""The largest index, and the largest count of skipped ticks, that a record can hold."""


def pause_ns(failures: int, rng: random.Random) -> int:
    """Return the pause before the next attempt, in ns, after this many failures in a row."""
    mean = min(PAUSE_MAX_NS, PAUSE_MIN_NS << min(failures - 1, 10))
    return int(mean * rng.uniform(0.5, 1.5))


def index_of(tick: Mapping[str, Any]) -> int:
    """Return the tick's index.

    Raises `ValueError` if the index is not an integer from 0 to `INDEX_MAX` or the due instant is not an
    integer of 64 bits, and `KeyError` if either is missing.
    """
    index, due_ns = tick["index"], tick["due_ns"]
    if type(index) is not int or not 0 <= index <= INDEX_MAX or type(due_ns) is not int or not (
            -DUE_END_NS <= due_ns < DUE_END_NS):
        raise ValueError(f"not a tick: {str(tick)[:80]}")
    return index


@lru_cache(MESSAGES_KEPT)
def message_of(text: bytes) -> ReceivedBatch | dict[str, Any]:
    """Return the batch, or the fields of the bare tick, that this JSON represents; not to be changed, since it is
    returned to all who got the same text. Members that neither has are ignored.

    Raises `ValueError` if it is neither.
    """
    fields: Any = orjson.loads(text)
    if type(fields) is list:
        fields = tick_fields(fields)
    if type(fields) is dict and "seq" in fields and "ticks" not in fields:
        return fields
    batch = batch_of(fields)
    check(batch)
    return batch


def check(batch: ReceivedBatch) -> None:
    """Raise `ValueError` if not all ticks of a batch are ticks."""
    try:
        for tick in batch.ticks:
            index_of(tick)
    except (TypeError, KeyError) as error:
        raise ValueError(f"not a batch: {error!r}") from error


def remember(found: dict[bytes, Found], read: bytes, what: Found) -> None:
    """Keep what was found in a read, for clients that get the same bytes.

    All are forgotten now and then, since only the newest are needed.
    """
    if len(found) >= READS_KEPT:
        found.clear()
    found[read] = what


def target_of(query: str, cursor: Cursor | None) -> str:
    """Return a request's target: all ticks after the cursor, or from now on if it is None.

    `query` is the query string of the subscription.
    """
    if cursor is None:
        return f"/ticks?{query}" if query else "/ticks"
    return f"/ticks?after={cursor.epoch}:{cursor.seq}" + (f"&{query}" if query else "")


@lru_cache(1024)   # clients with the same subscription ask for the same at about the same time
def _poll(query: str, head: bytes, tagged: bool, cursor: Cursor | None) -> bytes:
    """Return the bytes of a poll's request. If `tagged`, it names the entity tag of the cursor."""
    tag = b'If-None-Match: "%b"\r\n' % str(cursor).encode() if tagged and cursor is not None else b""
    return encode_request(target_of(query, cursor), head, tag)


class ClientLife:
    """The part of a client machine that does not depend on how it asks (see `ClientMachine`)."""

    __slots__ = (
        "_deliver", "_fixed_query", "_held_skips", "_number", "_rng", "_sink", "action", "counts", "cursor",
        "deadline_ns", "failures", "outbox", "reopen_ns", "spec", "stopped", "subscribed",
    )   # for each update uses some of these

    def __init__(self, spec: ClientSpec, sink: Sink, rng: random.Random) -> None:
        self.spec = spec
        self.counts = ClientCounts()
        self.outbox = bytearray()
        self.action = Action.NONE
        self.deadline_ns = NEVER
        self.subscribed = False
        self.cursor: Cursor | None = None
        self.stopped = False
        self.failures = 0
        """Failures in a row; reset by a response that can be used."""
        self.reopen_ns = NEVER
        self._sink = sink
        self._deliver, self._number = sink.deliver, spec.number   # looked up once, for each update uses them
        self._rng = rng
        self._held_skips: Counter[tuple[str, str]] = Counter()
        """Skips that were declared before the symbol's next tick has come: (kind, symbol) and their
        number."""
        self._fixed_query = Request(spec.subscription, None).to_query()

    @property
    def target(self) -> str:
        """Return the target of the next request."""
        return target_of(self._fixed_query, self.cursor)

    def start(self, now_ns: int) -> None:
        """See `ClientMachine`."""
        self.action = Action.OPEN

    def reopen(self, now_ns: int, at_once: bool = False) -> None:
        """Ask for a new connection, after a pause unless `at_once`."""
        if at_once:
            self.action = Action.OPEN
        else:
            self.reopen_ns = now_ns + pause_ns(self.failures, self._rng)

    def reopen_if_due(self, now_ns: int) -> None:
        """Open the connection that `reopen` postponed, if its time has come."""
        if now_ns >= self.reopen_ns:
            self.reopen_ns = NEVER
            self.action = Action.OPEN

    def take_tick(self, tick: Mapping[str, Any], cursor: Cursor, kernel_ns: int, app_ns: int) -> tuple[int, int]:
        """Deliver a bare tick, and return its index and its due instant.

        Raises `ValueError` or `KeyError` if it is not a tick.
        """
        index, due_ns = index_of(tick), tick["due_ns"]
        if self._held_skips:
            self._declare({tick["symbol"]: index}, app_ns)
        self._deliver(self._number, index, due_ns, kernel_ns, app_ns)
        self.counts.updates += 1
        self._good_response(cursor)
        return index, due_ns

    def take_batch(self, batch: ReceivedBatch, kernel_ns: int, app_ns: int) -> None:
        """Deliver a whole batch whose ticks were checked (`check`).

        Raises `ValueError`, and delivers nothing, if the skips that it declares are inconsistent.
        """
        cursor, ticks, _, conflated, dropped = batch   # unpacked once: reading a named tuple's fields is slow
        if conflated is not NONE_SKIPPED or dropped is not NONE_SKIPPED or self._held_skips:
            try:
                self._take_skips(batch, app_ns)
            except (TypeError, KeyError, AttributeError) as error:
                raise ValueError(f"not a batch: {error!r}") from error
        deliver, number = self._deliver, self._number
        for tick in ticks:
            deliver(number, tick["index"], tick["due_ns"], kernel_ns, app_ns)
        self.counts.updates += len(ticks)
        self._good_response(cursor)

    def _take_skips(self, batch: ReceivedBatch, app_ns: int) -> None:
        """Process the skips that a batch declares.

        Raises `ValueError` before anything is recorded if they are inconsistent.
        """
        skips = _skips(batch)
        first = {tick["symbol"]: index_of(tick) for tick in reversed(batch.ticks)}
        if not batch.conflated.keys() <= first.keys():
            raise ValueError("a symbol is declared as conflated and has no tick")
        self._held_skips.update(skips)
        self._declare(first, app_ns)

    def _declare(self, first: Mapping[str, int], app_ns: int) -> None:
        """Record the skipped ticks of the symbols in `first` (symbol: index of its first tick here).

        Skipped ticks of other symbols wait for the next tick of their symbol.
        """
        for kind, symbol in [skip for skip in self._held_skips if skip[1] in first]:
            count = self._held_skips.pop((kind, symbol))
            self._sink.skip(self.spec.number, kind, symbol, count, first[symbol], app_ns)

    def _good_response(self, cursor: Cursor) -> None:
        self.cursor = cursor
        self.subscribed = True
        self.failures = 0

    def refused(self, resume: str | None) -> bool:
        """Handle the server's refusal to continue from the cursor.

        Return True if the client is to ask again at once, from the cursor that the server named.
        """
        self.failures += 1
        try:
            self.cursor = Cursor.parse(resume) if resume is not None else None
        except Refusal:
            self.cursor = None
        return self.cursor is not None and self.failures == 1


def _skips(batch: ReceivedBatch) -> Counter[tuple[str, str]]:
    """Return the number of ticks that the batch declares as skipped, by (kind, symbol).

    Raises `ValueError` for a number that is not a valid count.
    """
    declared: Counter[tuple[str, str]] = Counter()
    for kind, counts in (("conflated", batch.conflated), ("dropped", batch.dropped)):
        for symbol, count in counts.items():
            if type(count) is not int or not 0 < count <= INDEX_MAX:
                raise ValueError(f"{kind} of {symbol!r}: {count!r} is not a count")
            declared[kind, symbol] = count
    return declared


def resume_of(body: bytes) -> str | None:
    """Return the cursor that the body of a refusal names, or None."""
    try:
        resume = orjson.loads(body)["resume"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return resume if isinstance(resume, str) else None


class Poller(ClientLife, ABC):
    """A client that asks over HTTP, one request at a time, on a persistent connection or on new ones.

    A subclass says when to ask (`answered`, `asks_ns`, `ask_in_time`). If `ask` is called while a request is
    under way or no connection is up, one request is sent as soon as possible. A request that was lost with
    its connection is sent again on the next. A connection that the server closed while no request was under
    way on it is opened again when there is something to ask. If each poll uses a new connection, the client
    asks for this with `Connection: close`, and opens the next one once the one before has been closed in
    order, so that its counters are complete.
    """

    __slots__ = (
        "_changing", "_entity_tags", "_failed", "_head", "_heard", "_open", "_reader", "_repeats", "_request_size",
        "_reused", "asking", "asks_ns", "wanted",
    )

    def __init__(self, spec: ClientSpec, options: HttpWire, sink: Sink, rng: random.Random) -> None:
        super().__init__(spec, sink, rng)
        self.asking = False
        """True while a request is under way."""
        self.wanted = True
        """True if a request is to be sent as soon as possible."""
        self.asks_ns = NEVER
        """The instant at which `ask_in_time` is to be called; set by the subclass."""
        self._repeats = False
        """True if the last request met a close and is on its way to a new connection."""
        self._reused = False
        """True once the connection has answered a request."""
        self._request_size = 0
        """Size of the last request, in bytes."""
        self._heard = 0
        """Bytes received up to the sending of the last request."""
        self._entity_tags = options.entity_tags
        self._head = fetch_head(options, spec.host)
        self._reader = ResponseReader()
        self._open = False
        self._changing = True
        """True while the connection is being opened, closed or waited for: `opened` or `closed` will be
        called."""
        self._failed = False

    @abstractmethod
    def answered(self, now_ns: int, good: bool) -> None:
        """Handle a response after which no request is due yet. `good`: it was a batch or a 304."""

    @abstractmethod
    def ask_in_time(self, now_ns: int) -> None:
        """Send the request that is due at `asks_ns`, and set the next instant."""

    def ask(self, now_ns: int) -> None:
        """Send the next request, now or as soon as possible."""
        if self.stopped:
            return
        if self._open and not self.asking:
            request = _poll(self._fixed_query, self._head, self._entity_tags, self.cursor)
            self.outbox += request
            counts = self.counts
            counts.requests += 1
            counts.header_bytes_up += len(request)
            self.wanted = False
            self.asking = True
            self._request_size, self._heard = len(request), self._reader.fed
            if self._repeats:
                self._repeats = False
            else:
                counts.asked_ns = now_ns
            return
        self.wanted = True
        if not self._open and not self._changing:
            self._changing = True
            self.action = Action.OPEN

    def opened(self, now_ns: int) -> None:
        """See `ClientMachine`."""
        self._open = True
        self._changing = False
        self._failed = False
        self.counts.connections += 1
        if self.wanted:
            self.ask(now_ns)
        self._rearm(now_ns)

    def receive(self, data: bytes, kernel_ns: int, app_ns: int) -> None:
        """See `ClientMachine`."""
        counts, reader = self.counts, self._reader
        try:
            response = reader.feed(data)
            if response is not None and not (self._failed or self.stopped):
                self._take_response(response, kernel_ns, app_ns)
        except (BadResponse, ValueError):
            self._fail("bad-answer")
        counts.header_bytes_down = reader.header_bytes
        counts.body_bytes_down = reader.body_bytes
        if self.asks_ns != NEVER or counts.in_flight != self.asking:
            self._rearm(app_ns)

    def _take_response(self, response: Response, kernel_ns: int, app_ns: int) -> None:
        head, body = response
        if head.status == 408 and self._reused:
            self._heard = self._reader.fed   # it says that no request was read; it does not answer one
            self._close()
            return
        if not self.asking:
            raise BadResponse(f"{head.status} to nothing that was asked")
        counts, good, again = self.counts, True, False
        if head.status == 200:
            if head.coding is not None:
                body = self._expanded(body, head.coding)
            batch = message_of(body)
            if isinstance(batch, dict):
                raise BadResponse("a bare tick as the response to a request")
            self.take_batch(batch, kernel_ns, app_ns)
            _, ticks, again, _, _ = batch
            if not ticks:
                counts.answers_empty += 1
        elif head.status == 304 and self.cursor is not None:
            self.failures = 0
            counts.answers_empty += 1
        else:
            good, again = False, self._take_error(head.status, body)
        counts.answered(app_ns)
        self.asking = False
        self._reused = True
        if head.closes:
            self._close()
        if again or self.wanted:
            self.ask(app_ns)
        else:
            self.answered(app_ns, good)

    def _take_error(self, status: int, body: bytes) -> bool:
        """Handle a response that is neither a batch nor a 304. Return True if the client is to ask again at
        once."""
        if status in (101, 304):
            raise BadResponse(f"{status} to nothing that was asked")
        self.counts.errors[f"http-{status}"] += 1
        if status in (409, 410):
            return self.refused(resume_of(body))
        self.failures += 1
        return False

    def _expanded(self, body: bytes, coding: bytes) -> bytes:
        """Decompress a body, count it and return it."""
        expanded = expand(body, coding)
        self.counts.compressed_bytes_down += len(body)
        self.counts.expanded_bytes_down += len(expanded)
        return expanded

    def _close(self) -> None:
        self._open = False
        self._changing = True
        self.action = Action.CLOSE

    def _fail(self, word: str) -> None:
        """Give up this connection, once; a request under way is sent again on the next."""
        if not (self._failed or self.stopped):
            self._failed = True
            self.counts.errors[word] += 1
            self.failures += 1
            self._close()

    def closed(self, now_ns: int, reason: str) -> None:
        """See `ClientMachine`."""
        counts, reader = self.counts, self._reader
        never_left = self.asking and len(self.outbox) == self._request_size
        counts.requests -= never_left
        counts.header_bytes_up -= len(self.outbox)
        self.outbox.clear()
        reader.abandon()
        counts.body_bytes_down = reader.body_bytes
        if self.stopped:
            return
        lost, failed, self._failed = self.asking, self._failed, False
        at_once = not (lost or failed) and reason in IN_ORDER
        if self._reused and not failed and reason in CLOSES:
            at_once = not lost or reader.fed == self._heard
        under_way = lost or self._repeats
        self._repeats = lost and at_once
        counts.retries += self._repeats and not never_left
        if not (at_once or failed):
            counts.errors[reason] += 1
            self.failures += 1
        if under_way and not self._repeats:
            counts.unanswered(now_ns)
        self.wanted = self.wanted or lost
        self.asking = self._open = self._reused = False
        self._changing = self.wanted or not at_once
        if self._changing:
            self.reopen(now_ns, at_once=at_once)
        self._rearm(now_ns)

    def timer(self, now_ns: int) -> None:
        """See `ClientMachine`."""
        self.reopen_if_due(now_ns)
        self._rearm(now_ns)

    def stop(self, now_ns: int) -> None:
        """See `ClientMachine`."""
        self.stopped = True
        self.deadline_ns = NEVER
        self.action = Action.CLOSE

    def _rearm(self, now_ns: int) -> None:
        """Ask if it is time to, then update the deadline and the gauge.

        Deadline and gauge do not change with a response that is followed by the next request at once.
        """
        if not self.stopped:
            if now_ns >= self.asks_ns:
                self.ask_in_time(now_ns)
            self.deadline_ns = min(self.asks_ns, self.reopen_ns)
        under_way = self.asking or self._repeats
        if self.counts.in_flight != under_way:
            self.counts.gauge(now_ns, int(under_way))
