"""Two runs side by side: whether they are alike, and what has become worse (`bench.stats.run.regressions`).

    tickertape compare BEFORE AFTER ─► refused, unless the two are alike
                                     ─► a table of effects, and the columns that regressed
                                     ─► a page in AFTER/compared/BEFORE/, with a figure of all changes

Alike means: the same schema, the same host, the same replayed file, and the same scenario except for its
question, its claims and the number of its trials. The commit and the versions of libraries may differ, since
a comparison is usually made to find their effect. A difference in the versions is reported.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import RunError
from bench.records.manifest import Manifest
from bench.report import style
from bench.report.data.run import RunData, open_run
from bench.report.figures import change as figures
from bench.report.figures.spec import FigureSpec
from bench.report.pages import render
from bench.report.pages.render import Page
from bench.report.tables import host_speed
from bench.report.tables.run import TextTable
from bench.stats.run.intervals import FEW
from bench.stats.run.regressions import SHARES, THRESHOLD, Change, changes

HOST = ("system", "machine", "cpu_model", "cores", "cpu_quota_cores", "memory_bytes", "governor",
        "virtualisation")
"""The fields by which two hosts are the same. Kernels are updated, so theirs is reported with the
versions."""
MEMORY_SLACK = 0.02
"""The share by which the total memory of one host may differ between two starts of the system."""
NOT_ASKED = ("question", "trials", "claims", "thresholds")
"""The tables of a scenario that don't change what is measured; nor does `simulation`, unless the run is
simulated."""


COLUMNS = ("column", "before", "after", "change (95 %)", "verdict")


@dataclass(frozen=True, slots=True)
class RunComparison:
    """The result of comparing two runs."""

    before: RunData
    after: RunData
    changes: tuple[Change, ...]
    unlike: tuple[str, ...]
    """The differences that make the two unlike, where the comparison was forced."""
    notes: tuple[str, ...]
    """The differences that are allowed."""
    threshold: float

    @property
    def regressed(self) -> list[Change]:
        """Return the changes to the worse beyond the threshold."""
        return [each for each in self.changes if each.verdict(self.threshold) == "regressed"]


def compare(before: Path, after: Path, *, threshold: float = THRESHOLD, force: bool = False) -> RunComparison:
    """Compare two runs, given by their folders.

    Raises `RunError` where a folder holds no run, where the runs are not alike (unless `force`), and where no
    cell has two valid trials in both.
    """
    one, other = open_run(before), open_run(after)
    unlike = tuple(_unlike(one.manifest, other.manifest))
    if unlike and not force:
        raise RunError(f"{after} is not like {before}: {'; '.join(unlike)}; --force compares them anyway")
    labels = list(dict.fromkeys((*one.transports, *other.transports)))
    found = changes(one.trials, other.trials, labels)
    if all(each.verdict(threshold) == "not compared" for each in found):
        raise RunError(f"{before} and {after}: no cell has two valid trials in both, so there is nothing "
                       "to compare")
    notes = (*_differences(_versions(one.manifest), _versions(other.manifest), "versions."),
             *_other_costs(one.manifest, other.manifest), *filter(None, [host_speed.between(one, other)]))
    return RunComparison(one, other, tuple(found), unlike, notes, threshold)


def _unlike(before: Manifest, after: Manifest) -> Iterator[str]:
    """Yield each difference that makes two runs unlike, in words, from their manifests."""
    if before.source != after.source:
        yield f"source: {before.source} and {after.source}"
    hosts: list[dict[str, Any]] = [{name: manifest.host.get(name) for name in HOST} for manifest in (before, after)]
    memory = [host["memory_bytes"] for host in hosts]
    if all(memory) and abs(memory[0] - memory[1]) <= MEMORY_SLACK * memory[0]:
        hosts[1]["memory_bytes"] = memory[0]
    yield from _differences(hosts[0], hosts[1], "host.")
    yield from _differences(_asked(before), _asked(after), "")
    files = [manifest.feed_file and manifest.feed_file.sha256 for manifest in (before, after)]
    if files[0] != files[1]:
        yield f"the feed file's content: {files[0]} and {files[1]}"


def _asked(manifest: Manifest) -> dict[str, Any]:
    """Return the scenario with today's defaults, flat, without the fields that don't change what is
    measured."""
    scenario = manifest.scenario.canonical()
    for label, subject in scenario["transports"].items():
        subject.update(manifest.subjects[label].options)
    feed = scenario["feed"]
    for schedule in {"bursty", "replay"} - {feed["schedule"]}:
        feed.pop(schedule)   # no tick depends on it
    feed.get("replay", {}).pop("file", None)   # its content counts, not its path
    ignored = NOT_ASKED if manifest.simulated else (*NOT_ASKED, "simulation")
    return dict(_flat({name: value for name, value in scenario.items() if name not in ignored}, ""))


def _versions(manifest: Manifest) -> dict[str, Any]:
    return {**manifest.versions, "kernel": manifest.host.get("kernel")}


def _other_costs(before: Manifest, after: Manifest) -> Iterator[str]:
    """Yield a sentence where two simulated runs were made with different costs."""
    if before.costs and after.costs and before.costs.description != after.costs.description:
        yield f"simulated with {before.costs.description}, and with {after.costs.description}"


def _flat(table: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _differences(before: Mapping[str, Any], after: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for name in dict.fromkeys((*before, *after)):
        if before.get(name) != after.get(name):
            yield f"{prefix}{name}: {before.get(name)} and {after.get(name)}"


def change_text(change: Change) -> str:
    """Return the effect with its interval: `+21.0 % (18.2 to 23.9)`.

    A difference is in the unit of its column, or in percentage points for a share.
    """
    if change.vanished:
        return "fewer than two valid trials now"
    within = change.effect.printed
    if math.isnan(within.estimate):
        return "–"
    scale, shift, unit = (100.0, 1.0, " %") if change.effect.kind == "ratio" else (1.0, 0.0, "")
    if change.figure in SHARES and change.effect.kind == "difference":
        scale, unit = 100.0, " points"
    parts = [scale * (value - shift) for value in (within.estimate, within.low, within.high)]
    low_high = "" if math.isnan(parts[1]) else f" ({_signed(parts[1])} to {_signed(parts[2])})"
    if (low_high and within.count <= 2 * FEW) or (not low_high and within.bounds_only):   # of both runs together
        low_high = f" (n = {within.count})"
    return f"{_signed(parts[0])}{unit}{low_high}"


def _signed(value: float) -> str:
    if abs(value) < 0.05:
        return "0.0"
    return f"{value:+.1f}".replace("-", "−")


def rows(comparison: RunComparison) -> dict[str, list[tuple[str, ...]]]:
    """Return the table's rows by cell: column, before, after, change with interval, verdict."""
    table: dict[str, list[tuple[str, ...]]] = {}
    for each in comparison.changes:
        table.setdefault(_cell(each), []).append((
            each.figure, style.number(each.before), style.number(each.after), change_text(each),
            each.verdict(comparison.threshold),
        ))
    return table


