"""Synthetic trials on feeds with bursts and gaps: every request and arrival follows a formula.

    push           due + δ
    long polling   a request waits for the next tick and gets all that are there, δ after it; the next one
                   goes out at once
    short polling  a request each `EVERY_S`, answered δ later

δ is the server's time: a fixed part, and one that grows with the ticks that were due shortly before, so that a
burst is answered more slowly. Counters are those of the clients' own code (`transports.ClientCounts`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from rows import record_of, tables_of
from synthetic import QUIET

from bench.records.trial_record import TrialRecord, Usage, WindowInstants
from bench.stats.trial.arrays import Floats, Tables
from bench.transports import ClientCounts

S = 1_000_000_000
EVERY_S = 0.5
DELAY_S = 0.0004
BACKLOG_S = 0.1
"""The time in seconds within which earlier ticks slow an answer down."""
UPDATE_S = 0.00002
"""The seconds by which each such update does."""
HORIZON_S = 3.0
"""The seconds for which the feed continues after the window."""


@dataclass(frozen=True)
class Talk:
    """The requests and arrivals of one client."""

    requests: list[tuple[float, float | None]]
    arrivals: Floats
    """The arrival of each tick, in the order in which they are due."""


def delay_s(due_s: Floats, at_s: Any, clients: int) -> Any:
    """Return the server's seconds for an answer at `at_s`."""
    behind = np.searchsorted(due_s, at_s, "right") - np.searchsorted(due_s, np.asarray(at_s) - BACKLOG_S)
    return DELAY_S + UPDATE_S * clients * behind


def talk(kind: str, due_s: Floats, begin_s: float, end_s: float, clients: int, phase: float) -> Talk:
    """Return a client's requests and arrivals in [begin, end)."""
    if kind == "websocket":
        return Talk([], due_s + delay_s(due_s, due_s, clients))
    requests: list[tuple[float, float | None]] = []
    arrivals = np.full(len(due_s), np.inf)
    had = int(np.searchsorted(due_s, begin_s))
    asked = begin_s + (phase * EVERY_S if kind == "short_polling" else 0)
    number = 0
    while asked < end_s:
        begun = asked
        if kind == "long_polling":
            if had == len(due_s):
                requests.append((asked, None))
                break
            begun = max(asked, float(due_s[had]))
        answered = begun + float(delay_s(due_s, begun, clients))
        new = int(np.searchsorted(due_s, begun, "right"))
        arrivals[had:new] = answered
        had = max(had, new)
        requests.append((asked, answered if answered < end_s else None))
        number += 1
        asked = answered + 1e-5 if kind == "long_polling" else max(
            begin_s + (phase + number) * EVERY_S, answered + 1e-5)
    return Talk(requests, arrivals)


def counters(talked: Talk, windows: WindowInstants, end_s: float, may_wait: bool) -> dict[str, Any]:
    """Return the client's counters over the window, and the request that was open at its end."""
    counts, opened, looks = ClientCounts(may_wait=may_wait), None, []
    events: list[tuple[float, int]] = [(windows.t0_ns / S, 0), (windows.t1_ns / S, 0)]
    for asked, answered in talked.requests:
        events += [(asked, 1), *([(answered, -1)] if answered is not None else [])]
    names = ("requests", "responses", "request_duration_ns", "request_overlap_ns", "in_flight_ns")
    for at_s, change in sorted(events):
        now_ns = round(at_s * S)
        if change > 0:
            counts.requests += 1
            counts.asked_ns = now_ns
            counts.gauge(now_ns, 1)
        elif change:
            counts.answered(now_ns)
            counts.gauge(now_ns, 0)
        else:
            opened = counts.begin_stretch(now_ns)
            looks.append([getattr(counts, name) for name in names])
    return {
        **{name: after - before for name, before, after in zip(names, *looks, strict=True)},
        "counted_from_ns": windows.t0_ns, "counted_to_ns": windows.t1_ns, "open_asked_ns": opened,
        "open_ended_ns": None if opened is None else min(counts.open_ended_ns, round(end_s * S)),
        "open_may_wait": None if opened is None else may_wait,
    }


def trial(kind: str, due_s: Floats, t0_s: float, measure_s: float, clients: int = 5,
          stall: tuple[float, float] | None = None) -> tuple[TrialRecord, Tables]:
    """Return a trial on a feed whose ticks are due at `due_s`, measured from `t0_s` on. `stall`: from the
    first of these instants to the second the server does not answer."""
    windows = WindowInstants(*(round(at_s * S) for at_s in (t0_s - 1, t0_s, t0_s + measure_s, 1.0)))
    due_s = due_s[(due_s >= t0_s - 1) & (due_s < t0_s + measure_s + HORIZON_S)]
    end_s = t0_s + measure_s + HORIZON_S
    rng = np.random.default_rng(1)
    rows, deliveries = [], []
    for client in range(clients):
        talked = talk(kind, due_s, t0_s - 2, end_s, clients, float(rng.random()))
        if stall is not None:
            talked = held_up(talked, *stall)
        rows.append({"client": client, **counters(talked, windows, end_s, kind == "long_polling")})
        deliveries += [
            {"client": client, "index": index, "kernel_ns": round(at_s * S) - 50_000,
             "app_ns": round(at_s * S)}
            for index, at_s in enumerate(talked.arrivals.tolist()) if at_s < end_s
        ]
    feed = [{"index": index, "symbol": "A", "due_ns": round(at_s * S), "sent_ns": round(at_s * S) + 40_000}
            for index, at_s in enumerate(due_s.tolist())]
    record = record_of(
        windows, transport=kind, clients=clients, clock_step_ns=900, host=QUIET,
        publisher={"published": len(feed)}, server_counts={"deliveries": len(deliveries)},
        load={"deliveries": len(deliveries), "users_at_t1": clients, "turn_gap_max_ns": 12_000_000},
        usage={name: Usage(cpu_ns=100_000_000) for name in ("server", "load", "publisher")},
    )
    return record, tables_of(feed, deliveries, clients=rows)


def held_up(talked: Talk, from_s: float, to_s: float) -> Talk:
    """Return the requests and arrivals with no answers in [from, to): a request under way is answered at its
    end, and the ones that would have followed meanwhile are left out."""
    requests: list[tuple[float, float | None]] = []
    for asked, answered in talked.requests:
        if asked >= to_s or answered is None or answered < from_s:
            requests.append((asked, answered))
        elif not requests or requests[-1][1] != to_s:
            requests.append((asked, max(answered, to_s)))
    held = (talked.arrivals >= from_s) & (talked.arrivals < to_s)
    return Talk(requests, np.where(held, to_s, talked.arrivals))
