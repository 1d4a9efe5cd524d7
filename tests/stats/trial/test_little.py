"""Little's law on requests that keep it, wait for a quiet feed, hang, or were not counted."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows import arrays_of, tables_of

from bench.records.trial_record import WindowInstants
from bench.stats.trial.little import HANGS_S, InFlight, in_flight
from bench.transports import ClientCounts

S = 1_000_000_000
WINDOWS = WindowInstants(warmup_ns=S, t0_ns=10 * S, t1_ns=20 * S, late_after_ns=S)
END_S = 23.0
"""When the clients are told to stop."""

Request = tuple[float, float | None]
"""When it went out and when its answer came (None: never), in seconds."""


def counted(requests: Sequence[Request], client: int = 0, may_wait: bool = False) -> dict[str, Any]:
    """Return the row of a client that made these requests, one at a time, and was read at t0 and t1."""
    counts = ClientCounts(may_wait=may_wait)
    rows, opened = [], None
    looks = [(at_ns / S, None) for at_ns in (WINDOWS.t0_ns, WINDOWS.t1_ns)]
    asks = [(asked, "ask") for asked, _ in requests]
    ends = [(answered, "end") for _, answered in requests if answered is not None]
    for at_s, what in sorted([*looks, *asks, *ends], key=lambda event: (event[0], event[1] == "ask")):
        now_ns = round(at_s * S)
        if what == "ask":
            counts.asked_ns = now_ns
            counts.gauge(now_ns, 1)
        elif what == "end":
            counts.answered(now_ns)
            counts.gauge(now_ns, 0)
        else:
            opened = counts.begin_stretch(now_ns)
            rows.append((counts.responses, counts.request_duration_ns, counts.request_overlap_ns,
                         counts.in_flight_ns))
    names = ("responses", "request_duration_ns", "request_overlap_ns", "in_flight_ns")
    ended_ns = min(counts.open_ended_ns, round(END_S * S))
    return {
        "client": client, "counted_from_ns": WINDOWS.t0_ns, "counted_to_ns": WINDOWS.t1_ns,
        **{name: after - before for name, before, after in zip(names, *rows, strict=True)},
        "open_asked_ns": opened, "open_ended_ns": None if opened is None else ended_ns,
        "open_may_wait": None if opened is None else may_wait,
    }


def judged(clients: Sequence[dict[str, Any]], due_s: Sequence[float] = (0.5,)) -> InFlight:
    """Return what the law says of these clients, where a tick was due at each of `due_s`."""
    feed = [{"index": number, "symbol": "A", "due_ns": round(at_s * S)} for number, at_s in enumerate(due_s)]
    return in_flight(tables_of(feed, (), clients=clients)["clients"],
                     arrays_of(feed, (), clients=clients, windows=WINDOWS))


def polls(every_s: float, takes_s: float) -> list[Request]:
    """Return requests at a fixed rate, each with an answer."""
    return [(0.3 + every_s * number, 0.3 + every_s * number + takes_s) for number in range(int(22 / every_s))]


def long_polls(due_s: Sequence[float]) -> list[Request]:
    """Return requests that each wait for the next tick and get it a millisecond later."""
    instants = [1.0, *(at_s + 0.001 for at_s in due_s)]
    return [*pairwise(instants), (instants[-1], None)]


def test_requests_under_way_are_rate_times_duration() -> None:
    found = judged([counted(polls(0.1, 0.05), client) for client in range(10)])
    assert found.in_flight == pytest.approx(10 * 0.5)
    assert found.rate_per_s == pytest.approx(100)
    assert found.mean_s == pytest.approx(0.05)
    assert found.gap_share == pytest.approx(0, abs=1e-9)


@given(st.floats(0.1, 5), st.floats(0.3, 0.99), st.floats(0, 5), st.integers(0, 2**32))
def test_both_sides_speak_of_the_same_span_wherever_requests_lie(
    mean_s: float, busy: float, quiet_s: float, seed: int
) -> None:
    rng, requests, at_s = random.Random(seed), list[Request](), 1.0
    while at_s < 22:
        takes_s = min(rng.expovariate(1 / mean_s), HANGS_S + quiet_s)
        requests.append((at_s, at_s + takes_s))
        at_s += takes_s / busy + 1e-6
    found = judged([counted(requests, may_wait=True)])
    assert found.gap_share == pytest.approx(0, abs=1e-9) or math.isnan(found.in_flight)


@pytest.mark.parametrize("due_s", [
    [10.2 + 0.01 * number for number in range(200)], [19.0 - 0.01 * number for number in range(200)][::-1],
    [5.0, 15.0, 15.01], [5.0, 22.5], [10.5], [],
], ids=["quiet at the end", "quiet at the begin", "quiet about a burst", "quiet throughout",
        "one tick", "no tick"])
def test_a_quiet_stretch_of_any_length_at_either_edge_is_no_finding(due_s: list[float]) -> None:
    found = judged([counted(long_polls(due_s), client, may_wait=True) for client in range(5)], [0.5, *due_s])
    assert found.in_flight == pytest.approx(5, rel=0.01)
    assert found.gap_share < 0.01


@pytest.mark.parametrize("answered_s", [None, 20.4 + HANGS_S])
@pytest.mark.parametrize("may_wait", [False, True])
def test_a_request_that_hangs_is_a_finding(may_wait: bool, answered_s: float | None) -> None:
    due_s = [10.0 + 0.1 * number for number in range(100)]
    before = [(at_s, at_s + 0.1) for at_s in due_s if at_s < 17] if may_wait else polls(0.1, 0.01)
    hung = [*(request for request in before if request[0] < 16.9), (17.0, answered_s)]
    clients = [counted(hung, client, may_wait) for client in range(3)]
    found = judged(clients, due_s)
    assert found.gap_share > 0.2
    assert judged([counted(before)] * 1, due_s).gap_share < 0.01


def test_a_connection_that_is_lost_takes_its_request_along() -> None:
    counts = ClientCounts()
    counts.begin_stretch(5)
    for asked_ns, lost_ns in ((4, 8), (9, 12)):
        counts.asked_ns = asked_ns
        counts.unanswered(lost_ns)
    assert counts.open_ended_ns == 8
    assert counts.request_overlap_ns == 0


@pytest.mark.parametrize("change", [
    {"request_overlap_ns": None}, {"counted_from_ns": None, "counted_to_ns": None}, {"in_flight_ns": None},
    {"in_flight_ns": 0, "request_overlap_ns": 0},
], ids=["an older run", "an old run", "not counted", "pushed"])
def test_where_there_is_too_little_to_say_nothing_is_said(change: dict[str, Any]) -> None:
    assert math.isnan(judged([counted(polls(0.1, 0.05)) | change]).gap_share)
    assert math.isnan(judged([]).gap_share)
