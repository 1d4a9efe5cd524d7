from __future__ import annotations

import os
import signal
import socket

import psutil
import pytest
from servers import MAKES, PATIENCE_S, ScriptedFeed, running_server, wait_until

from bench.serving.chassis import Chassis, ServerCounts
from bench.serving.config import Address, ServerConfig
from bench.wire.contract import REFUSALS, Batch, Cursor, Refusal, Request, Subscription


def chassis() -> Chassis:
    chassis = Chassis(ServerConfig(transport="short_polling", feed=Address(port=1)))
    chassis.tape.begin("e1", frozenset({"AAA"}), 0)
    chassis.feed.ready.set()
    chassis._on_ticks()
    return chassis


def test_counts_are_those_of_what_was_handed_over() -> None:
    counts = ServerCounts()
    counts.hand_over(Batch(Cursor("e1", 3), (b"1", b"2"), conflated={"AAA": 4, "BBB": 1}), times=3)
    counts.hand_over(Batch(Cursor("e1", 3), dropped={"AAA": 2}))
    counts.refuse(Refusal("slow-client", ""))
    counts.refuse(Refusal("left-tape", ""))
    told = counts.to_json()
    assert {key: value for key, value in told.items() if value} == {
        "deliveries": 6, "conflated": 15, "dropped": 2, "answers_empty": 1, "slow_disconnects": 1,
        "refused_slow-client": 1, "refused_left-tape": 1,
    }


def test_who_asks_the_same_gets_the_same_bytes_until_there_is_news() -> None:
    one = chassis()
    one.tape.append(1, "AAA", b"{}")
    one.tape.append(2, "AAA", b"{}")
    request = Request(Subscription(), Cursor("e1", 0))
    first = one.response(request)
    assert one.response(Request(Subscription(), Cursor("e1", 0))).body is first.body
    one.tape.append(3, "AAA", b"{}")
    one._on_ticks()
    assert len(one.response(request).batch.ticks) == 3


def test_responses_that_are_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.serving.chassis.RESPONSES_MAX", 3)
    one = chassis()
    for seq in range(1, 9):
        one.tape.append(seq, "AAA", b"{}")
    for seq in range(8):
        one.response(Request(Subscription(), Cursor("e1", seq)))
    assert len(one._responses) == 3


def test_a_server_that_stops_refuses() -> None:
    one = chassis()
    request = Request(Subscription(), None)
    one.response(request)
    one.stopping, one.serving = True, False
    with pytest.raises(Refusal) as caught:
        one.response(request)
    assert caught.value.code == "stopping"
    assert one.page("/health")[0] == 503


def test_a_server_that_has_not_caught_up_with_its_feed_says_so() -> None:
    one = Chassis(ServerConfig(transport="short_polling", feed=Address(port=1)))
    one.feed.take_header(
        b'{"feed":"tickertape/1","epoch":"e1","after":0,"head":2,"symbols":["AAA"]}')
    for seq in (1, 2):
        one.feed.changed()
        assert one.page("/health")[0] == 503
        for after in (None, Cursor("e1", 2)):
            with pytest.raises(Refusal) as caught:
                one.response(Request(Subscription(), after))
            assert caught.value.code == "no-feed"
        one.feed.take_ticks([b'{"seq":%d,"symbol":"AAA"}' % seq])
    one.feed.changed()
    assert one.page("/health")[0] == 200
    assert not one.response(Request(Subscription(), Cursor("e1", 2))).batch.ticks


@pytest.mark.parametrize(("description", "pages"), [
    (None, "/health and /stats"), (b"{}", "/health, /stats and /openapi.json")])
def test_a_page_that_is_not_there_is_refused_and_the_others_named(description: bytes | None, pages: str) -> None:
    for path in ("/other", "/openapi.json") if description is None else ("/other",):
        with pytest.raises(Refusal) as caught:
            chassis().page(path, description)
        assert (caught.value.code, caught.value.detail) == ("not-found", f"there are /ticks, {pages}")
    if description is not None:
        assert chassis().page("/openapi.json", description) == (200, description)


def test_a_server_without_a_feed_says_so() -> None:
    one = Chassis(ServerConfig(transport="short_polling", feed=Address(port=1)))
    assert one.page("/health")[0] == 503
    with pytest.raises(Refusal) as caught:
        one.response(Request(Subscription(), None))
    assert caught.value.status.http == 503


@pytest.mark.process
@pytest.mark.parametrize("make", MAKES)
def test_a_server_listens_on_loopback_alone_and_stops_when_told(feed: ScriptedFeed, make: str) -> None:
    with running_server(feed, make) as server:
        listening = [
            connection.laddr.ip for connection in psutil.Process(server.process.pid).net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        ]
        assert listening == ["127.0.0.1"]
        assert server.get("/health").json["status"] == "ok"
        counts = server.stop()
        assert counts["feed_connections"] == 1
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((server.host, server.port))


@pytest.mark.process
@pytest.mark.parametrize("make", MAKES)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_a_server_gracefully(feed: ScriptedFeed, make: str, number: int) -> None:
    with running_server(feed, make) as server:
        server.process.send_signal(number)
        message = server.line.receive()
        assert message is not None
        assert "done" in message
        assert server.process.wait(PATIENCE_S) == 0


@pytest.mark.process
@pytest.mark.parametrize("make", MAKES)
def test_a_server_ends_with_its_runner(feed: ScriptedFeed, make: str) -> None:
    with running_server(feed, make) as server:
        os.close(server.line.fileno())
        assert server.process.wait(PATIENCE_S) == 1
        server.line._sock.detach()


@pytest.mark.process
@pytest.mark.parametrize("make", MAKES)
def test_a_feed_that_is_lost_and_back_is_taken_up_where_it_was(feed: ScriptedFeed, make: str) -> None:
    with running_server(feed, make) as server:
        server.publish("AAA", "BBB")
        feed.lose()
        feed.publish("AAA")
        server.wait_for_head()
        assert server.counts["ticks"] == 3
        assert server.counts["feed_connections"] == 2
        feed.begin_anew("e2")
        feed.publish("BBB")
        server.wait_for_head()
        assert server.get("/health").json["epoch"] == "e2"
        wait_until(lambda: server.counts["feed_connections"] == 3, "a third connection to the feed")
        assert server.counts["ticks"] == 4


@pytest.mark.process
@pytest.mark.parametrize("make", MAKES)
def test_every_transport_exports_the_same_counts(feed: ScriptedFeed, make: str) -> None:
    with running_server(feed, make) as server:
        names = {name for name in server.counts if not name.startswith("refused_")}
        assert names == set(ServerCounts().to_json())
        server.get("/nowhere")
        refused = {name for name in server.counts if name.startswith("refused_")}
        assert refused == {"refused_not-found"}
        assert refused <= {f"refused_{code}" for code in REFUSALS}
