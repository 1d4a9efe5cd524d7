"""The words on how fast the host was: in the report, and beside two runs that are compared."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.report import RunData
from bench.report.pages.run import page
from bench.report.tables import host_speed


def slower(run: RunData, by: float, first: int = 0) -> RunData:
    """Return the run as if the host had been slower from a trial on."""
    spins = run.trials[["probe_spin_before_us", "probe_spin_after_us"]].copy()
    spins.iloc[first:] *= by
    return replace(run, trials=run.trials.assign(**{name: spins[name] for name in spins}))


def test_two_runs_are_told_apart_by_their_hosts(run: RunData) -> None:
    assert host_speed.between(run, run).endswith("the hosts were about as fast")
    assert "60.3 µs (60.3–60.3) and 72.4 µs" in host_speed.between(run, slower(run, 1.2))
    assert "the host of the second run was 20 % slower" in host_speed.between(run, slower(run, 1.2))
    assert "the host of the second run was 20 % faster" in host_speed.between(run, slower(run, 0.8))
    old = replace(run, trials=run.trials.drop(columns=["probe_spin_after_us"]))
    assert host_speed.between(old, run) == ""


@pytest.mark.usefixtures("few_figures")
def test_a_drift_stands_in_the_verdict_and_the_table_shows_when(run: RunData) -> None:
    assert "drifted" not in page(run).subtitle
    late = slower(run, 1.3, first=len(run.trials) // 2)
    assert "in the last third of the trials it was 30 % slower" in page(late).subtitle
    rows = host_speed.table(late).rows
    assert [row[0] for row in rows] == ["1", "2", "3", "4"]
    assert float(rows[-1][1]) > 1.2 * float(rows[0][1])
