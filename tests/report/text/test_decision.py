"""The sentences of a decision follow from its rows."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

from bench.report.text import decision as text
from bench.report.text.decision import Asked

ASKED = Asked(1000, 2.0, 1500.0, 80.0)


def row(role: str, transport: str, age_ms: float, workers: int, **more: Any) -> dict[str, Any]:
    values = {
        "role": role, "transport": transport, "possible": True, "why_not": "", "chosen": False, "cheapest": False,
        "interval_s": math.nan, "flush_ms": math.nan, "workers": workers, "workers_low": workers,
        "workers_high": workers, "clients_per_worker": 100.0, "cores": 0.3, "cores_low": 0.2, "cores_high": 0.4,
        "age_excess_ms": age_ms, "price_month": 10.0 * workers, "price_month_low": 9.0 * workers,
        "price_month_high": 11.0 * workers, "checked_clients_max": 200.0, "checked_load_max": 0.8,
        "bytes_down_per_s": 1e6, "bytes_down_per_s_low": 9e5, "bytes_down_per_s_high": 1.1e6, "requests_per_s": 0.0,
        "bytes_up_per_s": 2e6, "bytes_up_per_s_low": 1.9e6, "bytes_up_per_s_high": 2.1e6, "sent_per_s": 50.0,
        "message_cpu_known": True,
        "memory_bytes_per_client": math.nan, "latency_p50_ms": age_ms, "latency_p99_ms": age_ms,
        "latency_worst_ms": age_ms,
    }
    return values | more


def table(*rows: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(list(rows))


def test_the_winner_is_named_and_the_others_with_their_costs() -> None:
    found = text.sentence(table(row("best", "websocket", 41.0, 1, chosen=True, cheapest=True),
                                row("best", "short_polling", 520.0, 3)), ASKED)
    assert "take WebSocket" in found
    assert "1,000 clients with 2 updates per second each, within 1.5 s, 80 ms away" in found
    assert "Short polling takes 3 workers and is 520 ms behind" in found


def test_a_tie_is_called_a_tie() -> None:
    found = text.sentence(table(row("best", "websocket", 41.0, 1, chosen=True, cheapest=True),
                                row("best", "long_polling", 41.0, 1, chosen=True, cheapest=True)), ASKED)
    assert "are a tie" in found


def test_a_change_to_a_tie_names_both() -> None:
    pushed, held = (row("best", each, 41.0, 1, chosen=True) for each in ("websocket", "long_polling"))
    found = text.sentence(table(pushed, held,
                                row("now", "short_polling", 2540.0, 1, interval_s=5.0)), ASKED)
    assert "to WebSocket or long polling, a tie: " in found


def test_nobody_fresh_enough_is_said() -> None:
    found = text.sentence(table(row("best", "websocket", math.nan, 0, possible=False)), ASKED)
    assert found.startswith("No transport keeps every update within 1.5 s")


@pytest.mark.parametrize(("age_ms", "workers", "words"), [
    (2540.0, 1, "62 times fresher (2.5 s to 41 ms behind the ideal) with 1 worker as now"),
    (15_360.0, 1, "370 times fresher (15 s to 41 ms behind the ideal) with 1 worker as now"),
    (2540.0, 4, "for 1 worker in place of 4 workers"),
    (41.0, 1, "as fresh"),
])
def test_the_change_from_now_is_told(age_ms: float, workers: int, words: str) -> None:
    found = text.sentence(table(row("best", "websocket", 41.0, 1, chosen=True, cheapest=True),
                                row("now", "short_polling", age_ms, workers, interval_s=5.0)), ASKED)
    assert found.startswith("From short polling every 5 s to WebSocket: ")
    assert words in found


def test_what_is_best_already_is_kept() -> None:
    found = text.sentence(table(row("best", "websocket", 41.0, 1, chosen=True, cheapest=True),
                                row("now", "websocket", 41.0, 1, flush_ms=0.0)), ASKED)
    assert found.startswith("Stay with WebSocket")


@pytest.mark.parametrize(("turn", "words"), [
    (("within_s", "short_polling", 12.0, True, True), "Short polling is among the least expensive if 12 s"),
    (("rate_per_s", "long_polling", 0.2, False, True), "below 0.2 updates per second"),
    (("clients", "websocket", 9600.0, True, False), "WebSocket is no longer among the least expensive above 9,600"),
])
def test_a_turn_is_a_sentence(turn: tuple[object, ...], words: str) -> None:
    frame = pd.DataFrame([turn], columns=["axis", "transport", "value", "rising", "begins"])
    assert words in text.turned(frame, ASKED)[0]


def test_what_is_beyond_the_checked_range_is_marked() -> None:
    far = row("best", "websocket", 41.0, 1, clients_per_worker=2000.0)
    assert text.beyond(pd.Series(far)) == "10 × the clients"
    assert text.beyond(pd.Series(far | {"clients_per_worker": 33_400.0})) == "170 × the clients"
    assert text.beyond(pd.Series(row("best", "websocket", 41.0, 1))) == ""
    _, rows = text.rows(table(far), ASKED)
    assert rows[0][-1].endswith("*")


@pytest.mark.parametrize(("held", "words"), [(18_312.0, "18.3 kB"), (math.nan, "not known")])
def test_the_memory_of_a_client_is_shown_only_where_it_was_measured(held: float, words: str) -> None:
    columns, rows = text.rows(table(row("best", "websocket", 41.0, 1, memory_bytes_per_client=held)), ASKED)
    assert rows[0][list(columns).index("memory per client")] == words


def test_prices_are_printed_only_as_far_as_they_are_known() -> None:
    priced = Asked(1000, 2.0, 1500.0, 80.0, "", "EUR")
    found = text.cost(pd.Series(row("best", "websocket", 41.0, 100)), priced)
    assert found.startswith("1,000 (900–1,100) EUR per month")


def test_each_short_row_of_what_no_figure_tells_has_a_source() -> None:
    assert all(len(each) == 3 and all(each) for each in text.UNMEASURED)


def test_what_is_counted_of_messages_is_said() -> None:
    sending = Asked(1000, 2.0, 1500.0, 80.0, room_clients=40)
    known, unknown = (row("best", name, 41.0, 1, chosen=True, message_cpu_known=known)
                      for name, known in (("websocket", True), ("sse", False)))
    assert text.counted(table(known), ASKED) == ""
    assert "sent in rooms of 40" in text.sentence(table(known), sending)
    assert "Clients send 50 messages per second in all" in text.counted(table(known), sending)
    assert "no CPU of a message" not in text.counted(table(known), sending)
    assert "The costs of SSE have no CPU of a message" in text.counted(table(known, unknown), sending)
    assert "The costs have no CPU of a message" in text.counted(table(unknown), sending)


@pytest.mark.parametrize(("tied", "words"), [
    (("sse", "websocket"), "SSE and WebSocket are a tie: take either. SSE takes 1 worker and is 41 ms"),
    (("long_polling", "sse", "websocket"), "are a tie: take any of them. Long polling takes 1 worker and is 41 ms"),
])
def test_the_cost_of_a_tie_is_that_of_the_transport_that_is_named(tied: tuple[str, ...], words: str) -> None:
    assert words in text.sentence(table(*(row("best", each, 41.0, 1, chosen=True) for each in tied)), ASKED)


def test_the_staleness_that_nobody_keeps_is_named_once() -> None:
    found = text.sentence(table(row("best", "websocket", math.nan, 0, possible=False)), ASKED)
    assert found.count("within") == 1


@pytest.mark.parametrize(("age_ms", "workers", "more", "words"), [
    (55.0, 9, {"interval_s": 0.1}, "From short polling every 100 ms to short polling every 1.4 s: 9.5 times staler "
     "(55 ms to 520 ms behind the ideal) for 1 worker in place of 9 workers"),
    (545.0, 1, {"interval_s": 1.5, "latency_worst_ms": 1541.0},
     "From short polling every 1.5 s to short polling every 1.4 s: as fresh"),
    (520.0, 3, {"interval_s": 1.4},
     "From short polling every 1.4 s to short polling every 1.4 s with other options: as fresh"),
    (520.0, 1, {"interval_s": 1.4}, "Stay with short polling every 1.4 s"),
])
def test_a_setting_that_costs_more_or_is_too_stale_is_not_kept(
        age_ms: float, workers: int, more: dict[str, float], words: str) -> None:
    found = text.sentence(table(row("best", "short_polling", 520.0, 1, chosen=True, interval_s=1.4),
                                row("now", "short_polling", age_ms, workers, **more)), ASKED)
    assert found.startswith(words)


def test_one_of_a_tie_that_is_used_as_it_would_be_chosen_is_kept() -> None:
    """It is compared with itself at its best, not with the first of the tie, which takes fewer workers."""
    found = text.sentence(table(
        row("best", "sse", 41.0, 1, chosen=True, workers_high=3),
        row("best", "websocket", 41.0, 2, chosen=True), row("now", "websocket", 41.0, 2, flush_ms=0.0)), ASKED)
    assert found.startswith("Stay with WebSocket")


@pytest.mark.parametrize(("axis", "value", "words"), [
    ("rate_per_s", 3010.0, "above 3,000 updates per second"), ("rate_per_s", 99.7, "above 100 updates per second"),
    ("clients", 2.2e6, "above 2,200,000 clients"),
])
def test_a_turn_has_no_exponent(axis: str, value: float, words: str) -> None:
    frame = pd.DataFrame([(axis, "websocket", value, True, True)],
                         columns=["axis", "transport", "value", "rising", "begins"])
    assert words in text.turned(frame, ASKED)[0]


@pytest.mark.parametrize(("milliseconds", "words"), [
    (1_800_000.0, "30 min"), (7_200_000.0, "2 h"), (86_400_000.0, "24 h"), (1e9, "280 h"),
])
def test_a_long_time_has_no_exponent(milliseconds: float, words: str) -> None:
    assert text.duration(milliseconds) == words


@pytest.mark.parametrize(("milliseconds", "words"), [
    (80.0, "80 ms"), (0.25, "0.25 ms"), (1000.0, "1 s"), (1250.0, "1.25 s"), (60_000.0, "60 s"), (100_000.0, "100 s"),
    (300_000.0, "5 min"), (7_200_000.0, "2 h"),
])
def test_a_time_that_is_asked_for_is_not_rounded(milliseconds: float, words: str) -> None:
    assert text.given(milliseconds) == words
    found = text.sentence(table(row("best", "websocket", math.nan, 0, possible=False)),
                          Asked(1, 2.0, milliseconds, 80.0))
    assert found == (f"No transport keeps every update within {words} for 1 client with 2 updates per second each, "
                     "80 ms away.")
