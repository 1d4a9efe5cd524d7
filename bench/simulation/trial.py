"""A simulated trial on disk: the same files as a measured one's, so that later stages treat both alike.

    parts of all shards ─► feed · deliveries · skips · clients · (uplinks, histograms, totals) ─► trial.json

Quantities that are not simulated are absent: memory, wake-ups, the generator's own problems, the host's
noise. Each tick counts as published at its due instant; where it is a message of a client, when it was numbered.
The server's CPU is the sum over all workers:

    window   the queue's jobs + each worker's base use, which does not depend on its load
    idle     the base use + the cost of polls that find nothing

Known weakness: the idle stretch isn't simulated but computed; a poller's requests are uniform in it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from bench import transports
from bench.records import trial_record
from bench.records.trial_record import TrialRecord, Usage, WindowInstants
from bench.simulation import shards
from bench.simulation.engine.counters import STEPS_A_STRETCH
from bench.simulation.engine.inputs import Costs, Floats, Ints, UplinkOutcome
from bench.simulation.engine.server_queue import mean_coldness
from bench.simulation.engine.sink import Columns, joined
from bench.simulation.shards import Case, ShardResults
from bench.stats.trial.population import OF_MESSAGES, TOTALS
from bench.transports.cycle import Cycle
from bench.uplink.message import encode
from bench.wire.contract import REFUSALS

NS = 1_000_000_000
BETWEEN_S = 2.0
"""Seconds between two trials of a plan on the run clock, besides their windows: so that due instants have as
many digits as in measured runs."""
EPOCH = "0000"
TOO_MANY = "too-many"
"""The refusal of a message beyond its author's rate."""


def windows_of(number: int, warmup_s: float, measure_s: float, late_after_s: float) -> WindowInstants:
    """Return the windows of the trial with this place in the plan, from 0."""
    warmup_ns = round((number + 1) * (warmup_s + measure_s + BETWEEN_S) * NS)
    t0_ns = warmup_ns + round(warmup_s * NS)
    return WindowInstants(warmup_ns, t0_ns, t0_ns + round(measure_s * NS), round(late_after_s * NS))


def write(case: Case, whole: ShardResults, folder: Path, attempt: int, took_s: float) -> TrialRecord:
    """Write the trial's files, and return its record; `whole` is the sum of the results of all its shards."""
    folder.mkdir(parents=True, exist_ok=True)
    names = shards.schedule(case).symbols
    kept = np.concatenate([part["client"] for part in whole.clients])
    sample = len(kept) / case.planned.clients
    trial_record.write_table(folder, "feed", _feed(case, whole.uplinks))
    if whole.uplinks is not None:
        trial_record.write_table(folder, "uplinks", _uplinks(case, whole.uplinks))
    trial_record.write_table(folder, "deliveries", _deliveries(whole))
    trial_record.write_table(folder, "skips", _skips(case, whole, names))
    trial_record.write_table(folder, "clients", _clients(case, whole, names))
    trial_record.write_table(folder, "samples", trial_record.SAMPLES.empty_table())
    if sample < 1:
        trial_record.write_table(folder, "histograms", _histograms(case, whole, names))
    record = _record(case, whole, folder.name, attempt, took_s)
    if sample < 1:
        record = replace(record, sample=sample, totals=_totals(case, whole))
    trial_record.write_trial(folder, record)
    return record


def _record(case: Case, whole: ShardResults, name: str, attempt: int, took_s: float) -> TrialRecord:
    planned, feed = case.planned, case.scenario.feed
    refused = {word.replace("refused_", "", 1): count for word, count in whole.server_counts.items()
               if word.startswith("refused_") and word != f"refused_{TOO_MANY}"}   # a message's is in `uplinks`
    return TrialRecord(
        trial=name, block=planned.block, position=planned.position, subject=planned.subject,
        transport=planned.transport, server=planned.server, clients=planned.clients, seed=planned.seed,
        attempt=attempt, source="simulated", windows=case.windows, took_s=took_s,
        rate_per_s=None if feed.schedule == "replay" else feed.rate_per_s,
        usage={"server": _usage(case, whole)},
        server_counts=whole.server_counts,
        load={"errors": {_word(planned.transport, code): count for code, count in refused.items()}},
    )


def _word(transport: str, refusal: str) -> str:
    """Return the word by which a transport's clients count a refusal: of its close code, or its HTTP status."""
    return transports.describe(transport).refusal_words(REFUSALS[refusal])[0]


