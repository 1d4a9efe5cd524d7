"""The side that closed first keeps a socket in TIME_WAIT, and the other one does not."""

from __future__ import annotations

import socket
import sys

import pytest

from bench.measure.time_wait import closed_first, counted

LISTED = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:21FD 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0
   1: 0100007F:21FD 0100007F:C001 06 00000000:00000000 03:000016D2 00000000     0        0 0 3 0
   2: 0100007F:C002 0100007F:21FD 06 00000000:00000000 03:000016D2 00000000     0        0 0 3 0
   3: 0100007F:C003 0100007F:21FD 01 00000000:00000000 00:00000000 00000000     0        0 9 1 0
   4: 0100007F:C004 0100007F:21FE 06 00000000:00000000 03:000016D2 00000000     0        0 0 3 0
"""


def test_only_sockets_of_the_port_that_are_in_time_wait_count() -> None:
    assert counted([LISTED, LISTED], 0x21FD) == (2, 2)
    assert counted([LISTED], 0x21FE) == (0, 1)
    assert counted([LISTED], 1) == (0, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="the list is Linux's")
@pytest.mark.parametrize("server_first", [True, False])
def test_the_side_that_closes_first_is_counted(server_first: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        before = closed_first(port)
        client = socket.create_connection(("127.0.0.1", port))
        server, _ = listening.accept()
        first, second = (server, client) if server_first else (client, server)
        first.shutdown(socket.SHUT_WR)
        assert second.recv(1) == b""
        second.close()
        assert first.recv(1) == b""
        first.close()
        after = closed_first(port)
    assert before is not None
    assert after is not None
    assert (after[0] - before[0], after[1] - before[1]) == ((1, 0) if server_first else (0, 1))
