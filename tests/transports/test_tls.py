"""A secured machine: against a TLS server in memory, and over sockets against each of ours."""

from __future__ import annotations

import contextlib
import random
import ssl
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quick_options import fields, quick, variants
from servers import ScriptedFeed, running_server

from bench import transports
from bench.clock import NO_STAMP, RunClock
from bench.feed.tick import Tick, encode
from bench.measure import tcp
from bench.measure.recording import Recorder
from bench.serving.certificate import throw_away
from bench.transports import Action, ClientSpec, driver
from bench.transports.long_polling.client import Client
from bench.transports.long_polling.protocol import Options
from bench.transports.tls import TlsMachine
from bench.transports.tls_sizes import client_context
from bench.wire.contract import Batch, Cursor, Subscription, encode_batch

IDENTITY = throw_away("127.0.0.1")


def answer(index: int, connection: str = "keep-alive") -> bytes:
    body = encode_batch(Batch(Cursor("a", index + 1), [encode(Tick(index, index + 1, 0, "A", 1.0, 1))]))
    return b"HTTP/1.1 200 OK\r\nConnection: %b\r\nContent-Length: %d\r\n\r\n%b" % (
        connection.encode(), len(body), body,
    )


class Conversation:
    """A secured long poller and the server's end of its TLS."""

    def __init__(self, certificate: str | None = IDENTITY.certificate) -> None:
        self.recorder = Recorder()
        self.inner = Client(ClientSpec(0, "h:1", Subscription()), Options(), self.recorder, random.Random(1))
        self.secured = TlsMachine(self.inner, client_context(certificate), "127.0.0.1")
        self.secured.start(0)
        self.connect()

    def connect(self) -> None:
        assert self.action() is Action.OPEN
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.server = IDENTITY.context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.secured.opened(0)

    def action(self) -> Action:
        action, self.secured.action = self.secured.action, Action.NONE
        return action

    def to_server(self) -> None:
        self.incoming.write(bytes(self.secured.outbox))
        self.secured.outbox.clear()

    def to_client(self, places: Sequence[int] = ()) -> None:
        data = self.outgoing.read()
        ends = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
        for begin, end in pairwise(ends):
            self.secured.receive(data[begin:end], NO_STAMP, 7)

    def shake_hands(self, places: Sequence[int] = ()) -> None:
        for _ in range(2):
            self.to_server()
            with contextlib.suppress(ssl.SSLWantReadError):
                self.server.do_handshake()
            self.to_client(places)
        self.to_server()

    def heard(self) -> bytes:
        """Return what the server has got, opened."""
        self.to_server()
        try:
            return self.server.read()
        except ssl.SSLWantReadError:
            return b""

    def say(self, plain: bytes, places: Sequence[int] = ()) -> None:
        self.server.write(plain)
        self.to_client(places)


@settings(deadline=None)
@given(st.lists(st.integers(0, 5000), max_size=8))
def test_however_records_are_cut_the_machine_gets_the_same(places: list[int]) -> None:
    talk = Conversation()
    talk.shake_hands(places)
    first = talk.heard()
    assert first.startswith(b"GET /ticks HTTP/1.1\r\n")
    talk.say(answer(4) , places)
    assert talk.recorder.delivered == 1
    second = talk.heard()
    assert second.startswith(b"GET /ticks?after=a:5 ")
    assert talk.secured.subscribed
    counts = talk.secured.counts
    assert counts.header_bytes_up == len(first) + len(second)   # application bytes, not records
    assert counts.header_bytes_down + counts.body_bytes_down == len(answer(4))
    assert counts.connections == 1


def test_nothing_is_asked_before_the_handshake_is_done() -> None:
    talk = Conversation()
    assert b"GET" not in talk.secured.outbox
    assert talk.inner.counts.connections == 0


def test_who_leaves_says_so_first() -> None:
    talk = Conversation()
    talk.shake_hands()
    talk.heard()
    talk.secured.stop(9)
    assert talk.action() is Action.CLOSE
    talk.to_server()
    assert talk.server.read() == b""   # close_notify, not a connection that was cut
    talk.secured.closed(9, "closed")
    assert not talk.secured.counts.errors


def test_a_server_that_says_goodbye_is_served_and_asked_again() -> None:
    talk = Conversation()
    talk.shake_hands()
    talk.heard()
    talk.say(answer(4, "close"))
    with pytest.raises(ssl.SSLWantReadError):
        talk.server.unwrap()
    talk.to_client()
    assert talk.action() is Action.CLOSE
    talk.to_server()
    talk.server.unwrap()   # completes: our goodbye is there
    talk.secured.closed(9, "closed")
    talk.connect()
    talk.shake_hands()
    assert talk.heard().startswith(b"GET /ticks?after=a:5 ")
    assert not talk.secured.counts.errors


