"""The report of a crossover map: where each transport is the cheapest or the freshest.

    manifest.json  crossover.csv  crossover_checks.csv ─► report.html  report.md

Each sentence is computed from the tables. A value of the map is a closed form. Some fields were simulated as
well; the table of checks compares the engine's values with the closed forms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bench.records import manifest as manifests
from bench.records.manifest import Manifest
from bench.report import style
from bench.report.data.table_files import read_csv
from bench.report.figures import crossover as figures
from bench.report.figures.crossover import count, figure_column
from bench.report.figures.spec import FigureSpec
from bench.report.pages import render
from bench.report.pages.render import Page
from bench.report.tables import model_accuracy
from bench.report.tables.run import TextTable
from bench.report.text.simulated import conditions_text
from bench.scenario.crossover import Crossover
from bench.scenario.simulation import MONTH_S, Prices

FILES = {
    "crossover.csv": (
        "asked", "rate_per_s", "clients", "rtt_ms", "staleness_ms", "transport", "possible", "why_not", "best",
        "alone", "ahead", "least", "most", "known", "interval_s", "flush_ms", "workers", "clients_per_worker_max",
        "cores", "bytes_down_per_s", "price_month", "latency_mean_ms", "latency_worst_ms", "age_excess_ms"),
    "crossover_checks.csv": (
        "rate_per_s", "clients", "rtt_ms", "staleness_ms", "transport", "interval_s", "flush_ms",
        "simulated_clients", "simulated_s", "cores", "cores_simulated", "latency_mean_ms", "latency_mean_ms_simulated",
        "bytes_down_per_s", "bytes_down_per_s_simulated"),
}
"""The tables of a map, with their columns; the second is empty where the engine checked nothing."""

CAVEATS = (
    "These are closed forms, from measured costs of servers; the machine is named above. Servers in another "
    "language have other costs and cross elsewhere: calibrate with yours.",
    "A worker is a core of its own; the price is of what the scenario has a price for, and of nothing else.",
    "The budget bounds the longest time that an update takes while a worker keeps up: the wait for the next "
    "poll, transits, the last place of a fan-out, and the mean wait for the worker. Loss, jitter and slow "
    "clients come on top.",
    "Ticks are a Poisson process here. A real feed comes in bursts, which bring a worker to its limit sooner.",
    "The interval between polls is set to each field. With the interval that a site has today the map is "
    "another.",
)

PRICED = {
    "worker_month": "per month for a worker", "gigabyte_out": "for a gigabyte to the clients",
    "million_requests": "for 10⁶ requests", "million_messages": "for 10⁶ pushed messages",
    "million_connection_minutes": "for 10⁶ minutes of an open connection",
    "gigabyte_second": "for a gigabyte of memory for a second"}
"""The fields of `Prices` that are prices, each with what it is the price of."""


@dataclass(frozen=True, slots=True)
class CrossoverRun:
    """The files of a crossover map. The frames' columns are described in `docs/results.md`."""

    folder: Path
    manifest: Manifest
    table: pd.DataFrame
    checks: pd.DataFrame

    @property
    def unit(self) -> str:
        """Return the quantity by which the cheapest is chosen, in words."""
        if figure_column(self.table) == "cores":
            return "CPU (cores)"
        return f"{self.prices.currency} per month"

    @property
    def prices(self) -> Prices:
        """Return the scenario's prices, where it has any."""
        assert self.manifest.scenario.simulation.prices is not None, "a map of prices"
        return self.manifest.scenario.simulation.prices

    @property
    def asked(self) -> Crossover:
        """Return the scenario's table of the map."""
        assert self.manifest.scenario.crossover is not None, "no map"
        return self.manifest.scenario.crossover


def open_crossover(folder: Path) -> CrossoverRun:
    """Read the files of a map; raises `RunError` where one is missing or damaged."""
    manifest = manifests.read(folder)
    table, checks = (read_csv(folder / name, columns, may_be_empty=name == "crossover_checks.csv")
                     for name, columns in FILES.items())
    table["why_not"] = table["why_not"].astype(object).fillna("")
    return CrossoverRun(folder, manifest, table, checks)


def build(folder: Path) -> CrossoverRun:
    """Write the report of the map in `folder`, and return the map."""
    run = open_crossover(folder)
    render.write(folder, page(run))
    return run


def _full(run: CrossoverRun) -> float:
    """Return the load at which a worker counts as full, in percent."""
    return 100 * run.manifest.scenario.simulation.full_at


