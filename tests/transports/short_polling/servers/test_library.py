from __future__ import annotations

from typing import Any

import pytest
from servers import MAKES, ScriptedFeed, running_server

from bench.wire.http_client import expand

pytestmark = pytest.mark.process


@pytest.fixture(params=[make for make in MAKES if make.startswith("short_polling/")])
def make(request: pytest.FixtureRequest) -> str:
    """Each implementation of the server."""
    return str(request.param)


def test_a_poll_is_served_at_once_with_what_there_is(feed: ScriptedFeed, make: str) -> None:
    with running_server(feed, make) as server:
        assert server.get("/ticks").json == {"cursor": "e1:0", "more": False, "ticks": []}
        server.publish("AAA", "BBB", "AAA")
        answer = server.get("/ticks?after=e1:1")
        assert answer.seqs == [2, 3]
        assert answer.json["cursor"] == "e1:3"
        assert answer.body.count(feed.lines[1]) == 1


def test_ticks_are_handed_on_byte_for_byte(feed: ScriptedFeed, make: str) -> None:
    with running_server(feed, make) as server:
        server.publish("AAA", "BBB")
        body = server.get("/ticks?after=e1:0").body
        assert body == b'{"cursor":"e1:2","more":false,"ticks":[' + b",".join(feed.lines) + b"]}"


def test_an_unchanged_answer_is_304_and_a_changed_one_is_not(feed: ScriptedFeed, make: str) -> None:
    with running_server(feed, make) as server:
        server.publish("AAA")
        target = "/ticks?symbols=AAA&after=e1:1"
        answer = server.get(target, If_None_Match='"e1:1"')
        assert (answer.status, answer.body, answer.headers["ETag"]) == (304, b"", '"e1:1"')
        server.publish("BBB")
        assert server.get(target, If_None_Match='"e1:1"').status == 304
        server.publish("AAA")
        news = server.get(target, If_None_Match='"e1:1"')
        assert (news.status, news.seqs, news.headers["ETag"]) == (200, [3], '"e1:3"')


@pytest.mark.parametrize(("lines", "status"), [
    (['W/"e1:2"'], 304), (['"e1:0", "e1:2"'], 304), (['"e1:0"', '"e1:2"'], 304), (["*"], 304), (['"e1:0"', "*"], 200),
])
def test_tags_may_be_weak_or_many_or_any_and_304_hands_over_nothing(
    feed: ScriptedFeed, make: str, lines: list[str], status: int
) -> None:
    with running_server(feed, make) as server:
        server.publish("AAA", "BBB")
        with server.connect() as sock:
            head = ["GET /ticks?after=e1:1 HTTP/1.1", "Host: localhost", *(f"If-None-Match: {line}" for line in lines)]
            sock.sendall("\r\n".join([*head, "", ""]).encode())
            assert int(sock.makefile("rb").readline().split()[1]) == status
        counts = server.stop()
        assert (counts["deliveries"], counts["answers_empty"]) == ((0, 1) if status == 304 else (1, 0))


def test_without_entity_tags_an_empty_batch_comes_in_full(feed: ScriptedFeed, make: str) -> None:
    with running_server(feed, make, options={"entity_tags": False}) as server:
        answer = server.get("/ticks?after=e1:0", If_None_Match='"e1:0"')
        assert (answer.status, answer.seqs) == (200, [])
        assert "ETag" not in answer.headers


def test_a_long_answer_is_cut_and_says_so(feed: ScriptedFeed, make: str) -> None:
    with running_server(feed, make, server={"batch_max": 2}) as server:
        server.publish("AAA", "BBB", "AAA")
        first = server.get("/ticks?after=e1:0")
        assert (first.seqs, first.json["more"], first.json["cursor"]) == ([1, 2], True, "e1:2")
        assert server.get("/ticks?after=e1:2").seqs == [3]


