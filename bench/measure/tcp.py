"""The kernel's data on a TCP connection: arrival timestamps and counters.

**Stamps.** `SO_TIMESTAMPNS` makes `recvmsg` return the instant at which the data reached this host's TCP
(`CLOCK_REALTIME`; `clock.OffsetTrack` brings it to the run clock). Of several segments it is the last
one's, so it bounds from above when each update of a read arrived. Data that was queued before the option
was set has none; and while no stamped socket exists on the host the kernel does not stamp at all, so
`hold_stamped_socket` keeps one open.

**Counters.** `TCP_INFO` counts exactly what went over the wire, per connection. With TCP timestamps on
IPv4, and a connection that was closed in order,

    bytes on the wire, out = bytes_sent     + 52·segs_out + 8
    bytes on the wire, in  = bytes_received + 52·segs_in  + 8

(52 is the IP header, the TCP header and its timestamps; a SYN has 8 bytes more). `bytes_received`
counts the peer's FIN as a byte, which is taken off here; `bytes_sent` counts retransmissions, which are a
number of their own here. A segment carries data (the kernel counts those apart), or it opens or closes the
connection (a SYN, a FIN: `control`), or it is a bare acknowledgement: whatever is left.

How a connection is closed decides whether the counters are whole: shut down, read to the end of file,
wait for the state to be `CLOSED`, and read them then. Read earlier they lack the last segments, up to a
quarter of all where each poll opens a connection.

Known weakness: off Linux there is neither (`read_info` gives None); older kernels know fewer fields,
which the length of the response tells, and what they lack is None too. A FIN that rides on the last data
counts as data, and is missed among the bare acknowledgements. What the other side sent again shows only
as segments that bring nothing new.
"""

from __future__ import annotations

import array
import fcntl
import socket
import struct
import sys
import termios
from _socket import socket as RawSocket
from collections.abc import Callable, Sequence
from operator import add, sub
from typing import Any, NamedTuple

from bench.clock import NO_STAMP

LINUX = sys.platform == "linux"

MSS = 1460
"""The segment size set on every socket: loopback's own 32 kB would favour large payloads."""
ANCILLARY_SPACE = 64
"""Enough of `recvmsg`'s second argument for one stamp."""
SEGMENT_BYTES = 52
"""IPv4 and TCP headers with the timestamp option."""
SYN_BYTES = 8
"""Additional bytes of the options of a SYN."""
ESTABLISHED = 1
"""`TCP_ESTABLISHED`: the connection is up."""
CLOSED = 7
"""`TCP_CLOSE`: both sides have closed."""

_FIN_RECEIVED = (8, 9, 11)
"""`TCP_CLOSE_WAIT`, `TCP_LAST_ACK`, `TCP_CLOSING`."""
_SO_TIMESTAMPNS = 35
_SOL_SOCKET, _IPPROTO_TCP = int(socket.SOL_SOCKET), int(socket.IPPROTO_TCP)
_TCP_NODELAY, _TCP_MAXSEG, _TCP_INFO = 1, 2, 11
timespec = struct.Struct("@ll").unpack
"""Reads the kernel's stamp: its seconds and nanoseconds."""
_TIMESPEC_SIZE = struct.calcsize("@ll")

# struct tcp_info, linux/tcp.h: state at 0, total_retrans at 100, bytes_received at 128, segs_out and
# segs_in at 136, data_segs_in and data_segs_out at 152, bytes_sent and bytes_retrans at 200.
_INFO_SPACE = 256
_INFO = struct.Struct("=B 99x I 24x QII 8x II 40x QQ")
_WITH_DATA_SEGMENTS = 160
"""The least length of the struct from a kernel that counts data segments."""
_LEAST = 144


class TcpInfo(NamedTuple):   # sums, some of them for each connection, are fastest with tuples
    """The counters of one connection, or of several together. Bytes are TCP payload."""

    bytes_up: int | None
    bytes_down: int
    segments_up: int
    segments_down: int
    retransmitted_segments_up: int
    retransmitted_bytes_up: int | None = None
    """Retransmitted payload; not in `bytes_up`."""
    data_segments_up: int | None = None
    """Segments with payload, including retransmitted ones."""
    data_segments_down: int | None = None
    control_segments_up: int = 0
    """SYN and FIN."""
    control_segments_down: int = 0

    def __add__(self, other: TcpInfo) -> TcpInfo:  # type: ignore[override] # a tuple's joins
        """Return the sum; a value that one of the two lacks is unknown in it."""
        return _each(add, self, other)

    def __sub__(self, other: TcpInfo) -> TcpInfo:
        """Return the counts since `other`."""
        return _each(sub, self, other)


