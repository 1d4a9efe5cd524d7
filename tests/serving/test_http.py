"""Laws of all HTTP transports, on real servers: bad input gets a clear word and harms nobody."""

from __future__ import annotations

import http.client
import json
import re
import socket
from collections.abc import Iterator

import pytest
from servers import MAKES, ScriptedFeed, ServerProcess, running_server, wait_until

pytestmark = pytest.mark.process

POLLING = ("short_polling", "long_polling")
SITE = "https://ticker.example"


@pytest.fixture(params=[make for make in MAKES if make.startswith(POLLING)])
def server(request: pytest.FixtureRequest, feed: ScriptedFeed) -> Iterator[ServerProcess]:
    limits = {"head_s": 0.4, "idle_s": 1.2, "close_s": 0.5}
    with running_server(feed, request.param, limits=limits, origins=[SITE]) as server:
        yield server


def until_closed(sock: socket.socket) -> bytes:
    """Return everything that comes until the server hangs up."""
    data = b""
    try:
        while chunk := sock.recv(65536):
            data += chunk
    except ConnectionResetError:
        pass
    return data


def is_fine(server: ServerProcess) -> bool:
    return server.get("/ticks").status == 200


@pytest.mark.parametrize(
    ("target", "status", "error"),
    [
        ("/ticks?after=nonsense", 400, "bad-cursor"),
        ("/ticks?after=e1:99", 400, "bad-cursor"),
        ("/ticks?after=zz:0", 409, "other-epoch"),
        ("/ticks?symbols=AAA,ZZZ", 404, "unknown-symbol"),
        ("/ticks?symbols=%ff%fe", 400, "bad-encoding"),
        ("/ticks?mode=newest", 400, "bad-request"),
        ("/ticks?" + "x" * 9000, 414, "target-too-long"),
        ("/other", 404, "not-found"),
    ],
)
def test_a_bad_target_is_refused(server: ServerProcess, target: str, status: int, error: str) -> None:
    answer = server.get(target)
    assert (answer.status, answer.json["error"]) == (status, error)
    assert answer.headers["Content-Type"] == "application/json"
    assert server.counts[f"refused_{error}"] == 1


def test_another_epoch_is_told_where_to_go_on(server: ServerProcess) -> None:
    assert server.get("/ticks?after=zz:0").json["resume"] == "e1:0"


TICKS = b"GET /ticks HTTP/1.1\r\nHost: [::1]\r\n"


@pytest.mark.parametrize(
    ("head", "status", "error"),
    [
        (TICKS + b"X-Big: " + b"x" * 9000 + b"\r\n\r\n", 431, "headers-too-large"),
        (TICKS + b"X-N: 1\r\n" * 200 + b"\r\n", 431, "headers-too-large"),
        (b"GET /ticks?symbols=\xff HTTP/1.1\r\nHost: [::1]\r\n\r\n", 400, None),
        (b"GET /ticks\r\n\r\n", 400, "bad-request"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "bad-request"),
        (TICKS + b"Content-Length: 5\r\n\r\nhello", 413, "too-large"),
        (TICKS + b"Content-Length: 99999999999\r\n\r\n", 413, "too-large"),
        (TICKS + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello", 413, "too-large"),
    ],
)
def test_what_is_no_fit_request_is_refused_and_hung_up_on(
    server: ServerProcess, head: bytes, status: int, error: str | None
) -> None:
    with server.connect() as sock:
        sock.sendall(head)
        answer = until_closed(sock)
    assert answer.split(b" ")[1] == str(status).encode()
    refusal = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert error is None or refusal["error"] == error
    assert is_fine(server)


@pytest.mark.parametrize("method", ["POST", "HEAD", "OPTIONS", "DELETE"])
def test_only_get_is_allowed(server: ServerProcess, method: str) -> None:
    answer = server.get("/ticks", method=method)
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET"


def test_an_origin_that_is_not_allowed_is_refused_and_one_that_is_gets_its_header(
    server: ServerProcess,
) -> None:
    for path in ("/ticks", "/stats", "/health"):
        answer = server.get(path, Origin="https://evil.example")
        assert (answer.status, answer.json["error"]) == (403, "bad-origin")
    allowed = server.get("/ticks", Origin=SITE)
    assert (allowed.status, allowed.headers["Access-Control-Allow-Origin"]) == (200, SITE)
    assert allowed.headers["Access-Control-Expose-Headers"] == "ETag"
    assert "Access-Control-Expose-Headers" not in server.get("/health", Origin=SITE).headers


def test_a_head_that_takes_too_long_is_given_up(server: ServerProcess) -> None:
    with server.connect() as slow:
        slow.sendall(b"GET /ticks HTTP/1.1\r\nHost: [::1]\r\nX-")
        assert is_fine(server)
        assert until_closed(slow).startswith(b"HTTP/1.1 408 ")
    assert server.counts["timeouts"] == 1


def test_dripping_a_head_does_not_help(server: ServerProcess) -> None:
    with server.connect() as slow:
        slow.sendall(b"GET /ticks HTTP/1.1\r\nHost: [::1]\r\n")
        slow.settimeout(0.05)
        for _ in range(200):
            try:
                slow.sendall(b"X")
                if slow.recv(65536):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        else:
            pytest.fail("the server listened for ten seconds")
    assert is_fine(server)


def test_a_connection_that_says_nothing_is_closed_without_a_word(server: ServerProcess) -> None:
    with server.connect() as silent:
        assert is_fine(server)
        assert until_closed(silent) == b""
    assert server.counts["timeouts"] == 1


def test_a_persistent_connection_that_stays_idle_is_closed(server: ServerProcess) -> None:
    with server.connect() as idle:
        idle.sendall(b"GET /health HTTP/1.1\r\nHost: [::1]\r\n\r\n")
        answer = until_closed(idle)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert server.counts["timeouts"] == 0


def test_a_connection_is_kept_from_request_to_request(server: ServerProcess) -> None:
    connection = http.client.HTTPConnection(server.host, server.port)
    before = server.counts["connections"]
    for _ in range(3):
        connection.request("GET", "/ticks")
        assert connection.getresponse().read()
    connection.close()
    assert server.counts["connections"] == before + 2   # ours, and the one that asks


def test_requests_that_come_together_are_answered_in_order(server: ServerProcess) -> None:
    server.publish("AAA", "BBB")
    with server.connect() as sock:
        requests = b"".join(b"GET /ticks?after=e1:%d HTTP/1.1\r\nHost: [::1]\r\n\r\n" % n for n in (0, 1))
        sock.sendall(requests + b"GET /nowhere HTTP/1.1\r\nHost: [::1]\r\nConnection: close\r\n\r\n")
        answers = until_closed(sock)
    assert re.findall(rb"HTTP/1.1 (\d+) ", answers) == [b"200", b"200", b"404"]


def test_a_websocket_client_that_comes_to_the_wrong_server_gets_a_plain_answer(server: ServerProcess) -> None:
    answer = server.get(
        "/ticks", Connection="Upgrade", Upgrade="websocket", Sec_WebSocket_Version="13",
        Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==",
    )
    assert answer.status in (200, 413)
    assert is_fine(server)


def test_garbage_connections_leave_no_connection_behind(server: ServerProcess) -> None:
    sockets = [server.connect() for _ in range(20)]
    for number, sock in enumerate(sockets):
        sock.sendall(b"\x00\xff" * number)
    for sock in sockets[::2]:
        sock.close()
    for sock in sockets[1::2]:
        until_closed(sock)
        sock.close()
    wait_until(lambda: server.counts["connections_open"] == 1, "all but the asking connection to be gone")
    assert is_fine(server)
