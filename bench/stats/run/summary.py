"""Trials to cells: one row of `summary.csv` for each (transport, clients).

Only VALID trials enter. Counts are summed over them; every other value is that of `intervals`: the
mean between trials (geometric; arithmetic for bytes, segments and requests, whose parts add up), with
the bounds of its 95 % interval as `…_low` and `…_high` (the unit stays last: `latency_p50_low_ms`).

A percentile is printed where every trial has it and it is known to ± `REACH_MOST`. On a logarithmic scale,
with n trials that spread by s, and of which each is known from its own ticks and clients to a standard
deviation w (`bench.stats.trial.tick_errors`), that is

    1.96 · √( max(s², mean of w²) / n )

s includes w, but a few trials tell s only roughly, and may by chance be almost alike. The interval that is printed is
never narrower than this. The median is printed in any case: where it is not known either, its wide interval
says so. Where trials do not record w (older runs), `BEYOND_CELL` updates must lie beyond it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from bench.stats.run.intervals import Interval, interval, least_of
from bench.stats.trial import server_costs
from bench.stats.trial.bytes import COLUMNS as COST_COLUMNS
from bench.stats.trial.bytes import DIRECTIONS, PARTS
from bench.stats.trial.latency import BEYOND_CELL, PERCENTILES, SHARED_SHARE_MAX, beyond

REACH_MOST = 0.25
"""The largest error with which a percentile is printed; the median is printed in any case."""
ALWAYS = "p50"
DEVIATIONS = 1.96
"""Standard deviations from the middle to the bounds of a 95 % interval."""
COUNTS = ("updates_due", "delivered", "late", "conflated", "lost", "duplicate")
FIGURES = (
    "latency_mean_ms", "latency_p50_ms", "latency_p90_ms", "latency_p99_ms", "latency_p999_ms",
    "kernel_latency_p50_ms", "kernel_latency_p99_ms", "age_mean_ms", "age_excess_mean_ms",
    "requests_per_update", "bytes_up_per_update", "bytes_down_per_update", "server_cpu_us_per_update",
    "server_rss_bytes_per_client", "server_cpu_above_idle_us_per_update",
)
"""The values that a reader looks for first, in the order of `summary.csv`."""
SERVER = tuple(name for name in server_costs.COLUMNS if name not in (
    *FIGURES, "server_user_cores", "server_system_cores"))
FURTHER = (
    "kernel_latency_mean_ms", "client_lag_p99_ms",
    *(f"{part}_bytes_{direction}_per_update" for direction in DIRECTIONS for part in PARTS),
    *(name for name in COST_COLUMNS if "segments" in name or name.startswith(("opening", "closing", "raw"))),
    "connections_per_update", "answers_empty_share",
    *SERVER, "load_cpu_cores", "feed_lateness_p99_ms",
)
"""Further values, without intervals."""

BOUNDED = (*FIGURES, "latency_p95_ms")
"""The values with an interval."""
UNITS = ("_ms", "_us_per_update", "_bytes_per_client", "_per_update")
ADDED_UP = re.compile(
    r"(bytes|segments|requests|connections).*_per_update|above_idle|idle_cpu|wakeups|preemptions|socket_bytes")
"""Values whose parts are to add up to their whole, or which may be 0 or, as a difference, less: they are
therefore not averaged on logarithms."""


FEW_VALUES = "few_values"
"""In the `attrs` of the table: the trials' own values of cells with few, by transport/clients/column."""


class _Shared(dict[str, tuple[float, ...]]):
    """A dict that nobody changes. pandas copies the `attrs` of a table deeply for each row and cell that is cut out."""

    def __deepcopy__(self, memo: object) -> _Shared:
        return self


def few_values(row: pd.Series, figure: str) -> tuple[float, ...]:
    """Return the trials' own values of a cell that has few of them; otherwise none."""
    known = row.attrs.get(FEW_VALUES, {})
    return tuple(known.get(f"{row['transport']}/{row['clients']}/{figure}", ()))


def bounds(figure: str) -> tuple[str, str]:
    """Return the columns of a value's interval: `latency_p50_ms` has `latency_p50_low_ms` and
    `…_high_ms`."""
    unit = next(unit for unit in UNITS if figure.endswith(unit))
    stem = figure.removesuffix(unit)
    return f"{stem}_low{unit}", f"{stem}_high{unit}"


def columns() -> list[str]:
    """Return the columns of `summary.csv`, in their order."""
    pairs = [name for figure in BOUNDED for name in bounds(figure)]
    return [
        "transport", "clients", "trials", "valid_trials", *COUNTS, *FIGURES, *pairs,
        "latency_p95_ms", "ticks", "dropped", "shared_read_share", "kernel_latency_is_bound", "source",
        *FURTHER,
        "server_user_us_per_update", "server_system_us_per_update",
    ]


def summarise(trials: pd.DataFrame, order: Sequence[str] = ()) -> pd.DataFrame:
    """Return the cells of a run from its trials (the rows of `trials.csv`, with `verdict`).

    `order` names the transports in the order of the rows; others follow by name.
    """
    rows = []
    labels = sorted(set(trials["transport"]) - set(order)) if len(trials) else []
    for label in (*order, *labels):
        of_label = trials[trials["transport"] == label]
        for clients in sorted(set(of_label["clients"])):
            rows.append(_cell(label, clients, of_label[of_label["clients"] == clients]))
    table = pd.DataFrame(rows, columns=columns())
    table.attrs[FEW_VALUES] = _Shared({
        f"{row['transport']}/{row['clients']}/{figure}": values
        for row in rows for figure, values in row[FEW_VALUES].items()})
    counted = ("clients", "trials", "valid_trials", "ticks", "dropped", *COUNTS)
    return table.astype(dict.fromkeys(counted, "Int64"))


