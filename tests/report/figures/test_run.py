"""The figures of a run: all have a name of their own, and those of a simulated run say that they are."""

from __future__ import annotations

from pathlib import Path

from simulated_runs import made

from bench.report import RunData
from bench.report.figures import run as figures


def test_names_are_different() -> None:
    names = [spec.name for spec in (*figures.COMPARED, *figures.SIMULATED)]
    assert len(set(names)) == len(names)


def test_a_simulated_run_has_more_of_them_and_each_says_so(run: RunData, tmp_path: Path) -> None:
    assert figures.of(run) == figures.COMPARED
    simulated = made(tmp_path)
    assert figures.of(simulated) == (*figures.COMPARED, *figures.SIMULATED)
    spec = figures.COMPARED[3]
    assert "simulated)" in figures.drawn(spec, simulated).get_suptitle()
    assert "simulated" not in figures.drawn(spec, run).get_suptitle()
