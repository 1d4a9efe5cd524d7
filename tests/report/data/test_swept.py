"""The curves of a sweep, and the runs at other rates beside one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from manifests import asking
from swept_runs import INTERVALS_S, swept_run

from bench.errors import RunError
from bench.report import RunData, open_run
from bench.report.data.swept import AGE, at_equal, by_rate, curves_of, put_beside


@pytest.fixture(scope="module")
def swept_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("swept")


@pytest.fixture(scope="module")
def at_40(swept_folder: Path) -> RunData:
    return swept_run(swept_folder / "at-40")


@pytest.fixture(scope="module")
def at_20(swept_folder: Path) -> RunData:
    return swept_run(swept_folder / "at-20", 20.0, push=5.0, seed=2)


def test_a_curve_has_its_subjects_in_the_order_of_the_values(at_40: RunData) -> None:
    polls, pushes = curves_of(at_40)
    assert [value for value, _ in polls.subjects] == [f"{value:g}" for value in INTERVALS_S]
    assert (pushes.label, pushes.option) == ("websocket", "flush_ms")


def test_costs_are_those_at_the_staleness_that_both_reach(at_40: RunData) -> None:
    ((rate, trials),) = by_rate(at_40)
    assert rate == 40
    found = at_equal(at_40, trials, "server_cpu_us_per_update")
    assert found is not None
    ages = trials.groupby("transport")[AGE]
    assert found.low >= ages.max()["short_polling interval_s=0.1"]
    assert found.high <= ages.min()["short_polling interval_s=1.0"]
    assert {label: len(costs) for label, costs in found.costs.items()} == {"websocket": 4, "short_polling": 4}


def test_a_block_that_is_not_whole_is_left_out(at_40: RunData) -> None:
    bad = (at_40.trials["block"] == 2) & (at_40.trials["transport"] == "websocket flush_ms=200")
    trials = at_40.trials.assign(verdict=at_40.trials["verdict"].where(~bad, "INVALID"))
    lacking = replace(at_40, trials=trials)
    found = at_equal(lacking, by_rate(lacking)[0][1], "server_cpu_us_per_update")
    assert found is not None
    assert len(found.costs["websocket"]) == 3


def test_runs_at_other_rates_are_kept_beside_a_run(at_40: RunData, at_20: RunData) -> None:
    put_beside(at_40, [at_20])
    joined = open_run(at_40.folder)
    assert [rate for rate, _ in by_rate(joined)] == [20, 40]
    other, own = (at_equal(joined, trials, "bytes_per_update") for _, trials in by_rate(joined))
    assert own == at_equal(at_40, by_rate(at_40)[0][1], "bytes_per_update")
    alone = at_equal(at_20, by_rate(at_20)[0][1], "bytes_per_update")
    assert other is not None
    assert alone is not None
    assert other.costs["websocket"] == pytest.approx(alone.costs["websocket"])


def test_a_run_that_differs_in_more_than_its_rate_is_refused(at_40: RunData, at_20: RunData, run: RunData) -> None:
    with pytest.raises(RunError, match="load: found another one than that of"):
        put_beside(at_40, [asking(at_20, load={"mode": "latest"})])
    with pytest.raises(RunError, match=r"feed\.rate_per_s: found 40, allowed is a rate that no other"):
        put_beside(at_40, [at_40])
    with pytest.raises(RunError, match="sweep: found none, allowed is a run that sweeps an option"):
        put_beside(run, [at_20])
