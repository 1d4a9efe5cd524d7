"""The server's costs: the idle base subtracted, the split only where there is enough of it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from rows import record_of

from bench.records.trial_record import Usage
from bench.stats.trial.server_costs import COLUMNS, server_costs, system_share

USED = Usage(
    cpu_ns=50_000_000, user_ns=30_000_000, system_ns=20_000_000, rss_bytes=3_000_000, rss_before_bytes=1_000_000,
    wakeups=40, preemptions=10, socket_bytes=800, opening_cpu_ns=2_000_000,
    idle_ns=50_000_000, idle_cpu_ns=5_000_000, idle_wakeups=3,
    busiest_cpu_ns=20_000_000, busiest_sent_bytes=4000,
)
"""Over a window of 100 ms, and an idle stretch of 50 ms."""


def test_a_servers_costs_are_divided_by_updates_clients_and_time() -> None:
    record = record_of(clients=4, usage={"server": USED})
    found = server_costs(record, 20)
    assert tuple(found) == COLUMNS
    assert found == pytest.approx({
        "server_cpu_us_per_update": 2500,
        "server_cpu_above_idle_us_per_update": 2000,      # 10 of the 50 ms would have been used anyway
        "server_cpu_cores": 0.5, "server_idle_cpu_cores": 0.1,
        "server_cpu_ms_per_client_s": 125, "server_opening_cpu_us_per_client": 500,
        "server_user_cores": 0.3, "server_system_cores": 0.2,
        "server_rss_bytes": 3_000_000, "server_rss_bytes_per_client": 500_000, "server_socket_bytes_per_client": 200,
        "server_wakeups_per_update": 2, "server_preemptions_per_update": 0.5,
        "server_wakeups_per_s": 400, "server_idle_wakeups_per_s": 60,
        "server_cpu_busiest_cores": 0.4, "bytes_down_busiest_per_s": 80_000,   # in 50 ms
    })


def test_what_was_not_measured_is_not_zero() -> None:
    without = replace(USED, idle_ns=None, idle_cpu_ns=None, idle_wakeups=None, socket_bytes=None)
    found = server_costs(record_of(usage={"server": without}), 20)
    assert found["server_cpu_us_per_update"] == 2500
    for name in ("server_cpu_above_idle_us_per_update", "server_idle_cpu_cores",
                 "server_idle_wakeups_per_s", "server_socket_bytes_per_client"):
        assert math.isnan(found[name])
    assert all(math.isnan(value) for value in server_costs(record_of(), 20).values())


@pytest.mark.parametrize(("grown", "each"), [(2**19, 131_072.0), (2**19 - 1, math.nan), (-5, math.nan)])
def test_memory_that_hardly_grew_does_not_show_what_clients_take(grown: int, each: float) -> None:
    """Connections fill what the process held already, and that is not seen."""
    used = replace(USED, rss_before_bytes=1_000_000, rss_bytes=1_000_000 + grown)
    found = server_costs(record_of(clients=4, usage={"server": used}), 20)
    assert found["server_rss_bytes"] == 1_000_000 + grown
    assert found["server_rss_bytes_per_client"] == pytest.approx(each, nan_ok=True)


def test_rounding_to_whole_nanoseconds_is_no_cost() -> None:
    """Twice the idle stretch of half a nanosecond, and half a nanosecond more."""
    for cpu_ns, above_us in ((9_999_999, 0.0), (10_000_001, 0.0), (10_000_002, 0.0001), (9_999_998, -0.0001)):
        record = record_of(usage={"server": replace(USED, cpu_ns=cpu_ns)})
        assert server_costs(record, 20)["server_cpu_above_idle_us_per_update"] == pytest.approx(above_us)


def test_a_split_needs_five_hundred_steps() -> None:
    assert system_share(3.0, 2.0) == 0.4
    assert math.isnan(system_share(2.0, 2.9))
    assert math.isnan(system_share(math.nan, 9.0))
