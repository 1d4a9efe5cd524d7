"""The listening socket, whose options every accepted connection inherits.

By default the kernel accepts megabytes for a client that has stopped reading, and no policy for slow
clients ever takes effect. So these buffers are limited here, in the same way for all transports:

    SO_SNDBUF          64 KiB   bytes that the kernel holds for a client (Linux counts twice that)
    TCP_NOTSENT_LOWAT  16 KiB   the part of it not yet sent: the rest stays where we can conflate it
    TCP_MAXSEG          1460    loopback's own 32 kB segments would favour large payloads
    TCP_NODELAY            1    a tick waits for no acknowledgement
    TCP_USER_TIMEOUT             ends connections that take no bytes any more

Known weakness: on systems other than Linux some of these do not exist; they are then left out.
"""

from __future__ import annotations

import socket

SEND_BUFFER_BYTES = 64 * 1024
UNSENT_BYTES = 16 * 1024
SEGMENT_BYTES = 1460
BACKLOG = 1024
"""The largest number of connections that may wait to be accepted."""


def listening_socket(host: str, port: int, stall_s: float) -> socket.socket:
    """Return a non-blocking socket that listens at `host` and `port` (0: any). Raises `OSError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    options = [
        (socket.SOL_SOCKET, "SO_REUSEADDR", 1),
        (socket.SOL_SOCKET, "SO_SNDBUF", SEND_BUFFER_BYTES),
        (socket.IPPROTO_TCP, "TCP_NOTSENT_LOWAT", UNSENT_BYTES),
        (socket.IPPROTO_TCP, "TCP_MAXSEG", SEGMENT_BYTES),
        (socket.IPPROTO_TCP, "TCP_NODELAY", 1),
        (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", int(stall_s * 1000)),
    ]
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        for level, name, value in options:
            if hasattr(socket, name):
                sock.setsockopt(level, getattr(socket, name), value)
        sock.bind((host, port))
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock
