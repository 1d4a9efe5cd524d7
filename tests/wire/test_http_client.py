from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.serving.responses import compressed
from bench.wire.http_client import (
    EXPANDED_MAX,
    BadResponse,
    Expander,
    Response,
    ResponseReader,
    StreamReader,
    encode_request,
    expand,
)

INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"


@dataclass(frozen=True)
class Sent:
    """An answer as a server sends it: its bytes, how many of them are headers, its content."""

    raw: bytes
    header_bytes: int
    status: int
    body: bytes


def with_length(status: int, body: bytes, interim: bytes = b"") -> Sent:
    head = interim + b"HTTP/1.1 %d Some reason\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
    return Sent(head + body, len(head), status, body)


def in_chunks(parts: Sequence[bytes], trailer: bytes) -> Sent:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b"".join(b"%x;ext=1\r\n%b\r\n" % (len(part), part) for part in parts)
    return Sent(head + chunks + b"0\r\n" + trailer + b"\r\n", len(head), 200, b"".join(parts))


def without_body(status: int) -> Sent:
    raw = b"HTTP/1.1 %d \r\nETag: \"a:1\"\r\nContent-Length: 17\r\n\r\n" % status
    return Sent(raw, len(raw), status, b"")


bodies = st.binary(max_size=300)
sent_answers = st.one_of(
    st.builds(
        with_length, st.sampled_from([200, 404, 503]), bodies, st.sampled_from([b"", INTERIM, INTERIM * 2])
    ),
    st.builds(
        in_chunks, st.lists(st.binary(min_size=1, max_size=40), max_size=5),
        st.sampled_from([b"", b"X-Sum: 1\r\n"]),
    ),
    st.builds(without_body, st.sampled_from([204, 304])),
)


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    ends = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[begin:end] for begin, end in pairwise(ends)]


def fed(reader: ResponseReader, pieces: Sequence[bytes]) -> Response | None:
    """Return the answer, which only the last piece may bring."""
    *before, last = pieces
    assert [reader.feed(piece) for piece in before] == [None] * len(before)
    return reader.feed(last)


@given(st.lists(st.tuples(sent_answers, st.lists(st.integers(0, 1000), max_size=8)), min_size=1, max_size=4))
def test_an_answer_is_the_same_however_it_is_cut_and_every_byte_is_counted(
    exchanges: list[tuple[Sent, list[int]]],
) -> None:
    reader = ResponseReader()
    header_bytes = total = 0
    for sent, places in exchanges:
        answer = fed(reader, cut(sent.raw, places))
        header_bytes += sent.header_bytes
        total += len(sent.raw)
        assert answer is not None
        head, body = answer
        assert (head.status, body) == (sent.status, sent.body)
        assert reader.header_bytes == header_bytes
        assert reader.header_bytes + reader.body_bytes == total


@given(sent_answers)
def test_an_answer_that_comes_byte_by_byte_is_read_alike(sent: Sent) -> None:
    answer = fed(ResponseReader(), [bytes([byte]) for byte in sent.raw])
    assert answer is not None
    assert answer[1] == sent.body


@given(sent_answers, st.lists(st.integers(0, 1000), max_size=8), st.booleans())
def test_a_stream_hands_on_its_body_as_it_comes(sent: Sent, places: list[int], byte_by_byte: bool) -> None:
    stream = StreamReader()
    pieces = [bytes([byte]) for byte in sent.raw] if byte_by_byte else cut(sent.raw, places)
    content = [stream.feed(piece) for piece in pieces]
    assert b"".join(content) == sent.body
    assert stream.head is not None
    assert (stream.head.status, stream.header_bytes, stream.ended) == (sent.status, sent.header_bytes, True)
    with pytest.raises(BadResponse, match="1 bytes that were not asked for"):
        stream.feed(b"x")


def test_a_stream_waits_for_nothing_that_is_there() -> None:
    stream = StreamReader()
    assert stream.feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc") == b"abc"
    assert (stream.between, stream.feed(b"def"), stream.ended) == (False, b"def", False)
    assert (stream.feed(b"ghi"), stream.between) == (b"ghi", False)
    assert (stream.feed(b"\r\n"), stream.between) == (b"", True)
    assert (stream.feed(b"0\r\n\r\n"), stream.ended, stream.between) == (b"", True, False)


