"""The main tables of the report, as text: cells, fates, comparisons, verdicts and conditions of a run.

A number has three significant digits, followed by its 95 % interval. A dash means a value that was not
measured or may not be printed, and `lost` for a percentile that falls among lost updates.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench.audit.detectors import DETECTORS
from bench.records.manifest import Difference
from bench.report import style
from bench.report.data import measured_forms
from bench.report.data.noise_floor import floors
from bench.report.data.run import RunData, compared, shown_clients
from bench.report.text import forms
from bench.report.text.findings import (
    KERNEL,
    MEMORY,
    ComparedFigure,
    amount_text,
    cell_text,
    effect_text,
    floor_text,
    interval_text,
    questions,
    separable_text,
)
from bench.stats.run.stopping import standing
from bench.stats.run.summary import further_client
from bench.stats.trial.fates import FATES

CAVEATS = (
    "All processes ran on one host and spoke over loopback: there is no network in these latencies. A "
    "real network adds its transit to every transport, and more than once where an update has to be asked for.",
    "Over loopback the kernel charges a part of the receiving to the sender, so the server's CPU includes some "
    "of its clients' work.",
    "A kernel instant is that of the last segment of a read, so it bounds the arrival of each update in "
    "the read from above; the column shared_read_share of trials.csv says how many updates shared one.",
    "Intervals are Student's t between trials, at 95 %: on logarithms for times, ages, CPU and memory, as "
    "they are for bytes, so that their parts add up, and for what is a difference or may be 0 (idle CPU, CPU above "
    "idle, each further client). Updates of one trial are not independent and are never "
    "pooled. Comparisons are paired by block; a ratio is the geometric mean of the blocks' (of bytes too, so "
    "it may differ a little from the quotient of two cells). They are corrected by Holm's method over all "
    "pairs and client counts of a value.",
    "Latency is of updates that arrived; each lost one counts as infinitely late in a percentile. A conflated "
    "update has no latency: its share is in the table of fates.",
)


@dataclass(frozen=True, slots=True)
class TextTable:
    """A table of texts under a heading; `note` says how to read it."""

    name: str
    heading: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    folded: bool = False
    """True if the page shows only the heading at first."""


def subtitle(run: RunData) -> str:
    """Return the run's name, its scenario and, of a measured run, its processor, in words."""
    manifest = run.manifest
    cpu = None if run.simulated else manifest.host.get("cpu_model")
    return f"Run {manifest.run}, scenario {manifest.scenario_name}" + (f", on {cpu}" if cpu else "")


def verdict_line(run: RunData) -> str:
    """Return a sentence with the number of trials and of each verdict."""
    counts = run.trials["verdict"].value_counts()
    made = len(run.trials.groupby(["block", "position"]))
    planned = len(run.manifest.plan)
    verdicts = [verdict for verdict in ("VALID", "INVALID", "ABORTED") if verdict in counts]
    parts = [f"{counts[verdict]} {verdict}" for verdict in verdicts]
    unfinished = "" if run.finished else f" of {planned} planned: the run is not finished"
    repeated = len(run.trials) - made
    again = f" Repeats of INVALID ones among them: {repeated}." if repeated else ""
    made_text = style.counted(len(run.trials), "trial")
    return f"{made_text}{unfinished}: {', '.join(parts)}.{again}{_ending(run)}"


def _ending(run: RunData) -> str:
    """Return the sentence on the end of a run that goes on until its intervals are narrow.

    An empty text where the scenario has no such rule.
    """
    rule = run.scenario.trials.rule
    if rule is None:
        return ""
    if run.ended_after is not None:
        return f" It continued until {rule}, which was reached after {style.counted(run.ended_after, 'block')}."
    cells = [(label, clients) for label in run.transports for clients in run.clients]
    found = standing(run.trials, rule, cells)
    worst = "has no interval yet" if math.isinf(found.reach) else f"is at ± {style.brief(100 * found.reach, 3)} %"
    return (f" It was to continue until {rule}, which was not reached: {style.title(found.label)} with "
            f"{found.clients:,} clients {worst}.")