def _usage(case: Case, whole: ShardResults) -> Usage:
    """Return the CPU use of all workers together."""
    clients = case.planned.clients
    costs = case.calibrated.engine_costs.crowded(clients / case.workers)
    cycle = shards.cycle(case)
    windows, idle_s = case.scenario.windows, case.scenario.windows.idle_s
    standing = 0 if cycle.new_connection else clients
    base = costs.base_share * case.workers + costs.socket_share * standing
    # A worker has one core; where its jobs fill the core, nothing is left for the base use.
    busy_s = min(whole.busy_s + base * windows.measure_s, case.workers * windows.measure_s)
    idle_share = min(base + case.workers * asked_for_nothing(cycle, costs, clients / case.workers), case.workers)
    stretch_s = min(case.windows.late_after_ns / NS, windows.measure_s)
    busiest_s = min(busiest(whole.busy_steps_s) + base * stretch_s, case.workers * stretch_s)
    return Usage(
        cpu_ns=round(busy_s * NS),
        busiest_cpu_ns=round(busiest_s * NS), busiest_sent_bytes=round(busiest(whole.sent_steps)),
        idle_ns=round(idle_s * NS) or None,
        idle_cpu_ns=round(idle_share * idle_s * NS) if idle_s else None,
    )


def busiest(steps: Floats) -> float:
    """Return the largest sum over consecutive steps that together last as long as an update may take."""
    return float(np.convolve(steps, np.ones(STEPS_A_STRETCH)).max())


def asked_for_nothing(cycle: Cycle, costs: Costs, clients: float) -> float:
    """Return a worker's CPU seconds per second for requests at random instants while nothing is published."""
    if cycle.pushes:
        return 0.0
    every_s = cycle.hold_s if cycle.parks else cycle.interval_s
    each_s = costs.request_s + costs.answer_s + (costs.connection_s if cycle.new_connection else 0.0)
    if math.isinf(every_s):
        return 0.0
    asked = clients / every_s
    asleep = max(1 - asked * each_s, 0.0)
    cold = mean_coldness(asleep, asked * asleep, costs.cooling_s)
    asleep /= 1 + asked * (costs.switch_s + cold * costs.wake_s)   # this share of the requests wakes the worker
    return asked * (each_s * (1 + cold * costs.cold_share) + asleep * (costs.switch_s + cold * costs.wake_s))


def _feed(case: Case, uplinks: UplinkOutcome | None) -> pa.Table:
    """Return the table of all ticks, each published when it was due, or numbered; a message that was not is null."""
    drawn = shards.schedule(case)
    due_ns = drawn.offset_ns + case.windows.warmup_ns
    sent_ns, seq, never = due_ns, np.arange(1, len(drawn) + 1), np.zeros(len(drawn), dtype=np.bool_)
    if uplinks is not None:
        never = ~np.isfinite(uplinks.numbered_s)
        sent_ns = _ns(case, uplinks.numbered_s)
        seq = np.empty(len(drawn), dtype=np.int64)
        seq[np.argsort(uplinks.numbered_s, kind="stable")] = np.arange(1, len(drawn) + 1)
    return pa.table({
        "index": np.arange(len(drawn), dtype=np.uint32),
        "symbol": pa.DictionaryArray.from_arrays(drawn.symbol, pa.array(drawn.symbols, pa.string())),
        "due_ns": due_ns, "sent_ns": pa.array(sent_ns, pa.int64(), mask=never),
        "epoch": pa.DictionaryArray.from_arrays(
            pa.array(np.zeros(len(drawn), dtype=np.int32), mask=never), pa.array([EPOCH])),
        "seq": pa.array(seq.astype(np.uint32), mask=never),
        "payload_bytes": pa.array(shards.payload_bytes(case).astype(np.uint32), mask=never),
    }, schema=trial_record.FEED)


def _uplinks(case: Case, became: UplinkOutcome) -> pa.Table:
    """Return the table of the clients' messages."""
    sent = shards.messages(case)
    due_ns = shards.schedule(case).offset_ns + case.windows.warmup_ns
    there = np.isfinite(became.sent_s)
    return pa.table({
        "index": np.arange(len(sent), dtype=np.uint32),
        "author": np.array([each.author for each in sent], dtype=np.uint32),
        "due_ns": due_ns,
        "sent_ns": pa.array(_ns(case, became.sent_s), pa.int64(), mask=~there),
        "sends": there.astype(np.uint32),
        "answered_ns": pa.array(_ns(case, became.answered_s), pa.int64(), mask=~np.isfinite(became.answered_s)),
        "refusal": pa.DictionaryArray.from_arrays(
            pa.array(np.zeros(len(sent), dtype=np.int32), mask=~became.refused), pa.array([TOO_MANY])),
        "payload_bytes": np.array([len(encode(each)) for each in sent], dtype=np.uint32),
    }, schema=trial_record.UPLINKS)


