from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from servers import MAKES, PATIENCE_S, ScriptedFeed, ServerProcess, running_server, wait_until
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Opcode
from websockets.sync.client import ClientConnection, connect

pytestmark = pytest.mark.process

LIMITS = {"head_s": 0.4, "close_s": 0.5}
SITE = "https://ticker.example"
UPGRADE = (
    b"GET /ticks%b HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.fixture(params=[make for make in MAKES if make.startswith("websocket/")])
def make(request: pytest.FixtureRequest) -> str:
    """Each implementation of the server."""
    return str(request.param)


def said(server: ServerProcess, what: bytes) -> bytes:
    """Return all that the server answers to these bytes before it closes."""
    with server.connect() as sock:
        sock.sendall(what)
        with sock.makefile("rb") as answer:
            return answer.read()


@pytest.fixture
def server(feed: ScriptedFeed, make: str) -> Iterator[ServerProcess]:
    with running_server(feed, make, limits=LIMITS, origins=[SITE]) as server:
        yield server


def opened(server: ServerProcess, query: str = "", **options: Any) -> ClientConnection:
    options.setdefault("ping_interval", None)
    return connect(f"ws://{server.host}:{server.port}/ticks{query}", **options)


def received(client: ClientConnection) -> Any:
    return orjson.loads(client.recv(PATIENCE_S))


def closed(client: ClientConnection) -> tuple[int, str]:
    """Return the code and reason with which the server closes."""
    while True:
        try:
            client.recv(PATIENCE_S)
        except ConnectionClosed:
            return client.close_code or 0, client.close_reason or ""


def masked(opcode: int, payload: bytes, fin: bool = True) -> bytes:
    """Return a client's frame with a key of zeros, which leaves the payload as it is."""
    length = len(payload)
    size = bytes([0x80 | length]) if length < 126 else b"\xfe" + length.to_bytes(2, "big")
    return bytes([(0x80 if fin else 0) | opcode]) + size + bytes(4) + payload


def test_the_first_message_is_a_batch_then_come_bare_ticks(feed: ScriptedFeed, server: ServerProcess) -> None:
    with opened(server) as client:
        assert received(client) == {"cursor": "e1:0", "more": False, "ticks": []}
        for number, symbol in enumerate(("AAA", "BBB", "AAA")):
            server.publish(symbol)
            assert client.recv(PATIENCE_S) == feed.lines[number].decode()


def test_the_backlog_comes_in_the_first_message(server: ServerProcess) -> None:
    server.publish("AAA", "BBB", "AAA")
    with opened(server, "?after=e1:1") as client:
        hello = received(client)
        assert ([tick["seq"] for tick in hello["ticks"]], hello["cursor"]) == ([2, 3], "e1:3")


def test_a_long_backlog_comes_in_batches_and_then_goes_on_live(feed: ScriptedFeed, make: str) -> None:
    with running_server(feed, make, server={"batch_max": 10}) as server:
        server.publish(*["AAA"] * 35)
        with opened(server, "?after=e1:0") as client:
            batches = [received(client) for _ in range(4)]
            assert [len(batch["ticks"]) for batch in batches] == [10, 10, 10, 5]
            server.publish("BBB")
            assert received(client)["seq"] == 36


def test_ticks_that_came_together_are_one_message(server: ServerProcess) -> None:
    with opened(server) as client:
        received(client)
        server.publish("AAA", "BBB", "AAA")
        batch = received(client)
        assert ([tick["seq"] for tick in batch["ticks"]], batch["cursor"]) == ([1, 2, 3], "e1:3")


def test_each_client_gets_what_it_subscribed_to(server: ServerProcess) -> None:
    with opened(server) as everything, opened(server, "?symbols=BBB") as some:
        received(everything), received(some)
        for symbol in ("AAA", "BBB", "AAA", "BBB"):
            server.publish(symbol)
        assert [received(everything)["seq"] for _ in range(4)] == [1, 2, 3, 4]
        assert [received(some)["seq"] for _ in range(2)] == [2, 4]
    counts = server.stop()
    assert (counts["deliveries"], counts["answers_empty"]) == (6, 2)


def test_latest_mode_conflates_what_comes_together(server: ServerProcess) -> None:
    with opened(server, "?mode=latest") as client:
        received(client)
        server.publish("AAA", "AAA", "BBB", "AAA")
        batch = received(client)
        assert [tick["seq"] for tick in batch["ticks"]] == [3, 4]
        assert batch["conflated"] == {"AAA": 2}
    assert server.counts["conflated"] == 2


@pytest.mark.parametrize(
    ("target", "status", "error"),
    [
        ("?after=nonsense", 400, "bad-cursor"),
        ("?symbols=%ff", 400, "bad-encoding"),
        ("?mode=newest", 400, "bad-request"),
        ("?symbols=ZZZ", 404, "unknown-symbol"),
        ("?after=zz:1", 409, "other-epoch"),
        ("?after=e1:" + "1" * 8000, 414, "target-too-long"),
        ("?after=e1:" + "1" * 9000, 414, "target-too-long"),
        ("x", 404, "not-found"),
    ],
)
def test_a_bad_request_is_refused_before_the_upgrade(
    server: ServerProcess, target: str, status: int, error: str
) -> None:
    with pytest.raises(InvalidStatus) as caught:
        opened(server, target)
    response = caught.value.response
    assert response.status_code == status
    assert orjson.loads(response.body or b"")["error"] == error
    assert server.counts[f"refused_{error}"] == 1


def test_what_has_left_the_tape_is_refused_before_the_upgrade(feed: ScriptedFeed, make: str) -> None:
    with running_server(feed, make, server={"tape_ticks": 3}) as server:
        server.publish(*["AAA"] * 6)
        with pytest.raises(InvalidStatus) as caught:
            opened(server, "?after=e1:0")
        assert caught.value.response.status_code == 410
        assert orjson.loads(caught.value.response.body or b"")["resume"] == "e1:3"


def test_headers_that_are_too_large_and_methods_other_than_get_are_refused(server: ServerProcess) -> None:
    assert server.get("/ticks", Big="x" * 9000).status == 431
    assert server.get("/ticks", **{f"N{n}": "1" for n in range(200)}).status == 431
    refused = server.get("/ticks", method="POST")
    assert (refused.status, refused.headers["Allow"]) == (405, "GET")
    plain = server.get("/ticks")
    assert (plain.status, plain.json["error"]) == (426, "upgrade-required")
    assert said(server, b"GET /ticks HTTP/1.1\r\nHost: localhost\r\n\r\n").count(b"Upgrade: websocket") == 1


@pytest.mark.parametrize("hosts", [b"", b"Host: localhost\r\nHost: localhost\r\n"])
def test_a_request_names_one_host(server: ServerProcess, hosts: bytes) -> None:
    answer = said(server, (UPGRADE % b"").replace(b"Host: localhost\r\n", hosts))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"bad-request"' in answer


@pytest.mark.parametrize("what", [
    b"hello\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET /ticks HTTP/1.1\nHost: a\n\n",
])
def test_what_is_not_http_is_refused(server: ServerProcess, what: bytes) -> None:
    answer = said(server, what)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"bad-request"' in answer


@pytest.mark.parametrize("version", [b"12", b"13, 8", b"", None])
def test_another_version_is_told_which_one_is_spoken(server: ServerProcess, version: bytes | None) -> None:
    line = b"" if version is None else b"Sec-WebSocket-Version: %b\r\n" % version
    answer = said(server, (UPGRADE % b"").replace(b"Sec-WebSocket-Version: 13\r\n", line))
    assert answer.startswith(b"HTTP/1.1 426 ")
    for field in (b"Sec-WebSocket-Version: 13", b"Upgrade: websocket", b"Connection: Upgrade, close"):
        assert answer.count(field + b"\r\n") == 1


def test_frames_that_come_with_the_upgrade_are_read_once_it_is_served(server: ServerProcess) -> None:
    with server.connect() as sock:
        sock.sendall((UPGRADE % b"") + masked(Opcode.PING, b"early"))
        answer = b""
        while b"early" not in answer:
            answer += sock.recv(65536)
        assert answer.startswith(b"HTTP/1.1 101 ")


def test_a_client_that_closes_its_side_right_after_its_upgrade_gets_the_first_message(
    feed: ScriptedFeed, server: ServerProcess
) -> None:
    server.publish("AAA")
    with server.connect() as sock:
        sock.sendall(UPGRADE % b"?after=e1:0")
        sock.shutdown(1)
        answer = sock.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert feed.lines[0] in answer
    wait_until(lambda: server.counts["connections_open"] == 1, "the client to be forgotten")


def test_an_origin_is_refused_before_the_upgrade_unless_it_is_allowed(server: ServerProcess) -> None:
    with pytest.raises(InvalidStatus) as caught:
        opened(server, origin="https://evil.example")
    assert caught.value.response.status_code == 403
    assert server.get("/stats", Origin="https://evil.example").status == 403
    with opened(server, origin=SITE) as client:
        assert received(client)["ticks"] == []


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (masked(Opcode.TEXT, b"hello"), 1008),
        (masked(Opcode.BINARY, b"\x00"), 1008),
        (masked(Opcode.TEXT, b"\xff\xfe"), 1007),
        (masked(Opcode.TEXT, b"\xce", fin=False) + masked(Opcode.CONT, b"\xba"), 1008),
        (masked(Opcode.TEXT, b"\xce", fin=False) + masked(Opcode.CONT, b"x"), 1007),
        (masked(Opcode.TEXT, b"x" * 5000), 1009),
        (masked(Opcode.TEXT, b"x" * 4000, fin=False) + masked(Opcode.CONT, b"x" * 200), 1009),
        (bytes([0x81, 0x05]) + b"plain", 1002),
        (bytes([0xC1, 0x80]) + bytes(4), 1002),
        (masked(Opcode.PING, b"x" * 126), 1002),
        (masked(Opcode.CONT, b"x"), 1002),
        (masked(0x3, b""), 1002),
        (masked(Opcode.CLOSE, b"\x03\xe8"), 1000),
    ],
)
def test_frames_that_are_not_expected_close_with_the_right_code(
    server: ServerProcess, frames: bytes, code: int
) -> None:
    with opened(server) as bystander, opened(server) as client:
        received(bystander)
        client.socket.sendall(frames)
        assert closed(client)[0] == code
        server.publish("AAA")
        assert received(bystander)["seq"] == 1


