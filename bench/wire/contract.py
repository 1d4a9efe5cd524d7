"""The contract between servers and clients of every transport: cursors, subscriptions, batches, refusals.

A client asks for everything after a cursor and gets batches:

    {"cursor":"9f2c:42","more":false,"ticks":[{…},{…}]}
    {"cursor":"9f2c:57","more":false,"conflated":{"AAA":3},"ticks":[{…}]}

- The cursor `epoch:seq` means that everything up to `seq` in this subscription was handed over or declared
  skipped. Every response carries one, including empty responses: the head up to which the tape (the ticks that
  the server still holds) was scanned.
- `conflated` and `dropped` declare the ticks that were skipped on purpose, per symbol, just before that
  symbol's first tick in the batch. They are left out when empty. A dropped symbol may have no tick in
  the batch: the count then belongs to its next tick, whenever that comes.
- `more` means that the batch was cut at `batch_max`: ask again at once.
- `ticks` contains the feed's own lines, byte for byte: objects, or arrays in the compact encoding.

A transport that pushes may send a bare tick instead of a batch (an object with `seq`, or an array). It is
equivalent to a batch of that one tick, with nothing skipped. Its cursor is sent with it, or is its `seq` in the
epoch of the connection's first batch.

A refusal has a word, an HTTP status and a WebSocket close code; `REFUSALS` is the only table of them.
If a client may continue from another cursor, the refusal names it (`resume`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import orjson

from bench.clock import NO_STAMP

Mode = Literal["every", "latest"]
"""`every`: each tick once, in order. `latest`: conflated to the newest tick of each symbol."""

EPOCH = re.compile(r"[0-9a-z]{1,16}")
SEQ_MAX = 2**53 - 1
"""The largest `seq` that every language's JSON reads exactly."""


class Cursor(NamedTuple):
    """A position in the feed: after `seq` of the publisher's life `epoch`."""

    epoch: str
    seq: int

    def __str__(self) -> str:
        return f"{self.epoch}:{self.seq}"

    @staticmethod
    @lru_cache(4096)   # all clients name a tick's cursor at about the same time
    def parse(text: str) -> Cursor:
        """Read `epoch:seq`. Raises `Refusal` (`bad-cursor`) for any other text."""
        epoch, colon, seq = text.partition(":")
        digits = seq.isascii() and seq.isdigit() and len(seq) <= 16
        if not colon or not EPOCH.fullmatch(epoch) or not digits or int(seq) > SEQ_MAX:
            raise Refusal("bad-cursor", f"a cursor is epoch:seq, such as 9f2c:42; found {text[:80]!r}")
        return Cursor(epoch, int(seq))


@dataclass(frozen=True, slots=True)
class Status:
    """The codes of a refusal over HTTP and over a WebSocket that is already open."""

    http: int
    close: int


REFUSALS: Mapping[str, Status] = {
    "bad-request": Status(400, 1008),
    "bad-cursor": Status(400, 1008),
    "bad-encoding": Status(400, 1007),
    "bad-origin": Status(403, 1008),
    "unknown-symbol": Status(404, 1008),
    "not-found": Status(404, 1008),
    "method-not-allowed": Status(405, 1008),
    "timeout": Status(408, 1008),
    "other-epoch": Status(409, 4009),
    "left-tape": Status(410, 4010),
    "slow-client": Status(410, 4008),
    "too-large": Status(413, 1009),
    "target-too-long": Status(414, 1009),
    "misdirected": Status(421, 1008),
    "upgrade-required": Status(426, 1008),
    "headers-too-large": Status(431, 1009),
    "stopping": Status(503, 1001),
    "no-feed": Status(503, 1013),
}


OF_MESSAGES: Mapping[str, Status] = {
    "not-author": Status(403, 1008),
    "too-many": Status(429, 1008),
}
"""The refusals that only messages of clients meet (`bench.uplink`). Over a WebSocket they are answers, and close
nothing."""


POLICY = ("slow-client", "left-tape", "other-epoch")
"""The refusals that are results and no errors: the client is too slow, its cursor left the tape, or it comes
from another epoch."""


class Refusal(Exception):
    """A request that a server does not grant.

    `code` is a key of `REFUSALS` or `OF_MESSAGES`, `detail` a sentence, `resume` the cursor from which the client may
    continue, if there is one. `allowed` is the method that a `method-not-allowed` asks for instead.
    """

    def __init__(self, code: str, detail: str, resume: Cursor | None = None, allowed: str = "GET") -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.resume = resume
        self.allowed = allowed

    @property
    def status(self) -> Status:
        """Return the refusal's HTTP status and close code."""
        return REFUSALS.get(self.code) or OF_MESSAGES[self.code]

    def to_json(self) -> bytes:
        """Return the body of the HTTP response: `{"error", "detail"}` and, if there is a cursor, `"resume"`."""
        fields = {"error": self.code, "detail": self.detail}
        if self.resume is not None:
            fields["resume"] = str(self.resume)
        return orjson.dumps(fields)

    def to_reason(self) -> str:
        """Return the reason for a close frame, at most 123 bytes: the word, and the cursor to resume from."""
        return self.code if self.resume is None else f"{self.code} {self.resume}"


