from __future__ import annotations

import socket
import sys

import pytest

from bench.serving import sockets


@pytest.mark.skipif(sys.platform != "linux", reason="other systems inherit other options")
def test_an_accepted_connection_inherits_the_bounds() -> None:
    with sockets.listening_socket("127.0.0.1", 0, stall_s=7.0) as listening, socket.socket() as client:
        client.connect(listening.getsockname())
        listening.setblocking(True)
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 2 * 64 * 1024
            tcp = {
                name: accepted.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))
                for name in ("TCP_NOTSENT_LOWAT", "TCP_NODELAY", "TCP_USER_TIMEOUT")
            }
            assert tcp == {"TCP_NOTSENT_LOWAT": 16 * 1024, "TCP_NODELAY": 1, "TCP_USER_TIMEOUT": 7000}
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) <= 1460
            assert client.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) <= 1460


@pytest.mark.skipif(sys.platform != "linux", reason="other systems inherit other options")
def test_what_the_kernel_takes_for_a_client_that_does_not_read_is_bounded() -> None:
    with sockets.listening_socket("127.0.0.1", 0, stall_s=60.0) as listening, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(listening.getsockname())
        listening.setblocking(True)
        accepted, _ = listening.accept()
        with accepted:
            accepted.setblocking(False)
            taken = 0
            try:
                while taken < 1 << 20:
                    taken += accepted.send(bytes(4096))
            except BlockingIOError:
                pass
            assert taken <= 2 * 64 * 1024


def test_a_taken_port_is_an_error_that_leaves_nothing_open() -> None:
    with sockets.listening_socket("127.0.0.1", 0, stall_s=60.0) as listening:
        port = listening.getsockname()[1]
        with pytest.raises(OSError, match=r"already in use"):
            sockets.listening_socket("127.0.0.1", port, stall_s=60.0)