def test_latest_mode_declares_what_it_skips(feed: ScriptedFeed, make: str) -> None:
    with running_server(feed, make) as server:
        server.publish("AAA", "BBB", "AAA", "AAA")
        answer = server.get("/ticks?after=e1:0&mode=latest")
        assert (answer.seqs, answer.json["conflated"]) == ([2, 4], {"AAA": 2})
        counts = server.stop()
        assert (counts["deliveries"], counts["conflated"]) == (2, 2)


def test_a_new_epoch_refuses_cursors_of_the_old_one_and_names_where_to_go_on(feed: ScriptedFeed, make: str) -> None:
    with running_server(feed, make) as server:
        server.publish("AAA")
        feed.begin_anew("e2")
        server.wait_for_head()
        answer = server.get("/ticks?after=e1:1")
        assert (answer.status, answer.json["resume"]) == (409, "e2:0")
        server.publish("BBB")
        assert server.get("/ticks?after=e2:0").seqs == [1]


def test_what_has_left_the_tape_is_refused(feed: ScriptedFeed, make: str) -> None:
    with running_server(feed, make, server={"tape_ticks": 3}) as server:
        server.publish(*["AAA"] * 6)
        answer = server.get("/ticks?after=e1:0")
        assert (answer.status, answer.json["error"], answer.json["resume"]) == (410, "left-tape", "e1:3")


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_responses_are_compressed_for_those_who_accept_it(feed: ScriptedFeed, make: str, coding: str) -> None:
    with running_server(feed, make, options={"compression": coding}) as server:
        server.publish(*["AAA"] * 20)
        plain = server.get("/ticks?after=e1:0")
        assert "Content-Encoding" not in plain.headers
        answer = server.get("/ticks?after=e1:0", Accept_Encoding=f"br, {coding}")
        assert (answer.headers["Content-Encoding"], answer.headers["Vary"]) == (coding, "Accept-Encoding")
        assert len(answer.body) < len(plain.body)
        assert expand(answer.body, coding.encode()) == plain.body
        assert answer.headers["ETag"] == 'W/"e1:20"'   # one tag for two encodings is a weak one
        tag = answer.headers["ETag"]
        unchanged = server.get("/ticks?after=e1:20", If_None_Match=tag)
        assert (unchanged.status, unchanged.headers["Vary"]) == (304, "Accept-Encoding")
        small = server.get("/ticks?after=e1:20", Accept_Encoding=coding)
        assert "Content-Encoding" not in small.headers


def test_a_coding_may_be_accepted_in_a_second_line(feed: ScriptedFeed, make: str) -> None:
    with running_server(feed, make, options={"compression": "gzip"}) as server:
        server.publish(*["AAA"] * 20)
        with server.connect() as sock:
            sock.sendall(b"GET /ticks?after=e1:0 HTTP/1.1\r\nHost: localhost\r\n"
                         b"Accept-Encoding: br\r\nAccept-Encoding: gzip\r\n\r\n")
            assert b"Content-Encoding: gzip\r\n" in sock.makefile("rb").read(400)


def test_without_compression_nothing_is_compressed(feed: ScriptedFeed, make: str) -> None:
    with running_server(feed, make) as server:
        server.publish(*["AAA"] * 20)
        assert "Content-Encoding" not in server.get("/ticks?after=e1:0", Accept_Encoding="gzip").headers


@pytest.mark.parametrize("asked", [{}, {"connection": "new"}])
def test_header_lines_of_ones_own_replace_the_servers(feed: ScriptedFeed, make: str, asked: dict[str, Any]) -> None:
    lines = ["X-Powered-By: Servlet/2.5", "Server: Sun Java", "Content-Type: text/html"]
    lines.append("Connection: keep-alive")
    with running_server(feed, make, options={"response_headers": lines, **asked}) as server:
        headers = server.get("/ticks").headers
        assert (headers["Server"], headers["X-Powered-By"], headers["Content-Type"]) == (
            "Sun Java", "Servlet/2.5", "text/html",
        )
        assert "Cache-Control" not in headers
        assert ("Connection" in headers) is (not asked)
