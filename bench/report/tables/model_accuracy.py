"""Tables on the accuracy of a simulated run: where its model was checked, its errors there, and its costs.

A prediction holds where a worker is no busier, and has no more clients, than where it was checked. Beyond
that, its band is the worst error that was found.

Known weakness: an error that was found on one loopback is assumed to hold on any network, where the server's
part is the same and the network's part is arithmetic.
"""

from __future__ import annotations

import math
from dataclasses import replace

import pandas as pd

from bench.records.manifest import CostsOfKind, Manifest
from bench.report import style
from bench.report.data.capacity_plan import validated_as
from bench.report.data.run import RunData
from bench.report.tables.run import TextTable
from bench.report.text.simulated import UNCHECKED, conditions_text, titled
from bench.stats.run import prediction, prediction_band

NAMES = {
    "latency_p50_ms": "latency, median", "latency_p99_ms": "latency, p99", "age_excess_mean_ms": "excess age",
    "bytes_per_update": "bytes per update", "server_cpu_us_per_update": "server CPU per update",
    "knee_clients": "capacity limit (clients)",
}
"""The quantities shown in the report, with their names; validation.csv has more."""
MAIN = {name: NAMES[name] for name in ("latency_p50_ms", "bytes_per_update", "server_cpu_us_per_update")}
"""The quantities that a capacity plan depends on."""


def how_far(run: RunData) -> TextTable:
    """Return the accuracy of the model for each transport and quantity.

    Each row says where the model was checked, the errors found there, and whether this run is within that
    range.
    """
    columns = ("", "quantity", "checked at clients", "checked at load", "error, most", "error, middle",
               "goal", "by the goal", "each worker here", "this run is")
    heading = "Accuracy of the predictions, value by value"
    if run.validation is None or not run.simulated:
        return TextTable("how-far-each", heading, columns, (), UNCHECKED)
    rows = []
    for label in run.transports:
        mine, here = checked(run, label), _here(run, label)
        for quantity, name in NAMES.items():
            known = mine[mine["quantity"] == quantity].dropna(subset=["error"])
            if len(known):
                rows.append((style.title(label), name, *_row(known, *here)))
    return TextTable("how-far-each", heading, columns, tuple(rows), folded=True, note=(
        "Error: predicted ÷ measured − 1, in the cells in which the model was checked (tickertape validate). "
        "By the goal: how many are inside or outside, with proof where the whole interval is, otherwise by the "
        "point estimate. Load: CPU of a worker, as a share of a core. Within: this run's workers are no busier "
        "and have no more clients than those of the checked cells, so the error is about as large. Beyond: by "
        "how many times it has more clients, or is busier; the band is the largest error that was found, and "
        "the true one may be larger. Near and above a full core only the capacity limit is "
        "predicted."))


def in_short(run: RunData) -> TextTable:
    """Return the accuracy of the model in one row per transport.

    Each row has the largest error of each value, and whether the model was checked with workers as busy.
    """
    errors = (f"{name}: error, most" for name in MAIN.values())
    columns = ("", "checked at clients", "checked at load", *errors, "each worker here", "this run is")
    rows = []
    for label in run.transports if run.validation is not None and run.simulated else ():
        known = checked(run, label).dropna(subset=["error"])
        known = known[known["quantity"].isin(MAIN)]
        if len(known):
            spans, worst = _row(known, *_here(run, label)), []
            for quantity in MAIN:
                cells = known[known["quantity"] == quantity]
                worst.append(_row(cells, *_here(run, label))[2] if len(cells) else "–")
            rows.append((style.title(label), *spans[:2], *worst, spans[-2], spans[-1].partition(":")[0]))
    return TextTable("how-far", "Accuracy of the predictions", columns, tuple(rows), UNCHECKED if not rows else (
        "Error: predicted ÷ measured − 1, where it was largest among the cells in which the model was checked "
        "(tickertape validate). Load: CPU of a worker, as a share of a core. Within: this run's workers are no "
        "busier and have no more clients, so the error is about as large; beyond: as large or larger. Value "
        "by value, with goals and bands, further below."))


def checked(run: RunData, label: str) -> pd.DataFrame:
    """Return the rows of the validation that apply to a transport of this run."""
    assert run.validation is not None, "a run whose model was checked"
    return run.validation[run.validation["transport"].isin(validated_as(run.manifest, label))]


