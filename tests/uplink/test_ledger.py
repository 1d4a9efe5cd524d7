"""The ledger: a message is numbered once, by its author, in its room, in whatever order messages come."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.feed.log import FeedLog
from bench.feed.schedule import make
from bench.scenario.model import Feed
from bench.uplink.authors import authors
from bench.uplink.ledger import Ledger, OpenLedger, numbered_before
from bench.uplink.message import Message
from bench.wire.contract import Refusal

SCHEDULE = make(Feed.model_validate({"source": "clients", "rate_per_s": 20, "symbols": 3}), 1, 1.0, 0.0)
AUTHORS = authors(SCHEDULE, 9, 1)


def message(index: int) -> Message:
    """Return the message that the schedule has at an index."""
    return Message(index, int(AUTHORS[index]), SCHEDULE.symbols[SCHEDULE.symbol[index]], 1.5, 10)


@given(st.lists(st.integers(0, len(SCHEDULE) - 1), max_size=60), st.lists(st.booleans(), min_size=60, max_size=60))
def test_each_message_is_new_once_however_often_and_in_whatever_order_it_comes(
    sent: list[int], before: list[bool]
) -> None:
    numbered = np.array((before * 10)[: len(SCHEDULE)])
    ledger, known = Ledger(SCHEDULE, AUTHORS, numbered.copy()), set(np.flatnonzero(numbered).tolist())
    for index in sent:
        assert ledger.take(message(index)) == (index not in known)
        known.add(index)


@pytest.mark.parametrize("spoil", [
    lambda good: good._replace(author=good.author + 3),
    lambda good: good._replace(index=len(SCHEDULE)),
    lambda good: good._replace(symbol=next(name for name in SCHEDULE.symbols if name != good.symbol)),
    lambda good: good._replace(symbol="ZZZ"),
])
def test_a_message_that_is_not_the_authors_own_is_refused_and_numbers_nothing(spoil: object) -> None:
    ledger = Ledger(SCHEDULE, AUTHORS)
    good = message(5)
    with pytest.raises(Refusal) as refused:
        ledger.take(spoil(good))   # type: ignore[operator]
    assert refused.value.code == "not-author"
    assert ledger.take(good)


@pytest.mark.parametrize("by_hand", [{"index": None}, {"text": "hello"}])
def test_a_schedule_has_no_message_that_was_written_by_hand(by_hand: dict[str, Any]) -> None:
    ledger = Ledger(SCHEDULE, AUTHORS)
    assert ledger.placed(message(5)) == message(5)
    with pytest.raises(Refusal, match="a message of a schedule") as refused:
        ledger.placed(message(5)._replace(**by_hand))
    assert refused.value.code == "bad-request"


@given(st.lists(st.one_of(st.none(), st.integers(0, 9)), max_size=15))
def test_by_hand_each_message_without_a_place_takes_the_next_free_one_until_there_is_none(
    asked: list[int | None],
) -> None:
    ledger, taken = OpenLedger(8, ["AAA"]), set[int]()
    for index in asked:
        written, was_full = Message(index, 3, "AAA", 1.5, 10, "hello"), len(taken) == 8
        try:
            placed = ledger.placed(written)
            assert placed.index is not None
            assert placed == written._replace(index=placed.index)
            if index is None:
                assert placed.index == min(set(range(8)) - taken)
            assert ledger.take(placed) == (placed.index not in taken)
            assert ledger.due_ns(placed.index, 5, 77) == 77
        except Refusal as refusal:
            found = refusal.code
        else:
            found = ""
            taken.add(placed.index)
        is_refused = was_full if index is None else index >= 8
        assert found == (("no-feed" if index is None else "not-author") if is_refused else "")


def test_by_hand_a_room_that_there_is_not_is_refused_and_takes_no_place() -> None:
    ledger = OpenLedger(1, ["AAA"])
    with pytest.raises(Refusal, match="no symbol"):
        ledger.take(ledger.placed(Message(None, 3, "ZZZ", 1.5, 10)))
    assert ledger.take(ledger.placed(Message(None, 3, "AAA", 1.5, 10)))


def test_what_an_earlier_life_has_numbered_is_read_from_its_log(tmp_path: Path) -> None:
    for epoch, indices in (("aa", (0, 3)), ("bb", (4,))):
        log = FeedLog(tmp_path, epoch, len(SCHEDULE))
        for seq, index in enumerate(indices, 1):
            log.record(index, seq, 5, 80)
        log.close()
    assert np.flatnonzero(numbered_before(tmp_path, len(SCHEDULE))).tolist() == [0, 3, 4]
