"""Requests get the ticks that the servers' own tape would hand out."""

from dataclasses import replace

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from random_shards import shards

from bench.feed.tape import Tape as ServersTape
from bench.simulation.engine.tape_reads import WorkerTape, spans
from bench.wire.contract import Cursor, Refusal, Subscription


def served(shard, client, cursor, head):
    """Return (ticks, next cursor, more, refusal, conflated, dropped) by `bench.feed.tape`; symbols as words."""
    names = [str(symbol) for symbol in shard.ticks.symbol]
    tape = ServersTape(shard.tape_ticks)
    tape.begin("e", frozenset(names), 0)
    for place in range(head):
        tape.append(place + 1, names[place], b"%d" % place)
    wanted = None
    if shard.subscribed is not None:
        wanted = frozenset(map(str, np.flatnonzero(shard.subscribed[client]))) & frozenset(names)
    try:
        batch = tape.read(
            Subscription(wanted, shard.mode), Cursor("e", cursor), shard.batch_max, shard.slow_client)
    except Refusal as refusal:
        return [], None, True, refusal.code, {}, {}
    ticks = [int(line) for line in batch.ticks]
    return ticks, batch.cursor.seq, batch.more, None, dict(batch.conflated), dict(batch.dropped)


@given(shard=shards(), share=st.floats(0, 1), data=st.data())
@settings(max_examples=200, deadline=None)
def test_batches_are_those_of_the_servers_tape(shard, share, data):
    head = int(share * len(shard.ticks))
    count = len(shard.clients)
    cursor = np.array(data.draw(st.lists(st.integers(0, head), min_size=count, max_size=count)))
    batches = WorkerTape(shard).read(np.arange(count), cursor, head)
    ends = np.cumsum(batches.updates)
    symbol = shard.ticks.symbol
    for client in range(count):
        ticks, after, more, refusal, conflated, dropped = served(shard, client, int(cursor[client]), head)
        mine = batches.tick[ends[client] - batches.updates[client] : ends[client]].tolist()
        assert mine == ticks
        assert batches.bytes[client] == shard.ticks.payload_bytes[ticks].sum()
        assert bool(batches.more[client]) == more
        assert bool(batches.left[client]) == (refusal == "left-tape")
        assert bool(batches.slow[client]) == (refusal == "slow-client")
        if refusal is None:
            assert batches.cursor[client] == after
        for declared, expected in ((batches.conflated, conflated), (batches.dropped, dropped)):
            rows = np.flatnonzero(declared.batch == client)
            told = {str(symbol[declared.tick[row]]): int(declared.count[row]) for row in rows}
            coming = {name for name in expected if name in map(str, symbol[max(ticks, default=0) :])}
            assert told.items() <= expected.items()
            assert coming <= told.keys()


@given(shard=shards(), share=st.floats(0, 0.99))
@settings(max_examples=30, deadline=None)
def test_a_tick_alone_is_a_range_of_one(shard, share):
    shard = replace(shard, subscribed=None)
    assume(len(shard.ticks))
    place, who = int(share * len(shard.ticks)), np.arange(len(shard.clients))
    alone = WorkerTape(shard).alone(place, len(who))
    read = WorkerTape(shard).read(who, np.full(len(who), place), place + 1)
    for name in ("updates", "bytes", "cursor", "more", "left", "slow", "tick"):
        assert getattr(alone, name).tolist() == getattr(read, name).tolist(), name


@given(counts=st.lists(st.tuples(st.integers(0, 50), st.integers(0, 6)), max_size=8))
def test_spans_stand_behind_one_another(counts):
    start = np.array([first for first, _ in counts], dtype=np.int64)
    count = np.array([number for _, number in counts], dtype=np.int64)
    assert spans(start, count).tolist() == [first + k for first, number in counts for k in range(number)]
