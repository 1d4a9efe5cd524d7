"""No detector takes a feed for a fault: bursts, gaps, and windows that begin or end anywhere in them."""

from __future__ import annotations

import numpy as np
import pytest
from bursty import trial

from bench.audit.detectors import audit
from bench.feed.schedule import hawkes
from bench.scenario.model import Bursts
from bench.stats.trial.row import trial_row

TRANSPORTS = ["websocket", "long_polling", "short_polling"]
POLLING = TRANSPORTS[1:]
QUIET_S = [np.arange(20.0, 21.0, 0.004), np.arange(40.0, 40.5, 0.002)]
GAPS = np.concatenate(QUIET_S)
"""Two bursts, and nothing before, between and after."""


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("measure_s", [3.0, 35.0])
@pytest.mark.parametrize(("ratio", "decay_s"), [(0.5, 0.1), (0.95, 0.1), (0.95, 5.0)])
def test_a_sound_trial_is_valid_wherever_its_window_lies(
    transport: str, measure_s: float, ratio: float, decay_s: float
) -> None:
    for seed, rate_per_s in enumerate((5.0, 40.0)):
        rng = np.random.default_rng(seed)
        due_s = hawkes(rng, rate_per_s, Bursts(branching_ratio=ratio, decay_s=decay_s), 80)
        inside = due_s[(due_s > 5) & (due_s < 35)]
        at_a_tick = float(rng.choice(inside)) if len(inside) else 20.0
        for t0_s in (5 + 30 * float(rng.random()), at_a_tick, at_a_tick - measure_s * 0.1):
            record, tables = trial(transport, due_s, max(t0_s, 4.0), measure_s)
            verdict = audit(record, trial_row(record, tables))
            assert verdict.status == "VALID", (t0_s, verdict)
            assert transport == "websocket" or "littles-law" not in verdict.not_assessed


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(("t0_s", "measure_s"), [
    (19.5, 10.0), (20.5, 10.0), (10.0, 10.5), (10.0, 35.0), (20.5, 25.0), (25.0, 10.0), (38.0, 2.25),
], ids=["burst, then a gap", "into a burst, then a gap", "gap, then into a burst", "gap, burst, gap, burst",
        "burst, gap, burst, gap", "nothing at all", "out of a burst"])
def test_quiet_edges_of_any_length_are_no_finding(transport: str, t0_s: float, measure_s: float) -> None:
    record, tables = trial(transport, GAPS, t0_s, measure_s)
    row = trial_row(record, tables)
    assert audit(record, row).status == "VALID", audit(record, row)
    if transport == "long_polling":
        assert row["requests_in_flight"] == pytest.approx(5, rel=0.02)


@pytest.mark.parametrize("transport", POLLING)
@pytest.mark.parametrize("answered_s", [22.0, 1000.0], ids=["late", "never"])
def test_requests_that_hang_at_the_end_of_a_bursty_window_are_found(
    transport: str, answered_s: float
) -> None:
    record, tables = trial(transport, GAPS, 17.0, 3.9, stall=(20.0, answered_s))
    found = audit(record, trial_row(record, tables))
    assert "littles-law" in {reason.name for reason in found.reasons}
