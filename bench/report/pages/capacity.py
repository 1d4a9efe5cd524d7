"""The page of a search for the capacity limit: the limit of each transport, and the side that failed first.

It replaces the tables and figures of a comparison, which need several trials of the same cell. The limit has
an interval. The values beside it are from the few trials at one level, and have none.
"""

from __future__ import annotations

import math

import pandas as pd

from bench.audit.limited_by import Row, fired
from bench.report import style
from bench.report.data.capacity_limits import level, outcome
from bench.report.data.run import RunData
from bench.report.figures.capacity import against_level, capacity_of, rounded, unit
from bench.report.figures.spec import FigureSpec
from bench.report.tables import server
from bench.report.tables.run import TextTable, background
from bench.report.text.findings import ComparedFigure, Finding
from bench.scenario import objective
from bench.scenario.model import Capacity
from bench.stats.trial.latency import SHARED_SHARE_MAX, is_bound

SIDES = {
    "feed": "the feed reached its limit first: ticks came late, so the server's own limit was not reached",
    "generator": "the load generator reached its limit first, not the server, which may carry more than this",
    "server CPU": "the server reached its limit first: it used up its core",
    "memory": "memory ran out first",
    "errors": "errors came first: clients failed or were refused, or a process ended",
    "invalid": "its trials were not valid: see the detectors in the table of steps",
    "latency": "nothing was at its limit: waiting for the next poll, or for a client's turn in the fan-out, "
               "took too long by itself",
    "limit": "no step broke: capacity.most was reached",
    "time": "the search was cut off by capacity.time_s before anything broke",
}
"""The values of `limited_by`, in words."""


def glance(run: RunData) -> TextTable:
    """Return the table of the capacity limits, a row per transport."""
    assert run.capacity_limits is not None, "not a search"
    rows = tuple(
        (style.title(row["transport"]), limit_text(row), _whole(row["clients"]), _whole(row["updates_per_s"]),
         style.number(_number(row["server_cpu"])), _whole(row["clients_per_core"]),
         _whole(row["updates_per_s_per_core"]), str(row["steps"]), row["limited_by"])
        for row in run.capacity_limits.to_dict("records")
    )
    capacity = capacity_of(run)
    window_s = run.scenario.windows.measure_s
    columns = ("", f"capacity limit ({unit(capacity)})", "clients", "updates per second", "server CPU (cores)",
               "clients per core", "updates per second and core", "steps", "limited by")
    return TextTable("glance", f"The most that holds {capacity.objective}", columns, rows, note=(
        f"{_rates(run)} Capacity limit: where a step of {window_s:g} s holds with probability ½, in brackets "
        "its 95 % interval, both fitted to all steps; ≥: no step broke, so the limit is at least this. All "
        "other values are of the steps that held at the highest level below the limit. Per core: divided by "
        "the server's CPU, so where something else was the limit it says how much the server's core would "
        "carry at the same cost per update. –: no step held."))


def limit_text(row: Row) -> str:
    """Return the limit with its interval, or the bound that is known: `512 (453–583)`, `≥ 800`, `< 100`."""
    limit, low, high = (_number(row[name]) for name in ("limit", "limit_low", "limit_high"))
    if not math.isnan(limit):
        return f"{rounded(limit)} ({rounded(low)}–{rounded(high)})"
    if not math.isnan(low):
        return f"≥ {low:,.0f}"
    return "–" if math.isnan(high) else f"< {high:,.0f}"


def findings(run: RunData) -> list[Finding]:
    """Return a sentence for each transport, the one with the most updates per second first."""
    assert run.capacity_limits is not None, "not a search"
    ordered = run.capacity_limits.sort_values(["updates_per_s"], ascending=False, na_position="last", kind="stable")
    capacity = capacity_of(run)
    return [Finding(ComparedFigure("clients", "clients", "clients", ""), _sentence(row, capacity), ())
            for row in ordered.to_dict("records")]


