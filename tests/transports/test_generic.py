"""Laws of every transport and every implementation of its server, whatever lies in the folders.

No test names a transport. Clients are the machines that measure; the server is the one that is measured, with a real
connection between them, in one event loop (`support/party.py`). The bytes on the wire are in test_on_the_wire.py, the
closed forms in tests/simulation/test_forms.py.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from party import SUBJECTS, SYMBOLS, Kept, Party, Subject, Talker, held
from quick_options import fields, variants

from bench import transports
from bench.serving.chassis import ServerCounts
from bench.transports import Action, ClientSpec
from bench.wire.contract import REFUSALS, Subscription

each_subject = pytest.mark.parametrize("subject", SUBJECTS, ids=str)
FURTHER: list[dict[str, Any]] = [
    {"flush_ms": 20.0}, {"connection": "new", "tls": True},
    {"compression": "permessage-deflate", "context_takeover": True}]
"""Choices of options beside `variants`, for each transport that has them."""
VARIANTS = [(subject, own) for subject in SUBJECTS for own in (*variants(subject.transport), *FURTHER)
            if own.keys() <= fields(subject.transport).keys()]
POLICIES = ("conflate", "drop-oldest", "disconnect")
KINDS = {"conflate": "conflated", "drop-oldest": "dropped"}
BUFFER_TICKS = 10


def policy_of(policy: str) -> dict[str, Any]:
    """Return the scenario's `[server]` with this policy for slow clients."""
    return {"slow_client": {"policy": policy, "buffer_ticks": BUFFER_TICKS}}


def words_of(subject: Subject, code: str) -> set[str]:
    """Return the words by which a client counts this refusal."""
    return set(transports.describe(subject.transport).refusal_words(REFUSALS[code]))


def errors_of(client: Talker) -> Counter[str]:
    return client.machine.counts.errors


def drawn(rng: random.Random, most: int) -> list[str]:
    """Return symbols of some ticks."""
    return [rng.choice(SYMBOLS) for _ in range(rng.randint(1, most))]


async def balance(party: Party, *clients: Talker, broken: int = 0) -> None:
    """Check that the server's counts are those of what all its clients were given.

    A request that was on its way as one of the `broken` connections broke may never have reached the server.
    """
    def unheard() -> int:
        return sum(client.machine.counts.requests for client in clients) - party.counts["requests"]

    await party.until(lambda: 0 <= unheard() <= broken, "the requests to arrive")
    counts = party.counts
    given = [client.kept for client in clients]
    assert counts["deliveries"] == sum(len(kept.deliveries) for kept in given)
    for kind in KINDS.values():
        assert counts[kind] == sum(count for kept in given for which, _, count in kept.skips if which == kind)
    assert counts["connections"] == sum(client.machine.counts.connections for client in clients)
    assert set(counts) >= set(ServerCounts().to_json())


@pytest.mark.parametrize(("subject", "own"), VARIANTS, ids=lambda value: str(value).replace("'", ""))
def test_every_tick_arrives_once_and_in_order_with_every_option(subject: Subject, own: dict[str, Any]) -> None:
    async def meeting() -> None:
        rng = random.Random(1)
        async with Party(subject, own) as party:
            clients = await party.subscribed(2)
            for most in (1, 1, 30, 3, 500, 1):
                party.publish(*drawn(rng, most), padding=rng.choice((0, 300)))
                await party.until(lambda: all(
                    len(each.kept.deliveries) >= len(party.published) for each in clients), "every tick")
            await party.settled(*clients)
            await party.leave(*clients)
            for client in clients:
                assert client.kept.deliveries == list(range(len(party.published)))
                assert client.kept.skips == []
                assert client.machine.counts.updates == len(party.published)
                assert not errors_of(client)
            await balance(party, *clients)
    held(meeting())


@each_subject
@pytest.mark.parametrize("seed", range(4))
def test_however_the_bytes_are_cut_the_same_is_delivered_and_counted(subject: Subject, seed: int) -> None:
    async def meeting() -> None:
        rng = random.Random(seed)
        async with Party(subject, cut=seed) as party:
            clients = await party.subscribed(2)
            for most in (1, 20, 300, 2):
                party.publish(*drawn(rng, most), padding=rng.choice((0, 100)))
                await party.until(lambda: all(
                    len(each.kept.deliveries) >= len(party.published) for each in clients), "every tick")
            await party.leave(*clients)
            for client in clients:
                counts = client.machine.counts
                assert client.kept.deliveries == list(range(len(party.published)))
                assert not errors_of(client)
                assert counts.header_bytes_up + counts.body_bytes_up == client.bytes_up
                assert counts.header_bytes_down + counts.body_bytes_down == client.bytes_down
            await balance(party, *clients)
    held(meeting())


