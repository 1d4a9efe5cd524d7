from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from event_stream import EventStream
from servers import MAKES, ScriptedFeed, running_server, wait_until

pytestmark = pytest.mark.process

SITE = "https://ticker.example"


@pytest.fixture(params=[make for make in MAKES if make.startswith("sse/")])
def make(request: pytest.FixtureRequest) -> str:
    """Each implementation of the server."""
    return str(request.param)


@pytest.fixture
def server(feed: ScriptedFeed, make: str) -> Iterator[Any]:
    with running_server(feed, make, limits={"head_s": 0.4, "close_s": 0.5}, origins=[SITE]) as server:
        yield server


def opened(server: Any, query: str = "", **headers: str) -> EventStream:
    return EventStream(server.connect(), query, **headers)


def described(server: Any) -> dict[str, Any]:
    """Return the responses to a request for ticks by status, as the server's own document has them."""
    responses: dict[str, Any] = server.get("/openapi.json").json["paths"]["/ticks"]["get"]["responses"]
    return responses


def test_the_head_is_that_of_a_stream_which_nobody_may_keep_or_buffer(server: Any) -> None:
    with opened(server, Origin=SITE) as stream:
        head = stream.head
        assert (head.status, head.length) == (200, None)
        headers = {name: text.decode() for name, text in head.headers.items()}
        assert headers[b"content-type"] == "text/event-stream"
        assert headers[b"cache-control"] == "no-store"
        assert headers[b"x-accel-buffering"] == "no"
        assert headers[b"access-control-allow-origin"] == SITE


def test_the_first_event_is_a_batch_then_come_bare_ticks(feed: ScriptedFeed, server: Any) -> None:
    with opened(server) as stream:
        first = stream.event()
        assert (first.last_id, stream.parser.retry_ms) == (b"e1:0", 1000)
        assert orjson.loads(first.data) == {"cursor": "e1:0", "more": False, "ticks": []}
        for number, symbol in enumerate(("AAA", "BBB", "AAA")):
            server.publish(symbol)
            assert stream.event() == (b"", feed.lines[number], b"e1:%d" % (number + 1))


def test_the_backlog_comes_in_the_first_event_from_the_last_id_on(server: Any) -> None:
    server.publish("AAA", "BBB", "AAA")
    for query, headers, seqs in (
        ("?after=e1:1", {}, [2, 3]), ("?after=e1:0", {"Last_Event_ID": "e1:2"}, [3]), ("", {}, []),
        ("", {"Last_Event_ID": ""}, []),
    ):
        with opened(server, query, **headers) as stream:
            hello = stream.data()
            assert ([tick["seq"] for tick in hello["ticks"]], hello["cursor"]) == (seqs, "e1:3")


def test_a_long_backlog_comes_in_batches_and_then_goes_on_live(feed: ScriptedFeed, make: str) -> None:
    with running_server(feed, make, server={"batch_max": 10}) as server:
        server.publish(*["AAA"] * 35)
        with opened(server, "?after=e1:0") as stream:
            events = [stream.event() for _ in range(4)]
            assert [len(orjson.loads(each.data)["ticks"]) for each in events] == [10, 10, 10, 5]
            assert [each.last_id for each in events] == [b"e1:10", b"e1:20", b"e1:30", b"e1:35"]
            server.publish("BBB")
            assert stream.data()["seq"] == 36


def test_each_client_gets_what_it_subscribed_to(server: Any) -> None:
    with opened(server) as everything, opened(server, "?symbols=BBB&mode=latest") as some:
        everything.data(), some.data()
        server.publish("AAA", "BBB", "AAA", "BBB")
        assert [tick["seq"] for tick in everything.data()["ticks"]] == [1, 2, 3, 4]
        newest = some.data()
        assert ([tick["seq"] for tick in newest["ticks"]], newest["conflated"]) == ([4], {"BBB": 1})
    counts = server.stop()
    assert (counts["deliveries"], counts["answers_empty"], counts["conflated"]) == (5, 2, 1)


@pytest.mark.parametrize(("query", "headers", "status", "error"), [
    ("?after=nonsense", {}, 400, "bad-cursor"), ("", {"Last_Event_ID": "nonsense"}, 400, "bad-cursor"),
    ("?after=e1:9", {}, 400, "bad-cursor"), ("?x=1", {}, 400, "bad-request"),
    ("?symbols=ZZZ", {}, 404, "unknown-symbol"), ("", {"Origin": "https://evil.example"}, 403, "bad-origin"),
])
def test_a_clients_mistake_is_an_http_error(
    server: Any, query: str, headers: dict[str, str], status: int, error: str
) -> None:
    answer = server.get(f"/ticks{query}", **headers)
    assert (answer.status, answer.json["error"]) == (status, error)
    assert error in described(server)[str(status)]["description"].split(", ")
    assert server.counts[f"refused_{error}"] == 1