_new = tuple.__new__


def _each(operation: Callable[[Any, Any], Any], one: TcpInfo, other: TcpInfo) -> TcpInfo:
    try:
        return _new(TcpInfo, map(operation, one, other))
    except TypeError:   # one of the two does not know it all
        pairs = zip(one, other, strict=True)
        return TcpInfo._make(None if None in pair else operation(*pair) for pair in pairs)


NOTHING = TcpInfo(0, 0, 0, 0, 0, 0, 0, 0)
"""The counters of no connection."""


def prepare(sock: RawSocket) -> None:
    """Set a client's socket up, before it connects: segment size, no delay, arrival stamps."""
    setsockopt = sock.setsockopt
    setsockopt(_IPPROTO_TCP, _TCP_NODELAY, 1)
    if LINUX:
        setsockopt(_IPPROTO_TCP, _TCP_MAXSEG, MSS)
        setsockopt(_SOL_SOCKET, _SO_TIMESTAMPNS, 1)


def hold_stamped_socket() -> RawSocket:
    """Return an idle socket with timestamps on; while it is open the kernel timestamps from the
    first byte on."""
    sock = RawSocket(socket.AF_INET, socket.SOCK_DGRAM)
    if LINUX:
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    return sock


def stamp_ns(ancillary: Sequence[tuple[int, int, bytes]]) -> int:
    """Return the timestamp in `recvmsg`'s ancillary data, in ns of `CLOCK_REALTIME`; `NO_STAMP`
    without one."""
    for level, kind, data in ancillary:
        if kind == _SO_TIMESTAMPNS and level == _SOL_SOCKET and len(data) == _TIMESPEC_SIZE:
            seconds: int
            nanoseconds: int
            seconds, nanoseconds = timespec(data)
            return seconds * 1_000_000_000 + nanoseconds
    return NO_STAMP


def wire_bytes(payload: int, segments: int, syns: int) -> int:
    """Return the bytes on the wire of a number of segments, including IPv4 and TCP headers."""
    return payload + SEGMENT_BYTES * segments + SYN_BYTES * syns


def read_info(sock: RawSocket) -> bytes | None:
    """Return `TCP_INFO` as the kernel gives it (0.4 µs); None where there is none."""
    if not LINUX:
        return None
    return sock.getsockopt(_IPPROTO_TCP, _TCP_INFO, _INFO_SPACE)


def unread_bytes(sock: RawSocket) -> int:
    """Return the bytes that the kernel has counted as received and the application has not read yet."""
    unread = array.array("i", [0])
    fcntl.ioctl(sock.fileno(), termios.FIONREAD, unread)
    return unread[0]


def is_up(info: bytes | None) -> bool:
    """Return True where the connection is known to be up, and neither side has begun to close it."""
    return info is not None and info[0] == ESTABLISHED


def is_closed(info: bytes | None) -> bool:
    """Return True where both sides have closed and everything was acknowledged, or without `TCP_INFO`."""
    return info is None or info[0] == CLOSED


def decode_info(
    info: bytes | None, end_of_file: bool = False, shut: bool = False, before_fin: bool = False
) -> TcpInfo | None:
    """Return the counters in `info`.

    `end_of_file`: the peer's FIN was read, which the kernel counted as a byte (a FIN not yet read
    shows in the state). `shut`: our FIN was sent. With `before_fin` the peer's FIN is left out: the
    counts are those until it came.
    """
    if info is None or len(info) < _LEAST:
        return None
    if len(info) < _INFO.size:
        return _decode_older(info, end_of_file, shut, before_fin)
    state, retransmitted, received, out, in_, data_down, data_up, sent, again = _INFO.unpack_from(info)
    ends = 1 if end_of_file or state in _FIN_RECEIVED else 0
    received -= ends
    if before_fin:
        in_ -= ends
        ends = 0
    return _new(TcpInfo, (
        sent - again, received, out, in_, retransmitted, again, data_up, data_down,
        (out > 0) + shut, (in_ > 0) + ends,
    ))


def _decode_older(info: bytes, end_of_file: bool, shut: bool, before_fin: bool) -> TcpInfo | None:
    """Return the counters from a kernel that has fewer of them."""
    whole = decode_info(info.ljust(_INFO.size, b"\0"), end_of_file, shut, before_fin)
    assert whole is not None
    whole = whole._replace(bytes_up=None, retransmitted_bytes_up=None)
    if len(info) < _WITH_DATA_SEGMENTS:
        whole = whole._replace(data_segments_up=None, data_segments_down=None)
    return whole