def glance(run: RunData) -> TextTable:
    """Return the table of the headline values at one client count, a row per transport."""
    clients = shown_clients(run)
    cells = list(_cells(run, clients))
    by_kernel = not run.simulated and any(not math.isnan(row["kernel_latency_p50_ms"]) for _, row in cells)
    several = len(run.clients) > 1 and not run.simulated
    asked = _questions(run)
    conflated = int(run.summary["conflated"].fillna(0).sum()) > 0
    fates = ("delivered", "conflated", "lost") if conflated else ("delivered", "lost")
    rows = []
    for label, row in cells:
        further = further_client(run.trials[run.trials["transport"] == label])
        kernel = [_kernel(row)] if by_kernel else []
        slope = [amount_text(further, MEMORY)] if several else []
        figures = [cell_text(row, question) for question in asked]
        rows.append((style.title(label), *_basis(row), figures[0], *kernel, *figures[1:], *slope,
                     *(_share(row, fate) for fate in fates)))
    columns = ("", "trials", "ticks", asked[0].heading, *[KERNEL["latency_p50_ms"].heading] * by_kernel,
               *(question.heading for question in asked[1:]), *["each further client"] * several, *fates)
    note = ("Latency from due to the client's code. Bytes, CPU: per update. Ticks: the number of distinct ticks in all "
            "trials together. A tick goes to all its subscribers, so a percentile is printed only where ticks, "
            "clients and trials determine it to ± 25 %; otherwise the highest that they determine is printed, "
            "with its name.")
    if by_kernel:
        note += (" Kernel median: to the client's kernel, so without the client's own queue; ≤ where over "
                 "1 % of updates shared a read.")
    if several:
        note += (f" Each further client: how much more memory {run.clients[-1]:,} clients take than "
                 f"{run.clients[0]:,}, per client between; memory per client also includes a share of the "
                 "server's fixed memory and of its tape (the ticks that it still holds).")
    return TextTable("glance", f"At {clients:,} clients", columns, tuple(rows), note=(
        f"{note} In brackets: 95 % interval between trials; of up to three trials, their own values. –: not "
        "measured, or too few updates to say."))


def _questions(run: RunData) -> list[ComparedFigure]:
    """Return the questions asked of each cell, without those that a simulated run can't answer."""
    return [each for each in questions(run) if not (run.simulated and each is MEMORY)]


def _basis(row: pd.Series) -> tuple[str, str]:
    """Return the number of valid trials of a cell and of their distinct ticks, as text."""
    trials, ticks = ("–" if pd.isna(row[name]) else f"{row[name]:,}" for name in ("valid_trials", "ticks"))
    return trials, ticks


def _kernel(row: pd.Series) -> str:
    """Return the median latency at the kernel, marked with ≤ where it is an upper bound."""
    text = interval_text(row, KERNEL["latency_p50_ms"])
    bound = not pd.isna(row["kernel_latency_is_bound"]) and row["kernel_latency_is_bound"]
    return f"≤ {text}" if bound and text[0].isdigit() else text


def sections(run: RunData) -> list[TextTable]:
    """Return all further tables that have rows, in the order of the page."""
    return [each for each in (
        _cells_table(run), _fates(run), _closed_forms(run), _floors(run), _comparisons(run), _not_valid(run),
        *background(run),
    ) if each.rows]


def background(run: RunData) -> list[TextTable]:
    """Return the tables that any run may have: what was not checked, and the conditions of the run."""
    return [each for each in (
        _not_assessed(run),
        _resumed(run),
        _pairs("scenario", "Scenario", _asked(run)),
        _pairs("host", "Host", run.manifest.host),
        _pairs("versions", "Versions", {
            "commit": run.manifest.commit, "uncommitted changes": run.manifest.dirty, **run.manifest.versions}),
    ) if each.rows]


