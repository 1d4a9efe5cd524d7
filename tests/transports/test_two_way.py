"""Laws of clients that also send, for every transport and every implementation of its server that can.

No test names a transport. Server, clients and the other end of the feed are in one loop (`support/party.py`).
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from party import SUBJECTS, SYMBOLS, Author, Party, Subject, held

from bench import transports
from bench.uplink.message import Message, encode
from bench.wire.options import ORIGIN
from bench.wire.sizes import Conversation

TWO_WAY = tuple(each for each in SUBJECTS if transports.two_way(each.transport) is not None)
each_subject = pytest.mark.parametrize("subject", TWO_WAY, ids=str)
S = 1_000_000_000


def fates(author: Author) -> list[tuple[int, str | None]]:
    """Return each answered message's index, and the word of its refusal."""
    return [(each.index, each.refusal) for each in author.outgoing.uplinks if each.answered_ns is not None]


def settled(author: Author) -> bool:
    return len(fates(author)) == len(author.outgoing.uplinks)


def test_each_of_our_own_transports_can_send() -> None:
    assert {each.transport for each in TWO_WAY} >= set(transports.own_names())


def assert_as_the_model_has_it(subject: Subject, own: dict[str, Any], author: Author) -> None:
    """Check the bytes of the messages and of their answers, where nothing else goes over the same connection."""
    model, machine = transports.model_of(subject.transport), author.talkers[-1].machine
    options = transports.options_of(subject.transport, own, "scenario.toml", "it")
    sent, counts = author.outgoing.uplinks, machine.counts
    sizes = model.wire(options, Conversation((b"{}",), host=machine.spec.host, message=sent[0].body)).uplink
    messages, bodies = len(sent), sum(len(each.body) for each in sent)
    assert counts.body_bytes_up == bodies + messages * sizes.around_bytes
    if model.cycle(options).posts:
        assert counts.header_bytes_up == pytest.approx(messages * sizes.head_bytes, abs=messages)   # a length's digits
        assert counts.header_bytes_down == messages * sizes.reply_head_bytes
        assert counts.body_bytes_down == messages * sizes.reply_bytes


@each_subject
@pytest.mark.parametrize("own", [{}, {"tls": True}, {"headers": "browser"}], ids=str)
@pytest.mark.parametrize("cut", [None, 1])
def test_each_message_reaches_its_room_once_and_its_author_too(
    subject: Subject, own: dict[str, Any], cut: int | None
) -> None:
    async def meeting() -> None:
        async with Party(subject, own, cut=cut, takes_messages=True) as party:
            one = party.author(*(S + place * 1000 for place in range(5)), 3 * S, rooms=("AAA", "BBB"))
            two = party.author(2 * S, 2 * S, rooms=("BBB",), first=6)
            other = party.author(rooms=("CCC",))
            await party.begin(one, two, other)
            await party.until(lambda: settled(one) and settled(two), "every answer")
            await party.until(lambda: len(one.kept.deliveries) >= 8 and len(two.kept.deliveries) >= 5, "every tick")
            assert sorted(one.kept.deliveries) == list(range(8))
            assert sorted(two.kept.deliveries) == [1, 3, 5, 6, 7]
            assert other.kept.deliveries == []
            assert [refusal for _, refusal in fates(one) + fates(two)] == [None] * 8
            for uplink in one.outgoing.uplinks:
                assert uplink.due_ns <= (uplink.sent_ns or 0) < (uplink.answered_ns or 0)
                assert uplink.sends == 1
            assert (party.counts["messages"], party.counts["messages_accepted"]) == (8, 8)
            machines = [talker.machine for author in (one, two, other) for talker in author.talkers]
            if not own.get("tls"):
                assert_as_the_model_has_it(subject, own, one)
            await party.leave(*party.talkers)
            if not own.get("tls"):
                for talker, counts in ((talker, talker.machine.counts) for talker in party.talkers):
                    assert counts.header_bytes_up + counts.body_bytes_up == talker.bytes_up
                    assert counts.header_bytes_down + counts.body_bytes_down == talker.bytes_down
            assert not any(machine.counts.errors for machine in machines)
    held(meeting())


