"""A run as a report needs it: its manifest, a row for each trial and cell, and the data of the figures.

    manifest.json, trials/*/ ─► trials.csv   summary.csv   distributions.parquet   timelines.parquet
                                     └── a report is made from these alone ──┘

Where the raw tables of the trials are present, everything is computed from them anew, every time. A run that
was kept without them (they can be large) is read from the condensed files, and gives the same report.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from bench.audit.detectors import Verdict, audit
from bench.claims import Judgement, judged
from bench.claims import table as claims_table
from bench.errors import RunError
from bench.output import plain
from bench.records import manifest as manifests
from bench.records import trial_record
from bench.records.manifest import Manifest
from bench.report.data import capacity_plan
from bench.report.data.capacity_limits import at_limits, capacity_limits
from bench.scenario.model import Scenario
from bench.scenario.parsing import count_text, list_text, value_text
from bench.stats.run import capacity_plan as fleet
from bench.stats.run import prediction, thresholds
from bench.stats.run.capacity_plan import RequiredResources
from bench.stats.run.comparison import Comparison, comparisons
from bench.stats.run.stopping import ended_after
from bench.stats.run.summary import summarise
from bench.stats.run.thresholds import ThresholdVerdict
from bench.stats.trial.row import COLUMNS, WHOLE, WORDS, trial_figures

VERDICT_WORDS = ("verdict", "reasons", "not_assessed")
BESIDE = {
    "measured": ("transport", "clients"), "validation": prediction.REQUIRED,
    "closed_forms": ("transport", "clients", "quantity", "value", "unit"),
    "other_rates": ("rate_per_s", "block", "transport", "clients", "age_excess_mean_ms", "server_cpu_us_per_update",
                    "bytes_per_update"),
}
"""Tables that only some runs have, by name, and the columns that each must have."""
TEXTS = (
    "transport", "quantity", "met", "unit", "source", "kernel_latency_is_bound", "policy", "overflow", "asked",
    "why_not", "role", "axis", "run",
)
"""The columns of tables beside a run's trials that hold text; all others hold numbers."""
CONDENSED = ("trials.csv", "distributions.parquet", "timelines.parquet")
"""The files from which a run without raw tables is read."""