def _cells(run: RunData, clients: int) -> Iterator[tuple[str, pd.Series]]:
    for _, row in run.summary.iterrows():
        if row["clients"] == clients:
            yield str(row["transport"]), row


def _share(row: pd.Series, fate: str) -> str:
    """Return a fate's share of the updates due, in per cent.

    0 % and 100 % are written only where they are exact, so 99.999 % does not read as all.
    """
    if pd.isna(row["updates_due"]) or not row["updates_due"]:
        return "–"
    count, due = int(row[fate]), int(row["updates_due"])
    if count in (0, due):
        return f"{100 * count // due} %"
    return f"{min(99.999, max(0.001, 100 * count / due)):.3f} %"


def _cells_table(run: RunData) -> TextTable:
    rows = []
    for clients in run.clients:
        for label, row in _cells(run, clients):
            figures = (cell_text(row, question) for question in _questions(run))
            trials = f"{row['valid_trials']} of {row['trials']}"
            rows.append((f"{clients:,}", style.title(label), trials, _basis(row)[1], *figures))
    headings = (question.heading for question in _questions(run))
    columns = ("clients", "transport", "valid trials", "ticks", *headings)
    return TextTable("cells", "Every cell", columns, tuple(rows), note="More columns are in summary.csv.")


def _fates(run: RunData) -> TextTable:
    names = ("updates_due", *FATES, "duplicate")
    rows = []
    for clients in run.clients:
        for label, row in _cells(run, clients):
            counts = ("–" if pd.isna(row[name]) else f"{row[name]:,}" for name in names)
            rows.append((f"{clients:,}", style.title(label), *counts))
    late_after = run.valid["late_after_s"].max()
    note = "Over all valid trials and clients; due = delivered + late + conflated + lost."
    if not math.isnan(late_after):
        note += f" Late is after {late_after:g} s, lost after twice that."
    columns = ("clients", "transport", "due", *names[1:])
    return TextTable("fates", "Fates of all updates", columns, tuple(rows), note)


def _closed_forms(run: RunData) -> TextTable:
    rows = tuple(
        (forms.NOUNS[each.figure][0], f"{each.clients:,}", style.title(each.transport), *forms.words(each))
        for each in forms.predicted(run)
    )
    found = "simulated" if run.simulated else "measured"
    columns = ("value", "clients", "transport", found, "closed form", "difference")
    return TextTable("closed-forms", f"{style.sentence(found)} against the closed forms", columns, rows,
                     note=_about_forms(run, found), folded=run.closed_forms is not None)


def _about_forms(run: RunData, found: str) -> str:
    """Return the note on how to read the closed forms."""
    schedule = run.scenario.feed.schedule
    feed = ("Ticks are taken as a Poisson process, which this feed is." if measured_forms.poisson(run) else
            f"This feed is no Poisson process (schedule: {schedule}): only closed forms that hold for any feed "
            "are shown.")
    age = (f"A mean age is predicted as the {found} age of an ideal client plus the closed form of "
           "the excess, so both differ by the same number of ms. Formulas: bench/transports/*/model.py")
    if run.closed_forms is not None:
        return (f"The closed forms use only the costs and the network of the simulation. {feed} The difference "
                f"includes chance, and the effect of ticks that coincide near a full worker. {age}, "
                "bench/simulation/analytic/system.py; closed_forms.csv has more of them.")
    pusher = measured_forms.push(run)
    name = style.title(pusher) if pusher else ""
    return (f"The delay to the client is taken from {name}'s mean latency at the same client count. {feed} The "
            "difference includes chance, the additional cost of a response over a push, and the effect of "
            f"losses, which the closed forms leave out. {age}.")