def _row(cells: pd.DataFrame, clients: float, load: float) -> tuple[str, ...]:
    errors = cells["error"].to_numpy(dtype=float)
    worst = float(errors[abs(errors).argmax()])
    goals = cells.dropna(subset=["goal"])
    met = _verdicts(goals) if len(goals) else "–"
    goal = f"±{style.NARROW}{style.percent(goals['goal'].iloc[0], 0, signed=False)}" if len(goals) else "–"
    most = float(cells["load"].max())
    far = beyond(cells, clients, load)
    if math.isnan(load):
        here = "–"
    elif not far:
        here = "within"
    else:
        low, high = prediction_band.worst(errors) or (math.nan, math.nan)
        here = f"beyond ({far}): {style.percent(low)} to {style.percent(high)}, or worse"
    span = _span([f"{count:,.0f}" for count in (cells["clients"].min(), cells["clients"].max())])
    loads = _span([f"{100 * share:.0f}" for share in (cells["load"].min(), most)]) + style.NARROW + "%"
    return (span, loads, style.percent(worst),
            style.percent(float(pd.Series(abs(errors)).median()), signed=False), goal, met,
            "–" if math.isnan(load) else f"{clients:,.0f} at {style.percent(load, 0, signed=False)}", here)


def beyond(cells: pd.DataFrame, clients: float, load: float) -> str:
    """Return the factors by which a worker has more clients, or is busier, than in any of the checked cells.

    They are in words; an empty text means that it is within the checked range.
    """
    times = {"clients": clients / cells["clients"].max(), "load": load / cells["load"].max()}
    return " and ".join(f"{style.brief(share)} × the {what}" for what, share in times.items() if share > 1)


def _verdicts(goals: pd.DataFrame) -> str:
    """Return the counts of errors inside and outside their goals, in words."""
    found = [prediction.standing(*row) for row in zip(
        goals["met"].tolist(), goals["error"].tolist(), goals["goal"].tolist(), strict=True)]
    return ", ".join(f"{found.count(word)} {word}" for word in prediction.STANDINGS if word in found)


def _here(run: RunData, label: str) -> tuple[float, float]:
    """Return a worker's clients and load (as a share of a core) at the transport's largest client count.

    NaN for both where the transport has no valid trial.
    """
    workers = run.scenario.simulation.workers
    mine = run.valid[run.valid["transport"] == label]
    if not len(mine):
        return math.nan, math.nan
    most = mine[mine["clients"] == mine["clients"].max()]
    clients = int(mine["clients"].max())
    used = min(workers, clients)
    return clients / used, float(most["server_cpu_cores"].mean()) / used


def _span(ends: list[str]) -> str:
    """Return a range in words, or one value where both ends are the same."""
    return ends[0] if ends[0] == ends[1] else f"{ends[0]}–{ends[1]}"


def costs_table(manifest: Manifest) -> TextTable:
    """Return the table of the costs that a run was simulated with, by kind of server."""
    costs = manifest.costs
    assert costs is not None, "a run that was simulated with costs"
    columns = ("", *(f"{name} (µs)" for name in WORK.values()), "idle (ms/s)", "idle connection (µs/s)")
    return TextTable("costs", "Costs of the servers' work", columns,
                     tuple(_kind(each) for each in costs.by_kind), folded=True, note=(
        f"{style.sentence(conditions_text(manifest))}; file {costs.file}. CPU time of a worker. A "
        "request and its response together are the cost of an exchange."))


WORK = {"tick_s": "tick", "request_s": "request", "answer_s": "response", "update_s": "update",
        "byte_s": "kB of payload", "connection_s": "connection"}


def _kind(each: CostsOfKind) -> tuple[str, ...]:
    """Return the row of one kind of server: its name, then its costs."""
    costs = each.costs
    knobs = ["TLS"] * each.tls + [each.compression] * (each.compression != "none")
    knobs += ["context takeover"] * each.context_takeover
    name = style.subject_title(each.transport, each.server)
    name = " with ".join([name, *([" and ".join(knobs)] if knobs else [])])
    scaled = [getattr(costs, work) * (1e9 if work == "byte_s" else 1e6) for work in WORK]
    idle = (1e3 * costs.base_share, 1e6 * costs.socket_share)
    return (name, *(style.number(value) for value in (*scaled, *idle)))


def marked(table: TextTable, run: RunData) -> TextTable:
    """Return a table whose heading says that its values are simulated, if the run is."""
    return replace(table, heading=titled(table.heading)) if run.simulated else table