def cell_interval(trials: pd.DataFrame, figure: str, reach_most: float = REACH_MOST) -> Interval:
    """Return a value of a cell from its valid trials; a percentile only where enough updates lie
    beyond it, and where its error is at most `reach_most`, as a share."""
    if len(trials) == 0 or figure not in trials:
        return Interval(math.nan, math.nan, math.nan, 0)
    values = trials[figure].to_numpy(dtype=np.float64)
    name = _percentile(figure)
    least = least_of(values, is_difference="above_idle" in figure)
    found = interval(values, logarithm=not ADDED_UP.search(figure), least=least)
    if name is None or math.isinf(found.estimate):
        return found
    reach = percentile_reach(trials, figure)
    if math.isnan(reach):
        counted = int((trials["delivered"] + trials["late"] + trials["lost"]).sum())
        return found if beyond(counted, PERCENTILES[name]) >= BEYOND_CELL else _unknown(len(values))
    printed = reach <= reach_most or name == ALWAYS
    return _widened(found, reach) if printed else _unknown(len(values))


def percentile_reach(trials: pd.DataFrame, figure: str) -> float:
    """Return the error of a cell's percentile from ticks, clients and trials, as a share; NaN where
    a trial does not record it."""
    column = f"latency_{_percentile(figure)}_error_share"
    if column not in trials:
        return math.nan
    within = np.log1p(trials[column].to_numpy(dtype=np.float64)) / DEVIATIONS
    values = trials[figure].to_numpy(dtype=np.float64)
    if np.isnan(within).any() or not bool((values > 0).all()):
        return math.nan
    between = float(np.log(values).var(ddof=1)) if len(values) > 1 else 0.0
    return math.expm1(DEVIATIONS * math.sqrt(max(between, float((within ** 2).mean())) / len(values)))


def highest_percentile(trials: pd.DataFrame) -> float:
    """Return the highest percentile of latency of a cell that may be printed, as a share; 0 where
    none may."""
    for name, level in sorted(PERCENTILES.items(), key=lambda each: -each[1]):
        if not math.isnan(cell_interval(trials, f"latency_{name}_ms").estimate):
            return level / 1000
    return 0.0


def _percentile(figure: str) -> str | None:
    """Return the percentile that a column holds; None: it holds none."""
    return next((name for name in PERCENTILES if figure.endswith(f"latency_{name}_ms")), None)


def _unknown(count: int) -> Interval:
    return Interval(math.nan, math.nan, math.nan, count)


def _widened(found: Interval, reach: float) -> Interval:
    """Return an interval that extends at least this far either way, as a share; a missing one stays
    missing."""
    return replace(found, low=min(found.low, found.estimate / (1 + reach)),
                   high=max(found.high, found.estimate * (1 + reach)))


def further_client(trials: pd.DataFrame) -> Interval:
    """Return the server memory that each further client takes, in bytes, from the valid trials of one
    transport.

    It is the difference in memory growth between the largest and the smallest client count, by block,
    divided by the difference in clients. Fixed memory and that of the tape (the ticks a server still
    holds) are in both and cancel. NaN with one client count.
    """
    good = valid(trials)[["block", "clients", "server_rss_bytes_per_client"]]
    grown = good.assign(bytes=good["server_rss_bytes_per_client"] * good["clients"]).pivot_table(
        "bytes", "block", "clients")
    if grown.shape[1] < 2:
        return interval([math.nan])
    few, many = (int(count) for count in (min(grown.columns), max(grown.columns)))
    return interval(((grown[many] - grown[few]) / (many - few)).dropna().to_numpy(), logarithm=False)


def valid(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials from which values of cells may be made."""
    return trials[trials["verdict"] == "VALID"]


def _cell(label: str, clients: int, trials: pd.DataFrame) -> dict[str, Any]:
    good = valid(trials)
    few: dict[str, tuple[float, ...]] = {}
    row: dict[str, Any] = {
        "transport": label, "clients": clients, "trials": len(trials), "valid_trials": len(good),
        FEW_VALUES: few,
    }
    for count in (*COUNTS, "dropped"):
        row[count] = int(good[count].sum()) if len(good) else pd.NA
    row["ticks"] = int(good["feed_due"].sum()) if len(good) else pd.NA
    for figure in BOUNDED:
        found = cell_interval(good, figure)
        low, high = bounds(figure)
        row |= {figure: found.estimate, low: found.low, high: found.high}
        few[figure] = found.values
    row |= {figure: cell_interval(good, figure).estimate for figure in FURTHER}
    share, cpu_us = _system_share(good), cell_interval(good, "server_cpu_us_per_update").estimate
    row |= {"server_user_us_per_update": (1 - share) * cpu_us,
            "server_system_us_per_update": share * cpu_us}
    shared = float(good["shared_read_share"].mean()) if len(good) else math.nan
    row["shared_read_share"] = shared
    row["kernel_latency_is_bound"] = pd.NA if math.isnan(shared) else shared > SHARED_SHARE_MAX
    row["source"] = "+".join(sorted(set(trials["source"])))
    return row


def _system_share(good: pd.DataFrame) -> float:
    """Return the kernel's share of the server's CPU, over all trials of a cell."""
    user_s, system_s = (
        float((good[f"server_{part}_cores"] * good["measure_s"]).sum()) for part in ("user", "system")
    )
    return server_costs.system_share(user_s, system_s)