@dataclass(frozen=True, eq=False)
class RunData:
    """The values of a run. The frames' columns are described in `docs/results.md`.

    Two runs are equal only where they are the same object, so functions of a run can be cached. Its frames must not
    be changed.
    """

    folder: Path
    manifest: Manifest
    trials: pd.DataFrame
    """`trials.csv`: one row per trial, failed ones too, in the order in which they were made."""
    summary: pd.DataFrame
    """`summary.csv`: one row per (transport, clients) cell; of a search, the cells at the capacity limits."""
    distributions: pd.DataFrame
    """`trial, instant, bin, count`: latencies in bins of 0.5 %."""
    timelines: pd.DataFrame
    """`trial, at_s, due, arrived`: updates due and arrived in steps of 100 ms."""
    measured: pd.DataFrame | None = None
    """`measured.csv` of a simulated run: measured cells of the same feed and options, as rows of `summary.csv`."""
    validation: pd.DataFrame | None = None
    """`validation.csv` of a simulated run: the errors of its model where it was checked."""
    closed_forms: pd.DataFrame | None = None
    """`closed_forms.csv` of a simulated run: its values, computed without simulating."""
    other_rates: pd.DataFrame | None = None
    """`other_rates.csv` of a run with a sweep: valid trials of the same sweep at other rates of the feed."""

    @property
    def scenario(self) -> Scenario:
        """Return the scenario, as it was when the run began."""
        return self.manifest.scenario

    @property
    def simulated(self) -> bool:
        """Return whether the run's trials were simulated."""
        return self.manifest.simulated

    @property
    def priced(self) -> bool:
        """Return whether the scenario asks for the price of a capacity plan."""
        return self.scenario.simulation.prices is not None

    @cached_property
    def fleet(self) -> list[RequiredResources]:
        """Return the capacity plan of a simulated run; an empty list for any other run and for a search."""
        if not self.simulated or self.capacity_limits is not None:
            return []
        return capacity_plan.needs_of(self.trials, self.manifest, self.closed_forms, self.validation)

    @property
    def transports(self) -> tuple[str, ...]:
        """Return the labels of the transports that were compared, in the scenario's order."""
        return tuple(self.scenario.transports)

    @property
    def clients(self) -> tuple[int, ...]:
        """Return the client counts of the scenario, in ascending order."""
        return tuple(sorted(self.scenario.load.clients))

    @cached_property
    def capacity_limits(self) -> pd.DataFrame | None:
        """Return `capacity.csv`, one row per transport; None where the run was no search for the capacity
        limit."""
        return capacity_limits(self.trials, self.scenario)

    @property
    def lacks(self) -> str | None:
        """Return a sentence that says what is missing of what the scenario asks for; None where nothing is.

        Missing are places of the plan without a VALID trial (the first one or a repeat), or without any
        trial; of a search, transports whose capacity limit was not found, whatever the cause.
        """
        searched = self.capacity_limits
        if searched is not None:
            missing = [str(label) for label in searched["transport"][~searched["found"].astype(bool)]]
            count = count_text(len(searched), "capacity limit", "capacity limits")
            return f"{len(missing)} of {count} not found: {list_text(missing)}" if missing else None
        places = self.trials.groupby(["block", "position"])
        planned = max(len(places), len(self.manifest.plan))
        if not self.finished:
            return f"{planned - len(places)} of {planned} places have no trial yet: the run is not finished"
        without = [trials for _, trials in places if "VALID" not in set(trials["verdict"])]
        bad = [self._place_text(trials.iloc[0].to_dict()) for trials in without]
        causes = dict.fromkeys(reason.partition(":")[0] for trials in without for text in trials["reasons"]
                               for reason in text.split("; "))
        made = count_text(len(places), "place", "places")
        has = "has" if len(bad) == 1 else "have"
        return (f"{len(bad)} of {made} {has} no valid trial: {list_text(bad)} ({list_text(list(causes))})" if bad
                else None)

    def _place_text(self, trial: Mapping[Any, Any]) -> str:
        """Return a place of the plan in words."""
        clients = f", {trial['clients']:,} clients" if len(self.clients) > 1 else ""
        return f"{trial['transport']}{clients}, block {trial['block']}"

    @property
    def finished(self) -> bool:
        """Return whether every place of the plan has a trial, or a stop rule ended the run before.

        A search for the capacity limit has no plan, and is always finished by this rule.
        """
        made, planned = len(self.trials.groupby(["block", "position"])), len(self.manifest.plan)
        return made >= planned or self.ended_after is not None

    @property
    def ended_after(self) -> int | None:
        """Return the block after which `trials.until` was reached; None where it was not, or is not set."""
        rule, count = self.scenario.trials.rule, self.scenario.trials.count
        if rule is None:
            return None
        cells = [(label, clients) for label in self.transports for clients in self.clients]
        return ended_after(self.trials, rule, cells, count)

    @cached_property
    def claims(self) -> list[Judgement]:
        """Return the verdicts on the claims of the scenario; an empty list where it has none."""
        return judged(self.scenario, self.valid)

    @cached_property
    def thresholds(self) -> list[ThresholdVerdict]:
        """Return the verdicts on the thresholds of the scenario; an empty list where it has none."""
        return thresholds.judged(self.scenario, self.valid)

    @cached_property
    def valid(self) -> pd.DataFrame:
        """Return the VALID trials, from which alone figures and tables are made."""
        return self.trials[self.trials["verdict"] == "VALID"]


def open_run(folder: Path) -> RunData:
    """Read a run and compute its values.

    Raises `RunError` where the folder holds no run, a run without trials (a reconnect storm, a crossover
    map, a decision), or one of which no trial has finished, and where a file is missing or can't be read.
    """
    manifest = manifests.read(folder)
    done = trial_record.trial_folders(folder)
    scenario = manifest.scenario
    if scenario.study:
        raise RunError(f"{folder}: a run of a scenario with [{scenario.study}], which has no trials; its answer "
                       f"is in {folder / 'report.html'}")
    if not done:
        raise RunError(f"{folder / 'trials'}: no trial has been finished yet")
    trials, distributions, timelines = _from_raw(done) if _is_raw(done) else _from_condensed(folder)
    trials = trials.sort_values(["block", "position", "attempt"], ignore_index=True)
    summary = summarise(at_limits(trials, scenario), tuple(scenario.transports))
    beside = [optional_table(folder / f"{name}.csv", columns) for name, columns in BESIDE.items()]
    return RunData(folder, manifest, trials, summary, distributions, timelines, *beside)


