"""A decision in words: the answer in one sentence, what would change it, and what no number tells.

    decision.csv, decision_turns.csv, the scenario ─► sentence  the transport to take, a tie, or the change
                                                   ├─► counted   the parts of messages that the numbers include
                                                   ├─► turned    one line for each transport under other needs
                                                   └─► beyond    how far a worker is outside the range that was checked
    UNMEASURED ─► short rows, each with its source

Every value is read from the tables. Transports are named by their labels only.

Known weakness: the sentence speaks of cost and freshness; the rows of `UNMEASURED` may outweigh both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from bench.report import style

LEAST_TIMES = 1.1
"""A ratio below this is called the same."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The situation that is asked about."""

    clients: int
    rate_per_s: float
    within_ms: float
    """The staleness that is allowed."""
    rtt_ms: float
    now: str = ""
    """The setting that is used now; empty: none was given."""
    currency: str = ""
    """Empty: nothing has a price, and workers are counted."""
    room_clients: int | None = None
    """Clients of a room, to all of whom each sends its messages; None: clients only listen."""


UNMEASURED = (
    ("proxies and their timeouts", "An idle connection is cut after 60 s by many proxies and load balancers: send "
     "heartbeats more often than that, or set their timeout.", "nginx proxy_read_timeout; mattermost/docs#8930"),
    ("buffering", "A proxy that buffers answers holds back pushes over HTTP; it must be switched off for them.",
     "nimbus-eth2#8830, cloudflared#1496"),
    ("six connections per host", "A browser opens six connections per host over HTTP/1.1, so a seventh tab with a held "
     "request or a stream waits; HTTP/2 and WebSockets do not have this limit.", "WHATWG HTML, section 9.2.1"),
    ("missed updates", "After a break a client must resume from its last cursor; without that, updates are lost by "
     "every transport.", "RFC 6202, section 5; docs/contract.md"),
    ("two ways", "Clients that also send do so on their WebSockets, or by requests of their own.",
     "RFC 6455, section 1.1"),
    ("authentication", "A token is sent with every poll, and once with a stream, which then outlives it; a browser's "
     "WebSockets and EventSource can't set its header.", "whatwg/html#3062"),
    ("billing by use", "Serverless offers bill requests, messages or the time that a connection is open: give their "
     "prices with --prices.", "docs/prices.md"),
    ("battery", "A radio stays awake for seconds after each transfer, so rare batches take less than frequent polls.",
     "ntfy#190"),
)
"""Considerations that no number covers: the topic, what to know of it, and a source."""


def sentence(table: pd.DataFrame, asked: Asked) -> str:
    """Return the answer in one sentence; where a setting is used now, it is about the change from that."""
    best = table[table["role"] == "best"]
    chosen, now = best[best["chosen"]], table[table["role"] == "now"]
    updates = f"{asked.rate_per_s:g} update{'s' * (asked.rate_per_s != 1)} per second"
    rooms = "" if asked.room_clients is None else f", sent in rooms of {asked.room_clients:,}"
    who, away = f"{style.counted(asked.clients, 'client')} with {updates} each{rooms}", f"{given(asked.rtt_ms)} away"
    where = f"{who}, within {given(asked.within_ms)}, {away}"
    if not len(chosen):
        return f"No transport keeps every update within {given(asked.within_ms)} for {who}, {away}."
    if len(now):
        return _change(now.iloc[0], chosen, asked, where)
    names = style.listed([style.title(label) for label in chosen["transport"]])
    first = chosen.iloc[0]
    taken = f"{cost(first, asked)} and is {duration(first['age_excess_ms'])} behind the ideal"
    rest = best[best["possible"] & ~best["chosen"]]
    others = "; ".join(f"{style.title(str(row['transport']))} takes {cost(row, asked)} and is "
                       f"{duration(row['age_excess_ms'])} behind" for _, row in rest.iterrows())
    verdict, it = f"take {names}", "It"
    if len(chosen) > 1:
        verdict = f"{names} are a tie: take {'either' if len(chosen) == 2 else 'any of them'}"
        it = style.sentence(style.title(str(first["transport"])))
    return f"For {where}: {verdict}. {it} takes {taken}.{' ' + style.sentence(others) + '.' if others else ''}"


def _change(now: pd.Series, chosen: pd.DataFrame, asked: Asked, where: str) -> str:
    """Return the sentence on the change from what is used now."""
    first, mine = chosen.iloc[0], _now(now)
    own = next((row for _, row in chosen.iterrows() if row["transport"] == now["transport"]), None)
    names = " or ".join(_then(row, now) for _, row in chosen.iterrows()) + ", a tie" * (len(chosen) > 1)
    if not now["possible"]:
        return f"{style.sentence(mine)} can't serve {where}; take {names}: {cost(first, asked)}."
    if own is not None and _kept(now, own, asked):
        return f"Stay with {mine} for {where}: {cost(now, asked)}, and nothing is fresher at that cost."
    fresher = now["age_excess_ms"] / first["age_excess_ms"]
    ages = f"{duration(now['age_excess_ms'])} to {duration(first['age_excess_ms'])} behind the ideal"
    return (f"From {mine} to {names}: {_times(fresher)} ({ages}) {_costing(now, first, asked)}, for {where}.")


