"""A simulated trial's files are a measured one's, with the same figures however few rows are kept."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from priced import case

from bench.audit.detectors import judge
from bench.records import trial_record
from bench.simulation import shards, trial
from bench.simulation.calibration.costs import Estimate
from bench.simulation.engine.inputs import Costs
from bench.stats.trial.latency import PERCENTILES
from bench.stats.trial.row import Row
from bench.stats.trial.uplinks import FATES
from bench.transports.cycle import Cycle

OF_THE_SAMPLE = (
    "trial", "sample", "age_mean_ms", "age_excess_mean_ms", "client_lag_p99_ms", "steady_bins", "trend_share",
    "warmup_cut_s", "in_flight_gap_share", *(f"latency_{name}_error_share" for name in PERCENTILES),
)


def made(folder: Path, label: str, *overrides: str) -> Row:
    wanted = case(label, *overrides)
    whole = shards.simulate(wanted, 0)
    for worker in range(1, wanted.workers):
        whole.add(shards.simulate(wanted, worker))
    record = trial.write(wanted, whole, folder, 1, 2.5)
    assert record == trial_record.read_trial(folder)
    figures, verdict = judge(folder)
    assert verdict.status == "VALID", verdict.reasons
    return figures.row


@pytest.mark.parametrize("label", ["short_polling", "long_polling", "websocket"])
@pytest.mark.parametrize("further", [(), ("load.mode=latest", "load.symbols_per_client=2")])
def test_a_share_of_the_rows_gives_the_figures_of_all(
    tmp_path: Path, label: str, further: tuple[str, ...]
) -> None:
    given = ("simulation.workers=2", "simulation.rtt_ms=30.0", *further)
    full = made(tmp_path / "all", label, *given)
    few = made(tmp_path / "few", label, *given, "simulation.sample_clients=6")
    assert (full["source"], full["sample"], few["sample"]) == ("simulated", 1.0, 0.2)
    assert not (tmp_path / "all" / "histograms.parquet").exists()
    assert trial_record.read_table(tmp_path / "few", "deliveries").num_rows < int(full["received"] or 0) / 4
    for name, value in full.items():
        if name in OF_THE_SAMPLE or isinstance(value, str) or value is None:
            continue
        # Rows hold whole counts, totals the sum of what isn't rounded; percentiles are of bins.
        close = 0.02 if "latency_p" in name else 2e-3
        assert few[name] == pytest.approx(value, rel=close, abs=1e-9, nan_ok=True), name


@pytest.mark.parametrize("label", ["short_polling", "long_polling", "sse", "websocket"])
@pytest.mark.parametrize("further", [(), ("simulation.sample_clients=6", "server.messages.rate_per_s=0.5")])
def test_every_message_has_one_fate_and_accepted_ones_alone_are_delivered(
    tmp_path: Path, label: str, further: tuple[str, ...]
) -> None:
    row = made(tmp_path / "t", label, 'feed.source="clients"', "feed.symbols=3", "load.symbols_per_client=1",
               "feed.rate_per_s=40", *further)
    found = {fate: int(row[f"uplinks_{fate}"] or 0) for fate in FATES}
    assert sum(found.values()) == row["uplinks_due"] > 20
    assert row["uplinks_unexplained"] == row["deliveries_unexplained"] == found["sent"] == found["unsent"] == 0
    assert (found["refused"] > 0) == bool(further)
    assert row["updates_due"] == row["delivered"] == 10 * found["accepted"]   # a third of 30 clients is in a room
    fit = case(label)
    least_ms = 1000 * (300e-6 + fit.net.up_s + 90e-6 + 200e-6 + fit.net.down_s)
    assert least_ms < float(row["round_trip_p50_ms"] or 0)
    assert float(row["uplink_answered_p50_ms"] or 0) < float(row["round_trip_p50_ms"] or 0)


def test_counts_and_bytes_are_there_and_what_was_not_simulated_is_not(tmp_path: Path) -> None:
    row = made(tmp_path / "t", "long_polling")
    assert row["deliveries_unexplained"] == row["lost_on_the_way"] == row["skips_unexplained"] == 0
    assert row["delivered"] == row["updates_due"]
    whole, parts = float(row["bytes_down_per_update"] or 0), [
        float(row[f"{part}_bytes_down_per_update"] or 0)
        for part in ("payload", "header", "framing", "tls", "tcpip", "ack", "connection")]
    assert whole == pytest.approx(sum(parts))
    for name in ("server_rss_bytes", "turn_gap_max_ms", "clock_step_us", "others_share", "clients_vanished"):
        assert math.isnan(float(row[name] or 0)), name


def test_what_the_server_uses_in_all_and_while_idle(tmp_path: Path) -> None:
    row = made(tmp_path / "t", "short_polling")
    # 30 clients poll twice a second: 60 requests and answers, and the base.
    assert row["server_idle_cpu_cores"] == pytest.approx(0.005 + 30e-7 + 60 * 40e-6, rel=1e-6)
    assert float(row["server_cpu_cores"] or 0) > float(row["server_idle_cpu_cores"] or 0)


@pytest.mark.parametrize(("cycle", "share"), [
    (Cycle(pushes=True), 0.0), (Cycle(parks=True), 0.0), (Cycle(parks=True, hold_s=10.0), 100 * 3e-3 / 10),
    (Cycle(interval_s=0.5, pace="rate"), 100 * 3e-3 / 0.5),
    (Cycle(interval_s=0.5, pace="rate", new_connection=True), 100 * 7e-3 / 0.5),
])
def test_what_asking_for_nothing_costs(cycle: Cycle, share: float) -> None:
    costs = Costs(request_s=1e-3, answer_s=2e-3, connection_s=4e-3)
    assert trial.asked_for_nothing(cycle, costs, 100) == pytest.approx(share)


def test_the_busiest_stretch_of_a_regular_feed_is_like_any_and_that_of_bursts_is_not(tmp_path: Path) -> None:
    given = ("windows.measure_s=6.0", "simulation.workers=2", "simulation.rtt_ms=2", "feed.rate_per_s=20")
    for schedule, low, high in (("constant", 0.99, 1.06), ("bursty", 1.5, 20)):
        row = made(tmp_path / schedule, "websocket", *given, f"feed.schedule={schedule}")
        cpu, busiest = (float(row[f"server_cpu_{name}cores"] or 0) - float(row["server_idle_cpu_cores"] or 0)
                        for name in ("", "busiest_"))
        sent = float(row["bytes_down_per_update"] or 0) * float(row["arrivals"] or 0) / 6
        assert low <= busiest / cpu <= high
        assert low <= float(row["bytes_down_busiest_per_s"] or 0) / sent <= high
        assert low <= float(row["feed_busiest_per_s"] or 0) / (float(row["feed_due"] or 0) / 6) <= high


def test_a_stretch_is_as_long_as_an_update_may_take() -> None:
    steps = np.zeros(40)
    steps[[3, 12, 13, 30]] = 1.0, 2.0, 4.0, 5.0
    assert trial.busiest(steps) == 6.0       # 4 to 13; 3 is too early
    assert trial.busiest(steps[:5]) == 1.0   # a window that is shorter


def test_an_overloaded_worker_uses_one_core_and_no_more() -> None:
    """Its own CPU is not on top of a queue that is never empty."""
    asked = case("short_polling", "windows.measure_s=2.0")
    part = shards.simulate(asked, 0)
    full = dataclasses.replace(part, busy_s=2.0)
    assert asked.calibrated.engine_costs.base_share > 0
    assert trial._usage(asked, full).cpu_ns == 2_000_000_000
    assert trial._usage(asked, dataclasses.replace(part, busy_s=1.0)).cpu_ns > 1_000_000_000


def test_an_overloaded_worker_uses_one_core_while_nothing_is_published() -> None:
    """Polls that find nothing can't take more than there is."""
    asked = case("short_polling")
    expensive = dataclasses.replace(asked, calibrated=dataclasses.replace(
        asked.calibrated, costs={**asked.calibrated.costs, "request_s": Estimate(0.1)}))
    used = trial._usage(expensive, shards.simulate(asked, 0))   # 60 polls per second, 0.1 s each
    assert used.idle_cpu_ns == used.idle_ns


@pytest.mark.parametrize(("interval_s", "rate_per_s", "measure_s"), [
    (0.1, 0.2, 1.0), (0.1, 100.0, 2.0), (1.0, 1.0, 3.5), (5.0, 1.0, 3.5), (10.0, 0.2, 1.0), (10.0, 0.2, 40.0),
    (10.0, 20.0, 0.5),
])
def test_polls_are_as_old_as_the_form_says_however_long_one_looks(
    tmp_path: Path, interval_s: float, rate_per_s: float, measure_s: float
) -> None:
    row = made(tmp_path / "t", "short_polling", "load.clients=[1500]", f"windows.measure_s={measure_s}",
               f"transports.short_polling.interval_s={interval_s}", f"feed.rate_per_s={rate_per_s}",
               "simulation.rtt_ms=20.0", "simulation.sample_clients=1500", "simulation.workers=4")
    assert row["age_excess_mean_ms"] == pytest.approx(500 * interval_s + 10, rel=0.05)