def optional_table(path: Path, columns: Sequence[str], mend: str = "delete it to do without") -> pd.DataFrame | None:
    """Read a table that only some runs have; return None where the file does not exist.

    Raises `RunError`, which ends with what to do (`mend`), where the file can't be read, a required column is
    missing, or a number's column holds text.
    """
    if not path.is_file():
        return None
    frame = _table(path, plain.read_csv, columns, mend)
    for name in (each for each in frame.columns if each not in TEXTS):
        wrong = frame[name][frame[name].notna() & pd.to_numeric(frame[name], errors="coerce").isna()]
        if len(wrong):
            raise RunError(f"{path}: column {name}: found {value_text(wrong.iloc[0])}, allowed are numbers; {mend}")
    return frame


def write_condensed(run: RunData) -> None:
    """Write the condensed files that the report is made from.

    Also writes `capacity.csv` of a search, `claims.csv` and `fleet.csv`, where the run has them.
    """
    tables = {"trials.csv": run.trials, "summary.csv": run.summary}
    if run.capacity_limits is not None:
        tables["capacity.csv"] = run.capacity_limits
    if run.claims:
        tables["claims.csv"] = claims_table(run.claims)
    if run.fleet:
        tables["fleet.csv"] = fleet.table(run.fleet)
    for name, frame in tables.items():
        with trial_record.whole_file(run.folder / name) as beside:
            plain.write_csv(beside, frame)
    for name, frame in (("distributions", run.distributions), ("timelines", run.timelines)):
        with trial_record.whole_file(run.folder / f"{name}.parquet") as beside:
            frame.to_parquet(beside, index=False, compression="zstd")


def verdict_words(verdict: Verdict) -> dict[str, str]:
    """Return the columns of `trials.csv` that hold a verdict."""
    return {
        "verdict": verdict.status,
        "reasons": "; ".join(str(reason) for reason in verdict.reasons),
        "not_assessed": " ".join(verdict.not_assessed),
    }


def _is_raw(done: list[Path]) -> bool:
    """Return whether the measured trials have their raw tables.

    Raises `RunError` where only some of them do: else the run would silently be read from the condensed files, which
    may be older.
    """
    measured = [path for path in done if _was_measured(trial_record.read_trial(path))]
    bare = [path for path in measured if not (path / "deliveries.parquet").is_file()]
    if bare and len(bare) < len(measured):
        raise RunError(
            f"{bare[0] / 'deliveries.parquet'}: no such file, while other trials have theirs: put it back, "
            "or take the raw tables of all trials away to read the run from trials.csv")
    return not bare


def _was_measured(record: trial_record.TrialRecord) -> bool:
    return record.status == "finished" and record.windows is not None


def _from_raw(folders: list[Path]) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return trials, distributions and timelines, with the tables of one trial in memory at a time."""
    rows, distributions, timelines = [], [], []
    for folder in folders:
        record = trial_record.read_trial(folder)
        tables = None
        if _was_measured(record):
            tables = trial_record.read_tables(folder, record)
        figures = trial_figures(record, tables)
        rows.append({**figures.row, **verdict_words(audit(record, figures.row))})
        distributions.append(figures.distribution)
        timelines.append(figures.timeline)
    return (
        _typed(pd.DataFrame(rows)),
        pd.concat(distributions, ignore_index=True),
        pd.concat(timelines, ignore_index=True),
    )


def _from_condensed(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return trials, distributions and timelines as `write_condensed` left them.

    Raises `RunError` where one of the files is missing or can't be read.
    """
    missing = [name for name in CONDENSED if not (folder / name).is_file()]
    if missing:
        raise RunError(f"{folder}: found neither raw deliveries nor {', '.join(missing)}; "
                       "a report needs the one or the other")
    trials = _table(folder / "trials.csv", plain.read_csv, (
        "trial", "block", "position", "attempt", "transport", "clients", "status", "verdict", "reasons",
    ), convert=_typed)
    return (
        trials,
        _table(folder / "distributions.parquet", pd.read_parquet, ("trial", "instant", "bin", "count")),
        _table(folder / "timelines.parquet", pd.read_parquet, ("trial", "at_s", "due", "arrived")),
    )


