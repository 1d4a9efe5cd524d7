"""A server's side of messages: checks a message, forwards it on the feed connection, and passes the answer on.

    message ─► size, JSON, fields, room (`message.checked`) ─► rate ─► the feed is there ─► forwarded, and waits
                             │                                   │              │                 │
                          refused                            too-many        no-feed       answered, in order

It is the same for every transport and every implementation of a server: a transport brings the bytes of a message and a
function for the answer. Answers of the exchange come in the order of the lines, so the functions that wait are a queue.
When the feed connection is lost, all that wait are answered with `no-feed`: the messages may have been numbered or
not, and an author that sends them again does no harm.

The rate is limited for each connection by a token bucket: `rate_per_s` messages per second, and as many at once as in
one second, but at least one. A message that is refused for its rate takes nothing from others: what a connection
costs is bounded by the bytes that the server reads from it.

Known weakness: a client with several connections has the rate of each.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import orjson

from bench.feed.subscription import FeedSubscription
from bench.scenario.model import Messages
from bench.uplink import message as messages
from bench.uplink.message import BEGINNINGS
from bench.wire.contract import Refusal, tick_fields

ACCEPTED = 202
"""The HTTP status of an accepted message."""
WAITING_MAX = 100_000
"""The largest number of messages that wait for an answer of the exchange."""

Reply = Callable[[int, bytes], None]
"""Takes the HTTP status and the bytes of an answer; called once."""


class Bucket:
    """The messages that one connection may still send: tokens that come back at a rate."""

    __slots__ = ("_at_s", "_most", "_rate_per_s", "_tokens")

    def __init__(self, rate_per_s: float, now_s: float) -> None:
        self._rate_per_s = rate_per_s
        self._most = self._tokens = max(1.0, rate_per_s)
        self._at_s = now_s

    def take(self, now_s: float) -> bool:
        """Take a token, and return True; return False if there is none."""
        self._tokens = min(self._most, self._tokens + (now_s - self._at_s) * self._rate_per_s)
        self._at_s = now_s
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


class TwoWayFeed(FeedSubscription):
    """A server's end of a feed that also takes messages."""

    on_answer: Callable[[bytes], None]
    """Called with each answer of the exchange."""
    on_lost: Callable[[], None]
    """Called when the connection, and with it all answers that are due, is lost."""

    def take_ticks(self, lines: list[bytes]) -> None:
        """Append the ticks among the lines, and pass the answers on. Raises as `FeedSubscription.take_ticks`."""
        for line in lines:
            if line.startswith(BEGINNINGS):
                self.on_answer(line)
                continue
            fields = orjson.loads(line)
            if type(fields) is list:
                fields = tick_fields(fields)
            self.tape.append(fields["seq"], fields["symbol"], line)
            self.ticks += 1

    def disconnected(self) -> None:
        """See `FeedSubscription`."""
        super().disconnected()
        self.on_lost()


class Relay:
    """Takes the messages of a server's clients. `refuse` counts a refusal; `is_serving` is True while clients are
    served."""

    def __init__(
        self, limits: Messages, feed: TwoWayFeed, refuse: Callable[[Refusal], None], is_serving: Callable[[], bool]
    ) -> None:
        self.limits = limits
        self.received = self.accepted = 0
        """Messages that came, and those that the exchange accepted, also if it had them already."""
        self._feed = feed
        self._refuse = refuse
        self._is_serving = is_serving
        self._waiting: deque[tuple[int | None, Reply]] = deque()
        feed.on_answer, feed.on_lost = self._pass_on, self._give_up

    def bucket(self, now_s: float) -> Bucket:
        """Return the bucket of a new connection."""
        return Bucket(self.limits.rate_per_s, now_s)

    def take(self, data: bytes, bucket: Bucket, now_s: float, reply: Reply) -> None:
        """Check and forward a message. `reply` is called with the answer, now or later."""
        self.received += 1
        try:
            message = messages.checked(data, self._feed.tape.symbols, self.limits.bytes_max)
            if not bucket.take(now_s):
                raise Refusal("too-many", f"a connection sends at most {self.limits.rate_per_s:g} messages per second")
            transport = self._feed.transport
            if transport is None or not self._is_serving() or len(self._waiting) >= WAITING_MAX:
                raise Refusal("no-feed", "the server has no feed at present; send it again later")
        except Refusal as refusal:
            # The index is read from bytes of the allowed size alone.
            index = messages.index_of(data) if refusal.code != "too-large" else None
            self._answer_refusal(refusal, index, reply)
            return
        self._waiting.append((message.index, reply))
        transport.write(messages.encode(message) + b"\n")

    def _pass_on(self, line: bytes) -> None:
        """Pass an answer of the exchange on to the author. Raises `ValueError` if it answers nothing."""
        if not self._waiting:
            raise ValueError(f"the feed answers {line[:80]!r} to no message")
        answer = messages.answer_of(line)
        index, reply = self._waiting.popleft()
        if answer.refusal is None:
            self.accepted += 1
            reply(ACCEPTED, line)
            return
        try:
            refusal = Refusal(answer.refusal, str(orjson.loads(line).get("detail", "")))
            refusal.status   # noqa: B018 - a word that we do not know has none
        except KeyError:
            refusal = Refusal("bad-request", f"the feed refuses it: {answer.refusal[:40]}")
        self._answer_refusal(refusal, index, reply)

    def _give_up(self) -> None:
        """Answer all that wait: the connection on which their answers were due is lost."""
        waiting, self._waiting = self._waiting, deque()
        for index, reply in waiting:
            self._answer_refusal(Refusal("no-feed", "the feed was lost; send it again later"), index, reply)

    def _answer_refusal(self, refusal: Refusal, index: int | None, reply: Reply) -> None:
        self._refuse(refusal)
        reply(refusal.status.http, messages.refused(refusal, index))


def content_length(values: list[str], most: int) -> int:
    """Return the length of a message's body from the values of `Content-Length`.

    Raises `Refusal` if they are not one number (`bad-request`), or if it is above `most` (`too-large`).
    """
    if len(values) != 1 or not (values[0].isascii() and values[0].isdigit()) or len(values[0]) > 15:
        raise Refusal("bad-request", "a message has a Content-Length, and no Transfer-Encoding")
    size = int(values[0])
    if size > most:
        raise Refusal("too-large", f"a message has at most {most} bytes")
    return size
