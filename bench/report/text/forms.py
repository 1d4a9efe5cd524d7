"""The closed forms that are shown with a run's values: their source, and their words.

    closed_forms.csv, of a simulated run ─► all values of each cell, a worker's load, the clients that fill it
    any other run                        ─► latency and age alone (`bench.report.data.measured_forms`)

A measured run has no costs from which closed forms could be computed; its forms start from its own push
transport. The table of a simulated run was written with the costs and the network of the simulation. So no
form is taken from the value that it is compared with, except for one part: the age of an ideal client, which
depends only on the feed, is in both sides of `age_mean_ms`.

Known weakness: there are two kinds of closed forms for the same value; the caption says which one is shown.
"""

from __future__ import annotations

import math
from functools import lru_cache

import pandas as pd

from bench.report import style
from bench.report.data import measured_forms
from bench.report.data.measured_forms import Predicted
from bench.report.data.run import RunData

NOUNS = {
    "latency_mean_ms": ("mean latency", " ms"), "age_mean_ms": ("mean age", " ms"),
    "age_excess_mean_ms": ("mean excess age", " ms"), "missed_share": ("updates missed", " %"),
    "answers_empty_share": ("empty responses", " %"), "requests_per_update": ("requests per update", ""),
    "bytes_up_per_update": ("bytes up per update", ""), "bytes_down_per_update": ("bytes down per update", ""),
    "server_cpu_us_per_update": ("server CPU per update", " µs"),
    "server_load": ("load of a worker", " % of a core"), "sockets": ("sockets", ""),
}
"""The name of each value and its unit; shares are written in per cent."""
LOAD = "server_load"
HOLDS_FROM = 10
"""The multiple of a push's mean latency from which a closed form of a measured run is compared with a value."""
APART = 0.2
"""The relative distance from its closed form above which a value is said to be far from it."""


@lru_cache(maxsize=4)
def predicted(run: RunData) -> list[Predicted]:
    """Return each value of each cell, with its closed form, by value and transport."""
    if run.closed_forms is None:
        return measured_forms.predicted(run)
    known, found = _by_cell(run), []
    for figure in NOUNS:
        for _, cell in cells(run).iterrows():
            label, clients = str(cell["transport"]), int(cell["clients"])
            form, value = known.get((label, clients, figure), math.nan), cell.get(figure, math.nan)
            if figure == "age_mean_ms":
                form = known.get((label, clients, "age_excess_mean_ms"), math.nan) + (
                    value - cell["age_excess_mean_ms"])
            if math.isfinite(form) and not pd.isna(value) and math.isfinite(value):
                found.append(Predicted(label, clients, figure, float(form), float(value)))
    return found


def apart(run: RunData, figure: str, clients: int) -> list[Predicted]:
    """Return the cells of a client count whose value is far from a closed form that holds for it.

    The forms of a measured run take the time from server to client from its push transport. A request and its
    response take several times as long, so a form holds there only where it is above `HOLDS_FROM` times that.
    """
    push_ms = measured_forms.push_delay_ms(run, clients) if run.closed_forms is None else 0.0
    least_ms = HOLDS_FROM * push_ms
    return [each for each in predicted(run) if (each.figure, each.clients) == (figure, clients)
            and each.predicted > least_ms and abs(each.off) > APART]


def separated_text(each: Predicted) -> str:
    """Return a sentence on the distance of a value from its closed form.

    Example: `Short polling's mean excess age: 59 % below the closed form, 2,540 ms.`
    """
    _, form, _ = words(each)
    side = "below" if each.off < 0 else "above"
    return (f"{style.sentence(style.title(each.transport))}'s {NOUNS[each.figure][0]}: "
            f"{100 * abs(each.off):.0f} % {side} the closed form, {form}.")


def cells(run: RunData) -> pd.DataFrame:
    """Return the rows of a simulated run's summary, with three more columns.

    `missed_share` is computed from the fates; `sockets` and `server_load` are from the capacity plan.
    """
    plan = pd.DataFrame([
        {"transport": need.transport, "clients": need.clients, "sockets": need.sockets,
         LOAD: need.load_simulated} for need in run.fleet
    ], columns=["transport", "clients", "sockets", LOAD])
    missed = (run.summary["conflated"] + run.summary["lost"]).astype("Float64") / run.summary["updates_due"]
    whole = pd.concat([run.summary, missed.astype("float64").rename("missed_share")], axis=1)
    return whole.merge(plan, on=["transport", "clients"], how="left")


def load_curve(run: RunData, label: str) -> pd.DataFrame:
    """Return `clients, value`: a worker's load by its closed form, over all client counts of the table."""
    assert run.closed_forms is not None, "a run without closed forms"
    rows = run.closed_forms
    mine = rows[(rows["transport"] == label) & (rows["quantity"] == LOAD)]
    return mine[["clients", "value"]].sort_values("clients")


def full(run: RunData, label: str, quantity: str = "clients_max") -> float:
    """Return the clients, or ticks per second, at which a transport's workers are full; NaN where it is not
    known."""
    if run.closed_forms is None:
        return math.nan
    rows = run.closed_forms
    mine = rows[(rows["transport"] == label) & (rows["quantity"] == quantity)]
    return float(mine["value"].iloc[0]) if len(mine) else math.nan


def words(each: Predicted) -> tuple[str, str, str]:
    """Return the value that was measured or simulated, its closed form, and their difference, in words.

    The difference is relative; between two shares it is in percentage points.
    """
    _, unit = NOUNS[each.figure]
    scale = 100 if "%" in unit else 1
    found, form = (style.number(round(scale * value, 6)) + unit for value in (each.measured, each.predicted))
    if unit == " %":
        differs = f"{100 * (each.measured - each.predicted):+.1f} points"
    else:
        differs = f"{100 * each.off:+.1f} %" if each.predicted else "–"
    return found, form, differs.replace("-", "−")


def _by_cell(run: RunData) -> dict[tuple[str, int, str], float]:
    assert run.closed_forms is not None, "a run without closed forms"
    rows = run.closed_forms.dropna(subset=["clients"])
    return {(str(row["transport"]), int(row["clients"]), str(row["quantity"])): float(row["value"])
            for row in rows.to_dict("records")}