def _table(path: Path, read: Callable[[Path], pd.DataFrame], columns: Sequence[str],
           mend: str = "delete it and report from the raw tables",
           convert: Callable[[pd.DataFrame], pd.DataFrame] | None = None) -> pd.DataFrame:
    """Read a condensed file.

    Raises `RunError` where it can't be read or lacks a column, and so was not written by `write_condensed`.
    """
    try:
        frame = read(path)
        missing = [name for name in columns if name not in frame.columns]
        if convert is not None and not missing:
            frame = convert(frame)
    except (ValueError, TypeError, OSError, pa.ArrowException) as error:   # a ParserError is a ValueError
        what = str(error).partition("\n")[0]
        raise RunError(f"{path}: can't be read ({what}); {mend}") from error
    if missing:
        raise RunError(f"{path}: column {missing[0]}: found none, and every such file has it; {mend}")
    return frame


def _typed(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of `trials.csv` in their order, each with its type, whatever the rows' source."""
    found = {}
    for name in (*COLUMNS, *VERDICT_WORDS):
        column = trials[name] if name in trials else pd.Series(np.nan, trials.index)
        if name in WORDS or name in VERDICT_WORDS:
            found[name] = column.astype(object).where(column.notna(), "")
        else:
            found[name] = column.astype("Int64" if name in WHOLE else "float64")
    return pd.DataFrame(found, index=trials.index)


def with_all_bytes(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials with one more column, `bytes_per_update`: the bytes of both directions."""
    both = trials["bytes_down_per_update"] + trials["bytes_up_per_update"]
    return pd.concat([trials, both.rename("bytes_per_update")], axis=1)


OF_A_COMPARISON = ("verdict", "block", "transport", "clients", "delivered", "late", "lost")
"""The columns of `trials.csv` that a comparison of any value reads; few, since each cell is cut out of them."""


@lru_cache(maxsize=32)
def compared(run: RunData, column: str) -> list[Comparison]:
    """Return the comparisons of all pairs of transports in a value, at all client counts.

    They are cached by run and column, since several parts of a report need them.
    """
    trials = run.trials if column in run.trials else with_all_bytes(run.trials)
    needed = [name for name in trials.columns
              if name in (*OF_A_COMPARISON, column) or name.endswith("_error_share")]
    return comparisons(trials[needed], column, run.transports)


@lru_cache(maxsize=8)
def shown_clients(run: RunData) -> int:
    """Return the client count that is shown where a figure or a text shows only one.

    It is the largest at which every transport with any valid trial has one; without such, the largest of the scenario.
    """
    have = {label: set(run.valid.loc[run.valid["transport"] == label, "clients"]) for label in run.transports}
    common = set.intersection(*[counts for counts in have.values() if counts] or [set()])
    return int(max(common or set(run.clients)))


def counterparts(run: RunData, differ_in: str, one: str, other: str) -> list[tuple[str, str]]:
    """Return the labels of each two subjects that differ in one field alone, in the run's order.

    `differ_in` is `client` or `implementation`, which is `one` in the first subject of each pair and `other` in the
    second.
    """
    alike: dict[str, dict[str, str]] = {}
    for label, subject in run.scenario.transports.items():
        fields = {"client": subject.client, "implementation": subject.implementation}
        value = fields.pop(differ_in)
        same = json.dumps([subject.transport, fields, run.manifest.subjects[label].options], sort_keys=True)
        alike.setdefault(same, {}).setdefault(value, label)
    return [(each[one], each[other]) for each in alike.values() if {one, other} <= set(each)]
