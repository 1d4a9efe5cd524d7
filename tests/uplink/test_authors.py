"""Rooms and authors: each author is a member of its message's room, and rooms are alike."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bench.feed.schedule import make, symbol_names
from bench.scenario.model import Feed
from bench.uplink.authors import authors, members, rooms_of, subscriptions


@given(st.data(), st.integers(1, 12), st.integers(1, 60))
def test_rooms_differ_by_one_client_at_most_and_subscriptions_say_who_is_where(
    data: st.DataObject, rooms: int, clients: int
) -> None:
    each = data.draw(st.one_of(st.none(), st.integers(1, rooms)))
    of_room = members(rooms, clients, each)
    sizes = [len(room) for room in of_room]
    assert max(sizes) - min(sizes) <= 1
    assert sum(sizes) == clients * min(each or rooms, rooms)
    names = symbol_names(rooms)
    mine = subscriptions(names, clients, each) or [list(names)] * clients
    for client, symbols in enumerate(mine):
        assert symbols == [name for name, room in zip(names, of_room, strict=True) if client in room]
        assert len(set(rooms_of(client, rooms, each or rooms))) == len(symbols)


@given(st.integers(0, 2**32), st.integers(1, 5), st.integers(5, 40), st.sampled_from(["poisson", "bursty"]))
def test_an_author_is_a_member_of_the_room_of_its_message(seed: int, rooms: int, clients: int, kind: str) -> None:
    feed = Feed.model_validate({"source": "clients", "schedule": kind, "rate_per_s": 100, "symbols": rooms})
    schedule = make(feed, seed, 1.0, 0.0)
    found, of_room = authors(schedule, clients, 1), members(rooms, clients, 1)
    assert len(found) == len(schedule)
    for author, room in zip(found.tolist(), schedule.symbol.tolist(), strict=True):
        assert author in of_room[room]
    assert np.array_equal(found, authors(schedule, clients, 1))


def test_all_members_write_about_as_much() -> None:
    feed = Feed.model_validate({"source": "clients", "rate_per_s": 1000, "symbols": 2})
    written = Counter(authors(make(feed, 1, 20.0, 0.0), 10, 1).tolist())
    assert set(written) == set(range(10))
    assert min(written.values()) > 0.85 * max(written.values())


def test_due_instants_and_rooms_do_not_depend_on_the_source_except_that_a_burst_is_of_one_room() -> None:
    for kind in ("constant", "poisson", "bursty"):
        tables = [{"source": source, "schedule": kind, "rate_per_s": 200, "symbols": 20, "bursty": {
            "branching_ratio": 0.9, "decay_s": 0.005}} for source in ("publisher", "clients")]
        one, other = (make(Feed.model_validate(table), 3, 5.0, 0.0) for table in tables)
        assert np.array_equal(one.offset_ns, other.offset_ns)
        assert np.array_equal(one.symbol, other.symbol) == (kind != "bursty")
        again = [float(np.mean(each.symbol[1:] == each.symbol[:-1])) for each in (one, other)]
        assert (again[1] > 5 * again[0]) == (kind == "bursty"), "neighbours are mostly of one burst"
