"""Cells: the columns that were promised, only valid trials, the right means."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from synthetic import DEFAULT, Plan, trial_record

from bench.stats.run.summary import (
    bounds,
    cell_interval,
    columns,
    further_client,
    highest_percentile,
    summarise,
)
from bench.stats.trial.bytes import PARTS
from bench.stats.trial.latency import PERCENTILES
from bench.stats.trial.row import trial_row

PROMISED = """transport clients trials valid_trials updates_due delivered late conflated lost duplicate
latency_mean_ms latency_p50_ms latency_p90_ms latency_p99_ms latency_p999_ms
kernel_latency_p50_ms kernel_latency_p99_ms age_mean_ms age_excess_mean_ms requests_per_update
bytes_up_per_update bytes_down_per_update server_cpu_us_per_update server_rss_bytes_per_client"""
@pytest.fixture(scope="module")
def trials() -> pd.DataFrame:
    plan = Plan(trials=4)
    rows = [
        trial_row(*trial_record(plan, label, made, clients, block, 1)) | {"verdict": "VALID"}
        for block in range(4) for label, made in DEFAULT.items() for clients in (10, 30)
    ]
    return pd.DataFrame(rows)


def test_the_promised_columns_come_first_and_in_order(trials: pd.DataFrame) -> None:
    table = summarise(trials)
    assert list(table.columns[:24]) == PROMISED.split()
    assert list(table.columns) == columns()
    assert len(set(columns())) == len(columns())
    assert {"latency_p50_low_ms", "latency_p50_high_ms"} <= set(columns())


def test_rows_stand_in_the_order_of_the_scenario(trials: pd.DataFrame) -> None:
    table = summarise(trials, ("websocket", "short_polling", "long_polling"))
    assert table["transport"].tolist()[::2] == ["websocket", "short_polling", "long_polling"]
    assert table["clients"].tolist() == [10, 30] * 3


def test_a_figure_is_the_geometric_mean_of_the_trials(trials: pd.DataFrame) -> None:
    row = summarise(trials).set_index(["transport", "clients"]).loc[("websocket", 30)]
    mine = trials[(trials["transport"] == "websocket") & (trials["clients"] == 30)]
    assert row["latency_p50_ms"] == pytest.approx(stats.gmean(mine["latency_p50_ms"].astype(float)))
    assert row["latency_p50_low_ms"] < row["latency_p50_ms"] < row["latency_p50_high_ms"]
    assert row["delivered"] == mine["delivered"].sum()


def test_parts_of_bytes_add_up_in_a_cell(trials: pd.DataFrame) -> None:
    for _, row in summarise(trials).iterrows():
        parts = np.nansum([row[f"{part}_bytes_down_per_update"] for part in PARTS])
        assert parts == pytest.approx(row["bytes_down_per_update"])


def test_only_valid_trials_enter(trials: pd.DataFrame) -> None:
    spoiled = trials.copy()
    spoiled.loc[spoiled["block"] == 0, "verdict"] = "INVALID"
    spoiled.loc[spoiled["block"] == 0, "latency_p50_ms"] = 1e9
    table = summarise(spoiled)
    assert set(table["valid_trials"]) == {3}
    assert set(table["trials"]) == {4}
    assert table["latency_p50_ms"].max() < 2000


def test_a_cell_without_valid_trials_is_empty_not_zero(trials: pd.DataFrame) -> None:
    table = summarise(trials.assign(verdict="INVALID"))
    assert table["delivered"].isna().all()
    assert table["latency_p50_ms"].isna().all()
    assert set(table["valid_trials"]) == {0}


def known(*errors: float, values: tuple[float, ...] = (5.0, 5.0, 5.0)) -> pd.DataFrame:
    """Return trials with a p99 and how well each knows it."""
    return pd.DataFrame({"delivered": 100_000, "late": 0, "lost": 0, "latency_p99_ms": values,
                         "latency_p99_error_share": errors})


@pytest.mark.parametrize(("trials_of_cell", "printed"), [
    (known(0.2, 0.2, 0.2), True), (known(0.6, 0.6, 0.6), False),
    (known(0.4, 0.4, 0.4), True),   # ± 40 % each, ± 22 % together
    (known(0.02, 0.02, 0.02, values=(2.0, 5.0, 12.0)), False),   # each is sure of something else
    (known(0.02, 0.02, math.inf), False),
    (known(0.2, 0.2, 0.2).assign(delivered=2000), True),   # however many updates there are
])
def test_a_percentile_is_printed_where_ticks_clients_and_trials_tell_it(
    trials_of_cell: pd.DataFrame, printed: bool
) -> None:
    found = cell_interval(trials_of_cell, "latency_p99_ms")
    assert math.isnan(found.estimate) is not printed
    kernel = trials_of_cell.rename(columns={"latency_p99_ms": "kernel_latency_p99_ms"})
    assert math.isnan(cell_interval(kernel, "kernel_latency_p99_ms").estimate) is not printed
    median = trials_of_cell.rename(columns=lambda name: name.replace("p99", "p50"))
    assert cell_interval(median, "latency_p50_ms").estimate > 0


def test_trials_that_agree_by_chance_have_no_narrower_interval_than_their_ticks_allow() -> None:
    found = cell_interval(known(0.3, 0.3, 0.3, values=(5.0, 5.001, 4.999)), "latency_p99_ms")
    assert found.high / found.estimate == pytest.approx(1.3 ** (1 / math.sqrt(3)), rel=1e-3)
    assert found.estimate / found.low == pytest.approx(found.high / found.estimate, rel=1e-3)


def test_the_highest_percentile_that_may_be_printed_is_named(trials: pd.DataFrame) -> None:
    cell = trials[(trials["transport"] == "websocket") & (trials["clients"] == 30)]
    vague = cell.assign(latency_p999_error_share=9.0, latency_p99_error_share=9.0,
                        latency_p95_error_share=0.1, latency_p90_error_share=9.0)
    assert highest_percentile(vague) == 0.95
    nothing = cell.assign(**{f"latency_{name}_error_share": math.inf for name in PERCENTILES})
    assert highest_percentile(nothing) == 0.5


def test_a_cell_says_on_how_many_ticks_it_rests(trials: pd.DataFrame) -> None:
    row = summarise(trials).set_index(["transport", "clients"]).loc[("websocket", 30)]
    mine = trials[(trials["transport"] == "websocket") & (trials["clients"] == 30)]
    assert row["ticks"] == mine["feed_due"].sum() > 100


@pytest.mark.parametrize(("delivered", "lost", "printed"), [(9999, 0, False), (9990, 10, True)])
def test_the_lost_are_among_those_beyond_it(delivered: int, lost: int, printed: bool) -> None:
    one = pd.DataFrame({"delivered": [delivered], "late": 0, "lost": lost, "latency_p99_ms": 5.0})
    assert math.isnan(cell_interval(one, "latency_p99_ms").estimate) is not printed


def test_one_lossy_trial_makes_the_cells_percentile_lost(trials: pd.DataFrame) -> None:
    mine = trials[(trials["transport"] == "websocket") & (trials["clients"] == 30)].copy()
    mine.iloc[0, mine.columns.get_loc("latency_p99_ms")] = math.inf
    assert summarise(mine)["latency_p99_ms"].iloc[0] == math.inf


def test_kernel_latencies_are_marked_where_reads_were_shared(trials: pd.DataFrame) -> None:
    table = summarise(trials).set_index("transport")
    assert not table.loc["websocket", "kernel_latency_is_bound"].any()
    for share, bound in ((0.01, False), (0.011, True)):
        shared = summarise(trials.assign(shared_read_share=share))
        assert set(shared["kernel_latency_is_bound"]) == {bound}


def test_a_further_client_takes_none_of_what_is_taken_once() -> None:
    trials = pd.DataFrame([
        {"block": block, "clients": clients, "verdict": "VALID",
         "server_rss_bytes_per_client": (3_000_000 + 1000 * block + 7_000 * clients) / clients}
        for block in (1, 2, 3) for clients in (10, 100, 500)
    ])
    found = further_client(trials)
    assert (found.estimate, found.count) == (pytest.approx(7000), 3)
    assert found.low == pytest.approx(7000)
    assert math.isnan(further_client(trials[trials["clients"] == 10]).estimate)
    assert math.isnan(further_client(trials.assign(verdict="INVALID")).estimate)


def test_the_interval_of_a_value_below_zero_holds_its_estimate() -> None:
    """A server's memory may have shrunk since before the first client; the bound of what is never negative is 0."""
    shrunk = pd.DataFrame({"server_rss_bytes_per_client": [-3000.0, -5000.0, -4000.0]})
    found = cell_interval(shrunk, "server_rss_bytes_per_client")
    assert found.low < found.estimate == -4000 < found.high
    assert cell_interval(pd.DataFrame({"retries": [0.0, 0.0, 3.0]}), "retries").low == 0


def test_the_unit_stays_last() -> None:
    assert bounds("server_cpu_us_per_update")[0] == "server_cpu_low_us_per_update"
    assert bounds("bytes_up_per_update")[1] == "bytes_up_high_per_update"