@each_subject
@pytest.mark.parametrize("seed", range(3))
def test_however_often_connections_break_nothing_is_lost_and_nothing_comes_twice(subject: Subject, seed: int) -> None:
    async def meeting() -> None:
        rng = random.Random(seed)
        async with Party(subject, takes_messages=True) as party:
            author = party.author(*(place * S // 4 for place in range(24)), rooms=SYMBOLS)
            await party.begin(author)
            for _ in range(80):
                await party.turn()
                rng.choice(author.talkers).cut_off()
            await party.until(lambda: settled(author), "every answer")
            await party.until(lambda: len(author.kept.deliveries) >= 24, "every tick")
            assert sorted(author.kept.deliveries) == list(range(24))
            assert {message.index for message in party.exchange.messages} == set(range(24))
            assert {refusal for _, refusal in fates(author)} == {None}
    held(meeting())


@each_subject
def test_a_message_whose_answer_never_came_is_sent_again_and_accepted(subject: Subject) -> None:
    async def meeting() -> None:
        async with Party(subject, takes_messages=True) as party:
            author = party.author(S, S, S + 1)
            await party.begin(author)
            party.exchange.silent = True
            await party.until(lambda: party.counts["messages"], "a message")
            party.chassis.feed.disconnected()   # all that wait are told that the feed is lost
            await party.until(lambda: party.counts.get("refused_no-feed"), "the refusal")
            party.exchange.silent = False
            party._take_header()
            party.chassis.feed.transport = party.exchange   # type: ignore[assignment]
            await party.until(lambda: settled(author), "every answer")
            await party.until(lambda: len(author.kept.deliveries) >= 3, "every tick")
            assert sorted(author.kept.deliveries) == [0, 1, 2]
            assert max(each.sends for each in author.outgoing.uplinks) > 1
            assert {refusal for _, refusal in fates(author)} == {None}
    held(meeting())


GOOD = Message(0, 0, "AAA", 1.5, 10)
SPOILT: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "no JSON": (lambda good: good[:-1], "bad-request"),
    "another field": (lambda good: good[:-1] + b',"more":1}', "bad-request"),
    "an unknown room": (lambda good: good.replace(b"AAA", b"ZZZ"), "unknown-symbol"),
    "too large": (lambda good: good + b" " * 1024, "too-large"),
    "empty": (lambda good: b"", "bad-request"),
}


@each_subject
def test_a_bad_message_gets_its_refusal_and_the_next_one_is_taken(subject: Subject) -> None:
    async def meeting() -> None:
        async with Party(subject, takes_messages=True) as party:
            author = party.author(*(S + place * S for place in range(len(SPOILT) + 1)))
            uplinks = author.outgoing.uplinks
            for uplink, (spoil, _) in zip(uplinks, SPOILT.values(), strict=False):
                uplink.body = spoil(uplink.body)
            await party.begin(author)
            await party.until(lambda: uplinks[-1].answered_ns, "the answer to the good one")
            await party.until(lambda: author.kept.deliveries, "its tick")
            assert author.kept.deliveries == [len(SPOILT)]
            assert uplinks[-1].refusal is None
            counts = party.counts
            words = [word for _, word in SPOILT.values()]
            for word in set(words):
                assert counts[f"refused_{word}"] == words.count(word)
            assert counts["messages"] == len(uplinks)
            assert len(party.exchange.messages) == 1
    held(meeting())


@each_subject
def test_the_rate_of_a_connection_is_limited(subject: Subject) -> None:
    async def meeting() -> None:
        limits = {"messages": {"rate_per_s": 3.0}}
        async with Party(subject, takes_messages=True, server=limits) as party:
            author = party.author(*[S] * 12)
            await party.begin(author)
            await party.until(lambda: settled(author), "every answer")
            refused = [index for index, refusal in fates(author) if refusal == "too-many"]
            assert refused, "twelve at once are more than three per second"
            await party.until(lambda: len(author.kept.deliveries) >= 12 - len(refused), "the others")
            assert sorted({*author.kept.deliveries, *refused}) == list(range(12))
    held(meeting())


@each_subject
def test_an_author_that_does_not_read_harms_nobody(subject: Subject) -> None:
    async def meeting() -> None:
        async with Party(subject, takes_messages=True, small_buffers=True,
                         server={"messages": {"rate_per_s": 1000.0}}) as party:
            slow = party.author(*(S + place for place in range(300)))
            await party.begin(slow)
            await party.until(lambda: all(talker.transport for talker in slow.talkers), "the connections")
            for talker in slow.talkers:
                talker.stop_reading()
            other = party.author(*(S + place * S // 10 for place in range(20)), first=300)
            await party.begin(other)
            await party.until(lambda: settled(other), "the other's answers")
            await party.until(lambda: {*range(300, 320)} <= {*other.kept.deliveries}, "the other's ticks")
            for talker in slow.talkers:
                talker.read_on()
            await party.until(lambda: settled(slow), "every answer")
            assert {refusal for _, refusal in fates(slow)} == {None}
    held(meeting())


@each_subject
def test_a_server_that_takes_none_refuses_them_as_before(subject: Subject) -> None:
    async def meeting() -> None:
        async with Party(subject) as party:
            author = party.author(S)
            await party.begin(author)
            refused = ("refused_method-not-allowed", "refused_bad-request", "refused_too-large")
            await party.until(lambda: any(party.counts.get(name) for name in refused), "a refusal")
            assert author.kept.deliveries == []
            assert party.exchange.messages == []
    held(meeting())


def post(body: bytes, *lines: str) -> bytes:
    """Return a request that sends a message, with these header lines in place of its length."""
    head = lines or (f"Content-Length: {len(body)}",)
    return "\r\n".join(["POST /messages HTTP/1.1", "Host: localhost", *head, "", ""]).encode() + body


async def answered(party: Party, *pieces: bytes) -> bytes:
    """Send bytes over a connection of their own, piece by piece, and close its side; all that comes back."""
    reader, writer = await asyncio.open_connection(*party.address[:2])
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await party.turn()
    writer.write_eof()
    reading = asyncio.create_task(reader.read())
    await party.until(reading.done, "the end of the connection")
    writer.close()
    return reading.result()


async def statuses(party: Party, *pieces: bytes) -> list[int]:
    """Return the statuses of what `answered` returns."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", await answered(party, *pieces))]


@each_subject
def test_a_page_of_an_allowed_origin_is_given_leave_to_send_json_where_messages_are_sent_over_http(
    subject: Subject,
) -> None:
    def ask(method: str, *lines: str) -> bytes:
        return "\r\n".join([f"{method} /messages HTTP/1.1", "Host: localhost", *lines, "", ""]).encode()

    asks = "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type"

    async def meeting() -> None:
        async with Party(subject, takes_messages=True) as party:
            takes_posts = len(party.author().talkers) > 1
            leave = await answered(party, ask("OPTIONS", f"Origin: {ORIGIN}", *asks))
            assert leave.startswith(b"HTTP/1.1 204 ")
            fields = dict(re.findall(rb"(Access-Control-[\w-]+): (.*?)\r\n", leave))
            assert fields[b"Access-Control-Allow-Origin"] == ORIGIN.encode()
            assert (fields[b"Access-Control-Allow-Methods"], fields[b"Access-Control-Allow-Headers"]) == (
                (b"POST", b"Content-Type") if takes_posts else (b"GET", b"If-None-Match, Last-Event-ID"))
            assert await statuses(party, ask("OPTIONS", "Origin: https://evil.example", *asks)) == [403]
            if takes_posts:
                body = encode(GOOD)
                sent = post(body, f"Content-Length: {len(body)}", "Content-Type: application/json", f"Origin: {ORIGIN}")
                taken = await answered(party, sent)
                assert taken.startswith(b"HTTP/1.1 202 ")
                assert f"Access-Control-Allow-Origin: {ORIGIN}\r\n".encode() in taken
                assert b"Allow: POST\r\n" in await answered(party, ask("PUT"))
        async with Party(subject) as party:
            leave = await answered(party, ask("OPTIONS", f"Origin: {ORIGIN}", *asks))
            assert b"POST" not in leave
    held(meeting())


@each_subject
def test_over_http_a_message_is_a_body_of_a_known_length_where_clients_send_so(subject: Subject) -> None:
    async def meeting() -> None:
        async with Party(subject, takes_messages=True, limits={"head_s": 0.3, "close_s": 0.2}) as party:
            author = party.author()
            good = encode(GOOD)
            if len(author.talkers) == 1:
                assert await statuses(party, post(good)) == [405]
                return
            await party.begin(author)
            again, third = encode(GOOD._replace(index=1)), post(encode(GOOD._replace(index=2)))
            health = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
            assert await statuses(party, post(good) + post(again) + health) == [202, 202, 200], "in their order"
            assert await statuses(party, *(third[at : at + 30] for at in range(0, len(third), 30))) == [202]
            chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(good), good)
            assert await statuses(party, post(chunks, "Transfer-Encoding: chunked")) == [400]
            assert await statuses(party, post(b"", "Connection: close")) == [400]
            assert await statuses(party, post(good, "Content-Length: 5000")) == [413]
            assert await statuses(party, post(b"")) == [400]
            assert await statuses(party, post(good).replace(b"/messages", b"/ticks")) in ([405], [413])
            assert await statuses(party, b"GET /messages HTTP/1.1\r\nHost: localhost\r\n\r\n") == [405]
            reader, writer = await asyncio.open_connection(*party.address[:2])
            writer.write(post(good, "Content-Length: 900"))
            slow = asyncio.create_task(reader.readline())
            await party.until(slow.done, "the end of a body that does not come")
            assert slow.result().split()[1] == b"408"
            writer.close()
            await party.until(lambda: len(author.kept.deliveries) >= 3, "the ticks")
            assert sorted(author.kept.deliveries) == [0, 1, 2]
    held(meeting())


@each_subject
def test_thousands_of_hostile_bytes_crash_nothing_and_reach_no_room(subject: Subject) -> None:
    """Bytes that no client of ours sends, over connections of their own, beside an author whose messages go on."""
    async def meeting() -> None:
        rng, good = random.Random(1), encode(GOOD)
        async with Party(subject, takes_messages=True) as party:
            author = party.author(*(S + place * S for place in range(5)))
            await party.begin(author)

            async def attack() -> None:
                reader, writer = await asyncio.open_connection(*party.address[:2])
                for _ in range(20):
                    body = bytearray(good)
                    for _ in range(rng.randrange(1, 4)):
                        body[rng.randrange(len(body))] = rng.randrange(256)
                    size = rng.choice((len(body), len(body), 0, 3, 5000, "x", "-1"))
                    writer.write(b"POST /messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: %b\r\n\r\n"
                                 % str(size).encode() + bytes(body))
                    writer.write(rng.randbytes(rng.randrange(20)) if rng.random() < 0.1 else b"")
                try:
                    writer.write_eof()
                    await asyncio.wait_for(reader.read(), 5)
                except (OSError, TimeoutError):
                    pass
                writer.close()

            attacks = [asyncio.create_task(attack()) for _ in range(20)]
            await party.until(lambda: all(each.done() for each in attacks), "the attacks")
            for each in attacks:
                each.result()
            await party.until(lambda: settled(author), "every answer")
            known = {(message.symbol, message.author) for message in party.exchange.messages}
            assert {symbol for symbol, _ in known} <= set(SYMBOLS)
            assert {index for index, refusal in fates(author) if refusal is None} == set(range(5))
            assert orjson.loads(party.chassis.page("/health")[1])["status"] == "ok"   # type: ignore[index]
    held(meeting())
