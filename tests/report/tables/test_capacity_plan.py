"""The capacity plan as a table: one row a transport, priced only where there are prices."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from manifests import MEASURED, manifest_of

from bench.report.tables import capacity_plan
from bench.stats.run.capacity_plan import RequiredResources

NEED = RequiredResources(
    transport="websocket", clients=1_000_000, workers_simulated=80, load_simulated=0.03,
    latency_p50_simulated_ms=38.3, latency_p99_simulated_ms=56.2, cpu_cores=2.43, full_at=0.6, workers=5,
    short=False, gbit_out_per_s=0.814, gbit_in_per_s=0.3, requests_per_s=0.0, sockets=1e6, memory_gb=13.3,
    workers_month=150.0, traffic_month=13368.2, month=13518.2, currency="USD",
)
ASKED: dict[str, Any] = {"question": "?", "transports": {"websocket": {}}}
PRICES = {"currency": "USD", "worker_month": 30.0, "gigabyte_out": 0.05}
MANIFEST = manifest_of(ASKED | {"simulation": {"prices": PRICES}}, measured=MEASURED)


def test_a_plan_with_prices() -> None:
    table = capacity_plan.table([NEED], MANIFEST)
    assert table.heading == "Capacity plan for 1,000,000 clients"
    [row] = table.rows
    told = dict(zip(table.columns, row, strict=True))
    assert told["workers at 60 %"] == "5"
    assert (told["workers (USD per month)"], told["traffic"], told["together"]) == ("150", "13,400", "13,500")
    assert (told["mean latency"], told["longest latency"]) == ("–", "–")
    assert "those shown were simulated, with 80 workers" in table.note
    assert "30.0 USD per worker and month of 730 hours" in table.note
    assert "the measured run reference" in table.note


def test_a_price_has_the_latencies_of_its_own_workers() -> None:
    for mean_ms, told in ((512.0, "512 ms"), (math.inf, "infinite")):
        need = replace(NEED, latency_mean_ms=mean_ms, latency_worst_ms=800.0)
        [row] = capacity_plan.table([need], MANIFEST).rows
        assert row[-2:] == (told, "800 ms")


def test_small_plans_have_small_units() -> None:
    table = capacity_plan.table([replace(NEED, gbit_out_per_s=0.0158, memory_gb=0.00701)], MANIFEST)
    told = dict(zip(table.columns, table.rows[0], strict=True))
    assert (told["out (Mbit/s)"], told["memory (MB)"]) == ("15.8", "7.01")


def test_a_plan_from_full_workers_is_a_lower_bound() -> None:
    table = capacity_plan.table([NEED, replace(NEED, short=True)], MANIFEST)
    enough, short = (dict(zip(table.columns, row, strict=True)) for row in table.rows)
    assert (enough["workers at 60 %"], enough["together"]) == ("5", "13,500")
    assert (short["workers at 60 %"], short["together"]) == ("at least 5", "at least 13,500")
    assert "Simulate again with more workers" in table.note
    assert "at least" not in capacity_plan.table([NEED], MANIFEST).note.lower()


def test_a_plan_for_the_busiest_stretch_says_so_and_quotes_the_link() -> None:
    need = replace(NEED, busiest_s=1.5, cpu_busiest_cores=14.0, gbit_out_busiest_per_s=2.56)
    table = capacity_plan.table([need], MANIFEST)
    told = dict(zip(table.columns, table.rows[0], strict=True))
    assert (told["CPU (cores)"], told["CPU in the busiest 1.50 s (cores)"]) == ("2.43", "14.0")
    assert (told["out (Mbit/s)"], told["out in the busiest 1.50 s (Mbit/s)"]) == ("814", "2,560")
    assert "in the busiest 1.50 s" in table.note
    assert "on average" not in table.note


def test_without_prices_memory_or_enough_workers() -> None:
    bare = replace(NEED, month=math.nan, memory_gb=math.nan, workers=None, clients=10)
    table = capacity_plan.table([NEED, replace(bare)], MANIFEST)
    assert table.heading == "Capacity plan"
    assert table.rows[1][:4] == ("10", "WebSocket", "2.43", "none is enough")
    unpriced = capacity_plan.table([bare], manifest_of(ASKED))
    assert "together" not in unpriced.columns
    assert "no measured run with the same options to take it from" in unpriced.note


def test_no_plan_has_no_rows() -> None:
    assert capacity_plan.table([], MANIFEST).rows == ()
