"""The output at the end of a run: writes its report, and prints its summary as a table or as JSON.

    trials on disk ─► report, trials.csv, summary.csv … ─► answer · thresholds · table of the cells
                                                           (or capacity limits) · claims · verdicts

The output has the same form for measured and simulated runs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.table import Column, Table

from bench import claims
from bench import report as reports
from bench.claims import Judgement
from bench.cli.options import print_json, resume_hint
from bench.errors import RunError
from bench.experiment.disk_full import report_disk_full
from bench.output import terminal
from bench.records import manifest as manifests
from bench.report import style
from bench.report.data.run import RunData
from bench.report.tables import claims as claim_words
from bench.report.text import forms
from bench.stats.run.capacity_plan import RequiredResources
from bench.stats.run.thresholds import ThresholdVerdict


def finish(folder: Path, as_json: bool, require: Sequence[str] = ()) -> tuple[str | None, str | None]:
    """Write the report and print the summary.

    `require` are thresholds in addition to those of the run. Returns a sentence on what the run lacks and one on its
    thresholds that are not met, each None where there is nothing to say.
    """
    if manifests.read(folder).scenario.study:
        if require:
            raise RunError(f"{folder}: --require: found a run without trials, allowed is one with trials")
        from bench.cli import study  # it imports the simulator, which no other report needs

        study.finish(folder, as_json)
        return None, None
    from bench.report.pages.run import answer_text
    from bench.report.text import findings, simulated, thresholds

    again = f"tickertape report {folder}"
    with report_disk_full(again), resume_hint(again):
        built = reports.build(folder, require)
    if as_json:
        print_json({**_as_json(built), "answer": answer_text(built), "claimable": findings.floor_sentences(built)})
    else:
        console = terminal.console(markup=False)
        for sentence in filter(None, [answer_text(built)]):
            console.print(sentence, highlight=False)
        for verdict, text in thresholds.lines(built):
            console.print(f"{style.sentence(verdict)}: {text}", highlight=False)
        limits = built.capacity_limits
        console.print(_summary_table(built.summary) if limits is None else _capacity_table(limits))
        for sentence in _apart(built):
            console.print(sentence, highlight=False)
        if built.claims:
            console.print(_claims_table(built.claims))
        if built.priced and built.fleet:
            console.print(_fleet_table(built.fleet))
        for sentence in [*findings.floor_sentences(built), *filter(None, [simulated.notice(built)])]:
            console.print(sentence, highlight=False)
        text = ", ".join(f"{count} {verdict}" for verdict, count in _verdicts(built).items())
        console.print(f"Trials: {text}", highlight=False)
        console.print(f"Report: {folder / 'report.html'}", highlight=False, soft_wrap=True)
    return built.lacks, thresholds.failure(built.thresholds)


def _verdicts(built: RunData) -> dict[str, int]:
    """Return the number of trials of each verdict."""
    return {str(verdict): int(count) for verdict, count in built.trials["verdict"].value_counts().items()}


def _as_json(built: RunData) -> dict[str, object]:
    """Return a run's values and verdicts as `--json` prints them."""
    data: dict[str, object] = {"run": str(built.folder), "report": str(built.folder / "report.html"),
                               "verdicts": _verdicts(built), "cells": _objects(built.summary)}
    if built.capacity_limits is not None:
        data["capacity"] = _objects(built.capacity_limits)
    if built.claims:
        data["claims"] = _objects(claims.table(built.claims))
    if built.thresholds:
        data["thresholds"] = [_threshold(each) for each in built.thresholds]
    return data


def _objects(frame: pd.DataFrame) -> list[dict[str, object]]:
    """Return the rows of a frame as JSON objects."""
    return [{str(name): _plain(value) for name, value in row.items()} for row in frame.to_dict("records")]


def _threshold(each: ThresholdVerdict) -> dict[str, object]:
    """Return the verdict on a threshold as `--json` prints it."""
    asked, found = each.threshold, each.found
    return {"threshold": str(asked), "transport": asked.subject, "clients": asked.clients,
            "column": asked.condition.column, "relation": asked.condition.relation, "bound": asked.condition.bound,
            "verdict": each.verdict, "failed": each.failed, "valid_trials": found.count,
            "estimate": _plain(found.estimate), "low": _plain(found.low), "high": _plain(found.high)}


def _apart(built: RunData) -> list[str]:
    """Return a sentence for each value of the summary that is far from its closed form."""
    if built.capacity_limits is not None:
        return []
    return [f"At {clients:,} clients: {forms.separated_text(each)}" for column, _, _ in COLUMNS
            for clients in built.clients for each in forms.apart(built, column, clients)]


def _fleet_table(plan: list[RequiredResources]) -> Table:
    """Return the table of the capacity plan: workers, traffic, price."""
    first = plan[0]
    when = "" if math.isnan(first.busiest_s) else f" in its busiest {first.busiest_s:g} s. Gbit/s: the mean"
    table = Table(box=None, padding=(0, 1, 0, 0), caption_justify="left", caption=(
        f"The fewest workers of which none uses more than {100 * first.full_at:.0f} % of a core{when}. Prices: "
        "the scenario's."))
    if any(need.short for need in plan):
        table.caption = f"{table.caption} ≥: the simulated workers were busier; simulate with more."
    for heading in ("", "clients", "workers", "Gbit/s out", "Gbit/s in", "a month"):
        table.add_column(heading, justify="right" if heading else "left")
    for need in plan:
        least = "≥ " if need.short else ""
        price = "–" if math.isnan(need.month) else (
            f"{least}{style.banded(need.month, need.month_low, need.month_high)} {need.currency}")
        workers = "–" if need.workers is None else f"{least}{need.workers:,}"
        out, into = ("–" if math.isnan(each) else style.number(each)
                     for each in (need.gbit_out_per_s, need.gbit_in_per_s))
        table.add_row(need.transport, f"{need.clients:,}", workers, out, into, price)
    return table


