from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.serving.config import HEAD_LINE_BYTES, HEAD_LINES, TARGET_BYTES
from bench.serving.request_head import head_end, parse_head
from bench.wire.contract import Refusal

GET = b"GET /ticks?after=e1:0 HTTP/1.1\r\nHost: localhost\r\n"


def refused(data: bytes) -> str | None:
    """Return the word with which a head is refused, however it comes."""
    words = set()
    for step in (1, 1000, len(data)):
        word = None
        try:
            for end in range(step, len(data) + step, step):
                if size := head_end(data[:end]):
                    parse_head(data[:size])
                    break
        except Refusal as refusal:
            word = refusal.code
        words.add(word)
    assert len(words) == 1, words
    return words.pop()


def test_a_head_is_read() -> None:
    head = parse_head(GET + b"X-A: 1\r\nx-a:  2 \t\r\nConnection: Keep-Alive, Upgrade\r\n\r\n")
    assert (head.method, head.target, head.version) == ("GET", "/ticks?after=e1:0", "1.1")
    assert (head.value(b"host"), head.header("X-A"), head.value(b"x-b")) == ("localhost", "1, 2", None)
    assert (head.values(b"x-a"), head.values(b"x-b")) == (["1", "2"], [])
    assert head.tokens(b"connection") == ["keep-alive", "upgrade"]
    assert (head.combined(b"x-a"), head.combined(b"host"), head.combined(b"x-b")) == ("1, 2", "localhost", None)
    assert parse_head(GET + b"\r\n").combined(b"host") == "localhost"


@pytest.mark.parametrize(("lines", "has_body"), [
    (b"", False), (b"Content-Length: 0\r\n", False), (b"Content-Length: 5\r\n", True),
    (b"Transfer-Encoding: chunked\r\n", True), (b"Upgrade: x\r\nConnection: Upgrade\r\nContent-Length: 1\r\n", True),
])
def test_a_head_announces_a_body(lines: bytes, has_body: bool) -> None:
    assert parse_head(GET + lines + b"\r\n").has_body is has_body


@pytest.mark.parametrize(("head", "keeps"), [
    (GET, True), (GET + b"Connection: close\r\n", False), (GET + b"Connection: foo, Close\r\n", False),
    (GET.replace(b"1.1", b"1.0"), False),
])
def test_a_connection_is_kept_unless_the_client_closes_it(head: bytes, keeps: bool) -> None:
    assert parse_head(head + b"\r\n").keeps is keeps


@pytest.mark.parametrize(("data", "word"), [
    (GET + b"\r\n", None),
    (GET + b"X: 1\r\n" * (HEAD_LINES - 1) + b"\r\n", None),
    (GET + b"X: 1\r\n" * HEAD_LINES + b"\r\n", "headers-too-large"),
    (GET + b"X: " + b"x" * (HEAD_LINE_BYTES - 3) + b"\r\n\r\n", None),
    (GET + b"X: " + b"x" * (HEAD_LINE_BYTES - 2) + b"\r\n\r\n", "headers-too-large"),
    (GET + b"X: " + b"x" * 2 * HEAD_LINE_BYTES, "headers-too-large"),
    (b"GET /" + b"x" * 2 * TARGET_BYTES, "target-too-long"),
    (b"GET /" + b"x" * 2 * TARGET_BYTES + b" HTTP/1.1\r\nHost: a\r\n\r\n", "target-too-long"),
    (b"GET / HTTP/1.1\nHost: a\n\n", "bad-request"),
    (b"\x16\x03\x01\x02\x00", "bad-request"),
    (b"hello there\r\n\r\n", "bad-request"),
    (b"GET /\r\n\r\n", "bad-request"),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "bad-request"),
    (GET + b"no header\r\n\r\n", "bad-request"),
    (GET + b"X: \0\r\n\r\n", "bad-request"),
])
def test_what_is_no_head_or_too_large_is_refused(data: bytes, word: str | None) -> None:
    assert refused(data) == word


@given(st.binary(max_size=200), st.integers(0, 200))
def test_bytes_that_are_refused_are_not_accepted_when_more_comes(data: bytes, cut: int) -> None:
    try:
        head_end(data[:cut])
    except Refusal:
        with contextlib.suppress(Refusal):
            size = head_end(data)
            if size:
                with pytest.raises(Refusal):
                    parse_head(data[:size])
