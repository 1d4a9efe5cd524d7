"""A client machine's connection as the driver sees it: its state, and what the kernel counted of it.

    note_opening          note_leaving              note_closing
         │                     │                         │
    SYN ─┴── data, acks … ─────┴── FIN, FIN, last acks ──┴── over
    opening                              closing                     each summed over all connections

The counters of connections that are over are kept in `past`, so that `tcp_info` is of the client's whole
life. Opening is all that was counted until the connection was up, with TLS until its handshake was done
(but for the client's last word, which leaves with the first request); closing all from the first FIN on. The
two are part of the whole and stand beside it, since a connection that lasts pays them once and one that
is opened for each poll pays them every time.

Known weakness: a connection that is not closed in order has no closing.
"""

from __future__ import annotations

import errno
from _socket import socket as RawSocket
from collections.abc import Callable
from enum import Enum, auto

from bench.measure import tcp
from bench.transports import NEVER, ClientMachine

_REASONS = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.EPIPE: "reset",
    errno.ETIMEDOUT: "timeout",
}


def reason_of(number: int) -> str:
    """The word for an error number: `refused`, `reset`, `timeout`, or its name in lower case."""
    return _REASONS.get(number) or errno.errorcode.get(number, f"errno-{number}").lower()


class State(Enum):
    """Where a connection is in its life."""

    NONE = auto()
    """No socket."""
    OPENING = auto()
    OPEN = auto()
    LEAVING = auto()
    """To be closed once the outbox is sent."""
    SHUT = auto()
    """Our side is closed; the other's end of file, or the kernel's word, is awaited."""


class Link:
    """One machine and its connection."""

    __slots__ = (
        "_at_end", "_at_leaving", "armed_ns", "closing", "closings", "end_of_file", "fd", "limit_ns",
        "machine", "on_finished", "opening", "openings", "past", "reason", "sock", "state", "watched",
    )

    def __init__(self, machine: ClientMachine) -> None:
        self.machine = machine
        self.sock: RawSocket | None = None
        self.fd = -1
        """Of `sock`, or of the one before it."""
        self.state = State.NONE
        self.past: tcp.TcpInfo | None = tcp.NOTHING if tcp.LINUX else None
        """The counters of the connections that are over."""
        self.openings = self.closings = 0
        """How many connections `opening` and `closing` add up."""
        self.opening = self.past
        """What opening took: all that was counted until the connection was up."""
        self.closing = self.past
        """What closing in order took: all that was counted from the first FIN on."""
        self._at_leaving: tcp.TcpInfo | None = None
        """The connection's counters just before its first FIN."""
        self._at_end: tcp.TcpInfo | None = None
        """Its counters once it was closed in order, which are the last."""
        self.end_of_file = False
        self.reason = ""
        """What the machine will be told when the connection is over."""
        self.watched = 0
        self.limit_ns = NEVER
        """When the driver stops waiting for the connection to be up, or to be closed in order."""
        self.armed_ns = NEVER
        self.on_finished: Callable[[], None] | None = None
        """Set when the machine was stopped: to be called when its last connection is over."""

    @property
    def is_open(self) -> bool:
        """Whether the connection is up."""
        return self.state is State.OPEN

    def tcp_info(self) -> tcp.TcpInfo | None:
        """The counters of all connections so far; None where the kernel has none.

        Bytes that nobody has read yet are left out, so that they agree with what the machine counted.
        """
        if self.past is None or self.sock is None:
            return self.past
        if self._at_end is not None:
            return self.past + self._at_end
        unread, again = -1, tcp.unread_bytes(self.sock)
        while unread != again:   # else what arrives between the two looks is taken off and was never counted
            unread = again
            now = self._of_connection(self.sock)
            again = tcp.unread_bytes(self.sock)
        if now is None:
            return None
        return self.past + now._replace(bytes_down=now.bytes_down - unread)

    def note_opening(self, info: bytes | None = None) -> None:
        """The connection is up: add up what that took. `info` is what the kernel has just said of it."""
        if info is None and self.sock is not None:
            info = tcp.read_info(self.sock)
        now = tcp.decode_info(info)
        if now is not None and self.opening is not None:
            self.opening += now
            self.openings += 1

    def note_leaving(self) -> None:
        """The first FIN has come or is about to be sent: closing begins."""
        if self._at_leaving is None and self.sock is not None:
            self._at_leaving = tcp.decode_info(
                tcp.read_info(self.sock), self.end_of_file, self.state is State.SHUT, before_fin=True)

    def note_closing(self) -> bool:
        """Whether the connection is closed, in order and on both sides; if so, add up what that took."""
        if self.sock is None or not tcp.is_closed(info := tcp.read_info(self.sock)):
            return False
        self._at_end = now = tcp.decode_info(info, self.end_of_file, self.state is State.SHUT)
        if now is not None and self._at_leaving is not None and self.closing is not None:
            self.closing += now - self._at_leaving
            self.closings += 1
        return True

    def note_over(self) -> None:
        """The connection is over: keep its counters."""
        if self._at_end is not None and self.past is not None:
            self.past += self._at_end
        else:
            self.past = self.tcp_info()
        self._at_leaving = self._at_end = None

    def _of_connection(self, sock: RawSocket) -> tcp.TcpInfo | None:
        """The counters of the present connection alone."""
        return tcp.decode_info(tcp.read_info(sock), self.end_of_file, self.state is State.SHUT)
