"""The kernel's buffers of a server's connections: what waits in them, and nobody else's."""

from __future__ import annotations

import errno
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress

import pytest

from bench.measure import socket_memory
from bench.measure.socket_memory import held_bytes

Pair = tuple[socket.socket, socket.socket]


def reason_against() -> str:
    """Return why the kernel can't be asked here, by a question of the test's own, for no socket at all; empty: it
    answers."""
    if sys.platform != "linux":
        return "netlink is Linux's"
    question = struct.pack("=LHHLLBB54x", 72, 20, 0x301, 1, 0, socket.AF_INET, socket.IPPROTO_TCP)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4) as line:
            line.settimeout(5.0)
            line.send(question)
            _, kind, _, _, _, status = struct.unpack("=LHHLLl", line.recv(4096)[:20])
    except OSError as error:
        return f"sock_diag can't be asked here: {error}"
    return f"sock_diag refuses here: {errno.errorcode.get(-status, status)}" if kind == 2 else ""


@pytest.fixture(scope="module")
def answering() -> None:
    if reason := reason_against():
        pytest.skip(reason)


@pytest.fixture(params=[socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv6 for both"])
def pair(request: pytest.FixtureRequest, answering: None) -> Iterator[Pair]:
    """A connection: the client's end and the server's."""
    both = request.param == socket.AF_INET6
    if both and not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here, or none that takes IPv4, too")
    address = ("::" if both else "127.0.0.1", 0)
    with socket.create_server(address, family=request.param, dualstack_ipv6=both) as listening:
        client = socket.create_connection(("127.0.0.1", port(listening)))
        server, _ = listening.accept()
        with client, server:
            yield client, server


def port(sock: socket.socket) -> int:
    return int(sock.getsockname()[1])


def test_what_was_not_read_yet_is_held(pair: Pair) -> None:
    client, server = pair
    assert held_bytes(port(server)) == 0
    client.sendall(b"x" * 5000)
    server.recv(1, socket.MSG_PEEK)
    held = held_bytes(port(server))
    assert held is not None
    assert 5000 <= held < 100_000


def test_what_the_client_does_not_take_is_held(pair: Pair) -> None:
    client, server = pair
    server.setblocking(False)
    sent = 0
    with suppress(BlockingIOError):
        while True:
            sent += server.send(b"y" * 65536)
    held, theirs = held_bytes(port(server)), held_bytes(port(client))
    assert held is not None
    assert theirs is not None
    assert held > 100_000           # waits to be sent
    assert theirs > 100_000         # arrived, and is the client's own
    assert held + theirs >= sent


def test_many_connections_are_summed(answering: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        pairs = []
        for _ in range(100):
            client = socket.create_connection(listening.getsockname())
            pairs.append((client, listening.accept()[0]))
        for client, server in pairs:
            client.sendall(b"x" * 1000)
            server.recv(1, socket.MSG_PEEK)
        held = held_bytes(port(listening))
        for client, server in pairs:
            client.close()
            server.close()
        assert held is not None
        assert held >= 100 * 1000


def response(*attributes: tuple[int, bytes]) -> bytes:
    """Return a response of the kernel with these attributes: kind and content."""
    body = b"".join(struct.pack("=HH", 4 + len(content), kind) + content for kind, content in attributes)
    return struct.pack("=LHHLL", 16 + 72 + len(body), 20, 2, 1, 0) + b"\x07" * 72 + body


class Line:
    """A netlink socket that answers with these bytes."""

    def __init__(self, *reads: bytes) -> None:
        self.reads = list(reads)

    def send(self, question: bytes) -> None: ...

    def recv(self, most: int) -> bytes:
        return self.reads.pop(0)


def test_responses_of_different_attributes_are_summed_each_by_its_own() -> None:
    """As long as the others, but in another order; longer; without any memory."""
    memory = (7, struct.pack("=9L", 1, 2, 4, 8, 16, 32, 64, 128, 256))   # 1 + 16 + 32 + 64 + 128 are held
    other = (8, b"\0" * 8)
    one, turned, longer, none = response(memory, other), response(other, memory), response(memory), response(other)
    done = struct.pack("=LHHLLL", 20, 3, 2, 1, 0, 0)
    line = Line(one + one + turned + longer, none + one + one + done)
    assert socket_memory._dump(line, socket.AF_INET, 1) == 6 * (1 + 16 + 32 + 64 + 128)   # type: ignore[arg-type]
    assert socket_memory._dump(Line(done), socket.AF_INET, 1) is None   # type: ignore[arg-type]


def test_elsewhere_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_memory.sys, "platform", "darwin")   # type: ignore[attr-defined]
    assert held_bytes(1) is None
