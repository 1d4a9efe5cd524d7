from __future__ import annotations

import socket
import struct
from _socket import socket as RawSocket

import pytest

from bench.clock import NO_STAMP, RunClock, realtime_offset_ns
from bench.measure import tcp

pytestmark = pytest.mark.skipif(not tcp.LINUX, reason="stamps and TCP_INFO are Linux's")


def info(length: int, state: int = 1) -> bytes:
    """Return a struct tcp_info whose fields are all different."""
    raw = bytearray(256)
    raw[0] = state
    struct.pack_into("=I", raw, 100, 7)            # tcpi_total_retrans
    struct.pack_into("=Q", raw, 128, 5001)         # tcpi_bytes_received
    struct.pack_into("=II", raw, 136, 31, 41)      # tcpi_segs_out, tcpi_segs_in
    struct.pack_into("=II", raw, 152, 21, 11)      # tcpi_data_segs_in, tcpi_data_segs_out
    struct.pack_into("=QQ", raw, 200, 9000, 1000)  # tcpi_bytes_sent, tcpi_bytes_retrans
    return bytes(raw[:length])


def test_the_counters_are_where_the_kernel_puts_them() -> None:
    counted = tcp.TcpInfo(
        bytes_up=8000, bytes_down=5001, segments_up=31, segments_down=41, retransmitted_segments_up=7,
        retransmitted_bytes_up=1000, data_segments_up=11, data_segments_down=21,
        control_segments_up=1, control_segments_down=1,
    )
    assert tcp.decode_info(info(248)) == counted
    assert tcp.decode_info(info(248), end_of_file=True) == counted._replace(
        bytes_down=5000, control_segments_down=2)
    assert tcp.decode_info(info(248), shut=True) == counted._replace(control_segments_up=2)
    close_wait = 8   # the peer's FIN has come, and was not read yet
    assert tcp.decode_info(info(248, state=close_wait)) == counted._replace(
        bytes_down=5000, control_segments_down=2)


def test_an_older_kernel_knows_less() -> None:
    older = tcp.decode_info(info(192))
    assert older is not None
    assert (older.bytes_up, older.retransmitted_bytes_up, older.data_segments_up) == (None, None, 11)
    oldest = tcp.decode_info(info(144))
    assert oldest is not None
    assert (oldest.segments_up, oldest.data_segments_up) == (31, None)
    assert tcp.decode_info(info(104)) is None
    assert tcp.decode_info(None) is None


def test_counters_of_connections_add_and_subtract_field_by_field() -> None:
    one, other = tcp.TcpInfo(*range(1, 11)), tcp.TcpInfo(*range(10, 110, 10))
    assert one + other == tcp.TcpInfo(*range(11, 121, 11))
    assert (one + other) - other == one
    assert one + tcp.NOTHING == one
    assert (one + other._replace(bytes_up=None)).bytes_up is None


def connected() -> tuple[RawSocket, socket.socket]:
    """Return a prepared client's socket and its server's side."""
    listener = socket.create_server(("127.0.0.1", 0))
    client = RawSocket(socket.AF_INET, socket.SOCK_STREAM)
    tcp.prepare(client)
    client.connect(listener.getsockname())
    server, _ = listener.accept()
    listener.close()
    return client, server


def test_a_conversation_is_counted_to_the_byte() -> None:
    client, server = connected()
    with server:
        for _ in range(10):
            client.send(b"x" * 100)
            server.recv(100)
            server.sendall(b"y" * 3000)
            received = 0
            while received < 3000:
                received += len(client.recv(65536))
        assert tcp.is_up(tcp.read_info(client))
        assert not tcp.is_closed(tcp.read_info(client))
        client.shutdown(socket.SHUT_WR)
        assert server.recv(1) == b""
    assert client.recv(1) == b""
    raw = tcp.read_info(client)
    counted = tcp.decode_info(raw, end_of_file=True, shut=True)
    client.close()
    assert tcp.is_closed(raw)
    assert not tcp.is_up(raw)
    assert not tcp.is_up(None)
    assert counted is not None
    assert (counted.bytes_up, counted.bytes_down, counted.retransmitted_segments_up) == (1000, 30_000, 0)
    assert counted.segments_down >= 10 * 3   # 3000 bytes are three segments of at most 1460
    assert (counted.data_segments_up, counted.data_segments_down) == (10, 30)
    # The segments that the client sent beside the ten are its SYN, its FIN and bare acknowledgements.
    assert (counted.control_segments_up, counted.control_segments_down) == (2, 2)
    assert counted.segments_up > 12
    assert counted.segments_down in (32, 33)   # the client's FIN may be acknowledged by the server's own


def test_arrivals_are_stamped_between_sending_and_reading() -> None:
    held = tcp.hold_stamped_socket()
    clock = RunClock.start()
    client, server = connected()
    stamped = 0
    with server:
        while stamped < 20:
            offset = realtime_offset_ns() + clock.origin_ns
            before = clock.now_ns()
            server.sendall(b"x")
            data, ancillary, _, _ = client.recvmsg(65536, tcp.ANCILLARY_SPACE)
            after = clock.now_ns()
            stamp = tcp.stamp_ns(ancillary)
            assert data == b"x"
            # The kernel begins to stamp a moment after the first socket asked for it, and then always does.
            assert stamp != NO_STAMP or stamped == 0
            if stamp != NO_STAMP:
                assert before - 100_000 <= stamp - offset <= after + 100_000
                stamped += 1
    data, ancillary, _, _ = client.recvmsg(65536, tcp.ANCILLARY_SPACE)
    assert (data, tcp.stamp_ns(ancillary)) == (b"", NO_STAMP)   # the end of file has none
    client.close()
    held.close()


def test_other_ancillary_data_is_no_stamp() -> None:
    assert tcp.stamp_ns([]) == NO_STAMP
    assert tcp.stamp_ns([(socket.SOL_SOCKET, 1, b"x" * 16), (socket.IPPROTO_TCP, 35, b"x" * 16)]) == NO_STAMP


def test_what_nobody_has_read_is_known_apart() -> None:
    client, server = connected()
    with server:
        server.sendall(b"x" * 100)
        assert client.recv(30, socket.MSG_WAITALL) == b"x" * 30
        counted = tcp.decode_info(tcp.read_info(client))
        assert counted is not None
        assert counted.bytes_down - tcp.unread_bytes(client) == 30
    client.close()
