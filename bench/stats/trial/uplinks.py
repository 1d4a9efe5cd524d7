"""The fate of every message that a client was to send, and its round trip.

For a message that is due in [t0, t1), from the author's record and the publisher's log:

    accepted   the publisher numbered it, whether or not the response reached its author
    refused    not numbered, and its last response is a refusal that is final
    sent       not numbered, and no such response: lost on the way, or still under way at the end
    unsent     never sent: its author had no connection, or never got to it

    unsent + sent + refused + accepted = due

Only accepted messages are owed to anybody, so a trial's updates are those of accepted messages: a message that was not
numbered is no tick. Latency counts from the author's due instant, as with any tick. The **round trip** of a message
is the latency of the author's own copy, and infinite where that is lost. `uplinks_unexplained` is the number of
messages of the whole trial on which the records disagree: answered as accepted and not numbered, numbered and never
sent, or numbered and refused though it was sent once.

Both directions at once: an update of another author that is due while a message of the client itself is under way
(sent, and not answered yet) is one **while sending**, any other is one **while silent**. Due instants decide, and not
arrivals, since a slow update would meet more messages. A client of which one direction blocks the other has a higher
latency while sending. A message also takes the server's time, whatever carries it, so compare transports as well.

Known weakness: a message that was numbered just as the trial ended may not have reached anybody; such messages are
due after t1.
"""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa

from bench.clock import NO_STAMP
from bench.stats.trial.arrays import Bools, Ints, Tables, TrialArrays
from bench.stats.trial.fates import arrived_in_time
from bench.stats.trial.latency import quantile

FATES = ("unsent", "sent", "refused", "accepted")
PERCENTILES = {"p50": 500, "p99": 990}
STAGES = ("sent", "numbered", "answered")
"""Instants of a message after it is due: it left its author; the publisher numbered it; the response reached the
author."""
COLUMNS = (
    "uplinks_due", *(f"uplinks_{fate}" for fate in FATES), "uplinks_repeated", "uplinks_unexplained",
    *(f"uplink_{stage}_{name}_ms" for stage in STAGES for name in PERCENTILES),
    *(f"round_trip_{name}_ms" for name in PERCENTILES),
    "latency_sending_p50_ms", "latency_silent_p50_ms",
)
"""Columns of `trials.csv` that are computed here; where clients only listen all are NaN, but nothing is unexplained."""
NS_PER_MS = 1e6


def uplink_columns(trial: TrialArrays, tables: Tables) -> dict[str, float]:
    """Return the columns of a trial, in ms and numbers of messages."""
    uplinks = tables.get("uplinks")
    if uplinks is None:
        return dict.fromkeys(COLUMNS, math.nan) | {"uplinks_unexplained": 0}
    due_ns, sent_ns, answered_ns = (_instants(uplinks, name) for name in ("due_ns", "sent_ns", "answered_ns"))
    index, author = _whole(uplinks, "index"), _whole(uplinks, "author")
    refused = ~np.asarray(uplinks.column("refusal").is_null())
    numbered_ns = numbered(tables["feed"], index)
    accepted, sent, answered = numbered_ns != NO_STAMP, sent_ns != NO_STAMP, answered_ns != NO_STAMP
    within = (due_ns >= trial.windows.t0_ns) & (due_ns < trial.windows.t1_ns)
    masks = dict(zip(FATES, fates(sent, answered & refused, accepted), strict=True))
    once = _whole(uplinks, "sends") <= 1   # one that was numbered before and is sent again may meet a limit
    unexplained = (answered & ~refused & ~accepted) | (accepted & (~sent | (answered & refused & once)))
    columns: dict[str, float] = {
        "uplinks_due": int(np.count_nonzero(within)),
        **{f"uplinks_{fate}": int(np.count_nonzero(within & mask)) for fate, mask in masks.items()},
        "uplinks_repeated": int(np.count_nonzero(within & (_whole(uplinks, "sends") > 1))),
        "uplinks_unexplained": int(np.count_nonzero(unexplained)),
    }
    assert sum(columns[f"uplinks_{fate}"] for fate in FATES) == columns["uplinks_due"], "the fates do not add up"
    for stage, at_ns, there in zip(STAGES, (sent_ns, numbered_ns, answered_ns), (sent, accepted, answered),
    strict=True):
        took = np.sort((at_ns - due_ns)[within & there])
        columns |= _percentiles(f"uplink_{stage}", took, 0)
    took, lost = round_trips(trial, index[within & accepted], author[within & accepted])
    sending, silent = both_directions(trial, author, index, sent_ns, answered_ns)
    medians = (quantile(found, 0, PERCENTILES["p50"]) / NS_PER_MS for found in (sending, silent))
    columns |= dict(zip(("latency_sending_p50_ms", "latency_silent_p50_ms"), medians, strict=True))
    return columns | _percentiles("round_trip", took, lost)


def fates(sent: Bools, refused: Bools, accepted: Bools) -> tuple[Bools, Bools, Bools, Bools]:
    """Return a mask for each of `FATES`; each message is in exactly one.

    `refused`: its last response is a refusal; `accepted`: the publisher numbered it.
    """
    return ~sent & ~accepted, sent & ~refused & ~accepted, sent & refused & ~accepted, accepted