def _ns(case: Case, at_s: Floats) -> Ints:
    """Return instants on the run clock in ns; 0 where something did not happen."""
    since_ns = np.rint(np.where(np.isfinite(at_s), at_s, 0.0) * NS).astype(np.int64)
    return np.asarray(since_ns + case.windows.warmup_ns, dtype=np.int64)


def _deliveries(whole: ShardResults) -> pa.Table:
    columns = joined(whole.tallied.deliveries, trial_record.DELIVERIES.names)
    return pa.table({field.name: pa.array(columns[field.name]).cast(field.type)
                     for field in trial_record.DELIVERIES}, schema=trial_record.DELIVERIES)


def _skips(case: Case, whole: ShardResults, names: Sequence[str]) -> pa.Table:
    columns = joined(whole.tallied.skips, ("client", "kind", "tick", "count", "app_ns"))
    symbol = shards.schedule(case).symbol[columns["tick"].astype(np.int64)]
    return pa.table({
        "client": pa.array(columns["client"]).cast(pa.uint32()),
        "kind": pa.DictionaryArray.from_arrays(columns["kind"].astype(np.int32),
                                               pa.array(["conflated", "dropped"])),
        "symbol": pa.DictionaryArray.from_arrays(symbol.astype(np.int32), pa.array(names, pa.string())),
        "count": pa.array(columns["count"]).cast(pa.uint32()),
        "index": pa.array(columns["tick"]).cast(pa.uint32()),
        "app_ns": pa.array(columns["app_ns"]).cast(pa.int64()),
    }, schema=trial_record.SKIPS)


def _clients(case: Case, whole: ShardResults, names: Sequence[str]) -> pa.Table:
    """Return the rows of the chosen clients, in the order of their numbers."""
    columns: Columns = {name: np.concatenate([part[name] for part in whole.clients])
                        for name in whole.clients[0]}
    order = np.argsort(columns["client"])
    count, windows = len(order), case.windows
    numbers = columns["client"][order].tolist()
    filled = {name: pa.array(column[order]) for name, column in columns.items()} | {
        "symbols": pa.array([shards.subscription(case, names, int(number)) for number in numbers],
                            pa.list_(pa.string())),
        "subscribed_ns": pa.array([windows.warmup_ns] * count),
        "counted_from_ns": pa.array([windows.t0_ns] * count),
        "counted_to_ns": pa.array([windows.t1_ns] * count),
    }
    return pa.table({field.name: filled[field.name].cast(field.type) if field.name in filled
                     else pa.nulls(count, field.type) for field in trial_record.CLIENTS},
                    schema=trial_record.CLIENTS)


def _histograms(case: Case, whole: ShardResults, names: Sequence[str]) -> pa.Table:
    """Return the histograms of latencies, arrivals and subscribers over all clients."""
    found = whole.tallied
    seen = np.unique(shards.schedule(case).symbol)
    by_name = sorted((names[place], int(found.subscribed[place])) for place in seen)
    of, bins, counts = [], [], []
    for name, histogram in (("app", found.app), ("kernel", found.kernel), ("arrived", found.arrived),
                            ("subscribed", np.array([count for _, count in by_name], dtype=np.int64))):
        held = np.flatnonzero(histogram)
        of += [name] * len(held)
        bins.append(held)
        counts.append(histogram[held])
    return pa.table({
        "of": pa.array(of, pa.string()).dictionary_encode(),
        "bin": pa.array(np.concatenate(bins)).cast(pa.int32()), "count": np.concatenate(counts),
    }, schema=trial_record.HISTOGRAMS)


def _totals(case: Case, whole: ShardResults) -> dict[str, float]:
    """Return the totals over all clients, by the names of `bench.stats.trial.population.TOTALS`."""
    known = {
        **whole.counters, **whole.tallied.sums,
        "clients_subscribed": case.planned.clients, "client_errors": whole.counters["errors"],
    }
    names = [*TOTALS, *([OF_MESSAGES] if case.takes_messages else [])]
    return {name: float(known[name]) for name in names if math.isfinite(known.get(name, math.nan))}
