"""A capacity plan: the resources to serve a number of clients, and their price per month.

    workers needed = ⌈ (CPU of all workers − own CPU of each · workers) / (full_at − own CPU of each) ⌉

`full_at` is the share of a core at which a worker counts as full. A worker's own CPU, which does not depend on
its clients, is its base and that for receiving the whole feed: each further worker adds it. It is known for a
simulated run, from the costs; for any other it is taken as 0.

    traffic per month = bytes down per second · 730 h          per month = workers · price + gigabytes · price

A plan is for the scenario's rate. Trials draw more ticks or fewer, and a plan from a few seconds of a slow feed
would depend on that chance. So quantities that grow with the ticks are moved to the scenario's rate along the
line through the trials, with a slope between 0 (polls that come anyway) and proportionality (a push). With one
trial, or for a replayed file, which has no rate, they are taken as they are.

A feed whose rate moves (bursts, a replayed file) requires most in its busiest stretch, which its mean does not
show. Such a plan is for the busiest stretch of ℓ, the time after which an update is late: its CPU, the
ticks that each worker receives in it, and the bytes that a link has to carry. Let A(s, t) be the work that
arrives at a worker in [s, t). If A(s, s + ℓ) ≤ full_at · ℓ for every s, the unfinished work at any time t is

    max over s of A(s, t) − (t − s) ≤ full_at · ℓ < ℓ      (Cruz, IEEE Trans. Information Theory 37(1), 1991)

so no update is late because of its worker: shorter bursts wait, but for less time than ℓ. Traffic and requests
are means. At a constant rate the busiest stretch is chance, and grows with the length of the run; the reserve
that `full_at` leaves covers it, and the plan is for the mean.

A worker that is busier than `full_at` already answers several ticks at once, gets its polls late, or leaves
work undone: it used less CPU than its clients require. Such a plan is `short`, a lower bound, and has to be
simulated again with more workers.

Sockets are one per client, or, where each request has a connection of its own, those whose handshake or
request is under way. Memory is the measured memory per further client; it is not simulated.

Known weakness: a plan covers the bursts that were simulated; longer runs have others. The CPU of a stretch is
the work that was done in it, in steps of ℓ/10, not the work that arrived; where they differ, work waited. A
fleet that is large enough for its CPU may still be too small for a deadline: a tick goes out to
all clients of a worker one after the other, which takes clients per worker times the cost of an update. So
simulated latencies are valid for the simulated workers, and are named after them; those of the
planned workers are closed forms (`bench.simulation.analytic.closed_forms`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields

import numpy as np
import pandas as pd

from bench.stats.run.intervals import interval

HOURS_A_MONTH = 730
MOVING = frozenset({"bursty", "replay"})
"""Schedules of feeds whose rate varies by more than chance."""


@dataclass(frozen=True, slots=True)
class PlanPrices:
    """The prices of a plan."""

    currency: str
    worker_month: float
    gigabyte_out: float


@dataclass(frozen=True, slots=True)
class WorkerOverhead:
    """The load of each worker that does not depend on its clients: CPU seconds per tick of the feed,
    and per second."""

    tick_s: float = 0.0
    base_share: float = 0.0


@dataclass(frozen=True, slots=True)
class RequiredResources:
    """The resources that one transport needs: a row of `fleet.csv`."""

    transport: str
    clients: int
    workers_simulated: int
    load_simulated: float
    """Share of a core that each simulated worker used."""
    latency_p50_simulated_ms: float
    latency_p99_simulated_ms: float
    cpu_cores: float
    """CPU of all workers in cores, at the configured rate; traffic and requests likewise."""
    full_at: float
    workers: int | None
    """Workers needed at that load, for the mean or the busiest stretch; None: a worker can't even
    take the feed."""
    short: bool
    """True where the simulated workers were fuller than `full_at`, so that this number is too small."""
    gbit_out_per_s: float
    gbit_in_per_s: float
    requests_per_s: float
    sockets: float
    memory_gb: float
    """Memory of all workers; NaN where it was not measured."""
    workers_month: float
    traffic_month: float
    month: float
    """Price of workers and traffic together; NaN without prices."""
    currency: str
    latency_mean_ms: float = math.nan
    """With the needed workers, by the closed form; NaN where there is none."""
    latency_worst_ms: float = math.nan
    """For the last client served, without queueing, by the closed form; NaN where there is none."""
    busiest_s: float = math.nan
    """Length of the busiest stretch that the plan is for; NaN: it is for the mean, and so are the
    next two."""
    cpu_busiest_cores: float = math.nan
    gbit_out_busiest_per_s: float = math.nan
    workers_exact: float = math.nan
    """`workers` before rounding up."""
    workers_low: float = math.nan
    """The band of 95 % by costs and validation (`bench.stats.run.uncertainty`); NaN, like the next: not
    known."""
    workers_high: float = math.nan
    month_low: float = math.nan
    month_high: float = math.nan
    least_share: float = math.nan
    """Share of the joint draws in which this transport is the least expensive of those with as many
    clients: in money or, without prices, in workers."""


COLUMNS = tuple(each.name for each in fields(RequiredResources))


def workers_exactly(cpu_cores: float, workers: int, own_share: float, full_at: float) -> float:
    """Return the workers that carry the same load at `full_at` of a core each, not rounded; infinite
    where a worker's own base fills it."""
    if own_share >= full_at:
        return math.inf
    return max(0.0, cpu_cores - own_share * workers) / (full_at - own_share)


def workers_needed(cpu_cores: float, workers: int, own_share: float, full_at: float) -> int | None:
    """Return the workers that carry the same load, rounded up; None where no number is enough."""
    exact = workers_exactly(cpu_cores, workers, own_share, full_at)
    return None if math.isinf(exact) else max(1, math.ceil(exact - 1e-9))


