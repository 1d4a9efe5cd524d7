"""The page of a search for the knee: how many clients each transport carries, and who gave in first.

It takes the place of the tables and figures of a comparison, which need several trials of the same cell.
The figures at a knee are of one trial, so they have no interval.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from bench import objective
from bench.limits import Row, fired, is_void
from bench.report import forms, server_table, style
from bench.report.figures import run_looks
from bench.report.findings import Finding, Question
from bench.report.knees import held, level
from bench.report.run import Run
from bench.report.tables import Table, background

CAPTION = (
    "Each marker is one trial: filled where it held the objective, hollow where it did not. A cross at the "
    "top edge is a trial that was not valid, so no figure of it is drawn. The dashed line is the objective's "
    "bound; the ring is the knee, the most that held. Both axes are logarithmic.")
FULL = {"clients": "clients_max", "rate_per_s": "rate_max_per_s"}
"""The closed form of what was raised."""
SIDES = {
    "feed": "the feed gave in first: ticks came late, so the server's own limit was not reached",
    "generator": "the generator gave in first, not the server: it may carry more than this",
    "server CPU": "the server gave in first: it used up its core",
    "memory": "memory gave in first",
    "errors": "errors came first: clients failed or were refused",
    "invalid": "its trials could not be believed: see the detectors in the table of steps",
    "latency": "nobody was at a limit: waiting for the next poll, or for one's turn when a tick goes to all, "
               "took too long by itself",
    "limit": "nothing broke: capacity.most was reached",
    "time": "the search was cut off by capacity.time_s, so it carries at least this",
}
"""`limited_by` in words."""


def glance(run: Run) -> Table:
    """The knees, a row a transport."""
    assert run.knees is not None, "not a search"
    rows = tuple(
        (style.title(row["transport"]), _whole(row["clients"]), _whole(row["updates_per_s"]),
         style.number(_number(row["server_cpu"])), _whole(row["clients_per_core"]),
         _whole(row["updates_per_s_per_core"]), _whole(row["broke_at"]), row["limited_by"])
        for row in run.knees.to_dict("records")
    )
    capacity = run.manifest["scenario"]["capacity"]
    columns = ("", "clients", "updates a second", "server CPU (cores)", "clients a core",
               "updates a second and core", f"broke at ({_unit(capacity)})", "limited by")
    return Table("glance", f"At the most that held {capacity['objective']}", columns, rows, note=(
        f"{_rates(run)} For each core: divided by the server's CPU, so where something else gave in first it "
        "says what the server's core would carry at the same cost for each update. –: nothing held."))


def findings(run: Run) -> list[Finding]:
    """A sentence for each transport, the one that carries most first."""
    assert run.knees is not None, "not a search"
    ordered = run.knees.sort_values(["updates_per_s"], ascending=False, na_position="last", kind="stable")
    capacity = run.manifest["scenario"]["capacity"]
    return [Finding(Question("clients", "clients", "clients", ""), _sentence(row, capacity), ())
            for row in ordered.to_dict("records")]


def steps_table(run: Run) -> Table:
    """Every step, in the order in which they were made."""
    scenario = run.manifest["scenario"]
    capacity = scenario["capacity"]
    conditions = objective.parse(capacity["objective"]).conditions
    rows = tuple(
        (str(row["position"]), style.title(row["transport"]), f"{level(row, capacity):,}",
         *(style.number(condition.value(row)) for condition in conditions),
         style.number(_number(row["server_cpu_cores"])), style.number(_number(row["load_cpu_cores"])),
         "held" if held(row, capacity) else "void" if is_void(row) else "not held",
         " ".join(filter(None, (row["verdict"], str(row["failure"] or ""), ", ".join(fired(row))))))
        for row in run.trials.sort_values("position").to_dict("records")
    )
    columns = ("step", "transport", _unit(capacity), *(condition.column for condition in conditions),
               "server CPU (cores)", "generator CPU (cores)", "outcome", "verdict")
    return Table("steps", "Every step", columns, rows, note=(
        "A step that is not held is made once more. One that is INVALID because a side was at its limit is "
        "not held either; one that is void, since the machine or the books were not fit to go by, says "
        "nothing, and is made again, twice at most. After the verdict: the detectors that fired; trials.csv "
        "has them in full."))


def sections(run: Run) -> list[Table]:
    """The tables below the figure."""
    return [steps_table(run), *(each for each in (server_table.table(run),) if each.rows), *background(run)]


def against_level(run: Run) -> Figure:
    """The objective's first figure against what was raised, with the bound and the knees."""
    capacity = run.manifest["scenario"]["capacity"]
    condition = objective.parse(capacity["objective"]).conditions[0]
    top = _top(run, condition)
    with style.settings():
        figure = Figure(figsize=(8.4, 4.8), layout="constrained")
        axes = figure.subplots()
        for label, look in run_looks(run).items():
            _draw(axes, run, label, look, condition, top)
        zeros = axes.dataLim.y0 <= 0   # which are nowhere on a logarithmic scale
        if condition.bound > 0 or zeros:
            axes.axhline(condition.bound, color=style.INK, linestyle=(0, (4, 2)), linewidth=1.1)
            axes.annotate(str(condition), (0.01, condition.bound), (0, 4), size=9, ha="left",
                          xycoords=("axes fraction", "data"), textcoords="offset points")
        if axes.dataLim.minposx == math.inf:   # nothing was drawn, as where each step had too few updates
            axes.set_xlim(_climb(run)[0] / 2, 2 * _climb(run)[-1])
        axes.set_xscale("log")
        style.plain_ticks(axes, "x")
        _scale(axes, condition.column, top, zeros)
        axes.set_xticks(_climb(run), [f"{each:,}" for each in _climb(run)])
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(f"{_unit(capacity)} (log scale)")
        axes.set_title(f"How many {_unit(capacity)} can each transport carry?")
        if any(math.isfinite(forms.full(run, label, FULL[capacity["raised"]])) for label in run.transports):
            style.explain_full(axes)
        style.legend(figure, axes)
    return figure