@pytest.mark.parametrize("has_left", [False, True])
def test_a_request_that_crosses_the_servers_goodbye_is_asked_again(has_left: bool) -> None:
    talk = Conversation()
    talk.shake_hands()
    first = talk.heard()
    talk.say(answer(4))
    asked = b""
    if has_left:
        asked = talk.heard()
    with pytest.raises(ssl.SSLWantReadError):
        talk.server.unwrap()
    talk.to_client()
    assert talk.action() is Action.CLOSE
    if has_left:
        talk.to_server()
    talk.secured.closed(9, "closed")
    counts = talk.secured.counts
    assert (counts.errors, counts.retries) == ({}, int(has_left))
    assert counts.header_bytes_up == len(first) + len(asked)
    talk.secured.outbox.clear()   # as the driver does
    talk.connect()
    talk.shake_hands()
    again = talk.heard()
    assert again.startswith(b"GET /ticks?after=a:5 ")
    assert counts.header_bytes_up == len(first) + len(asked) + len(again)


def test_what_is_asked_after_the_servers_goodbye_waits_for_the_next_connection() -> None:
    talk = Conversation()
    talk.shake_hands()
    first = talk.heard()
    talk.say(answer(4).replace(b"200 OK", b"503 Slow"))   # to be asked again after a pause
    assert talk.heard() == b""
    with pytest.raises(ssl.SSLWantReadError):
        talk.server.unwrap()
    talk.to_client()
    assert talk.action() is Action.CLOSE
    talk.secured.timer(talk.secured.deadline_ns)   # the pause is over before the connection is
    talk.secured.closed(9, "closed")
    talk.secured.outbox.clear()
    talk.connect()
    talk.shake_hands()
    assert talk.heard().startswith(b"GET /ticks ")
    assert (talk.secured.counts.errors, talk.secured.counts.retries) == ({"http-503": 1}, 0)
    assert talk.secured.counts.header_bytes_up == 2 * len(first)


def test_a_server_that_is_not_the_one_trusted_is_an_error_and_tried_again_after_a_pause() -> None:
    talk = Conversation(throw_away("127.0.0.1").certificate)
    talk.to_server()
    with pytest.raises(ssl.SSLWantReadError):
        talk.server.do_handshake()
    talk.to_client()
    assert talk.action() is Action.CLOSE
    talk.secured.closed(9, "closed")
    assert talk.secured.counts.errors == {"tls": 1}
    assert talk.action() is Action.NONE
    assert talk.secured.deadline_ns > 9


def test_an_end_of_file_in_the_handshake_is_not_an_orderly_one() -> None:
    talk = Conversation()
    talk.secured.closed(9, "eof")
    assert talk.secured.counts.errors == {"tls": 1}
    assert talk.action() is Action.NONE


def test_bytes_that_are_no_record_end_the_connection() -> None:
    talk = Conversation()
    talk.shake_hands()
    talk.heard()
    talk.secured.receive(b"HTTP/1.1 400 Bad Request\r\n\r\n", NO_STAMP, 8)
    assert talk.action() is Action.CLOSE
    talk.secured.closed(9, "closed")
    assert talk.secured.counts.errors == {"tls": 1}


def compressed(name: str) -> dict[str, Any]:
    """Return the option by which a transport compresses, if it can."""
    return next((own for own in variants(name) if "compression" in own), {})


@pytest.mark.process
@pytest.mark.skipif(not tcp.LINUX, reason="the driver needs epoll")
@pytest.mark.parametrize(("transport", "options"), [
    *((name, {**quick(name, 0.05), **compressed(name)}) for name in transports.names()),
    *((name, {**quick(name, 0.05), "connection": "new"}) for name in transports.names()
      if "connection" in fields(name)),
])
def test_each_server_is_read_over_tls_with_stamps_and_whole_counters(
    feed: ScriptedFeed, transport: str, options: dict[str, Any]
) -> None:
    asked = transports.options_of(transport, {"tls": True, **options}, "the test", "options")
    with running_server(feed, transport, options=asked.model_dump(mode="json")) as server:
        recorder, clock = Recorder(), RunClock.start()
        context = client_context(server.certificate)
        spec = ClientSpec(0, f"{server.host}:{server.port}", Subscription())
        inner = transports.part(transport, "client").Client(spec, asked, recorder, random.Random(1))
        machine = TlsMachine(inner, context, server.host)
        until_ns = clock.now_ns() + 20_000_000_000
        published = 0

        def done() -> bool:
            nonlocal published
            if machine.subscribed and published < 5 and recorder.delivered == published:
                feed.publish("AAA")   # one after the other, so that each has a way of its own
                published += 1
            return recorder.delivered == 5 or clock.now_ns() > until_ns

        (link,) = driver.run([machine], server.host, server.port, done, clock)
        (rows,) = recorder.deliveries_since(0)
        assert rows["index"].tolist() == [0, 1, 2, 3, 4]
        assert (rows["kernel_ns"] > 0).all()
        assert (rows["kernel_ns"] <= rows["app_ns"]).all()
        counts, counted = machine.counts, link.tcp_info()
        assert not counts.errors
        assert counted is not None
        assert counted.bytes_up is not None
        sealed_up = counted.bytes_up - counts.header_bytes_up - counts.body_bytes_up
        sealed_down = counted.bytes_down - counts.header_bytes_down - counts.body_bytes_down
        assert sealed_up > 200 * counts.connections   # the handshake alone is more
        assert sealed_down > 700 * counts.connections