def needs(
    trials: pd.DataFrame, workers: int, full_at: float, *, own: Mapping[str, WorkerOverhead],
    memory_bytes: Mapping[str, float], new_connections: Mapping[str, float], prices: PlanPrices | None,
    moves: bool,
) -> list[RequiredResources]:
    """Return a plan for each cell of VALID trials (rows of `trials.csv`), in their order.

    `own`, `memory_bytes` (of a further client) and `new_connections` are by transport; the last has
    those whose requests each use a new connection, with the seconds that a handshake takes. `moves`:
    the feed's rate varies by more than chance.
    """
    found = []
    valid = trials[trials["verdict"] == "VALID"]
    for _, cell in valid.groupby(["transport", "clients"], sort=False):
        label, clients = str(cell["transport"].iloc[0]), int(cell["clients"].iloc[0])
        have = min(workers, clients)
        seconds, used = cell["measure_s"], float(cell["server_cpu_cores"].mean())
        ticks_per_s, asked = cell["feed_due"] / seconds, _asked_per_s(cell)
        mine = own.get(label, WorkerOverhead())
        own_share = mine.base_share + mine.tick_s * asked
        cores = at_rate(cell["server_cpu_cores"], ticks_per_s, asked)
        down, up = (
            at_rate(cell[f"bytes_{way}_per_update"] * cell["arrivals"] / seconds, ticks_per_s, asked)
            for way in ("down", "up"))
        busiest_s, most, most_ticks_per_s, most_down = _busiest(cell) if moves else NO_STRETCH
        needed = workers_needed(cores, have, own_share, full_at)
        exact = workers_exactly(cores, have, own_share, full_at)
        if not math.isnan(most):
            at_most_share = mine.base_share + mine.tick_s * most_ticks_per_s
            at_most = workers_needed(most, have, at_most_share, full_at)
            # Trials that drew few bursts may at their busiest do less than the mean that is asked for.
            needed = max(needed, at_most) if needed and at_most else None
            exact = max(exact, workers_exactly(most, have, at_most_share, full_at))
        gigabytes = down * HOURS_A_MONTH * 3600 / 1e9
        workers_month = prices.worker_month * needed if prices and needed else math.nan
        traffic_month = prices.gigabyte_out * gigabytes if prices else math.nan
        shaking = cell["requests"].astype(float) / seconds * new_connections.get(label, 0.0)
        under_way = float((cell["requests_in_flight"] + shaking).mean())
        found.append(RequiredResources(
            transport=label, clients=clients, workers_simulated=have, load_simulated=used / have,
            latency_p50_simulated_ms=interval(cell["latency_p50_ms"].to_numpy(dtype=float)).estimate,
            latency_p99_simulated_ms=interval(cell["latency_p99_ms"].to_numpy(dtype=float)).estimate,
            cpu_cores=cores, full_at=full_at, workers=needed,
            short=bool(np.fmax(used, most) / have > full_at),
            gbit_out_per_s=down * 8 / 1e9, gbit_in_per_s=up * 8 / 1e9,
            requests_per_s=at_rate(cell["requests"].astype(float) / seconds, ticks_per_s, asked),
            sockets=under_way if label in new_connections else float(clients),
            memory_gb=memory_bytes.get(label, math.nan) * clients / 1e9,
            workers_month=workers_month, traffic_month=traffic_month, month=workers_month + traffic_month,
            currency=prices.currency if prices else "", busiest_s=busiest_s, cpu_busiest_cores=most,
            gbit_out_busiest_per_s=most_down * 8 / 1e9, workers_exact=exact,
        ))
    return found


NO_STRETCH = (math.nan,) * 4


def _busiest(cell: pd.DataFrame) -> tuple[float, ...]:
    """Return the length of the busiest stretches of a cell's trials, and the most CPU (cores), ticks
    and bytes down per second in them; NaN where a trial has none recorded."""
    most = [cell[name].max(skipna=False) for name in (
        "server_cpu_busiest_cores", "feed_busiest_per_s", "bytes_down_busiest_per_s")]
    length_s = cell[["late_after_s", "measure_s"]].min(axis=None)
    return tuple(map(float, (length_s, *most))) if not any(map(math.isnan, most)) else NO_STRETCH


def at_rate(of_trials: pd.Series, ticks_per_s: pd.Series, asked_per_s: float) -> float:
    """Return a value of a cell's trials at the configured rate (see the module); NaN where a trial
    has none (nothing arrived in it), since the others' would be too large."""
    if of_trials.isna().any():
        return math.nan
    mean, drawn, spread = float(of_trials.mean()), float(ticks_per_s.mean()), ticks_per_s - ticks_per_s.mean()
    square = float((spread * spread).sum())
    slope = float((spread * of_trials).sum()) / square if square > 0 else 0.0
    return mean + min(max(slope, 0.0), mean / drawn if drawn else 0.0) * (asked_per_s - drawn)


def _asked_per_s(cell: pd.DataFrame) -> float:
    """Return the configured rate of the feed of a cell's trials; the drawn rate where they have
    none, or several."""
    asked = cell["rate_per_s"].unique()
    if len(asked) == 1 and not math.isnan(asked[0]):
        return float(asked[0])
    return float((cell["feed_due"] / cell["measure_s"]).mean())


def table(found: Sequence[RequiredResources]) -> pd.DataFrame:
    """Return `fleet.csv`."""
    return pd.DataFrame([astuple(each) for each in found], columns=list(COLUMNS)).astype({"workers": "Int64"})