def _floors(run: RunData) -> TextTable:
    """Return the table of the apparent differences of a server from itself, where the run holds it twice."""
    rows = []
    for question in questions(run):
        for floor in floors(run, (question.column,)):
            each = floor.comparison
            has = effect_text(each, question, style.title(each.theirs))
            least = "–" if math.isnan(floor.size) else floor_text(floor, question)
            rows.append((question.noun, f"{each.clients:,}", style.title(each.mine), has,
                         separable_text(each, question), least))
    columns = ("value", "clients", "the same server", "has", "verdict", "smallest claimable difference")
    return TextTable("claimable", "The smallest difference that this machine can claim", columns, tuple(rows), note=(
        "One server under two names, with the same options: they differ only by chance. The smallest "
        "difference that can be claimed is the bound of their own 95 % interval, before Holm's correction, that is "
        "farther from no difference; smaller effects between others are marked not claimable. Of twenty such "
        "comparisons one is separable by chance before Holm's correction."))


def _comparisons(run: RunData) -> TextTable:
    rows = []
    asked = questions(run)
    below = floors(run, (question.column for question in asked))
    for question in asked:
        for each in compared(run, question.column):
            has = effect_text(each, question, style.title(each.theirs))
            verdict = separable_text(each, question, below)
            rows.append((question.noun, f"{each.clients:,}", style.title(each.mine), has, verdict))
    columns = ("value", "clients", "transport", "has", "verdict")
    return TextTable("comparisons", "All comparisons", columns, tuple(rows), folded=True, note=(
        "A ratio is the geometric mean of the blocks' ratios; the cells' bytes are arithmetic means. An interval is as "
        "wide as Holm's correction asks, so it holds 1 (a difference: 0) exactly where the two are not separable."))


def _not_valid(run: RunData) -> TextTable:
    bad = run.trials[run.trials["verdict"] != "VALID"]
    good = {(row["block"], row["position"]): str(row["trial"]) for _, row in run.valid.iterrows()}
    rows = tuple(
        (str(row["trial"]), str(row["verdict"]), good.get((row["block"], row["position"]), "–"),
         str(row["reasons"])) for _, row in bad.iterrows()
    )
    columns = ("trial", "verdict", "replaced by", "why")
    return TextTable("not-valid", "Excluded trials", columns, rows)


def _not_assessed(run: RunData) -> TextTable:
    names = sorted({name for words in run.trials["not_assessed"] for name in str(words).split()})
    needs = {each.name: each.needs for each in DETECTORS}
    rows = tuple(
        (name, str(sum(name in str(words).split() for words in run.trials["not_assessed"])), needs.get(name, "–"))
        for name in names
    )
    return TextTable("not-assessed", "Checks that could not be made", ("check", "trials", "what it needs"), rows,
                     folded=True, note="What they need was not there, or was not simulated; see docs/results.md.")


def _resumed(run: RunData) -> TextTable:
    """Return the table of the times at which an interrupted run was resumed, and of the differences found
    then.

    Differences are accepted with `--resume --force`.
    """
    rows = []
    for each in run.manifest.resumed:
        for one in each.differences or (Difference(what="nothing", found="–"),):
            rows.append((each.at, one.what, str(one.found)))
    columns = ("resumed at", "differed", "from then on")
    return TextTable("resumed", "Interrupted and resumed", columns, tuple(rows), note=(
        "Trials from before and after a difference are not alike; the tables below say what the run began "
        "with."))


def _asked(run: RunData) -> dict[str, Any]:
    """Return the scenario without the fields that its feed does not use."""
    scenario = run.scenario.canonical()
    feed, file = scenario["feed"], run.manifest.feed_file
    for other in {"bursty", "replay"} - {feed["schedule"]}:
        del feed[other]
    if feed["source"] == "publisher":
        del feed["source"], scenario["server"]["messages"]
    if file is not None:
        del feed["rate_per_s"], feed["symbols"]
        feed["replay"] |= {"file": file.file, "sha256": file.sha256}
        feed["replay"]["start"] = feed["replay"]["start"] or "the file's first trade"
    return scenario


def _pairs(name: str, heading: str, data: Mapping[str, Any]) -> TextTable:
    """Return a table of (dotted name, value)."""
    return TextTable(name, heading, ("", ""), tuple(_flat(data)), folded=True)


def _flat(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in data.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        elif value is not None:
            yield f"{prefix}{key}", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