def _claims_table(verdicts: list[Judgement]) -> Table:
    """Return the table of claims with the stated and the measured numbers."""
    table = Table(*(Column(heading, overflow="fold") for heading in ("claim", "stated", "ours", "unit", "verdict")))
    for each in verdicts:
        ours = claim_words.ours_text(each)
        table.add_row(each.name, f"{each.stated:,.15g}", ours, each.claim.unit, each.verdict)
    return table


def _plain(value: Any) -> Any:
    """Return a value of a frame as JSON writes it: null if it is missing, "lost" if it is infinite."""
    if pd.isna(value):
        return None
    return "lost" if value == math.inf else value.item() if hasattr(value, "item") else value


COLUMNS = (
    ("transport", "", "{}"), ("clients", "clients", "{:,.0f}"), ("valid_trials", "valid\ntrials", "{:,.0f}"),
    ("lost", "lost", "{:,.0f}"), ("latency_p50_ms", "p50\nms", "{:.2f}"),
    ("latency_p99_ms", "p99\nms", "{:.2f}"), ("age_excess_mean_ms", "excess\nage ms", "{:.2f}"),
    ("requests_per_update", "reqs", "{:.2f}"), ("bytes_up_per_update", "bytes\nup", "{:,.0f}"),
    ("bytes_down_per_update", "bytes\ndown", "{:,.0f}"),
    ("server_cpu_us_per_update", "CPU\nµs", "{:,.1f}"),
)
"""Columns of `summary.csv` on the terminal: column, heading, format."""


CAPACITY_COLUMNS = (
    ("transport", "", "{}"), ("limit_text", "limit", "{}"), ("rate_per_s", "ticks/s", "{:,.0f}"),
    ("updates_per_s", "updates/s", "{:,.0f}"), ("server_cpu", "server\ncores", "{:.2f}"),
    ("clients_per_core", "clients\nper core", "{:,.0f}"),
    ("updates_per_s_per_core", "updates/s\nper core", "{:,.0f}"), ("limited_by", "limited by", "{}"),
)
"""Columns of `capacity.csv` on the terminal."""


def _summary_table(summary: pd.DataFrame) -> Table:
    """Return the table of the cells, 80 columns wide."""
    table = Table(box=None, padding=(0, 1, 0, 0), caption_justify="left", caption=(
        "Requests, bytes (TCP and IP included) and server CPU: per update. –: not known precisely enough; the "
        f"report names the highest percentile that is.{_ticks_text(summary)}"))
    columns: tuple[tuple[str, str, str], ...] = COLUMNS
    if "conflated" in summary and summary["conflated"].fillna(0).sum() > 0:
        rest = (column for column in COLUMNS[4:] if column[0] != "requests_per_update")   # for 80 columns
        columns = (*COLUMNS[:4], ("conflated_percent", "confl.\n%", "{:.0f}"), *rest)
        summary = summary.assign(conflated_percent=100 * summary["conflated"] / summary["updates_due"])
    for name, heading, _ in columns:
        named = name == "transport"   # a long name is folded; no number is ever cut
        table.add_column(heading, justify="left" if named else "right", no_wrap=not named, overflow="fold")
    for row in summary.to_dict("records"):
        table.add_row(*(_cell(row[name], form) for name, _, form in columns))
    return table


def _ticks_text(summary: pd.DataFrame) -> str:
    """Return a sentence with the number of distinct ticks in the cells."""
    ticks = summary["ticks"].dropna() if "ticks" in summary else pd.Series(dtype="Int64")
    if ticks.empty:
        return ""
    least, most = int(ticks.min()), int(ticks.max())
    return f" Distinct ticks of a cell: {least:,}" + (f" to {most:,}." if most > least else ".")


def _capacity_table(capacity_limits: pd.DataFrame) -> Table:
    """Return the table of the capacity limits with their intervals, and of what limited them."""
    # It imports matplotlib, which a command that draws nothing should not pay for.
    from bench.report.pages.capacity import limit_text

    table = Table(box=None, padding=(0, 1, 0, 0), caption_justify="left", caption=(
        f"Where {capacity_limits['objective'].iloc[0]} holds in half of all steps, with the 95 % interval. ≥: no step "
        "broke, so at least this. –: no step held."))
    for name, heading, _ in CAPACITY_COLUMNS:
        table.add_column(heading, justify="left" if name in ("transport", "limited_by") else "right")
    for row in ({**each, "limit_text": limit_text(each)} for each in capacity_limits.to_dict("records")):
        table.add_row(*(_cell(row[name], form) for name, _, form in CAPACITY_COLUMNS))
    return table


def _cell(value: Any, form: str) -> str:
    if pd.isna(value):
        return "–"
    if value == math.inf:
        return "lost"
    return f"{value:,.0f}" if ".2f" in form and value >= 1000 else form.format(value)   # for 80 columns