def numbered(feed: pa.Table, index: Ints) -> Ints:
    """Return the instants at which messages, by index, were numbered; `NO_STAMP` where one was not."""
    order = np.argsort(_whole(feed, "index"))
    places = np.searchsorted(_whole(feed, "index")[order], index)
    return _instants(feed, "sent_ns")[order][places]


def round_trips(trial: TrialArrays, index: Ints, author: Ints) -> tuple[Ints, int]:
    """Return the round trips of accepted messages in ns, sorted, and the number whose own copy is lost.

    Each author is in the room of its message, so a copy is owed to it. Messages of authors whose rows were not kept
    are left out.
    """
    arrivals, ticks, numbers = trial.arrivals, trial.ticks, trial.clients.numbers
    kept = np.isin(author, numbers)
    index, author = index[kept], author[kept]
    if not len(index) or not len(arrivals.key):
        return np.empty(0, dtype=np.int64), len(index)
    tick = np.searchsorted(ticks.index, index)
    client = np.searchsorted(numbers, author)
    key = (client * len(ticks.symbols) + ticks.symbol[tick]) * ticks.ranks + ticks.rank[tick]
    place = np.minimum(np.searchsorted(arrivals.key, key), len(arrivals.key) - 1)
    came = arrivals.key[place] == key
    came &= arrivals.app_ns[place] - ticks.due_ns[tick] <= 2 * trial.windows.late_after_ns
    took = arrivals.app_ns[place[came]] - ticks.due_ns[tick[came]]
    return np.sort(took), int(np.count_nonzero(~came))


def both_directions(
    trial: TrialArrays, author: Ints, index: Ints, sent_ns: Ints, answered_ns: Ints
) -> tuple[Ints, Ints]:
    """Return the latencies of other authors' updates in ns, sorted: while sending, and while silent.

    The arrays have one element per message. Only updates that are due in the window, and delivered or late, count.
    """
    arrivals, ticks = trial.arrivals, trial.ticks
    if not len(arrivals.key):
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    by_index = np.argsort(index)
    writer = author[by_index][np.searchsorted(index[by_index], ticks.index)]
    due_ns = ticks.due_ns[arrivals.tick]
    delivered, late = arrived_in_time(trial)
    counts = (writer[arrivals.tick] != trial.clients.numbers[arrivals.client]) & (delivered | late)
    sending = np.zeros(len(due_ns), dtype=np.bool_)
    edges = np.searchsorted(arrivals.client, np.arange(len(trial.clients.numbers) + 1))
    under_way = np.flatnonzero((sent_ns != NO_STAMP) & (answered_ns != NO_STAMP))
    under_way = under_way[np.lexsort((sent_ns[under_way], author[under_way]))]
    for place, number in enumerate(trial.clients.numbers):
        mine = under_way[slice(*np.searchsorted(author[under_way], (number, number + 1)))]
        if len(mine):
            here = slice(edges[place], edges[place + 1])
            last = np.searchsorted(sent_ns[mine], due_ns[here], side="right") - 1
            until_ns = np.maximum.accumulate(answered_ns[mine])[np.maximum(last, 0)]
            sending[here] = (last >= 0) & (due_ns[here] < until_ns)
    took = arrivals.app_ns - due_ns
    return np.sort(took[counts & sending]), np.sort(took[counts & ~sending])


def sent_payload(trial: TrialArrays, tables: Tables) -> float:
    """Return the bytes of the messages that were sent between the two readings of their authors' counters.

    A message that is sent again counts once; 0 where clients only listen.
    """
    uplinks, clients = tables.get("uplinks"), tables["clients"]
    if uplinks is None or not clients.num_rows:
        return 0.0
    numbers = _whole(clients, "client")
    uplinks = uplinks.filter(pa.array(np.isin(_whole(uplinks, "author"), numbers)))
    order = np.argsort(numbers)
    place = order[np.searchsorted(numbers[order], _whole(uplinks, "author"))]
    sent_ns, payload = _instants(uplinks, "sent_ns"), _whole(uplinks, "payload_bytes")
    begin = clients.column("counted_from_ns").fill_null(trial.windows.t0_ns).to_numpy()[place]
    end = clients.column("counted_to_ns").fill_null(trial.windows.t1_ns).to_numpy()[place]
    return float(payload[(sent_ns >= begin) & (sent_ns < end)].sum())


def _percentiles(name: str, ordered: Ints, lost: int) -> dict[str, float]:
    return {f"{name}_{word}_ms": quantile(ordered, lost, level) / NS_PER_MS for word, level in PERCENTILES.items()}


def _whole(table: pa.Table, name: str) -> Ints:
    return np.asarray(table.column(name).to_numpy(), dtype=np.int64)


def _instants(table: pa.Table, name: str) -> Ints:
    return np.asarray(table.column(name).fill_null(NO_STAMP).to_numpy(), dtype=np.int64)
