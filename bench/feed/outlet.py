"""The publisher's TCP side: sends the same lines to every subscriber.

    subscriber ─► after 9f2c:41        or `after -`: from the oldest tick that is held
    publisher  ─► {"feed":"tickertape/1","epoch":"9f2c","after":41,"head":57,"symbols":["AAA",…]}
               ─► {"index":…,"seq":42,…}   tick by tick, without end

The lines are kept on one tape (the newest ticks, up to a limit). Each subscriber is a cursor on it and at
most one chunk on its way to the kernel. So a subscriber that doesn't read costs one chunk and delays no
other. It is disconnected once its cursor has left the tape. It may come back; the `after` in the header
then shows that ticks are missing.

Writing is done at once, in the publisher's own call, and not in the next turn of the loop: the loop may be
about to spin for the next tick. A subscriber that has fallen behind gets its chunks when the loop is free.

Accepting may fail for lack of descriptors or memory. The listener then stays readable, and retrying at
once would be a loop that takes the core from the ticks. So the outlet tries again after `ACCEPT_PAUSE_S`,
and logs the reason once; subscribers wait in the backlog meanwhile.

Known weakness: `send` to a subscriber costs about 10 µs, so with k servers the last one gets its tick
10·k µs after the first.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress

import orjson

from bench.feed.tape import Tape
from bench.wire.contract import Cursor, Refusal, Subscription

PROTOCOL = "tickertape/1"
CHUNK_TICKS = 256
HELLO_MAX_BYTES = 64
HELLO_S = 10.0
"""The longest time that a subscriber may take to send its request, in seconds."""

ACCEPT_PAUSE_S = 0.5
"""The time that new subscribers wait after one could not be accepted, in seconds."""

ALL = Subscription()
log = logging.getLogger("tickertape.feed")


class Outlet:
    """Listens on (`host`, `port`) and serves the ticks that are appended to its tape."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, tape: Tape, symbols: Sequence[str], host: str, port: int,
        attend: Callable[[Outlet, socket.socket], Subscriber] | None = None,
    ) -> None:
        self.loop = loop
        self._attend = attend or Subscriber
        self.tape = tape
        self.symbols = symbols
        self.subscribers: set[Subscriber] = set()
        self._listener = socket.create_server((host, port), backlog=128)
        self._listener.setblocking(False)
        self._pause: asyncio.TimerHandle | None = None
        """Set while new subscribers wait, because the last one could not be accepted."""
        self._has_complained = False
        loop.add_reader(self._listener.fileno(), self._accept)

    @property
    def address(self) -> tuple[str, int]:
        """Return the host and port that it listens on."""
        host, port = self._listener.getsockname()[:2]
        return host, port

    def publish(self) -> None:
        """Send the new ticks to all subscribers that are up to date; close those whose cursor has left the
        tape."""
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
            return  # it was gone before it could be accepted
        except OSError as error:
            self._let_wait(error)
            return
        self._has_complained = False
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.subscribers.add(self._attend(self, sock))

    def _let_wait(self, error: OSError) -> None:
        """Accept no subscriber for a while; log the reason, once until accepting works again."""
        if not self._has_complained:
            self._has_complained = True
            log.warning("a subscriber can't be accepted, and waits: %s", error)
        self.loop.remove_reader(self._listener.fileno())
        self._pause = self.loop.call_later(ACCEPT_PAUSE_S, self._resume)

    def _resume(self) -> None:
        self._pause = None
        self.loop.add_reader(self._listener.fileno(), self._accept)


class Subscriber:
    """One connection: waits for its request, then follows the tape."""

    def __init__(self, outlet: Outlet, sock: socket.socket) -> None:
        self._outlet = outlet
        self._sock = sock
        self._request = b""
        self._cursor: Cursor | None = None
        self._unsent: bytes | memoryview = b""
        self.is_current = False
        """True if it has received everything on the tape: the next tick may be sent at once."""
        self._is_waiting = False
        """True while the loop watches for the socket to become writable."""
        outlet.loop.add_reader(sock.fileno(), self._readable)
        self._hello_timer = outlet.loop.call_later(HELLO_S, self.close)

    @property
    def has_left_the_tape(self) -> bool:
        """Return True if it fell behind the oldest tick that is held, so that it can't continue."""
        return self._cursor is not None and self._cursor.seq < self._outlet.tape.oldest

    def pump(self) -> None:
        """Send one chunk; send the rest, if any, when the loop finds the socket writable."""
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
        """Take the next ticks off the tape; return False if there are none."""
        batch = self._outlet.tape.read(ALL, self._cursor, CHUNK_TICKS)
        self._cursor = batch.cursor
        self._unsent = b"\n".join((*batch.ticks, b"")) if batch.ticks else b""
        return bool(batch.ticks)

    def _become(self, current: bool) -> None:
        """Watch for writability exactly as long as there are bytes that could not be sent."""
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
                self._begin_stream(self._request.partition(b"\n")[0])
        else:
            self.heard(data)

    def heard(self, data: bytes) -> None:
        """Ignore what a subscriber sends after its request."""

    def _begin_stream(self, line: bytes) -> None:
        """Send the header and begin, or send an error and close."""
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
        with suppress(OSError):  # it is gone already
            self._sock.send(words)
        self.close()


def begin_at(tape: Tape, line: bytes) -> Cursor:
    """Return the cursor at which a subscriber begins that sent `line`.

    Raises `Refusal` for a malformed request or a cursor beyond the head.
    """
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