def _cheapest_caption(run: CrossoverRun) -> str:
    what = "money" if figure_column(run.table) == "price_month" else "CPU"
    return (
        "Each small map is one budget and one distance: no update may take longer than the budget while no worker "
        f"uses more than {_full(run):g} % of its core. A field shows the transport with the least {what}, and how "
        "many times as much the next one takes; it is a tie where they are within "
        f"{100 * run.asked.margin:g} % of each other, or within the costs' intervals "
        "and the validation's errors. Hatched: not known, since with the costs at the other ends of their 95 % "
        "intervals other transports could keep the budget. A transport that polls at an interval polls as "
        "rarely as the budget allows.")


def _freshest_caption(run: CrossoverRun) -> str:
    return (
        f"As above, on {_fleet(run)}: the transport with the least excess age (how much older a client's newest "
        "update is than an ideal client's), and how much that is. A transport that polls at an interval polls as "
        f"often as the workers can serve. A transport that would use more than {_full(run):g} % of a core is "
        "excluded; a cross: all of them are. Hatched as above.")


FIGURES = (
    FigureSpec[CrossoverRun](
        "cheapest", lambda run: headline(run, "cheapest"), lambda run: figures.cheapest(run.table),
        _cheapest_caption),
    FigureSpec[CrossoverRun](
        "lines", lambda run: figures.lines_title(run.table), lambda run: figures.lines(run.table, run.unit),
        "A cut through the middle of the map, along its rate (left) and its budget (right). Where a line is flat, "
        "one worker is enough and its traffic is cheap in comparison; where it rises, traffic or workers dominate "
        "the price. A missing line: this transport can't keep the budget.",
        worth=lambda run: bool(run.table.loc[run.table["asked"] == "cheapest", "possible"].any())),
    FigureSpec[CrossoverRun](
        "freshest", lambda run: headline(run, "freshest"), lambda run: figures.freshest(run.table),
        _freshest_caption),
)
"""The figures of the page, in its order."""


def page(run: CrossoverRun) -> Page:
    """Return the report as plain data."""
    checked = [checks_table(run)] if len(run.checks) else []
    return Page(
        question=run.manifest.question, subtitle=render.subtitle(run.manifest),
        notice=_notice(run), summary=findings(run), leading=[shares_table(run)],
        figures=render.drawn_all(FIGURES, run, f"computed, with {conditions_text(run.manifest)}"),
        sections=[*checked, cut_table(run), model_accuracy.costs_table(run.manifest)], caveats=CAVEATS,
        files=render.files_of(run.folder, tuple(FILES)),
    )


def _notice(run: CrossoverRun) -> str:
    prices = run.manifest.scenario.simulation.prices
    priced = ""
    if prices is not None:
        named = [f"{price:g} {prices.currency} {of}" for name, of in PRICED.items() if (price := getattr(prices, name))]
        priced = f" Prices are the scenario's: {style.listed(named)}."
    return f"Computed and simulated, not measured, with {conditions_text(run.manifest)}.{priced}"


@dataclass(frozen=True, slots=True)
class Shares:
    """The number of fields with each answer."""

    fields: int
    alone: dict[str, int]
    """By transport: the fields that it wins alone, for all costs within their intervals."""
    ties: int
    nobody: int
    open: int
    """The fields that have another answer for some costs within their intervals."""


def shares(run: CrossoverRun, asked: str) -> Shares:
    """Return the counts of the answers of a map; `asked` is `cheapest` or `freshest`."""
    mine = run.table[run.table["asked"] == asked]
    fields = mine.groupby(["rate_per_s", "clients", "rtt_ms", "staleness_ms"], dropna=False)
    possible, known = fields["possible"].any(), fields["known"].all()
    alone = {label: int(mine.loc[(mine["transport"] == label) & mine["known"], "alone"].sum())
             for label in mine["transport"].unique()}
    nobody, unknown = int((~possible & known).sum()), int((~known).sum())
    return Shares(len(known), alone, len(known) - nobody - unknown - sum(alone.values()), nobody, unknown)


def headline(run: CrossoverRun, asked: str) -> str:
    """Return the finding of a map as its title."""
    found = shares(run, asked)
    won = sorted(((number, label) for label, number in found.alone.items() if number), reverse=True)
    said = [*((style.title(label), number) for number, label in won),
            ("a tie", found.ties), ("no transport", found.nobody), ("open", found.open)]
    parts = [f"{what} in {style.whole_percent(number / found.fields)}" for what, number in said if number]
    which = "Cheapest that is fresh enough" if asked == "cheapest" else f"Freshest on {_fleet(run)}"
    return f"{which}: {parts[0]} of fields{''.join(f', {part}' for part in parts[1:])}"


