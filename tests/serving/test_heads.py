"""Heads on the wire: every server answers the same ones alike, however they come."""

from __future__ import annotations

import json
import random
import re
import socket
from collections.abc import Iterator

import pytest
from servers import MAKES, ScriptedFeed, ServerProcess, running_server

pytestmark = pytest.mark.process

SITE = "https://ticker.example"
HOST = b"Host: 127.0.0.1\r\n"
CLOSE = b"Connection: close\r\n"
HEALTH = b"GET /health HTTP/1.1\r\n" + HOST + CLOSE
POST = b"POST /ticks HTTP/1.1\r\n" + HOST + CLOSE
PREFLIGHT = (b"OPTIONS /ticks HTTP/1.1\r\n" + HOST + CLOSE + b"Access-Control-Request-Method: GET\r\n"
             b"Access-Control-Request-Headers: if-none-match\r\n")
ALLOWED = f"Origin: {SITE}\r\n".encode()
END = b"\r\n"


@pytest.fixture(scope="module", params=MAKES)
def server(request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    feed = ScriptedFeed()
    limits = {"head_s": 2.0, "idle_s": 1.0, "close_s": 1.0}
    with running_server(feed, request.param, limits=limits, origins=[SITE], hosts=["own.example"]) as server:
        yield server
    feed.close()


def said(server: ServerProcess, *pieces: bytes, closes: bool = False) -> bytes:
    """Return all that the server answers before it closes; `closes`: our side is closed after the last piece."""
    with server.connect() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            sock.sendall(piece)
        if closes:
            sock.shutdown(socket.SHUT_WR)
        answer = b""
        while data := sock.recv(65536):
            answer += data
        return answer


def statuses(answer: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", answer)]


@pytest.mark.parametrize(("head", "status", "error"), [
    (HEALTH, 200, None),
    (HEALTH + b"Content-Length: 0\r\n", 200, None),
    (HEALTH + ALLOWED + b"Origin: https://evil.example\r\n", 400, "bad-request"),
    (HEALTH + ALLOWED + ALLOWED, 400, "bad-request"),
    (HEALTH + HOST, 400, "bad-request"),
    (HEALTH.replace(HOST, b""), 400, "bad-request"),
    (HEALTH.replace(b"127.0.0.1", b"evil.example"), 421, "misdirected"),
    (HEALTH.replace(b"127.0.0.1", b"own.example:80"), 200, None),
    (HEALTH.replace(HOST, b"Host: a\r\n").replace(b"/health", b"http://127.0.0.1/health"), 200, None),
    (HEALTH.replace(b"/health", b"http://evil.example/health"), 421, "misdirected"),
    (HEALTH + b"Content-Length: 5\r\n\r\nhello", 413, "too-large"),
    (HEALTH + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 413, "too-large"),
    (POST + b"Content-Length: 5\r\n\r\nhello", 405, "method-not-allowed"),
    (PREFLIGHT, 405, "method-not-allowed"),
    (PREFLIGHT + b"Origin: https://evil.example\r\n", 403, "bad-origin"),
    (b"hello there", 400, "bad-request"),
    (HEALTH + b"no header\r\n", 400, "bad-request"),
])
@pytest.mark.parametrize("closes", [False, True])
def test_a_head_is_served_alike(
    server: ServerProcess, head: bytes, status: int, error: str | None, closes: bool
) -> None:
    answer = said(server, head + END + END, closes=closes)
    assert statuses(answer)[:1] == [status]
    body = answer.partition(b"\r\n\r\n")[2]
    assert error is None or json.loads(body.partition(b"}HTTP/")[0] + (b"}" if b"}HTTP/" in body else b""))[
        "error"] == error


def test_a_preflight_of_an_allowed_page_gives_leave(server: ServerProcess) -> None:
    answer = said(server, PREFLIGHT + ALLOWED + END)
    assert statuses(answer) == [204]
    for line in (f"Access-Control-Allow-Origin: {SITE}", "Access-Control-Allow-Methods: GET",
                 "Access-Control-Allow-Headers: If-None-Match"):
        assert line.encode() in answer
    page = said(server, HEALTH + ALLOWED + END)
    assert f"Access-Control-Allow-Origin: {SITE}".encode() in page


def test_requests_that_come_together_are_answered_and_nothing_breaks(
    server: ServerProcess, capfd: pytest.CaptureFixture[str]
) -> None:
    both = HEALTH.replace(CLOSE, b"") + END + HEALTH + END
    for closes in (False, True):
        answered = statuses(said(server, both, closes=closes))
        assert answered[0] == 200
        assert len(answered) == (1 if answered == [200] else 2)
    assert "Traceback" not in capfd.readouterr().err


def test_an_answer_does_not_depend_on_how_the_request_is_cut(server: ServerProcess) -> None:
    rng = random.Random(8)
    heads = [HEALTH + END, PREFLIGHT + ALLOWED + END, HEALTH + HOST + END]
    for head in heads:
        whole = statuses(said(server, head))
        for _ in range(5):
            cuts = sorted(rng.sample(range(1, len(head)), 3))
            pieces = [head[a:b] for a, b in zip([0, *cuts], [*cuts, len(head)], strict=True)]
            assert statuses(said(server, *pieces, closes=rng.random() < 0.5)) == whole
