"""Who gave in: the likeliest side that all trials show; what says nothing is void."""

from __future__ import annotations

from typing import Any

import pytest

from bench.limits import is_void, limited_by

SLOW = {"verdict": "VALID", "reasons": "", "server_cpu_cores": 0.5, "load_cpu_cores": 0.3}
INVALID = SLOW | {"verdict": "INVALID"}
ABORTED = {"verdict": "ABORTED", "reasons": "server-died: the trial failed: ended by itself with status 1"}


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
    # What both tries show counts more than what one of them shows.
    ([INVALID | {"turn_gap_max_ms": 300.0, "server_cpu_cores": 0.95}, SLOW | {"server_cpu_cores": 0.92}],
     "server CPU"),
    ([INVALID | {"client_lag_p99_ms": 30.0}, SLOW | {"server_cpu_cores": 0.95}], "server CPU"),
    # It broke without the generator's help, too.
    ([SLOW, INVALID | {"client_lag_p99_ms": 30.0}], "latency"),
])
def test_who_gave_in(rows: list[dict[str, Any]], side: str) -> None:
    assert limited_by(rows) == side


@pytest.mark.parametrize(("row", "void"), [
    (SLOW, False), (INVALID | {"load_cpu_cores": 0.95}, False),
    (INVALID | {"polls_overdue_share": 0.5}, False),
    (INVALID | {"others_share": 0.5}, True), (INVALID | {"others_share": 0.5, "load_cpu_cores": 0.95}, True),
    (INVALID | {"clock_step_us": 500.0}, True), (ABORTED, False),
])
def test_what_says_nothing_is_void(row: dict[str, Any], void: bool) -> None:
    assert is_void(row) == void