def _fleet(run: CrossoverRun) -> str:
    workers = run.asked.workers
    return "one worker" if workers == 1 else f"{workers} workers"


def findings(run: CrossoverRun) -> list[str]:
    """Return the findings of the tables: the best transports, and where the best one changes."""
    found = []
    mine = run.table[run.table["asked"] == "cheapest"]
    trip, clients = figures.middle(mine, "rtt_ms"), max(mine["clients"])
    there = mine[(mine["rtt_ms"] == trip) & (mine["clients"] == clients)]
    for budget in sorted(mine["staleness_ms"].unique()):
        here = there[there["staleness_ms"] == budget]
        found.append(f"For {clients:,.0f} clients, {trip:g} ms away, who must have each update within "
                     f"{budget / 1000:g} s, the cheapest is {_turns(here)}.")
    never = [style.title(label) for label, number in shares(run, "cheapest").alone.items() if number == 0]
    if never:
        known = ", as far as the costs tell" if shares(run, "cheapest").open else ""
        found.append(f"{style.sentence(style.listed(never))} {'is' if len(never) == 1 else 'are'} nowhere "
                     f"the cheapest alone{known}.")
    for asked in ("cheapest", "freshest"):
        answers = shares(run, asked)
        if answers.ties:
            found.append(f"The {asked} is a tie in {answers.ties} of {answers.fields} fields: they are within "
                         f"{100 * run.asked.margin:g} % of each other, or costs and model are not known precisely "
                         "enough to separate them.")
        if answers.open:
            found.append(f"The {asked} is not known in {answers.open} of {answers.fields} fields: "
                         "with other costs, within their intervals, another set of transports keeps the budget.")
    fresh = run.table[run.table["asked"] == "freshest"]
    for number in sorted(fresh["clients"].unique()):
        here = fresh[(fresh["rtt_ms"] == trip) & (fresh["clients"] == number)]
        found.append(f"With {number:,.0f} clients on {_fleet(run)}, {trip:g} ms away, the freshest is "
                     f"{_turns(here)}.")
    if figure_column(mine) == "price_month":
        found += _traffic(run.prices, mine[mine["best"] & (mine["price_month"] > 0)])
    if len(run.checks):
        worst = {name: _worst(run.checks, name) for name in ("cores", "latency_mean_ms", "bytes_down_per_s")}
        found.append(
            f"{len(run.checks)} workers of the map were simulated as well: the forms are off by at most "
            f"{worst['cores']:.1f} % in CPU, {worst['latency_mean_ms']:.1f} % in mean latency and "
            f"{worst['bytes_down_per_s']:.1f} % in bytes.")
    return found


def _traffic(prices: Prices, paid: pd.DataFrame) -> list[str]:
    """Return the finding on the part of traffic in the prices of the cheapest (`paid`); none where it costs nothing."""
    if not (len(paid) and prices.gigabyte_out):
        return []
    month = prices.gigabyte_out * paid["bytes_down_per_s"] * MONTH_S / 1e9
    traffic = 100 * float((month / paid["price_month"]).median())
    others = [name for name in PRICED if name != "gigabyte_out" and getattr(prices, name)]
    without = ("; with simulation.prices.gigabyte_out = 0 the map is one of workers alone"
               if others == ["worker_month"] else "")
    return [f"Half of the cheapest pay {traffic:.0f} % or more of their price for traffic{without}."]


def _turns(here: pd.DataFrame) -> str:
    """Return the best along the rate: `WebSocket up to 1 update per second, short polling from 10 on`."""
    stretches: list[tuple[str, float, float]] = []
    for rate, field in here.sort_values("rate_per_s").groupby("rate_per_s"):
        best = [style.title(label) for label in field.loc[field["best"], "transport"]]
        name = style.listed(best) + (" (a tie)" if len(best) > 1 else "") if best else "no transport"
        if not field["known"].all():
            name = "not known"
        if stretches and stretches[-1][0] == name:
            stretches[-1] = (name, stretches[-1][1], float(rate))   # type: ignore[arg-type]
        else:
            stretches.append((name, float(rate), float(rate)))   # type: ignore[arg-type]
    if len(stretches) == 1:
        return f"{stretches[0][0]} at any rate"
    parts = []
    for place, (name, low, high) in enumerate(stretches):
        span = (f"up to {high:g}" if place == 0 else f"from {low:g} on" if place == len(stretches) - 1
                else f"at {low:g}" if low == high else f"from {low:g} to {high:g}")
        unit = f" update{'s' * (high != 1)} per second" if place == 0 else ""
        parts.append(f"{name} {span}{unit}")
    return ", ".join(parts)


