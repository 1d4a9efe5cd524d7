"""The side that reached its limit: the likeliest that all trials show; what says nothing is void."""

from __future__ import annotations

from typing import Any

import pytest

from bench.audit.limited_by import is_void, limited_by, outcome_of
from bench.scenario import objective

SLOW = {"verdict": "VALID", "reasons": "", "server_cpu_cores": 0.5, "load_cpu_cores": 0.3}
INVALID = SLOW | {"verdict": "INVALID"}
ABORTED = {"verdict": "ABORTED", "reasons": "server-died: the trial failed: ended by itself with status 1"}
DIED = {"verdict": "INVALID", "status": "failed", "failure": "load-died", "reasons": "load-died: it ended"}
UNFED = {"verdict": "INVALID", "status": "failed", "failure": "publisher-died", "reasons": "publisher-died: it ended"}


@pytest.mark.parametrize(("rows", "side"), [
    ([SLOW], "latency"),
    ([SLOW | {"server_cpu_cores": 0.95}], "server CPU"),
    ([INVALID | {"load_cpu_cores": 0.95}], "generator"),
    ([INVALID | {"load_cpu_cores": 0.95, "server_cpu_cores": 0.95}], "generator"),
    ([INVALID | {"client_lag_p99_ms": 30.0}], "generator"),
    ([INVALID | {"client_lag_p99_ms": 30.0, "server_cpu_cores": 0.95}], "server CPU"),
    ([INVALID | {"feed_lateness_p99_ms": 30.0, "load_cpu_cores": 0.95}], "feed"),
    ([INVALID | {"client_error_share": 0.1}], "errors"),
    ([INVALID | {"clock_step_us": 500.0}], "invalid"),
    ([INVALID | {"polls_overdue_share": 0.5}], "generator"),
    ([SLOW | {"polls_late_share": 0.5}], "latency"),
    ([ABORTED], "errors"),
    ([ABORTED | {"reasons": "server-died: ended by itself with status 137"}], "memory"),
    ([UNFED], "feed"),
    ([DIED], "errors"), ([DIED | {"reasons": "load-died: the load ended by itself with status 137"}], "memory"),
    # What both tries show counts more than what one of them shows.
    ([INVALID | {"turn_gap_max_ms": 300.0, "server_cpu_cores": 0.95}, SLOW | {"server_cpu_cores": 0.92}],
     "server CPU"),
    ([INVALID | {"client_lag_p99_ms": 30.0}, SLOW | {"server_cpu_cores": 0.95}], "server CPU"),
    # It broke without the generator's help, too.
    ([SLOW, INVALID | {"client_lag_p99_ms": 30.0}], "latency"),
])
def test_a_limit_is_put_down_to_the_side_that_both_tries_show(rows: list[dict[str, Any]], side: str) -> None:
    assert limited_by(rows) == side


@pytest.mark.parametrize(("row", "void"), [
    (SLOW, False), (INVALID | {"load_cpu_cores": 0.95}, False),
    (INVALID | {"polls_overdue_share": 0.5}, False),
    (INVALID | {"others_share": 0.5}, True), (INVALID | {"others_share": 0.5, "load_cpu_cores": 0.95}, True),
    (INVALID | {"clock_step_us": 500.0}, True), (INVALID | {"clients_vanished": 40}, True), (ABORTED, False),
])
def test_a_step_is_void_where_the_host_was_at_fault(row: dict[str, Any], void: bool) -> None:
    assert is_void(row) == void


KERNEL = objective.parse("kernel_latency_p99_ms <= 50 and lost == 0")
FAST = SLOW | {"kernel_latency_p99_ms": 20.0, "latency_p99_ms": 90.0, "lost": 0, "requests": 0}
LAG, BUSY = {"verdict": "INVALID", "client_lag_p99_ms": 70.0}, {"verdict": "INVALID", "load_cpu_cores": 0.95}
LATE = {"kernel_latency_p99_ms": 80.0}


@pytest.mark.parametrize(("row", "outcome"), [
    (FAST, "held"), (FAST | LATE, "broke"), (FAST | {"lost": 1}, "broke"),
    # The generator reached its limit: what is pushed had reached the clients' kernels; what asks late asks less.
    (FAST | LAG, "held"), (FAST | BUSY, "held"), (FAST | LAG | {"requests": 500}, "bound"),
    (FAST | LAG | LATE, "bound"), (FAST | BUSY | LATE, "bound"), (FAST | LAG | {"trend_share": 0.9}, "held"),
    (FAST | LAG | LATE | {"server_cpu_cores": 0.95}, "broke"),
    (FAST | BUSY | LATE | {"server_cpu_cores": 0.95}, "bound"),
    (FAST | LAG | {"feed_lateness_p99_ms": 30.0}, "bound"),
    ({"verdict": "INVALID", "status": "failed", "failure": "load-died", "reasons": ""}, "bound"), (UNFED, "bound"),
    (FAST | BUSY | {"others_share": 0.5}, "void"),
    (FAST | {"verdict": "INVALID", "client_error_share": 0.1}, "broke"), (ABORTED, "broke"),
])
def test_what_a_step_says_about_its_level(row: dict[str, Any], outcome: str) -> None:
    assert outcome_of(row, KERNEL) == outcome


def test_an_objective_of_the_clients_own_latency_is_not_held_where_the_generator_gave_in() -> None:
    assert outcome_of(FAST | LAG, objective.parse("latency_p99_ms <= 100")) == "bound"