def test_pings_are_answered(server: ServerProcess) -> None:
    with opened(server) as client:
        assert client.ping(b"there?").wait(PATIENCE_S)


def test_a_client_that_sends_no_sign_of_life_is_pinged_and_dropped(feed: ScriptedFeed, make: str) -> None:
    options = {"ping_interval_s": 0.5}
    with (
        running_server(feed, make, options=options) as server,
        server.connect() as silent,
        opened(server) as lively,
    ):
        received(lively)
        silent.sendall(UPGRADE % b"")
        assert silent.makefile("rb").read().count(b"\x89\x00") == 1
        wait_until(lambda: server.counts["timeouts"] == 1, "the silent client to be dropped")
        server.publish("AAA")
        assert received(lively)["seq"] == 1


def test_an_upgrade_that_takes_too_long_is_given_up(server: ServerProcess) -> None:
    with server.connect() as silent, server.connect() as slow:
        slow.sendall(UPGRADE[:-2] % b"")
        with opened(server) as client:
            assert received(client)["ticks"] == []
        for sock, words in ((silent, (b"",)), (slow, (b"", b"HTTP/1.1 408"))):
            with contextlib.suppress(ConnectionResetError):
                assert sock.recv(65536)[:12] in words


def test_a_connection_that_is_cut_leaves_nothing_behind(server: ServerProcess) -> None:
    for _ in range(5):
        with server.connect() as sock:
            sock.sendall(UPGRADE % b"")
            assert sock.recv(65536).startswith(b"HTTP/1.1 101 ")
    wait_until(lambda: server.counts["connections_open"] == 1, "all but the asking connection to be gone")
    server.publish("AAA")
    assert server.counts["deliveries"] == 0