def _worst(checks: pd.DataFrame, name: str) -> float:
    """Return the largest error of a closed form, in percent."""
    return float(100 * (checks[name] / checks[f"{name}_simulated"] - 1).abs().max())


def shares_table(run: CrossoverRun) -> TextTable:
    """Return the table of the number of fields that each transport wins."""
    rows = []
    for asked in ("cheapest", "freshest"):
        found = shares(run, asked)
        rows.append((f"the {asked}", f"{found.fields}", *(f"{number}" for number in found.alone.values()),
                     f"{found.ties}", f"{found.nobody}", f"{found.open}"))
    names = [style.title(label) for label in run.table["transport"].unique()]
    return TextTable("shares", "Fields of the map", ("", "fields", *names, "ties", "none can", "not known"),
                     tuple(rows),
                     "The numbers depend on the axes that the scenario chose; the map itself shows where the "
                     "fields are.")


def cut_table(run: CrossoverRun) -> TextTable:
    """Return the table of the middle of the map."""
    mine = run.table[run.table["asked"] == "cheapest"]
    trip, budget = figures.middle(mine, "rtt_ms"), figures.middle(mine, "staleness_ms")
    clients = figures.middle(mine, "clients")
    here = mine[(mine["rtt_ms"] == trip) & (mine["staleness_ms"] == budget) & (mine["clients"] == clients)]
    rows = tuple(
        (f"{row['rate_per_s']:g}", style.title(row["transport"]), *_offer(row)) for _, row in here.iterrows())
    columns = ("updates per second", "transport", "polls or flushes every", "workers", "CPU (cores)", "Mbit/s down",
               run.unit, "within costs and validation",
               "latency, mean", "latency, worst")
    return TextTable("cut", f"In numbers: {clients:,.0f} clients, {trip:g} ms away, within {budget / 1000:g} s",
                     columns, rows, "All fields are in crossover.csv (see docs/results.md).")


def _offer(row: pd.Series[Any]) -> tuple[str, ...]:
    if not row["possible"]:
        return ("–",) * 6 + (f"no: {row['why_not']}", "–")
    price = row["cores"] if math.isnan(row["price_month"]) else row["price_month"]
    return (_every(row), f"{row['workers']:,.0f}", style.number(row["cores"]),
            style.number(row["bytes_down_per_s"] * 8 / 1e6),
            _end(price, row),
            f"{_end(row['least'], row)} to {_end(row['most'], row)}",
            f"{style.number(row['latency_mean_ms'])} ms", f"{style.number(row['latency_worst_ms'])} ms")


def _every(row: pd.Series[Any]) -> str:
    """Return the time between two polls or two flushes."""
    flush_ms = row.get("flush_ms", math.nan)
    if not math.isnan(flush_ms):
        return f"{style.number(flush_ms)} ms" if flush_ms else "at once"
    return "–" if math.isnan(row["interval_s"]) else f"{style.number(row['interval_s'])} s"


def _end(value: float, row: pd.Series[Any]) -> str:
    """Return an end of a band, with the digits that the band leaves.

    Infinite means that the transport may be unable to serve the field.
    """
    if math.isinf(value):
        return "can't"
    return style.banded(value, row["least"], row["most"]).partition(" ")[0]


def checks_table(run: CrossoverRun) -> TextTable:
    """Return the table that compares the engine's values with the closed forms."""
    rows = tuple(
        (f"{row['rate_per_s']:g}", count(row["clients"]), f"{row['rtt_ms']:g} ms",
         f"{row['staleness_ms'] / 1000:g} s",
         style.title(row["transport"]), f"{row['simulated_clients']:,.0f}",
         *(_pair(row, name, scale) for name, scale in (
             ("cores", 1.0), ("latency_mean_ms", 1.0), ("bytes_down_per_s", 8e-6))))
        for _, row in run.checks.iterrows())
    columns = ("updates per second", "clients", "round trip", "within", "transport", "clients of one worker",
               "CPU (cores)", "mean latency (ms)", "Mbit/s down")
    return TextTable("checks", "Fields that were simulated as well", columns, rows,
                     "Per worker: closed form / engine.")


def _pair(row: pd.Series[Any], name: str, scale: float) -> str:
    return f"{style.number(row[name] * scale)} / {style.number(row[f'{name}_simulated'] * scale)}"