def _kept(now: pd.Series, best: pd.Series, asked: Asked) -> bool:
    """Return whether a setting is as good as its transport at its best: in time, as fresh, and no more expensive."""
    before, after, _ = _costs(now, best, asked)
    return (now["latency_worst_ms"] <= asked.within_ms and (before <= after or _alike(now, best, asked))
            and now["age_excess_ms"] < LEAST_TIMES * best["age_excess_ms"])


def _now(row: pd.Series) -> str:
    """Return what is used now in words: `short polling every 5 s`."""
    every = row["interval_s"] * 1000 if row["interval_s"] == row["interval_s"] else row["flush_ms"]
    return f"{style.title(str(row['transport']))}{f' every {duration(every)}' if every > 0 else ''}"


def _then(row: pd.Series, now: pd.Series) -> str:
    """Return a transport that is chosen in words, with its setting where it is the transport that is used now."""
    if row["transport"] != now["transport"]:
        return style.title(str(row["transport"]))
    return _now(row) if _now(row) != _now(now) else f"{_now(row)} with other options"


def _times(ratio: float) -> str:
    """Return a ratio of ages in words."""
    if ratio >= LEAST_TIMES:
        return f"{style.brief(ratio)} times fresher"
    return "as fresh" if ratio > 1 / LEAST_TIMES else f"{style.brief(1 / ratio)} times staler"


def _costing(now: pd.Series, then: pd.Series, asked: Asked) -> str:
    """Return the change of cost in words."""
    _, _, overlap = _costs(now, then, asked)
    if _alike(now, then, asked):
        return f"at the same price ({cost(then, asked)})" if asked.currency else f"with {cost(then, asked)} as now"
    unsure = ", which the bands do not tell apart" if overlap else ""
    return f"for {cost(then, asked)} in place of {cost(now, asked)}{unsure}"


def _costs(now: pd.Series, then: pd.Series, asked: Asked) -> tuple[float, float, bool]:
    """Return what two offers cost, prices or workers, and whether their bands overlap."""
    column = "price_month" if asked.currency else "workers"
    overlap = not (float(now[f"{column}_low"]) > float(then[f"{column}_high"])
                   or float(then[f"{column}_low"]) > float(now[f"{column}_high"]))
    return float(now[column]), float(then[column]), overlap


def _alike(now: pd.Series, then: pd.Series, asked: Asked) -> bool:
    """Return whether two offers are said to cost the same."""
    before, after, overlap = _costs(now, then, asked)
    return before == after or (overlap and max(before, after) <= LEAST_TIMES * min(before, after))


def counted(table: pd.DataFrame, asked: Asked) -> str:
    """Return the parts of clients' messages that the numbers include, in words; empty where clients only listen."""
    if asked.room_clients is None:
        return ""
    sent = float(table["sent_per_s"].iloc[0])
    unknown = [style.title(label) for label in dict.fromkeys(table.loc[~table["message_cpu_known"], "transport"])]
    whose = "The costs" if len(unknown) == table["transport"].nunique() else f"The costs of {style.listed(unknown)}"
    without = (f"{whose} have no CPU of a message, so it is not in workers and cores." if unknown
               else "A message's CPU is that of the costs.")
    rate = f"{sent:,.0f}" if sent >= 100 else f"{sent:.3g}"
    return (f"Clients send {rate} messages per second in all: counted are their bytes up, a request for "
            "each where a transport posts them, and their way up, so that staleness is also an author's round trip. "
            f"{without} Each worker takes all of them as ticks.")


def cost(row: pd.Series, asked: Asked) -> str:
    """Return what an offer takes, with its band: its workers and, where there are prices, its price."""
    workers = int(row["workers"])
    band = "" if row["workers_high"] == row["workers_low"] else (
        f" ({row['workers_low']:,.0f}–{row['workers_high']:,.0f})")
    taken = f"{workers:,}{band} worker{'' if workers == 1 and not band else 's'}"
    if not asked.currency:
        return taken
    price = style.banded(float(row["price_month"]), float(row["price_month_low"]), float(row["price_month_high"]))
    return f"{price} {asked.currency} per month ({taken})"


def setting(row: pd.Series) -> str:
    """Return the setting of a row: its poll interval or flush; a dash where there is none to choose."""
    if row["interval_s"] == row["interval_s"]:
        return f"polls every {duration(1000 * row['interval_s'])}"
    if row["flush_ms"] == row["flush_ms"]:
        return "sends at once" if row["flush_ms"] == 0 else f"flushes every {duration(row['flush_ms'])}"
    return "–"


