"""What a capacity plan needs beside a run's trials, from its manifest: `fleet.csv` (`bench.stats.fleet`).

    [simulation]   workers, the load at which one is full, prices
    costs          what each worker has to itself
    measured       what a client took of memory, where a measured run stood beside
    closed forms   how late updates are with the workers that are needed (`closed_forms.csv`)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from bench.stats.fleet import MOVING, Need, Own, Prices, needs


def needs_of(trials: pd.DataFrame, manifest: Mapping[str, Any], forms: pd.DataFrame | None = None
             ) -> list[Need]:
    """A plan for each cell, in the order of the scenario; `forms` are a run's closed forms."""
    scenario = manifest["scenario"]
    asked = scenario.get("simulation") or {}
    prices, subjects = asked.get("prices"), manifest.get("subjects", {})
    order = {label: place for place, label in enumerate(scenario["transports"])}
    found = needs(
        trials, int(asked.get("workers") or 1), float(asked.get("full_at") or 0.6),
        own={label: _own(manifest, subject) for label, subject in subjects.items()},
        memory_bytes=(manifest.get("measured") or {}).get("memory_bytes_per_client", {}),
        new_connections={label: _further_s(asked, options) for label, options in (
            (label, subject.get("options", {})) for label, subject in subjects.items()
        ) if options.get("connection") == "new"},
        prices=Prices(prices["currency"], prices["worker_month"], prices["gigabyte_out"]) if prices else None,
        moves=scenario.get("feed", {}).get("schedule") in MOVING,
    )
    found = [_with_latencies(need, forms) for need in found] if forms is not None else found
    return sorted(found, key=lambda need: (need.clients, order.get(need.transport, len(order))))


def _with_latencies(need: Need, forms: pd.DataFrame) -> Need:
    """The same with the latencies that closed forms foretell of its workers: of so many, and no others."""
    mine = forms[(forms["transport"] == need.transport) & (forms["clients"] == need.clients)]
    known = dict(zip(mine["quantity"], mine["value"].astype(float), strict=True))
    if need.workers is None or known.get("planned_workers") != need.workers:
        return need
    return replace(need, latency_mean_ms=known.get("planned_latency_mean_ms", math.nan),
                   latency_worst_ms=known.get("planned_latency_worst_ms", math.nan))


def _further_s(asked: Mapping[str, Any], options: Mapping[str, Any]) -> float:
    """How much longer the server has a connection than its request takes, both ways: a server has it from the
    client's first segment until the answer, so by nothing, and with TLS by a round trip."""
    ways_ms = [asked.get(name) or 0.0 for name in ("rtt_ms", "up_ms", "down_ms")]   # the one or the other two
    return float(sum(ways_ms)) / 1000 if options.get("tls") else 0.0


def _own(manifest: Mapping[str, Any], subject: Mapping[str, Any]) -> Own:
    """What each worker of a subject has to itself, by the costs that the run was simulated with."""
    options = subject.get("options", {})
    kind = (subject.get("transport"), options.get("tls", False), options.get("compression", "none"))
    for each in (manifest.get("costs") or {}).get("by_kind", ()):
        if (each["transport"], each["tls"], each["compression"]) == kind:
            return Own(each["costs"].get("tick_s", 0.0), each["costs"].get("base_share", 0.0))
    return Own()