@each_subject
def test_a_client_gets_the_symbols_that_it_asked_for_and_no_others(subject: Subject) -> None:
    async def meeting() -> None:
        wanted = SYMBOLS[:2]
        async with Party(subject) as party:
            (client,) = await party.subscribed(1, Subscription(frozenset(wanted)))
            for _ in range(3):
                party.publish(*SYMBOLS, *reversed(SYMBOLS))
            mine = [index for index, symbol in enumerate(party.published) if symbol in wanted]
            await party.until(lambda: len(client.kept.deliveries) >= len(mine), "the ticks")
            await party.leave(client)
            assert client.kept.deliveries == mine
            await balance(party, client)
    held(meeting())


@each_subject
def test_a_client_whose_connection_broke_goes_on_where_it_was(subject: Subject) -> None:
    async def meeting() -> None:
        async with Party(subject) as party:
            (client,) = await party.subscribed()
            for _ in range(4):
                party.publish(*SYMBOLS)
                await party.until(lambda: len(client.kept.deliveries) == len(party.published), "the ticks before")
                await party.away(client)
                party.publish(*SYMBOLS)
                client.let_on()
            await party.until(lambda: len(client.kept.deliveries) >= len(party.published), "the ticks after")
            assert client.kept.deliveries == list(range(len(party.published)))
            assert client.kept.skips == []
            assert client.machine.counts.connections == 5
            assert sum(errors_of(client).values()) <= 4
    held(meeting())


@each_subject
@pytest.mark.parametrize("present", [True, False], ids=["connected", "away"])
def test_a_client_goes_over_to_another_epoch_from_its_beginning(subject: Subject, present: bool) -> None:
    async def meeting() -> None:
        async with Party(subject) as party:
            (client,) = await party.subscribed()
            party.publish(*SYMBOLS)
            await party.until(lambda: len(client.kept.deliveries) == 3, "the ticks of the first epoch")
            if not present:
                await party.away(client)
            party.begin_anew()
            party.publish(*SYMBOLS, *SYMBOLS)
            client.let_on()
            await party.until(lambda: len(client.kept.deliveries) >= 9, "the ticks of the second epoch")
            party.publish("AAA")
            await party.until(lambda: len(client.kept.deliveries) >= 10, "the tick after")
            assert client.kept.deliveries == list(range(10))
            assert party.counts["refused_other-epoch"] == 1
            assert words_of(subject, "other-epoch") & set(errors_of(client))
    held(meeting())


@each_subject
def test_a_client_that_was_away_too_long_goes_on_with_what_the_tape_still_holds(subject: Subject) -> None:
    async def meeting() -> None:
        async with Party(subject, server={"tape_ticks": 20}) as party:
            (client,) = await party.subscribed()
            party.publish("AAA")
            await party.until(lambda: client.kept.deliveries, "a first tick")
            await party.away(client)
            party.publish(*["AAA", "BBB"] * 25)
            client.let_on()
            await party.until(lambda: 50 in client.kept.deliveries, "the newest tick")
            assert client.kept.deliveries == [0, *range(31, 51)]
            assert party.counts["refused_left-tape"] == 1
            assert words_of(subject, "left-tape") & set(errors_of(client))
    held(meeting())


@each_subject
@pytest.mark.parametrize("policy", POLICIES)
def test_a_client_that_was_away_is_served_by_the_policy_for_slow_clients(subject: Subject, policy: str) -> None:
    async def meeting() -> None:
        async with Party(subject, server=policy_of(policy)) as party:
            (client,) = await party.subscribed()
            party.publish("AAA", "BBB")
            await party.until(lambda: len(client.kept.deliveries) == 2, "the first ticks")
            await party.away(client)
            party.publish(*["AAA", "BBB"] * 25)
            client.let_on()
            if policy == "disconnect":
                await party.until(lambda: party.counts.get("refused_slow-client"), "the refusal")
                await party.until(lambda: client.transport is not None, "another connection")
                while not client.kept.deliveries[-1] > 51:   # once it is subscribed again
                    party.publish("AAA")
                    await party.turn()
                assert client.kept.deliveries[2] > 51
                assert words_of(subject, "slow-client") & set(errors_of(client))
                assert party.counts["slow_disconnects"] == 1
            else:
                newest = [50, 51] if policy == "conflate" else [*range(42, 52)]
                await party.until(lambda: 51 in client.kept.deliveries, "the newest tick")
                assert client.kept.deliveries == [0, 1, *newest]
                assert {kind for kind, _, _ in client.kept.skips} == {KINDS[policy]}
                assert client.kept.accounted == len(party.published)
                assert not party.counts["slow_disconnects"]
            await balance(party, client, broken=1)
    held(meeting())


