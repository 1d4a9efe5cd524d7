"""A connection's opening and closing, on real sockets closed from either side."""

from __future__ import annotations

import errno
import select
import socket
from _socket import socket as RawSocket

import pytest

from bench.measure import tcp
from bench.transports.link import Link, State, reason_of

pytestmark = pytest.mark.skipif(not tcp.LINUX, reason="TCP_INFO is Linux's")


def opened() -> tuple[Link, RawSocket, socket.socket]:
    """Return a link whose connection is up, and the server's side."""
    listener = socket.create_server(("127.0.0.1", 0))
    link = Link(None)  # type: ignore[arg-type]  (no machine is asked for anything)
    sock = RawSocket(socket.AF_INET, socket.SOCK_STREAM)
    tcp.prepare(sock)
    link.sock, link.state = sock, State.OPENING
    sock.connect(listener.getsockname())
    server, _ = listener.accept()
    listener.close()
    link.state = State.OPEN
    link.note_opening()
    return link, sock, server


def talk(sock: RawSocket, server: socket.socket) -> None:
    sock.send(b"x" * 100)
    assert server.recv(200) == b"x" * 100
    server.sendall(b"y" * 50)
    assert sock.recv(200) == b"y" * 50


def finish(link: Link, sock: RawSocket) -> None:
    """Wait for the kernel to call it closed."""
    poll = select.poll()
    poll.register(sock.fileno(), 0)
    while not tcp.is_closed(tcp.read_info(sock)):
        poll.poll(1000)
    link.note_closing()
    link.past = link.tcp_info()
    link.sock = None
    sock.close()


def test_what_arrives_during_a_look_is_not_taken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    link, sock, server = opened()
    honest, looks = tcp.read_info, iter(["late"])

    def read_info(of: RawSocket) -> bytes | None:
        info = honest(of)
        if next(looks, None):
            server.sendall(b"z" * 70)
            while tcp.unread_bytes(of) < 70:
                pass
        return info

    monkeypatch.setattr(tcp, "read_info", read_info)
    now = link.tcp_info()
    assert now is not None
    assert now.bytes_down == 0   # nobody has read it yet
    sock.close()
    server.close()


def test_the_client_closes_first() -> None:
    link, sock, server = opened()
    assert link.opening is not None
    assert (link.opening.segments_up, link.opening.segments_down) == (2, 1)
    assert (link.opening.control_segments_up, link.opening.control_segments_down) == (1, 1)
    talk(sock, server)
    before = link.tcp_info()
    link.note_leaving()
    link.state = State.SHUT
    sock.shutdown(socket.SHUT_WR)
    assert server.recv(1) == b""
    server.close()
    assert sock.recv(1) == b""
    link.end_of_file = True
    link.note_leaving()   # the second FIN does not begin it anew
    finish(link, sock)
    assert before is not None
    assert link.closing == link.past - before  # type: ignore[operator]
    assert (link.closing.control_segments_up, link.closing.control_segments_down) == (1, 1)
    assert (link.closing.bytes_up, link.closing.bytes_down) == (0, 0)
    assert (link.openings, link.closings) == (1, 1)


def test_the_servers_fin_belongs_to_closing_too() -> None:
    link, sock, server = opened()
    talk(sock, server)
    before = link.tcp_info()
    server.shutdown(socket.SHUT_WR)
    while link.tcp_info().control_segments_down < 2:  # type: ignore[union-attr]
        pass   # its FIN is on the way, and nobody reads it
    link.note_leaving()
    assert sock.recv(1) == b""
    link.end_of_file = True
    link.state = State.SHUT
    sock.shutdown(socket.SHUT_WR)
    assert server.recv(1) == b""
    finish(link, sock)
    server.close()
    assert link.closing is not None
    assert (link.closing.control_segments_up, link.closing.control_segments_down) == (1, 1)
    assert before is not None
    assert link.closing == link.past - before  # type: ignore[operator]
    assert (link.closing.bytes_up, link.closing.bytes_down) == (0, 0)


@pytest.mark.parametrize(
    ("number", "word"),
    [(errno.ECONNREFUSED, "refused"), (errno.EPIPE, "reset"), (errno.EMFILE, "emfile"), (9999, "errno-9999")],
)
def test_reasons_are_words(number: int, word: str) -> None:
    assert reason_of(number) == word
