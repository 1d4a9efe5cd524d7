"""The runner's marks, from the samples that it left."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest
from rows import MS, WINDOWS

from bench.records.trial_record import SAMPLES
from bench.stats.trial.marks import late_ms, marks, server_span


def samples(**looks_ms: list[float]) -> pa.Table:
    """Return readings of processes at these instants."""
    rows = [{"process": name, "at_ns": round(at * MS), "cpu_ns": 1, "rss_bytes": 1}
            for name, instants in looks_ms.items() for at in instants]
    return pa.Table.from_pylist(rows, SAMPLES)


def test_marks_are_the_first_look_from_t0_on_and_the_last() -> None:
    table = samples(server=[10, 60, 100.1, 150, 200.2], load=[100.3, 200.4])
    assert marks(table, WINDOWS) == {"server": (100_100_000, 200_200_000), "load": (100_300_000, 200_400_000)}
    assert server_span(table, WINDOWS) == (100_100_000, 200_200_000)
    assert late_ms(table, WINDOWS) == pytest.approx(0.4)


@pytest.mark.parametrize(("looks_ms", "late"), [
    ([125, 150, 200.2], 25), ([100.1, 150, 2800], 2600), ([2800, 2800.1, 2800.2], 2700), ([100, 150], 50),
], ids=["late at t0", "late at t1", "late at both", "the last look is missing"])
def test_the_latest_mark_of_any_process_counts(looks_ms: list[float], late: float) -> None:
    assert late_ms(samples(load=[100, 200], server=looks_ms), WINDOWS) == pytest.approx(late, rel=0.01)


def test_without_samples_the_span_is_the_windows_and_lateness_is_not_known() -> None:
    assert server_span(samples(), WINDOWS) == (WINDOWS.t0_ns, WINDOWS.t1_ns)
    assert math.isnan(late_ms(samples(), WINDOWS))
