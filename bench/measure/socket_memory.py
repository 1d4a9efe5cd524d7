"""The memory in the kernel's socket buffers of a server's connections, exact for one port.

The kernel lists its TCP sockets over netlink (sock_diag(7)), filtered by local port, with the memory that
is charged to each (`INET_DIAG_SKMEMINFO`, as `ss -m` prints it). All connections that a server accepted
have the port that it listens on, and their clients' ends have others; so whatever else runs on the
machine does not come in, and neither does the client's half. A trial's clients come by one address, so all connections
are of one address family.

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

import numpy as np
import numpy.typing as npt

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
HELD = (0, 4, 5, 6, 7)
"""Places in SKMEMINFO of: receive buffer, reserved, send queue, options, backlog (`linux/sock_diag.h`)."""


def held_bytes(port: int) -> int | None:
    """Return the bytes in the kernel's buffers of all connections accepted on `port`, or of those over IPv4 where there
    are any; None where they can't be read."""
    if sys.platform != "linux":
        return None
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4) as line:   # NETLINK_SOCK_DIAG
            line.settimeout(1.0)
            held = _dump(line, socket.AF_INET, port)
            if held is None:
                held = _dump(line, socket.AF_INET6, port)
            return held or 0
    except OSError:
        return None   # forbidden in this container, or no such module in this kernel


def _dump(line: socket.socket, family: int, port: int) -> int | None:
    """Return the bytes of all connections of an address family; None where it has none."""
    wanted = REQUEST.pack(family, socket.IPPROTO_TCP, 1 << (INET_DIAG_SKMEMINFO - 1), CONNECTED,
                          port.to_bytes(2, "big"), b"\0\0")
    line.send(HEADER.pack(HEADER.size + len(wanted), SOCK_DIAG_BY_FAMILY, REQUEST_DUMP, 1, 0) + wanted)
    held: int | None = None
    while True:
        data = line.recv(1 << 17)
        at = 0
        while at < len(data):
            length, kind, *_ = HEADER.unpack_from(data, at)
            if kind == NLMSG_DONE:
                return held
            if kind == NLMSG_ERROR:
                raise OSError(-struct.unpack_from("=l", data, at + HEADER.size)[0], "sock_diag refused")
            alike = _alike(data, at, length)
            held = (held or 0) + _held(data, at, length, alike)
            at += _aligned(length) * alike


def _alike(data: bytes, at: int, length: int) -> int:
    """Return the number of responses from `at` on that are as long as the one there, and of the same attributes: of a
    server's connections nearly all, which are summed at once."""
    words = _rows(data, at, length)
    same = words[:, :2] == words[0, :2]      # length, kind and flags
    headers = [place for place, _ in _attributes(data, at, length)]
    same &= (words[:, headers] == words[0, headers]).all(axis=1, keepdims=True)
    differs = np.flatnonzero(~same.all(axis=1))
    return int(differs[0]) if len(differs) else len(words)


def _held(data: bytes, at: int, length: int, alike: int) -> int:
    """Return the memory in the attributes of as many responses from `at` on."""
    for place, kind in _attributes(data, at, length):
        if kind == INET_DIAG_SKMEMINFO:
            return int(_rows(data, at, length)[:alike, [place + 1 + each for each in HELD]].sum(dtype=np.int64))
    return 0


def _rows(data: bytes, at: int, length: int) -> npt.NDArray[np.uint32]:
    """Return all that follows from `at` on in rows of the words of a response of this length."""
    words = np.frombuffer(data, np.uint32, (len(data) - at) // 4, at)
    wide = _aligned(length) // 4
    return words[: len(words) // wide * wide].reshape(-1, wide)


def _attributes(data: bytes, at: int, length: int) -> Iterator[tuple[int, int]]:
    """Return each attribute of a response: its place in words, and its kind."""
    place, end = at + HEADER.size + REPLY_BYTES, at + length
    while place < end:
        size, kind = ATTRIBUTE.unpack_from(data, place)
        yield (place - at) // 4, kind
        place += _aligned(size)


def _aligned(length: int) -> int:
    return (length + 3) & ~3
