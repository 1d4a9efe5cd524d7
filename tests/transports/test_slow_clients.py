"""Clients that are too slow cost little memory and delay nobody; tests/transports/test_generic.py has what is alike for
every transport."""

from __future__ import annotations

import socket
from typing import Any

import orjson
import pytest
from servers import OWN_MAKES, PATIENCE_S, ScriptedFeed, ServerProcess, running_server
from websockets.exceptions import ConnectionClosedError
from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, Protocol
from websockets.sync.client import connect

pytestmark = pytest.mark.process

POLICIES = ("conflate", "drop-oldest", "disconnect")
BUFFER_TICKS = 10
BULK_TICKS, BULK_BYTES = 8_000, 2_000
"""16 MB of ticks: many times what may be held for anybody."""
RSS_GROWTH_MAX = 8_000_000


def server_of(policy: str, tape_ticks: int = 65536) -> dict[str, Any]:
    return {"tape_ticks": tape_ticks, "slow_client": {"policy": policy, "buffer_ticks": BUFFER_TICKS}}


@pytest.fixture(params=[make for make in OWN_MAKES if make.startswith("websocket/")])
def websocket(request: pytest.FixtureRequest) -> str:
    """Each implementation of the WebSocket server."""
    return str(request.param)


class Stalled:
    """A WebSocket client that opens a connection and does not read."""

    def __init__(self, server: ServerProcess) -> None:
        self.sock = server.connect(receive_buffer=4096)
        self.sock.sendall(
            b"GET /ticks HTTP/1.1\r\nHost: [::1]\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.sock.recv(1)

    def messages(self, until_seq: int) -> list[dict[str, Any]]:
        """Read on until the tick `until_seq` or a close frame; return the messages."""
        protocol = Protocol(CLIENT, max_size=None)
        messages: list[dict[str, Any]] = []
        while True:
            data = self.sock.recv(1 << 20)
            assert data, "the connection was cut"
            protocol.receive_data(data)
            for event in protocol.events_received():
                assert isinstance(event, Frame)
                if event.opcode is Opcode.CLOSE:
                    close = protocol.close_rcvd
                    assert close is not None
                    return [*messages, {"code": close.code, "reason": close.reason}]
                message = orjson.loads(event.data)
                messages.append(message if "ticks" in message else {"ticks": [message]})
                if any(tick["seq"] == until_seq for tick in messages[-1]["ticks"]):
                    return messages


def send_until_stuck(sock: socket.socket, data: bytes) -> None:
    """Send until the other side takes no more."""
    sock.settimeout(0.1)
    for _ in range(2000):
        try:
            sock.send(data)
        except TimeoutError:
            return
    pytest.fail("the server takes everything")


def push_in_bulk(server: ServerProcess) -> int:
    """Publish a lot while a second client reads along; how much the server's memory grew."""
    with connect(f"ws://{server.host}:{server.port}/ticks") as reader:
        reader.recv(PATIENCE_S)
        before = grown = server.rss
        for seq in range(5, BULK_TICKS + 1, 5):
            server.feed.publish(*["AAA", "BBB", "AAA", "BBB", "AAA"], padding=BULK_BYTES)
            got: list[int] = []
            while not got or got[-1] < seq:
                message = orjson.loads(reader.recv(PATIENCE_S))
                got += [tick["seq"] for tick in message.get("ticks", [message])]
            assert got == list(range(seq - 4, seq + 1)), "the reader missed something"
            grown = max(grown, server.rss)
    return grown - before


@pytest.mark.parametrize(("websocket", "policy"), [
    *(("websocket/library", policy) for policy in POLICIES), ("websocket/bare", "conflate")])
def test_a_websocket_client_that_stops_reading_costs_little_and_delays_nobody(
    feed: ScriptedFeed, websocket: str, policy: str
) -> None:
    limits = {"close_s": PATIENCE_S}
    with running_server(feed, websocket, server=server_of(policy, 200), limits=limits) as server:
        stalled = Stalled(server)
        assert push_in_bulk(server) < RSS_GROWTH_MAX
        assert stalled.messages(BULK_TICKS)[-1]["code"] in (4008, 4010)   # 200 ticks are a short tape


def test_a_websocket_client_that_lags_too_far_is_closed_while_it_does_not_read(
    feed: ScriptedFeed, websocket: str
) -> None:
    limits = {"close_s": PATIENCE_S}
    with running_server(feed, websocket, server=server_of("disconnect"), limits=limits) as server:
        stalled = Stalled(server)
        while server.counts["slow_disconnects"] == 0:
            server.publish("AAA", padding=BULK_BYTES)
        *messages, last = stalled.messages(feed.head)
        assert last["code"] == 4008
        word, _, resume = last["reason"].partition(" ")
        assert (word, resume.partition(":")[0]) == ("slow-client", "e1")
        seqs = [tick["seq"] for message in messages for tick in message["ticks"]]
        assert seqs == list(range(1, len(seqs) + 1)), "what was sent before has no holes"
        assert int(resume.partition(":")[2]) > len(seqs) + BUFFER_TICKS
        stalled.sock.close()


def test_a_flood_of_pings_by_a_client_that_does_not_read_piles_up_nothing(feed: ScriptedFeed, websocket: str) -> None:
    with running_server(feed, websocket) as server:
        stalled = Stalled(server)
        before = server.rss
        send_until_stuck(stalled.sock, (b"\x89\xfd" + bytes(4) + b"x" * 125) * 500)
        assert server.rss - before < RSS_GROWTH_MAX
        assert server.get("/health").status == 200


@pytest.mark.parametrize("make", [make for make in OWN_MAKES if make.startswith(("short_polling", "long_polling"))])
def test_a_poller_that_does_not_read_its_answers_costs_little_and_delays_nobody(
    feed: ScriptedFeed, make: str
) -> None:
    with running_server(feed, make, server={"batch_max": 50, "tape_ticks": 200}) as server:
        server.publish(*["AAA"] * 100, padding=BULK_BYTES)
        before = server.rss
        greedy = [server.connect(receive_buffer=4096) for _ in range(5)]
        for sock in greedy:
            send_until_stuck(sock, b"GET /ticks?after=e1:0 HTTP/1.1\r\nHost: [::1]\r\n\r\n" * 1000)
        assert len(server.get("/ticks?after=e1:0").seqs) == 50
        assert server.rss - before < RSS_GROWTH_MAX


def test_a_stalled_client_does_not_hold_up_the_servers_end(feed: ScriptedFeed, websocket: str) -> None:
    with running_server(feed, websocket, server=server_of("conflate"), limits={"close_s": 0.3}) as server:
        stalled = Stalled(server)
        for _ in range(20):
            server.publish(*["AAA"] * 9, padding=BULK_BYTES)
        assert server.stop()["refused_stopping"] == 1
        with pytest.raises((ConnectionResetError, AssertionError, ConnectionClosedError)):
            stalled.messages(feed.head + 1)