@dataclass(frozen=True, slots=True)
class Subscription:
    """The part of the feed that a client wants: a set of symbols (None: all) and the delivery mode."""

    symbols: frozenset[str] | None = None
    mode: Mode = "every"


@dataclass(frozen=True, slots=True)
class Request:
    """A subscription and its start; `after` None means: from now on."""

    subscription: Subscription
    after: Cursor | None

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> Request:
        """Read `after`, `symbols` (comma-separated) and `mode` from a query.

        Raises `Refusal` for any other parameter and for a malformed value.
        """
        unknown = sorted(set(query) - {"after", "symbols", "mode"})
        if unknown:
            known = "after, symbols, mode"
            raise Refusal("bad-request", f"unknown parameter {unknown[0][:80]!r}; known are {known}")
        mode = query.get("mode", "every")
        if mode not in ("every", "latest"):
            raise Refusal("bad-request", f"mode is every or latest; found {mode[:80]!r}")
        symbols = None
        if "symbols" in query:
            symbols = frozenset(query["symbols"].split(","))
            if "" in symbols:
                raise Refusal("bad-request", "symbols is a list of names with commas between; one is empty")
        after = Cursor.parse(query["after"]) if "after" in query else None
        return cls(Subscription(symbols, "latest" if mode == "latest" else "every"), after)

    def to_query(self) -> str:
        """Return the query string, without the question mark; the inverse of `parse`."""
        parts = [f"after={self.after}"] if self.after is not None else []
        if self.subscription.symbols is not None:
            names = ",".join(sorted(self.subscription.symbols))
            parts.append("symbols=" + names.replace("^", "%5E"))   # the others are allowed in a query
        if self.subscription.mode != "every":
            parts.append(f"mode={self.subscription.mode}")
        return "&".join(parts)


@dataclass(frozen=True, slots=True)
class Batch:
    """The unit in which a server hands ticks over. `ticks` are the feed's own lines."""

    cursor: Cursor
    ticks: Sequence[bytes] = ()
    more: bool = False
    conflated: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)

    @property
    def bare(self) -> bool:
        """Return True if the batch may be pushed as its single bare tick: there is nothing else in it."""
        return len(self.ticks) == 1 and not (self.more or self.conflated or self.dropped)


def encode_batch(batch: Batch) -> bytes:
    """Return a batch as JSON. The ticks' bytes are joined, not encoded again."""
    head = b'{"cursor":"%s","more":%s' % (str(batch.cursor).encode(), b"true" if batch.more else b"false")
    if batch.conflated:
        head += b',"conflated":' + orjson.dumps(dict(batch.conflated))
    if batch.dropped:
        head += b',"dropped":' + orjson.dumps(dict(batch.dropped))
    return b"".join((head, b',"ticks":[', b",".join(batch.ticks), b"]}"))


class ReceivedBatch(NamedTuple):
    """A batch as a client sees it: the ticks decoded to dictionaries."""

    cursor: Cursor
    ticks: Sequence[dict[str, Any]]
    more: bool
    conflated: Mapping[str, int]
    dropped: Mapping[str, int]


NONE_SKIPPED: Mapping[str, int] = {}
"""The skips of a batch that declares none."""
_new = tuple.__new__


def tick_fields(tick: Any) -> dict[str, Any]:
    """Return the fields of a decoded tick in the compact encoding; `due_ns`, which it lacks, is
    `NO_STAMP`.

    Raises `ValueError` or `TypeError` if `tick` is not a sequence of five elements.
    """
    index, seq, price, size, symbol = tick
    return {"index": index, "seq": seq, "due_ns": NO_STAMP, "symbol": symbol, "price": price, "size": size}


def batch_of(fields: Any) -> ReceivedBatch:
    """Return the batch that the decoded JSON represents. Raises `ValueError` if it is none."""
    try:
        cursor, ticks, more = Cursor.parse(fields["cursor"]), fields["ticks"], fields["more"]
        if ticks and type(ticks[0]) is list:
            ticks = [tick_fields(tick) for tick in ticks]
        if len(fields) == 3:   # nothing was skipped, as nearly always: twice as fast as calling `ReceivedBatch`
            return _new(ReceivedBatch, (cursor, ticks, more, NONE_SKIPPED, NONE_SKIPPED))
        conflated, dropped = fields.get("conflated", NONE_SKIPPED), fields.get("dropped", NONE_SKIPPED)
        return ReceivedBatch(cursor, ticks, more, conflated, dropped)
    except (KeyError, TypeError, AttributeError, Refusal) as error:
        raise ValueError(f"not a batch: {str(fields)[:80]}") from error
