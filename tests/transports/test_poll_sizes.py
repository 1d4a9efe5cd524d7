"""The sizes of a poll, against what a real server sends for it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from servers import ScriptedFeed, ServerProcess, feed, running_server

from bench.transports.poll_sizes import heads, poll_sizes, pressed, skips
from bench.transports.short_polling.model import cycle
from bench.transports.short_polling.protocol import Options
from bench.wire.contract import Cursor, Request, Subscription
from bench.wire.http_client import ResponseReader, encode_request
from bench.wire.options import fetch_head
from bench.wire.sizes import Conversation, Sizes

__all__ = ["feed"]


def asked(server: ServerProcess, options: Options, said: Conversation, seq: int) -> ResponseReader:
    """Return a poll after `seq`, with its own request, and the reader of the answer."""
    request = Request(said.subscription, Cursor("e1", seq))
    condition = f'If-None-Match: "e1:{seq}"\r\n'.encode() if options.entity_tags else b""
    sent = encode_request(f"/ticks?{request.to_query()}", fetch_head(options, said.host), condition)
    assert len(sent) == poll_sizes(options, said, cycle(options)).request_bytes
    reader = ResponseReader()
    with server.connect() as sock:
        sock.sendall(sent)
        while reader.feed(sock.recv(65_536)) is None:
            pass
    return reader


@pytest.mark.process
@pytest.mark.parametrize("wire", [
    {}, {"entity_tags": False}, {"connection": "new"}, {"headers": "browser", "compression": "gzip"},
    {"headers": "heavy", "compression": "deflate", "entity_tags": False},
    {"response_headers": ["server: elsewhere", "X-More: yes"]},
])
def test_the_sizes_are_those_of_a_real_server(feed: ScriptedFeed, wire: dict[str, Any]) -> None:
    options = Options.model_validate(wire)
    feed.publish("AAA", "BBB", "AAA")
    with running_server(feed, "short_polling", options=wire) as server:
        server.wait_for_head()
        said = Conversation(tuple(feed.lines), host=f"{server.host}:{server.port}", cursor=Cursor("e1", 0))
        sizes: Sizes = poll_sizes(options, said, cycle(options))
        full, empty = asked(server, options, said, 0), asked(server, options, said, 3)
    plain = sizes.batch_bytes + sum(map(len, feed.lines)) + 2 * sizes.between_bytes
    if options.compression == "none":
        assert full.body_bytes == plain
    else:
        assert full.body_bytes < plain
        assert full.body_bytes == pytest.approx(sizes.pressed[1][1], rel=0.1)   # two or four of such ticks
    step = next(size for limit, size in sizes.heads if full.body_bytes <= limit)
    assert (full.header_bytes, empty.header_bytes) == (step, sizes.empty_head_bytes)
    assert empty.body_bytes == sizes.empty_body_bytes


def test_heads_grow_by_a_byte_for_each_digit() -> None:
    sizes = [size for _, size in heads(Options(), '"e1:1"', coded=False)]
    assert [after - before for before, after in pairwise(sizes)] == [1.0] * 6


def test_skips_are_declared_once_and_for_each_symbol() -> None:
    said = Conversation((b"{}",), Subscription(frozenset({"LONGNAME"})))
    assert skips(said) == (len(',"conflated":{}') - 1, len('"LONGNAME":1,'))


def test_compression_never_makes_an_answer_larger() -> None:
    said = Conversation((b"7",))
    plain = b'{"cursor":"0000:100","more":false,"ticks":[7]}'
    assert pressed(Options(compression="gzip"), said)[0][1] == len(plain)
