"""A client machine's connection as the driver sees it: its state and its kernel counters.

    note_opening          note_leaving              note_closing
         │                     │                         │
    SYN ─┴── data, acks … ─────┴── FIN, FIN, last acks ──┴── over
    opening                              closing                     each summed over all connections

The counters of connections that are over are kept in `past`, so that `tcp_info` covers the client's whole
life. Opening is everything counted until the connection was established; with TLS, until its handshake was
done (except the client's last handshake message, which is sent with the first request). Closing is
everything counted from the first FIN on. Both are part of the total and are also kept separately, since a
long-lived connection pays them once and one that is opened for each poll pays them every time.

Known weakness: a connection that is not closed gracefully has no closing.
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
    """Return the word for an error number: `refused`, `reset`, `timeout`, or its name in lower case."""
    return _REASONS.get(number) or errno.errorcode.get(number, f"errno-{number}").lower()


class State(Enum):
    """The stage of a connection's life."""

    NONE = auto()
    """No socket."""
    OPENING = auto()
    OPEN = auto()
    LEAVING = auto()
    """Will be closed once the outbox is sent."""
    SHUT = auto()
    """Our side is closed; the end of file from the other side, or the kernel's report, is awaited."""


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
        """The descriptor of `sock`, or of the socket before it."""
        self.state = State.NONE
        self.past: tcp.TcpInfo | None = tcp.NOTHING if tcp.LINUX else None
        """The sum of the counters of the connections that are over."""
        self.openings = self.closings = 0
        """The numbers of connections that are summed in `opening` and in `closing`."""
        self.opening = self.past
        """The cost of opening: everything counted until the connection was established."""
        self.closing = self.past
        """The cost of closing gracefully: everything counted from the first FIN on."""
        self._at_leaving: tcp.TcpInfo | None = None
        """The connection's counters just before its first FIN."""
        self._at_end: tcp.TcpInfo | None = None
        """The connection's last counters, after it was closed gracefully."""
        self.end_of_file = False
        self.reason = ""
        """The reason that the machine will be given when the connection is over."""
        self.watched = 0
        self.limit_ns = NEVER
        """The instant at which the driver stops waiting for the connection to be established or closed in
        order."""
        self.armed_ns = NEVER
        self.on_finished: Callable[[], None] | None = None
        """Set when the machine is stopped: called when its last connection is over."""

    def tcp_info(self) -> tcp.TcpInfo | None:
        """Return the sum of the counters of all connections so far, or None where the kernel has none.

        Bytes that have not been read yet are left out, so that the counters agree with the machine's own.
        """
        if self.past is None or self.sock is None:
            return self.past
        if self._at_end is not None:
            return self.past + self._at_end
        unread, again = -1, tcp.unread_bytes(self.sock)
        # Repeat: bytes that arrive between the two readings would be subtracted without having been counted.
        while unread != again:
            unread = again
            now = self._of_connection(self.sock)
            again = tcp.unread_bytes(self.sock)
        if now is None:
            return None
        return self.past + now._replace(bytes_down=now.bytes_down - unread)

    def note_opening(self, info: bytes | None = None) -> None:
        """Add the counters of the connection, which is now established, to `opening`.

        `info` is the kernel's latest `tcp_info`, if the caller has it.
        """
        if info is None and self.sock is not None:
            info = tcp.read_info(self.sock)
        now = tcp.decode_info(info)
        if now is not None and self.opening is not None:
            self.opening += now
            self.openings += 1

    def note_leaving(self) -> None:
        """Keep the counters at the start of closing: the first FIN has come or is about to be sent."""
        if self._at_leaving is None and self.sock is not None:
            self._at_leaving = tcp.decode_info(
                tcp.read_info(self.sock), self.end_of_file, self.state is State.SHUT, before_fin=True)

    def note_closing(self) -> bool:
        """Return True if the connection is closed gracefully on both sides; if so, add its closing to
        `closing`."""
        if self.sock is None or not tcp.is_closed(info := tcp.read_info(self.sock)):
            return False
        self._at_end = now = tcp.decode_info(info, self.end_of_file, self.state is State.SHUT)
        if now is not None and self._at_leaving is not None and self.closing is not None:
            self.closing += now - self._at_leaving
            self.closings += 1
        return True

    def note_over(self) -> None:
        """Add the counters of the connection, which is over, to `past`."""
        if self._at_end is not None and self.past is not None:
            self.past += self._at_end
        else:
            self.past = self.tcp_info()
        self._at_leaving = self._at_end = None

    def _of_connection(self, sock: RawSocket) -> tcp.TcpInfo | None:
        """Return the counters of the present connection alone."""
        return tcp.decode_info(tcp.read_info(sock), self.end_of_file, self.state is State.SHUT)