def test_a_new_epoch_closes_all_and_names_where_to_go_on(feed: ScriptedFeed, server: ServerProcess) -> None:
    with opened(server) as one, opened(server, "?symbols=BBB") as other:
        received(one), received(other)
        feed.begin_anew("e2")
        assert closed(one) == (4009, "other-epoch e2:0")
        assert closed(other) == (4009, "other-epoch e2:0")
    feed.publish("BBB")
    server.wait_for_head()
    with opened(server, "?after=e2:0") as back:
        assert [tick["seq"] for tick in received(back)["ticks"]] == [1]


def test_a_server_that_stops_says_so(server: ServerProcess) -> None:
    with opened(server) as one, opened(server, "?symbols=AAA") as other, server.connect():
        received(one), received(other)
        counts = server.stop()
        assert closed(one) == (1001, "stopping")
        assert closed(other) == (1001, "stopping")
    assert counts["refused_stopping"] == 2


def test_compression_is_not_negotiated(server: ServerProcess) -> None:
    with opened(server, compression="deflate") as client:
        assert client.response is not None
        assert "Sec-WebSocket-Extensions" not in client.response.headers


@pytest.mark.parametrize(("takeover", "parameters"), [
    (False, "server_no_context_takeover; client_no_context_takeover"),
    (True, "client_no_context_takeover; server_max_window_bits=12"),
])
def test_messages_are_compressed_for_those_who_agreed_and_for_nobody_else(
    feed: ScriptedFeed, make: str, takeover: bool, parameters: str
) -> None:
    lines = ["X-Powered-By: x", "Connection: keep-alive"]
    options = {"compression": "permessage-deflate", "context_takeover": takeover, "response_headers": lines}
    with (
        running_server(feed, make, options=options) as server,
        opened(server, compression="deflate") as pressed, opened(server, compression=None) as plain,
    ):
        agreed = pressed.response.headers["Sec-WebSocket-Extensions"]   # type: ignore[union-attr]
        assert agreed == f"permessage-deflate; {parameters}"
        assert "Sec-WebSocket-Extensions" not in plain.response.headers   # type: ignore[union-attr]
        assert pressed.response.headers["X-Powered-By"] == "x"   # type: ignore[union-attr]
        for client in (pressed, plain):
            received(client)
        for number, symbol in enumerate(("AAA", "BBB", "AAA")):
            server.publish(symbol)
            for client in (pressed, plain):
                assert client.recv(PATIENCE_S) == feed.lines[number].decode()


def test_without_compression_none_is_agreed_on(server: ServerProcess) -> None:
    with opened(server, compression="deflate") as client:
        assert "Sec-WebSocket-Extensions" not in client.response.headers   # type: ignore[union-attr]