@pytest.mark.parametrize("raw", [
    b"SSH-2.0-OpenSSH\r\n\r\n",
    b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/2 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n folded\r\n\r\nx",
    b"HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\nx",
    b"HTTP/1.1 200 OK\r\nA: b\nContent-Length: 1\r\n\r\nx",
    b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
    b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\nab\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 2000,
    b"x" * 70_000,
])
@given(places=st.lists(st.integers(0, 70_000), max_size=4))
def test_what_is_no_answer_is_refused_and_counted(raw: bytes, places: list[int]) -> None:
    reader = ResponseReader()
    taken = 0

    def feed_all() -> None:
        nonlocal taken
        for piece in cut(raw, places):
            taken += len(piece)
            reader.feed(piece)

    with pytest.raises(BadResponse):
        feed_all()
    assert reader.header_bytes + reader.body_bytes == taken
    stream = StreamReader()
    with pytest.raises(BadResponse):
        [stream.feed(piece) for piece in cut(raw, places)]


def test_bytes_that_nobody_asked_for_in_the_same_read() -> None:
    with pytest.raises(BadResponse, match="4 bytes that were not asked for"):
        ResponseReader().feed(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP")


def test_after_101_the_rest_belongs_to_the_other_protocol() -> None:
    raw = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x02hi"
    reader = ResponseReader()
    answer = reader.feed(raw)
    assert answer is not None
    assert answer[0].status == 101
    assert reader.rest == b"\x81\x02hi"
    assert reader.body_bytes == 0
    with pytest.raises(BadResponse):   # a stream asks for no other protocol
        StreamReader().feed(raw)


@pytest.mark.parametrize(("head", "closes"), [
    (b"HTTP/1.1 204 \r\n", False),
    (b"HTTP/1.1 204 \r\nConnection: Close\r\n", True),
    (b"HTTP/1.0 204 \r\n", True),
    (b"HTTP/1.0 204 \r\nConnection: keep-alive\r\n", False),
])
def test_an_answer_closes_where_its_version_and_header_say_so(head: bytes, closes: bool) -> None:
    answer = ResponseReader().feed(head + b"\r\n")
    assert answer is not None
    assert answer[0].closes is closes


def test_an_abandoned_answer_counts_as_far_as_it_came() -> None:
    reader = ResponseReader()
    assert reader.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf") is None
    reader.abandon()
    assert (reader.header_bytes, reader.body_bytes) == (38, 4)
    answer = reader.feed(b"HTTP/1.1 204 \r\n\r\n")
    assert answer is not None
    assert answer[0].status == 204


def test_a_request_is_its_head() -> None:
    assert encode_request("/ticks?after=a:1", b"Host: h:80\r\nAccept: x\r\n", b"If-None-Match: y\r\n") == (
        b"GET /ticks?after=a:1 HTTP/1.1\r\nHost: h:80\r\nAccept: x\r\nIf-None-Match: y\r\n\r\n"
    )


@given(bodies, st.sampled_from(["gzip", "deflate"]))
def test_what_the_server_compressed_is_expanded(body: bytes, coding: Literal["gzip", "deflate"]) -> None:
    longer = body * 20 + b" " * 100
    pressed = compressed(longer, coding)
    assert pressed is not None
    assert len(pressed) < len(longer)
    assert expand(pressed, coding.encode()) == longer


@pytest.mark.parametrize(("body", "coding"), [
    (zlib.compress(b"x" * 100)[:-1], b"deflate"),
    (zlib.compress(b"x" * 100) + b"more", b"deflate"),
    (zlib.compress(b"x" * (EXPANDED_MAX + 1)), b"deflate"),
    (b"not compressed", b"gzip"),
    (zlib.compress(b"x"), b"br"),
])
def test_a_body_that_is_not_wholly_what_its_coding_says_is_refused(body: bytes, coding: bytes) -> None:
    with pytest.raises(BadResponse):
        expand(body, coding)


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=5), st.lists(st.integers(0, 1000), max_size=8),
       st.sampled_from([zlib.MAX_WBITS, zlib.MAX_WBITS | 16]))
def test_a_compressed_stream_is_expanded_as_it_comes(
    parts: list[bytes], places: list[int], window: int
) -> None:
    press = zlib.compressobj(wbits=window)
    flushed = [press.compress(part) + press.flush(zlib.Z_SYNC_FLUSH) for part in parts]
    expander = Expander(b"deflate")
    assert b"".join(map(expander.feed, flushed)) == b"".join(parts)   # though the body has not ended
    again = Expander(b"gzip")
    assert b"".join(map(again.feed, cut(b"".join(flushed), places))) == b"".join(parts)


@pytest.mark.parametrize("body", [
    zlib.compress(b"x" * 100) + b"more", zlib.compress(b"x" * (EXPANDED_MAX + 1)), b"not compressed",
])
def test_a_stream_that_is_not_what_its_coding_says_is_refused(body: bytes) -> None:
    expander = Expander(b"gzip")
    with pytest.raises(BadResponse):
        expander.feed(body)
    with pytest.raises(BadResponse, match="br"):
        Expander(b"br")