@each_subject
def test_a_client_within_the_bound_misses_nothing(subject: Subject) -> None:
    async def meeting() -> None:
        async with Party(subject, server=policy_of("conflate")) as party:
            (client,) = await party.subscribed()
            await party.away(client)
            party.publish(*["AAA"] * BUFFER_TICKS)
            client.let_on()
            await party.until(lambda: len(client.kept.deliveries) >= BUFFER_TICKS, "every tick")
            assert client.kept.deliveries == list(range(BUFFER_TICKS))
            assert client.kept.skips == []
    held(meeting())


@each_subject
def test_who_wants_the_latest_alone_is_told_what_it_missed(subject: Subject) -> None:
    async def meeting() -> None:
        async with Party(subject) as party:
            (client,) = await party.subscribed(1, Subscription(None, "latest"))
            await party.away(client)
            party.publish(*["AAA"] * 5, "BBB", *["CCC"] * 3)
            client.let_on()
            await party.until(lambda: client.kept.accounted >= 9, "the newest ticks")
            assert sorted(client.kept.deliveries) == [4, 5, 8]
            assert sorted(client.kept.skips) == [("conflated", "AAA", 4), ("conflated", "CCC", 2)]
            await balance(party, client, broken=1)
    held(meeting())


@each_subject
@pytest.mark.parametrize("policy", POLICIES)
def test_a_client_that_stops_reading_delays_nobody_and_every_tick_of_it_is_accounted_for(
    subject: Subject, policy: str
) -> None:
    async def meeting() -> None:
        async with Party(subject, small_buffers=True, server=policy_of(policy)) as party:
            slow, reader = await party.subscribed(2)
            slow.stop_reading()
            for _ in range(60):
                party.publish(*["AAA", "BBB", "AAA"], padding=6000)
                await party.until(lambda: len(reader.kept.deliveries) == len(party.published), "the reader's ticks")
            assert len(slow.kept.deliveries) < len(party.published)
            if policy == "disconnect":   # of a server that pushes, while the client does not read
                for _ in range(20):
                    await party.turn()
            slow.read_on()
            while not slow.kept.deliveries or slow.kept.deliveries[-1] < 180:
                party.publish("AAA", "BBB")
                await party.turn()
            newest = len(party.published) - 1
            await party.until(lambda: newest in slow.kept.deliveries, "the newest tick")
            assert reader.kept.deliveries[:180] == list(range(180))
            assert slow.kept.deliveries == sorted(set(slow.kept.deliveries))
            if policy == "disconnect":
                assert slow.kept.skips == []
                missed = slow.kept.accounted < len(party.published)
                assert missed == bool(party.counts["slow_disconnects"])
            else:
                assert slow.kept.accounted == len(party.published)
                assert {kind for kind, _, _ in slow.kept.skips} <= {KINDS[policy]}
                await balance(party, slow, reader)
    held(meeting())


@each_subject
def test_a_client_that_takes_nothing_for_long_is_cut_off(subject: Subject) -> None:
    async def meeting() -> None:
        limits = {"stall_s": 0.2, "idle_s": 60}
        async with Party(subject, small_buffers=True, limits=limits) as party:
            (client,) = await party.subscribed()
            client.stop_reading()
            party.publish(*["AAA"] * 300, padding=6000)
            await party.until(lambda: not party.counts["connections_open"], "the stalled connection to be cut")
            assert party.counts["connections"] == 1
            assert len(client.kept.deliveries) < len(party.published), "it was cut off before it had everything"
    held(meeting())


@each_subject
@pytest.mark.parametrize("away", [False, True], ids=["connected", "away"])
def test_a_server_that_stops_leaves_no_connection_and_its_clients_know_why(subject: Subject, away: bool) -> None:
    async def meeting() -> None:
        async with Party(subject, limits={"close_s": 1.0}) as party:
            clients = await party.subscribed(3)
            if away:
                await party.away(clients[0])
            await party.end()
            await party.until(lambda: not party.counts["connections_open"], "all connections to end")
            await party.until(lambda: all(errors_of(each) for each in clients[1:]), "an error of each")
            assert not any(each.kept.deliveries for each in clients)
    held(meeting())


@each_subject
def test_whatever_bytes_come_a_machine_ends_the_connection_and_delivers_nothing(subject: Subject) -> None:
    rng = random.Random(5)
    options = transports.options_of(subject.transport, {}, "the test", "options")
    for _ in range(150):
        kept = Kept()
        machine = transports.part(subject.transport, "client").Client(
            ClientSpec(0, "h:1", Subscription()), options, kept, rng)
        machine.start(1)
        machine.opened(2)
        head = rng.choice([b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
                           b"HTTP/1.1 101 Switching Protocols\r\n"])
        came = head + rng.randbytes(rng.randrange(1, 60)) + b"\r\n\r\n" + rng.randbytes(30)
        machine.receive(came, 3, 3)
        machine.action = Action.NONE
        machine.closed(4, "eof")
        assert kept.deliveries == []
        assert sum(machine.counts.errors.values()) == 1
        assert machine.counts.header_bytes_down + machine.counts.body_bytes_down == len(came)
