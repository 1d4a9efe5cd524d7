"""The side that closed a server's connections first, by the sockets that the kernel keeps for it.

    first FIN ─► FIN-WAIT ─► TIME_WAIT, 60 s         the side that closed first (RFC 9293, section 3.6)
    last FIN  ─► LAST-ACK ─► nothing                 the other one

Over loopback both sides' sockets are on this machine: one in TIME_WAIT whose local port is the server's was closed
first by the server, one whose remote port it is was closed first by a client. /proc/net/tcp lists them all.

Known weakness: the last 60 s only. A connection that was reset, or whose socket the kernel gave to a new connection
meanwhile, has none; where both sides closed at once, both have one. Off Linux there is no response.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

LISTS = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
TIME_WAIT = "06"


def closed_first(port: int) -> tuple[int, int] | None:
    """Return how many of the connections of the server on `port` the server closed first, and how many its clients.

    Returns None where the kernel's lists can't be read.
    """
    try:
        texts = [path.read_text(encoding="ascii") for path in LISTS if path.exists()]
    except OSError:
        return None
    return counted(texts, port) if texts else None


def counted(texts: Iterable[str], port: int) -> tuple[int, int]:
    """Return the sockets in TIME_WAIT whose local port is `port`, and those whose remote port it is.

    `texts` have a heading and a line for each socket: a number, local address, remote address, state and more, in
    hexadecimal digits.
    """
    wanted, local, remote = f"{port:04X}", 0, 0
    for text in texts:
        for line in text.splitlines()[1:]:
            _, ours, theirs, state, *_ = line.split()
            if state == TIME_WAIT:
                local += ours.endswith(f":{wanted}")
                remote += theirs.endswith(f":{wanted}")
    return local, remote