def _cell(change: Change) -> str:
    return f"{style.title(change.label)}, {change.clients:,} client{'' if change.clients == 1 else 's'}"


def summary(comparison: RunComparison) -> str:
    """Return a sentence on what regressed, by column."""
    worse = comparison.regressed
    if not worse:
        return (f"Nothing has become worse by more than {100 * comparison.threshold:g} % that can be distinguished "
                "from chance.")
    columns = list(dict.fromkeys(each.figure for each in worse))
    texts = ["{} ({})".format(column, "; ".join(
        f"{_cell(each)}: {change_text(each)}"
        for each in worse if each.figure == column)) for column in columns]
    return "Regressed: " + ", ".join(texts) + "."


FIGURES = (
    FigureSpec[RunComparison](
        "changes", "What has changed, and is it more than chance?",
        lambda found: figures.changes(found.changes, style.styles(_labels(found)), found.threshold),
        lambda found: (
            "From the run before to the run after: right of the middle is more, which for every measure is worse. "
            "Bars are intervals between trials, as wide as Holm's correction over all changes asks. Filled: "
            "separable, and larger than the threshold of "
            f"{100 * found.threshold:g} % (the grey band). Hollow: chance may have done it, or it is too small to "
            "matter. Updates lost, and cells that vanished, are in the table alone.")),
)
"""The figures of the page."""
CAVEATS = (
    "Two runs have no blocks in common, so their trials are compared by Welch's t. A machine that is a little "
    "slower today is so in all trials of a run, which no interval shows: that is what the threshold is for.",
    "The probabilities are corrected by Holm's method over all cells and measures of the comparison.",
)


def _labels(comparison: RunComparison) -> list[str]:
    return list(dict.fromkeys(each.label for each in comparison.changes))


def page(comparison: RunComparison) -> Page:
    """Return the comparison as a page."""
    names = [run.folder.name for run in (comparison.before, comparison.after)]
    tables = [TextTable(f"cell-{place}", cell, COLUMNS, tuple(changed))
              for place, (cell, changed) in enumerate(rows(comparison).items(), 1)]
    return Page(
        question=f"What has become worse from {names[0]} to {names[1]}?",
        subtitle=f"{names[0]} and {names[1]}, compared cell by cell",
        answer=summary(comparison),
        notice=f"These runs are not alike: {'; '.join(comparison.unlike)}." if comparison.unlike else "",
        summary=[f"{style.sentence(note)}." for note in comparison.notes],
        figures=render.drawn_all(FIGURES, comparison),
        sections=tables, caveats=CAVEATS,
    )


def write(comparison: RunComparison) -> Path:
    """Write the page into the folder of the run after, and return the path of its HTML."""
    folder = comparison.after.folder / "compared" / comparison.before.folder.name
    render.write(folder, page(comparison))
    return folder / "report.html"


def as_json(comparison: RunComparison) -> dict[str, Any]:
    """Return the comparison as plain data for JSON; missing values are None, infinite ones `lost`."""
    def plain(value: float) -> float | str | None:
        return None if math.isnan(value) else "lost" if math.isinf(value) else value

    return {
        "before": str(comparison.before.folder), "after": str(comparison.after.folder),
        "threshold": comparison.threshold, "unlike": list(comparison.unlike), "notes": list(comparison.notes),
        "regressed": sorted({each.figure for each in comparison.regressed}),
        "changes": [
            {
                "transport": each.label, "clients": each.clients, "column": each.figure,
                "before": plain(each.before), "after": plain(each.after), "kind": each.effect.kind,
                "estimate": plain(each.effect.interval.estimate), "low": plain(each.effect.printed.low),
                "high": plain(each.effect.printed.high), "p": plain(each.effect.p),
                "p_holm": plain(each.effect.p_holm), "verdict": each.verdict(comparison.threshold),
            }
            for each in comparison.changes
        ],
    }
