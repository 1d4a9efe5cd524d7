from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bench.transports.long_polling.protocol import Options, ParkedRequests, is_due
from bench.wire.contract import Batch, Cursor, Request, Subscription

CURSOR = Cursor("e1", 5)
ASKED = Request(Subscription(), CURSOR)
EMPTY = Batch(CURSOR)
NEWS = Batch(Cursor("e1", 6), (b"{}",))

subscriptions = st.sampled_from([
    Subscription(), Subscription(frozenset({"AAA"})), Subscription(frozenset({"BBB"}), "latest"),
])


def test_a_request_is_held_half_a_minute_by_default() -> None:
    assert Options() == Options(hold_s=30.0, entity_tags=True)


def test_news_are_due_at_once_and_nothing_is_due_at_the_deadline() -> None:
    assert is_due(ASKED, NEWS, now_ns=0, deadline_ns=10)
    assert not is_due(ASKED, EMPTY, now_ns=9, deadline_ns=10)
    assert is_due(ASKED, EMPTY, now_ns=10, deadline_ns=10)


def test_a_request_without_a_cursor_is_told_where_it_stands() -> None:
    assert is_due(Request(Subscription(), None), EMPTY, now_ns=0, deadline_ns=10)


@given(
    st.lists(st.tuples(st.sampled_from(["park", "leave", "wake", "expire"]), subscriptions), max_size=60),
    st.integers(min_value=1, max_value=20),
)
def test_each_request_leaves_once_for_a_reason_and_none_is_kept_too_long(
    steps: list[tuple[str, Subscription]], hold_ns: int
) -> None:
    waiting: ParkedRequests[int] = ParkedRequests()
    parked: dict[int, tuple[Subscription, int]] = {}
    for now_ns, (step, subscription) in enumerate(steps):
        if step == "park":
            waiting.park(now_ns, subscription, now_ns + hold_ns)
            parked[now_ns] = (subscription, now_ns + hold_ns)
        elif step == "leave" and parked:
            token = next(iter(parked))
            waiting.leave(token, parked.pop(token)[0])
        elif step == "wake":
            expected = [token for token, (wanted, _) in parked.items() if wanted == subscription]
            assert waiting.woken(lambda wanted, news=subscription: wanted == news) == expected
            for token in expected:
                del parked[token]
        elif step == "expire":
            expected = [token for token, (_, deadline_ns) in parked.items() if deadline_ns <= now_ns]
            assert sorted(waiting.expired(now_ns)) == expected
            for token in expected:
                del parked[token]
        assert len(waiting) == len(parked)
        deadlines = [deadline_ns for _, deadline_ns in parked.values()]
        assert waiting.next_deadline_ns == min(deadlines, default=None)


def test_leaving_twice_is_leaving_once() -> None:
    waiting: ParkedRequests[int] = ParkedRequests()
    waiting.park(1, Subscription(), 10)
    waiting.leave(1, Subscription())
    waiting.leave(1, Subscription())
    assert len(waiting) == 0