def test_a_refusal_after_which_to_ask_again_is_an_event_and_the_end(server: Any) -> None:
    with opened(server, Last_Event_ID="e0:7") as stream:
        assert stream.head.status == 200
        (refusal,) = stream.rest()
        assert (refusal.kind, refusal.last_id, stream.parser.retry_ms) == (b"refusal", b"e1:0", 0)
        assert orjson.loads(refusal.data)["error"] == "other-epoch"
    assert "409" not in described(server)
    assert "other-epoch" in described(server)["200"]["description"]
    assert server.counts["refused_other-epoch"] == 1


def test_a_stream_ends_with_its_reason_when_another_epoch_begins_and_when_the_server_stops(
    feed: ScriptedFeed, server: Any
) -> None:
    with opened(server) as stream:
        stream.data()
        feed.begin_anew("e2")
        (refusal,) = stream.rest()
        assert (refusal.kind, refusal.last_id) == (b"refusal", b"e2:0")
    server.publish("AAA")
    with opened(server, "?after=e2:0") as stream:
        stream.data()
        counts = server.stop()
        (refusal,) = stream.rest()
        assert (orjson.loads(refusal.data)["error"], refusal.last_id) == ("stopping", b"e2:1")
        assert (counts["refused_other-epoch"], counts["refused_stopping"]) == (1, 1)


def test_a_silent_stream_has_heartbeats_which_are_no_events(feed: ScriptedFeed, make: str) -> None:
    with running_server(feed, make, options={"heartbeat_s": 0.05}) as server, opened(server) as stream:
        stream.data()
        stream.until(b"\n\n:\n\n:\n\n")
        server.publish("AAA")
        assert stream.data()["seq"] == 1


def test_who_closes_its_side_gets_what_is_there_and_the_end(server: Any) -> None:
    server.publish("AAA")
    with opened(server, "?after=e1:0") as stream:
        stream.sock.shutdown(socket.SHUT_WR)
        (hello,) = stream.rest()
        assert orjson.loads(hello.data)["cursor"] == "e1:1"
    wait_until(lambda: server.counts["connections_open"] == 1, "the server to notice")


def test_what_is_sent_after_the_request_is_ignored(server: Any) -> None:
    with opened(server) as stream:
        stream.data()
        stream.sock.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3)
        server.publish("AAA")
        assert stream.data()["seq"] == 1
    wait_until(lambda: server.counts["connections_open"] == 1, "the server to notice")


def test_http_1_0_has_no_chunks(server: Any) -> None:
    with server.connect() as sock:
        sock.sendall(b"GET /ticks HTTP/1.0\r\n\r\n")
        assert sock.makefile("rb").read()[:12] in (b"HTTP/1.0 400", b"HTTP/1.1 400")


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_streams_are_compressed_for_those_who_take_it(feed: ScriptedFeed, make: str, coding: str) -> None:
    with (
        running_server(feed, make, options={"compression": coding}) as server,
        opened(server) as plain, opened(server, Accept_Encoding=f"br, {coding}") as pressed,
    ):
        assert (plain.head.coding, pressed.head.coding) == (None, coding.encode())
        for stream in (plain, pressed):
            stream.data()
        server.publish("AAA")
        server.publish("AAA", "BBB")
        events = [(stream.event(), stream.event()) for stream in (plain, pressed)]
        assert events[0] == events[1]
        assert events[0][1].data.startswith(b'{"cursor":"e1:3"')
        assert pressed.content == plain.content


def test_a_client_that_lags_too_far_gets_the_reason_where_it_reads_on(feed: ScriptedFeed, make: str) -> None:
    policy = {"slow_client": {"policy": "disconnect", "buffer_ticks": 10}}
    with (
        running_server(feed, make, server=policy, limits={"close_s": 20}) as server,
        EventStream(server.connect(receive_buffer=4096)) as stream,
    ):
        stream.data()
        while server.counts["slow_disconnects"] == 0:
            server.publish("AAA", padding=2000)
        *events, refusal = stream.rest()
        assert orjson.loads(refusal.data)["error"] == "slow-client"
        came = [orjson.loads(each.data) for each in events]
        seqs = [tick["seq"] for fields in came for tick in fields.get("ticks", [fields])]
        assert seqs == list(range(1, len(seqs) + 1)), "what was sent before has no holes"
        assert int(refusal.last_id.partition(b":")[2]) > len(seqs) + 10
