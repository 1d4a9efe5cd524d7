"""The page of a search for the capacity limit: the limit of each transport, and the side that failed first.

It replaces the tables and figures of a comparison, which need several trials of the same cell. The limit has
an interval. The figures beside it are from the few trials at one level, and have none.
"""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from bench.audit.limited_by import Row, fired
from bench.report import style
from bench.report.data.capacity_limits import held, level, outcome
from bench.report.data.run import RunData
from bench.report.figures.spec import FigureSpec
from bench.report.figures.speed import run_styles
from bench.report.tables import server
from bench.report.tables.run import TextTable, background
from bench.report.text import forms
from bench.report.text.findings import ComparedFigure, Finding
from bench.scenario import objective
from bench.scenario.model import Capacity
from bench.stats.trial.latency import SHARED_SHARE_MAX, is_bound

FULL = {"clients": "clients_max", "rate_per_s": "rate_max_per_s"}
"""The quantity of `closed_forms.csv` at which a worker is full, by the column that was raised."""
SIDES = {
    "feed": "the feed reached its limit first: ticks came late, so the server's own limit was not reached",
    "generator": "the load generator reached its limit first, not the server, which may carry more than this",
    "server CPU": "the server reached its limit first: it used up its core",
    "memory": "memory ran out first",
    "errors": "errors came first: clients failed or were refused",
    "invalid": "its trials were not valid: see the detectors in the table of steps",
    "latency": "nothing was at its limit: waiting for the next poll, or for a client's turn in the fan-out, "
               "took too long by itself",
    "limit": "no step broke: capacity.most was reached",
    "time": "the search was cut off by capacity.time_s before anything broke",
}
"""The values of `limited_by`, in words."""