def turned(turns: pd.DataFrame, asked: Asked) -> list[str]:
    """Return the turns of a decision in words, a sentence for each."""
    units: dict[str, tuple[str, Callable[[float], str]]] = {
        "within_s": ("staleness", lambda value: duration(1000 * value)),
        "rate_per_s": ("updates per second", style.brief), "clients": ("clients", style.brief)}
    found = []
    for _, row in turns.iterrows():
        what, text = units[str(row["axis"])]
        name, value = style.title(str(row["transport"])), text(float(row["value"]))
        among = "is among the least expensive" if row["begins"] else "is no longer among the least expensive"
        if row["axis"] == "within_s":
            found.append(f"{name} {among} if {value} of staleness {'are enough' if row['rising'] else 'are needed'}.")
        else:
            found.append(f"{name} {among} {'above' if row['rising'] else 'below'} {value} {what}.")
    return [style.sentence(each) for each in found]


def beyond(row: pd.Series) -> str:
    """Return how far a worker of a row is outside the range that a validation checked: `2.1 × the load`.

    Returns an empty text within it and for an offer that is not possible, `unchecked` where nothing was checked.
    """
    if not row["possible"]:
        return ""
    if math.isnan(row["checked_clients_max"]):
        return "unchecked"
    times = {"clients": row["clients_per_worker"] / row["checked_clients_max"],
             "load": row["cores"] / row["workers"] / row["checked_load_max"]}
    return " and ".join(f"{style.brief(share)} × the {what}" for what, share in times.items() if share > 1)


def duration(milliseconds: float) -> str:
    """Return a time with its unit: `41 ms`, `2.5 s`, `3 min`, `24 h`."""
    if not math.isfinite(milliseconds):
        return "–"
    if milliseconds < 999.5:
        return f"{milliseconds:.3g} ms" if milliseconds < 99.5 else f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    if seconds < 99.5:
        return f"{seconds:.2g} s"
    minutes = seconds / 60
    return f"{minutes:.2g} min" if minutes < 99.5 else f"{style.brief(minutes / 60)} h"


def given(milliseconds: float) -> str:
    """Return a time that was asked for, not rounded: `1.25 s`, `90 s`, `5 min`."""
    seconds = milliseconds / 1000
    if seconds < 1:
        return f"{milliseconds:.10g} ms"
    if seconds < 100 or seconds % 60:
        return f"{seconds:,.10g} s"
    return f"{seconds / 60:,.10g} min" if seconds < 6000 or seconds % 3600 else f"{seconds / 3600:,.10g} h"


def memory(row: pd.Series) -> str:
    """Return the memory of a client at the server, `18.3 kB`; `not known` where it was not measured."""
    found = float(row["memory_bytes_per_client"])
    return "not known" if math.isnan(found) else f"{style.number(found / 1000)} kB"


def name_of(row: pd.Series) -> str:
    """Return the name of a row: `take: WebSocket`, `now: short polling`."""
    name = style.title(str(row["transport"]))
    return f"now: {name}" if row["role"] == "now" else f"take: {name}" if row["chosen"] else name


def rows(table: pd.DataFrame, asked: Asked) -> tuple[Sequence[str], list[tuple[str, ...]]]:
    """Return the columns, and a row of texts for each transport and for what is used now."""
    priced = bool(asked.currency)
    columns = ("", "setting", "staleness p50", "p99", "longest if unloaded", "workers", "cores", "Mbit/s down",
               "Mbit/s up", "requests/s", "memory per client", *(("per month",) if priced else ()), "note")
    found = []
    for _, row in table.iterrows():
        name = name_of(row)
        if not row["possible"]:
            why = "too late" if row["why_not"] == "latency" else "overloaded"
            found.append((name, why, *("–",) * (len(columns) - 3), ""))
            continue
        mark = "as cheap" if row["cheapest"] and not row["chosen"] else ""
        workers = f"{row['workers']:,.0f}" if row["workers_low"] == row["workers_high"] else (
            f"{row['workers']:,.0f} ({row['workers_low']:,.0f}–{row['workers_high']:,.0f})")
        price = style.banded(row["price_month"], row["price_month_low"], row["price_month_high"])
        down, up = (style.banded(*(8 * row[f"bytes_{way}_per_s{end}"] / 1e6 for end in ("", "_low", "_high")))
                    for way in ("down", "up"))
        found.append((
            name, setting(row), duration(row["latency_p50_ms"]), duration(row["latency_p99_ms"]),
            duration(row["latency_worst_ms"]), workers,
            style.banded(row["cores"], row["cores_low"], row["cores_high"]), down, up,
            style.number(row["requests_per_s"]), memory(row), *((f"{price} {asked.currency}",) if priced else ()),
            mark + ("*" if beyond(row) else "")))
    return columns, found
