"""The publisher's TCP side: hands the same lines to every subscriber.

    subscriber ─► after 9f2c:41        or `after -`: from the oldest tick that is held
    publisher  ─► {"feed":"tickertape/1","epoch":"9f2c","after":41,"head":57,"symbols":["AAA",…]}
               ─► {"index":…,"seq":42,…}   tick by tick, for ever

The lines wait on one tape, and each subscriber is a cursor on it plus at most one chunk on its way to
the kernel. So a subscriber that doesn't read costs a chunk, delays nobody, and is disconnected once
its cursor has left the tape; it may come back and is then told of the hole by the header's `after`.

Writing is done at once, in the publisher's own call, and not when the loop comes round: the loop may
be about to spin for the next tick. One that has fallen behind gets its chunks when the loop is free.

Accepting may fail for want of descriptors or memory. The listener then stays readable, and to try again at
once would be a loop that takes the core from the ticks. So the outlet tries again after `ACCEPT_PAUSE_S`,
and logs the reason once; subscribers wait in the backlog meanwhile.

Known weakness: `send` to a subscriber costs about 10 µs, so with k servers the last one gets its tick
10·k µs after the first.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Sequence
from contextlib import suppress

import orjson

from bench.feed.tape import Tape
from bench.wire.contract import Cursor, Refusal, Subscription

PROTOCOL = "tickertape/1"
CHUNK_TICKS = 256
HELLO_MAX_BYTES = 64
HELLO_S = 10.0
"""How long a subscriber may take to say where it begins."""

ACCEPT_PAUSE_S = 0.5
"""How long new subscribers wait after one could not be accepted."""

ALL = Subscription()
log = logging.getLogger("tickertape.feed")


class Outlet:
    """Listens on (`host`, `port`) and serves what is put on its tape."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, tape: Tape, symbols: Sequence[str], host: str, port: int
    ) -> None:
        self.loop = loop
        self.tape = tape
        self.symbols = symbols
        self.subscribers: set[_Subscriber] = set()
        self._listener = socket.create_server((host, port), backlog=128)
        self._listener.setblocking(False)
        self._pause: asyncio.TimerHandle | None = None
        """Set while new subscribers wait, because the last one could not be accepted."""
        self._has_complained = False
        loop.add_reader(self._listener.fileno(), self._accept)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that it listens on."""
        host, port = self._listener.getsockname()[:2]
        return host, port

    def publish(self) -> None:
        """Send what is new on the tape to all who are current, and let go of those whose place left it."""
        for subscriber in list(self.subscribers):
            if subscriber.is_current:
                subscriber.pump()
            elif subscriber.has_left_the_tape:
                subscriber.close()

    def close(self) -> None:
        """Close the listener and all connections."""
        if self._pause is not None:
            self._pause.cancel()
        self.loop.remove_reader(self._listener.fileno())
        self._listener.close()
        for subscriber in list(self.subscribers):
            subscriber.close()

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # it was gone before we came
        except OSError as error:
            self._let_wait(error)
            return
        self._has_complained = False
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.subscribers.add(_Subscriber(self, sock))

    def _let_wait(self, error: OSError) -> None:
        """Accept nobody for a while; log why, once until it is over."""
        if not self._has_complained:
            self._has_complained = True
            log.warning("a subscriber can't be accepted, and waits: %s", error)
        self.loop.remove_reader(self._listener.fileno())
        self._pause = self.loop.call_later(ACCEPT_PAUSE_S, self._resume)

    def _resume(self) -> None:
        self._pause = None
        self.loop.add_reader(self._listener.fileno(), self._accept)


class _Subscriber:
    """One connection: waits for its request, then follows the tape."""

    def __init__(self, outlet: Outlet, sock: socket.socket) -> None:
        self._outlet = outlet
        self._sock = sock
        self._request = b""
        self._cursor: Cursor | None = None
        self._unsent: bytes | memoryview = b""
        self.is_current = False
        """Whether it has all that the tape had: the next tick may be sent at once."""
        self._is_waiting = False
        """Whether the loop watches for the socket to become writable."""
        outlet.loop.add_reader(sock.fileno(), self._readable)
        self._hello_timer = outlet.loop.call_later(HELLO_S, self.close)

    @property
    def has_left_the_tape(self) -> bool:
        """Whether it fell behind what is held, so that it can't go on."""
        return self._cursor is not None and self._cursor.seq < self._outlet.tape.oldest

    def pump(self) -> None:
        """Send one chunk; if that was not all, go on when the loop finds the socket writable."""
        try:
            if not self._unsent and not self._next_chunk():
                return self._become(current=True)
            sent = self._sock.send(self._unsent)
        except BlockingIOError:
            return self._become(current=False)
        except (OSError, Refusal):  # it went away, or its cursor left the tape
            return self.close()
        self._unsent = memoryview(self._unsent)[sent:]
        assert self._cursor is not None
        return self._become(current=not self._unsent and self._cursor.seq == self._outlet.tape.head)

    def close(self) -> None:
        """End the connection."""
        if self._sock.fileno() < 0:
            return
        self._hello_timer.cancel()
        self._outlet.loop.remove_reader(self._sock.fileno())
        self._outlet.loop.remove_writer(self._sock.fileno())
        self._outlet.subscribers.discard(self)
        self._sock.close()

    def _next_chunk(self) -> bool:
        """Take the next ticks off the tape; False if there are none."""
        batch = self._outlet.tape.read(ALL, self._cursor, CHUNK_TICKS)
        self._cursor = batch.cursor
        self._unsent = b"\n".join((*batch.ticks, b"")) if batch.ticks else b""
        return bool(batch.ticks)

    def _become(self, current: bool) -> None:
        """Watch for writability exactly as long as there is something that could not be sent."""
        if current and self._is_waiting:
            self._outlet.loop.remove_writer(self._sock.fileno())
        elif not current and not self._is_waiting:
            self._outlet.loop.add_writer(self._sock.fileno(), self.pump)
        self.is_current = current
        self._is_waiting = not current

    def _readable(self) -> None:
        try:
            data = self._sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
        elif self._cursor is None:
            self._request += data
            if b"\n" in self._request or len(self._request) > HELLO_MAX_BYTES:
                self._answer(self._request.partition(b"\n")[0])

    def _answer(self, line: bytes) -> None:
        """Send the header and begin, or say what is wrong and close."""
        self._hello_timer.cancel()
        try:
            self._cursor = begin_at(self._outlet.tape, line)
        except Refusal as refused:
            self._last_words(orjson.dumps({"error": refused.detail}) + b"\n")
            return
        tape = self._outlet.tape
        header = {
            "feed": PROTOCOL,
            "epoch": tape.epoch,
            "after": self._cursor.seq,
            "head": tape.head,
            "symbols": self._outlet.symbols,
        }
        self._unsent = orjson.dumps(header) + b"\n"
        self.pump()

    def _last_words(self, words: bytes) -> None:
        with suppress(OSError):  # it is gone; there is nobody to tell
            self._sock.send(words)
        self.close()


def begin_at(tape: Tape, line: bytes) -> Cursor:
    """Where a subscriber begins that asked with `line`; raises `Refusal` for a malformed request."""
    assert tape.epoch is not None
    word, _, place = line.removesuffix(b"\r").partition(b" ")
    if word != b"after" or len(line) > HELLO_MAX_BYTES:
        raise Refusal("bad-request", f"expected 'after epoch:seq' or 'after -'; found {line[:80]!r}")
    if place != b"-":
        asked = Cursor.parse(place.decode(errors="replace"))
        if asked.epoch == tape.epoch and asked.seq > tape.head:
            raise Refusal("bad-cursor", f"{asked} is beyond the head, {tape.epoch}:{tape.head}")
        if asked.epoch == tape.epoch and asked.seq >= tape.oldest:
            return asked
    return Cursor(tape.epoch, tape.oldest)