def capacity_of(run: RunData) -> Capacity:
    """Return the settings of the search."""
    assert run.scenario.capacity is not None, "not a search"
    return run.scenario.capacity


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
    columns = ("", f"capacity limit ({_unit(capacity)})", "clients", "updates per second", "server CPU (cores)",
               "clients per core", "updates per second and core", "steps", "limited by")
    return TextTable("glance", f"The most that holds {capacity.objective}", columns, rows, note=(
        f"{_rates(run)} Capacity limit: where a step of {window_s:g} s holds with probability ½, in brackets "
        "its 95 % interval, both fitted to all steps; ≥: no step broke, so the limit is at least this. All "
        "other figures are of the steps that held at the highest level below the limit. Per core: divided by "
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


def rounded(value: float) -> str:
    """Return a limit with three significant digits, since no more of it is known."""
    return style.number(value) if value < 1000 else f"{float(f'{value:.2e}'):,.0f}"


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
    columns = ("step", "transport", _unit(capacity), *(condition.column for condition in conditions),
               "server CPU (cores)", "generator CPU (cores)", "outcome", "verdict")
    return TextTable("steps", "Every step", columns, rows, note=(
        "held, broke: the objective, in a VALID step. bound: only the measuring side reached its limit (the "
        "load generator, the feed), so the server did not fail, and no higher level is tried; a pushing "
        "transport holds nevertheless where its updates reached the clients' kernels in time. void: the "
        "machine was disturbed or the counts were wrong, so the step says nothing and is repeated, twice at "
        f"most. ≤: by the kernel's instants, where over {100 * SHARED_SHARE_MAX:g} % of the updates came in a "
        "read with others, or none was stamped: then the figure is a bound. After the verdict: the detectors "
        "that fired; trials.csv has them in full."))


def _figure_text(condition: objective.Condition, row: Row) -> str:
    """Return a figure of the objective; one from the kernel is marked with ≤ where it is a bound."""
    text = style.number(condition.value(row))
    return f"≤ {text}" if condition.by_kernel and is_bound(row) and text[0].isdigit() else text


def sections(run: RunData) -> list[TextTable]:
    """Return the tables below the figure."""
    return [steps_table(run), *(each for each in (server.table(run),) if each.rows), *background(run)]


def against_level(run: RunData) -> Figure:
    """Draw the objective's first figure against the level, with its bound and the capacity limits."""
    capacity = capacity_of(run)
    condition = objective.parse(capacity.objective).conditions[0]
    top = _top(run, condition)
    with style.settings():
        figure = Figure(figsize=(8.4, 4.8), layout="constrained")
        axes = figure.subplots()
        for label, look in run_styles(run).items():
            _draw(axes, run, label, look, condition, top)
        zeros = axes.dataLim.y0 <= 0   # a logarithmic scale has no place for them
        if condition.bound > 0 or zeros:
            axes.axhline(condition.bound, color=style.INK, linestyle=(0, (4, 2)), linewidth=1.1)
            axes.annotate(str(condition), (0.01, condition.bound), (0, 4), size=9, ha="left",
                          xycoords=("axes fraction", "data"), textcoords="offset points")
        if axes.dataLim.minposx == math.inf:   # nothing was drawn, e.g. too few updates in all steps
            axes.set_xlim(_climb(run)[0] / 2, 2 * _climb(run)[-1])
        axes.set_xscale("log")
        style.plain_ticks(axes, "x")
        _scale(axes, condition.column, top, zeros)
        axes.set_xticks(_climb(run), [f"{each:,}" for each in _climb(run)])
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(f"{_unit(capacity)} (log scale)")
        if any(math.isfinite(forms.full(run, label, FULL[capacity.raised])) for label in run.transports):
            style.explain_full(axes)
        style.legend(figure, axes)
    return figure


FIGURES = (
    FigureSpec[RunData](
        "capacity",
        lambda run: f"How many {_unit(capacity_of(run))} can each transport carry?",
        against_level,
        "Each marker is one trial: filled where it held the objective, hollow where it did not. A cross at the "
        "top edge is a trial that was not valid, so no figure of it is drawn. The dashed line is the objective's "
        "bound. A bar on it is the capacity limit's 95 % interval, the stroke in it the limit: there a step "
        "holds with probability ½; an arrow is the most that held, where no step broke. Both axes are "
        "logarithmic."),
)
"""The figures of a search for the capacity limit, in place of all others."""


def _draw(axes: Axes, run: RunData, label: str, look: style.Style, condition: objective.Condition, top: float
          ) -> None:
    """Draw the steps of one transport, its limit, and the level at which a worker is full."""
    capacity = capacity_of(run)
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
    full = forms.full(run, label, FULL[capacity.raised])
    if math.isfinite(full):
        axes.axvline(full, color=style.darker(look.colour), linewidth=1.0, linestyle=style.FULL)
    assert run.capacity_limits is not None, "not a search"
    row = next(each for each in run.capacity_limits.to_dict("records") if each["transport"] == label)
    _draw_limit(axes, row, look, condition.bound)


def _draw_limit(axes: Axes, row: Row, look: style.Style, bound: float) -> None:
    """Draw the limit's interval on the objective's bound; an arrow where only the lower end is known."""
    limit, low, high = (_number(row[name]) for name in ("limit", "limit_low", "limit_high"))
    if math.isnan(low):
        return
    if math.isnan(limit):
        axes.plot([low], [bound], marker=">", markersize=11, color=look.colour, linestyle="")
        axes.annotate(f"≥ {low:,.0f}", (low, bound), (0, -17), textcoords="offset points", ha="center",
                      size=9)
        return
    axes.plot([low, high], [bound, bound], color=look.colour, linewidth=6, alpha=0.45, solid_capstyle="butt")
    axes.plot([limit], [bound], marker="|", markersize=17, markeredgewidth=2.2, color=look.colour,
              linestyle="")
    axes.annotate(rounded(limit), (limit, bound), (0, -20), textcoords="offset points", ha="center", size=9)


def _scale(axes: Axes, column: str, top: float, zeros: bool) -> None:
    """Set the scale of the figure's own axis: linear where it has values of zero, else logarithmic."""
    if zeros:
        axes.set(ylim=(-0.1 * top, 1.1 * top), ylabel=column)
        return
    axes.set(yscale="log", ylabel=f"{column} (log scale)")
    style.plain_ticks(axes, "y")


def _climb(run: RunData) -> list[int]:
    """Return the levels on the way up, as far as any was tried."""
    capacity = capacity_of(run)
    highest = max(level(row, capacity) for row in run.trials.to_dict("records"))
    levels = [capacity.start]
    while (following := math.ceil(levels[-1] * capacity.factor)) <= highest:
        levels.append(following)
    return levels


def _top(run: RunData, condition: objective.Condition) -> float:
    """Return the place on the axis at which infinite values are drawn."""
    values = [condition.value(row) for row in run.valid.to_dict("records")]
    return 2 * max([condition.bound, *(value for value in values if math.isfinite(value))]) or 1.0


def _unit(capacity: Capacity) -> str:
    return "clients" if capacity.raised == "clients" else "ticks per second"


def _rates(run: RunData) -> str:
    feed = run.scenario.feed
    if capacity_of(run).raised == "clients":
        return "Clients were raised" + (
            "." if feed.schedule == "replay" else f" at {feed.rate_per_s:g} ticks per second.")
    return "The feed's rate was raised."


def _sentence(row: Row, capacity: Capacity) -> str:
    """Return one capacity limit in words."""
    name, why, unit = style.title(row["transport"]), SIDES[row["limited_by"]], _unit(capacity)
    if pd.isna(row["clients"]) and row["limited_by"] == "time":
        return f"{name}: no step had held when the search was cut off by capacity.time_s."
    if pd.isna(row["clients"]):
        start = f"{capacity.start:,} {unit}"
        return f"{name} did not hold {row['objective']} even at {start}: {why}."
    most = row["clients"] if capacity.raised == "clients" else row["rate_per_s"]
    limit, low, high = (_number(row[end]) for end in ("limit", "limit_low", "limit_high"))
    updates, cores = _whole(row["updates_per_s"]), style.number(_number(row["server_cpu"]))
    load = f"at {_whole(most)} it delivered {updates} updates per second on {cores} cores"
    if math.isnan(limit):
        return f"{name} carries at least {_whole(most)} {unit}: {why}; {load}."
    reach = math.sqrt(high / low) - 1
    wide = "" if reach <= capacity.precision else (
        f" (± {100 * reach:.0f} %, wider than the ± {100 * capacity.precision:g} % that were asked for)")
    return f"{name} carries {limit_text(row)} {unit}{wide}; {load}; {why}."


def _whole(value: object) -> str:
    number = _number(value)
    return "–" if math.isnan(number) else f"{number:,.0f}"


def _number(value: object) -> float:
    return math.nan if value is None or value is pd.NA else float(value)   # type: ignore[arg-type]