def _draw(axes: Axes, run: Run, label: str, look: style.Look, condition: objective.Condition, top: float
          ) -> None:
    """One transport: its steps, those that held filled, the knee ringed, and where a worker is full."""
    capacity = run.manifest["scenario"]["capacity"]
    rows = run.trials[run.trials["transport"] == label].to_dict("records")
    points = sorted((level(row, capacity), min(condition.value(row), top), held(row, capacity))
                    for row in rows if row["verdict"] == "VALID" and not math.isnan(condition.value(row)))
    crossed = [level(row, capacity) for row in rows if row["verdict"] != "VALID"]
    axes.plot(crossed, [top] * len(crossed), linestyle="", marker="x", color=look.colour,
              label=None if points else look.name)
    if not points:
        return
    curve = pd.DataFrame(points, columns=["x", "y", "held"]).groupby("x")["y"].min()
    axes.plot(curve.index, curve, color=look.colour, linewidth=1.2, alpha=0.6)
    any_held = any(outcome for *_, outcome in points)
    for kept in (True, False):
        mine = [(x, y) for x, y, outcome in points if outcome == kept]
        axes.plot([x for x, _ in mine], [y for _, y in mine], linestyle="", marker=look.marker,
                  color=look.colour, markerfacecolor=look.colour if kept else "white",
                  label=look.name if kept == any_held else None)
    full = forms.full(run, label, FULL[capacity["raised"]])
    if math.isfinite(full):
        axes.axvline(full, color=style.darker(look.colour), linewidth=1.0, linestyle=style.FULL)
    assert run.knees is not None, "not a search"
    knee = run.knees.set_index("transport").loc[label]
    if not pd.isna(knee["clients"]):
        x = int(knee["clients"]) if capacity["raised"] == "clients" else round(knee["rate_per_s"])
        y = min(value for at, value, outcome in points if at == x and outcome)
        axes.plot([x], [y], marker="o", markersize=15, color="none", markeredgecolor=look.colour)
        axes.annotate(f"{x:,}", (x, y), (0, -17), textcoords="offset points", ha="center", size=9)


def _scale(axes: Axes, column: str, top: float, zeros: bool) -> None:
    """Scale the figure's own axis."""
    if zeros:
        axes.set(ylim=(-0.1 * top, 1.1 * top), ylabel=column)
        return
    axes.set(yscale="log", ylabel=f"{column} (log scale)")
    style.plain_ticks(axes, "y")


def _climb(run: Run) -> list[int]:
    """The levels on the way up, as far as anything was tried."""
    capacity = run.manifest["scenario"]["capacity"]
    highest = max(level(row, capacity) for row in run.trials.to_dict("records"))
    levels = [int(capacity["start"])]
    while (following := math.ceil(levels[-1] * capacity["factor"])) <= highest:
        levels.append(following)
    return levels


def _top(run: Run, condition: objective.Condition) -> float:
    """Where values without end are drawn."""
    values = [condition.value(row) for row in run.valid.to_dict("records")]
    return 2 * max([condition.bound, *(value for value in values if math.isfinite(value))]) or 1.0


def _unit(capacity: Mapping[str, Any]) -> str:
    return "clients" if capacity["raised"] == "clients" else "ticks a second"


def _rates(run: Run) -> str:
    scenario = run.manifest["scenario"]
    if scenario["capacity"]["raised"] == "clients":
        rate = scenario["feed"]["rate_per_s"]
        return "Clients were raised" + (
            "." if scenario["feed"]["schedule"] == "replay" else f" at {rate:g} ticks a second.")
    return "The feed's rate was raised."


def _sentence(row: Row, capacity: Mapping[str, Any]) -> str:
    """One knee in words."""
    name, why = style.title(row["transport"]), SIDES[row["limited_by"]]
    if pd.isna(row["clients"]) and row["limited_by"] == "time":
        return f"{name}: no step had held when the search was cut off by capacity.time_s."
    if pd.isna(row["clients"]):
        start = f"{capacity['start']:,} {_unit(capacity)}"
        return f"{name} did not hold {row['objective']} even at {start}: {why}."
    broke = "" if pd.isna(row["broke_at"]) else f" and broke at {row['broke_at']:,}"
    most = row["clients"] if capacity["raised"] == "clients" else row["rate_per_s"]
    updates, cores = _whole(row["updates_per_s"]), style.number(_number(row["server_cpu"]))
    return (f"{name} held {_whole(most)} {_unit(capacity)}{broke}, with {updates} updates a second on "
            f"{cores} cores; {why}.")


def _whole(value: object) -> str:
    number = _number(value)
    return "–" if math.isnan(number) else f"{number:,.0f}"


def _number(value: object) -> float:
    return math.nan if value is None or value is pd.NA else float(value)   # type: ignore[arg-type]
