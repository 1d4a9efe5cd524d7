"""The memory in the kernel's socket buffers of a server's connections, exact for one port.

The kernel lists its TCP sockets over netlink (sock_diag(7)), filtered by local port, with the memory that
is charged to each (`INET_DIAG_SKMEMINFO`, as `ss -m` prints it). All connections that a server accepted
have the port that it listens on, and their clients' ends have others; so whatever else runs on the
machine does not come in, and neither does the client's half.

    held = received and unread + to be sent or acknowledged + reserved + options + backlog

Known weakness: buffers only. The kernel's objects of a connection (socket, inode, file: some 3 kB) and
its entries in tables are not charged to a socket, and packets on their way through loopback belong to no
socket. A server that takes connections in on several ports is seen on one. Off Linux, or where netlink is
forbidden, there is no response.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Iterator

SOCK_DIAG_BY_FAMILY = 20
NLMSG_ERROR, NLMSG_DONE = 2, 3
REQUEST_DUMP = 0x301
INET_DIAG_SKMEMINFO = 7
CONNECTED = sum(1 << state for state in (1, 4, 5, 8, 9, 11))
"""Every state of a connection that has buffers: not listening, not being opened, not in TIME_WAIT."""

HEADER = struct.Struct("=LHHLL")
REQUEST = struct.Struct("=BBBxL2s2s44x")
REPLY_BYTES = 72
ATTRIBUTE = struct.Struct("=HH")
MEMORY = struct.Struct("=8L")
HELD = (0, 4, 5, 6, 7)
"""Places in SKMEMINFO of: receive buffer, reserved, send queue, options, backlog (`linux/sock_diag.h`)."""


def held_bytes(port: int) -> int | None:
    """Return the bytes in the kernel's buffers of all connections accepted on `port`; None where
    they can't be read."""
    if sys.platform != "linux":
        return None
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4) as line:   # NETLINK_SOCK_DIAG
            line.settimeout(1.0)
            return sum(sum(_dump(line, family, port)) for family in (socket.AF_INET, socket.AF_INET6))
    except OSError:
        return None   # forbidden in this container, or no such module in this kernel


def _dump(line: socket.socket, family: int, port: int) -> Iterator[int]:
    """Return the bytes of each connection of an address family."""
    wanted = REQUEST.pack(family, socket.IPPROTO_TCP, 1 << (INET_DIAG_SKMEMINFO - 1), CONNECTED,
                          port.to_bytes(2, "big"), b"\0\0")
    line.send(HEADER.pack(HEADER.size + len(wanted), SOCK_DIAG_BY_FAMILY, REQUEST_DUMP, 1, 0) + wanted)
    while True:
        data = line.recv(1 << 17)
        at = 0
        while at < len(data):
            length, kind, *_ = HEADER.unpack_from(data, at)
            if kind == NLMSG_DONE:
                return
            if kind == NLMSG_ERROR:
                raise OSError(-struct.unpack_from("=l", data, at + HEADER.size)[0], "sock_diag refused")
            yield _held(data, at + HEADER.size + REPLY_BYTES, at + length)
            at += _aligned(length)


def _held(data: bytes, at: int, end: int) -> int:
    """Return the memory in the attributes of one response."""
    while at < end:
        length, kind = ATTRIBUTE.unpack_from(data, at)
        if kind == INET_DIAG_SKMEMINFO:
            values = MEMORY.unpack_from(data, at + ATTRIBUTE.size)
            return sum(values[place] for place in HELD)
        at += _aligned(length)
    return 0


def _aligned(length: int) -> int:
    return (length + 3) & ~3