def steps_table(run: RunData) -> TextTable:
    """Return the table of every step, in the order in which they were made."""
    capacity = capacity_of(run)
    conditions = objective.parse(capacity.objective).conditions
    rows = tuple(
        (str(row["position"]), style.title(row["transport"]), f"{level(row, capacity):,}",
         *(_figure_text(condition, row) for condition in conditions),
         style.number(_number(row["server_cpu_cores"])), style.number(_number(row["load_cpu_cores"])),
         outcome(row, capacity),
         " ".join(filter(None, (row["verdict"], str(row["failure"] or ""), ", ".join(fired(row))))))
        for row in run.trials.sort_values("position").to_dict("records")
    )
    columns = ("step", "transport", unit(capacity), *(condition.column for condition in conditions),
               "server CPU (cores)", "generator CPU (cores)", "outcome", "verdict")
    return TextTable("steps", "Every step", columns, rows, note=(
        "held, broke: the objective, in a VALID step. bound: only the measuring side reached its limit (the "
        "load generator, the feed), so the server did not fail, and no higher level is tried; a pushing "
        "transport holds nevertheless where its updates reached the clients' kernels in time. void: the "
        "machine was disturbed or the counts were wrong, so the step says nothing and is repeated, twice at "
        f"most. ≤: by the kernel's instants, where over {100 * SHARED_SHARE_MAX:g} % of the updates came in a "
        "read with others, or none was stamped: then the value is a bound. After the verdict: the detectors "
        "that fired; trials.csv has them in full."))


def _figure_text(condition: objective.Condition, row: Row) -> str:
    """Return a value of the objective; one from the kernel is marked with ≤ where it is a bound."""
    text = style.number(condition.value(row))
    return f"≤ {text}" if condition.by_kernel and is_bound(row) and text[0].isdigit() else text


def sections(run: RunData) -> list[TextTable]:
    """Return the tables below the figure."""
    return [steps_table(run), *(each for each in (server.table(run),) if each.rows), *background(run)]


FIGURES = (
    FigureSpec[RunData](
        "capacity",
        lambda run: f"How many {unit(capacity_of(run))} can each transport carry?",
        against_level,
        "Each marker is one trial: filled where it held the objective, hollow where it did not. A cross at the "
        "top edge is a trial that was not valid, so no value of it is drawn. The dashed line is the objective's "
        "bound. A bar on it is the capacity limit's 95 % interval, the stroke in it the limit: there a step "
        "holds with probability ½; an arrow is the most that held, where no step broke. Both axes are "
        "logarithmic."),
)
"""The figures of a search for the capacity limit, in place of all others."""


def _rates(run: RunData) -> str:
    feed = run.scenario.feed
    if capacity_of(run).raised == "clients":
        return "Clients were raised" + (
            "." if feed.schedule == "replay" else f" at {feed.rate_per_s:g} ticks per second.")
    return "The feed's rate was raised."


def _sentence(row: Row, capacity: Capacity) -> str:
    """Return one capacity limit in words."""
    name, why, units = style.title(row["transport"]), SIDES[row["limited_by"]], unit(capacity)
    if pd.isna(row["clients"]) and row["limited_by"] == "time":
        return f"{name}: no step had held when the search was cut off by capacity.time_s."
    if pd.isna(row["clients"]):
        start = f"{capacity.start:,} {units}"
        return f"{name} did not hold {row['objective']} even at {start}: {why}."
    most = row["clients"] if capacity.raised == "clients" else row["rate_per_s"]
    limit, low, high = (_number(row[end]) for end in ("limit", "limit_low", "limit_high"))
    updates, cores = _whole(row["updates_per_s"]), style.number(_number(row["server_cpu"]))
    load = f"at {_whole(most)} it delivered {updates} updates per second on {cores} cores"
    if math.isnan(limit):
        return f"{name} carries at least {_whole(most)} {units}: {why}; {load}."
    reach = math.sqrt(high / low) - 1
    wide = "" if reach <= capacity.precision else (
        f" (± {100 * reach:.0f} %, wider than the ± {100 * capacity.precision:g} % that were asked for)")
    return f"{name} carries {limit_text(row)} {units}{wide}; {load}; {why}."


def _whole(value: object) -> str:
    number = _number(value)
    return "–" if math.isnan(number) else f"{number:,.0f}"


def _number(value: object) -> float:
    return math.nan if value is None or value is pd.NA else float(value)   # type: ignore[arg-type]
