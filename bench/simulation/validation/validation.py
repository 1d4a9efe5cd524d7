"""A validation on disk: its measured, predicted and judged cells.

    results/<UTC time>-validation/
        held-out.json      the cells to predict, and each run's purpose; written before the first trial
        runs/              all measured runs, each an ordinary run; their names are in series.json
        costs.json         fitted to the calibration's runs once all is measured; or the given costs, which are
                           in costs.given.json until then
        simulated/         the held-out runs, simulated with these costs
        ────────────────────────────────────────────────
        validation.csv     one row per run, cell and quantity
        report.html  report.md  figures/

Everything below the line is made from the files above it; the simulated runs are made anew each time.
"""

from __future__ import annotations

import math
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from bench.errors import RunError
from bench.experiment.progress import Reporter
from bench.output import plain
from bench.records.trial_record import read_json, whole_file
from bench.report.data.run import RunData as Reported
from bench.report.data.run import open_run
from bench.report.pages.validation import ValidationPage, write
from bench.simulation.calibration import observations
from bench.simulation.calibration.costs import CostsFile, read_costs
from bench.simulation.validation import resimulate
from bench.stats.run import prediction
from bench.stats.run.capacity_limit import CapacityLimit
from bench.stats.run.limit_search import SearchState
from bench.stats.run.prediction import ValidationRow
from bench.stats.run.prediction_causes import FitQuality, furthest_apart, why

NAMED, COSTS, GIVEN = "held-out.json", "costs.json", "costs.given.json"
ROLES = ("calibration", "held_out", "searches")
GENERATOR = " The load generator of the measurement reached its limit first: the server carries more than was measured."


def named(folder: Path) -> dict[str, list[str]]:
    """Return the names of a validation's runs, by their purpose."""
    path = folder / NAMED
    if not path.is_file():
        raise RunError(f"{path}: no such file, allowed is a validation's folder: `tickertape validate` makes "
                       "one")
    said = read_json(path)
    for role in ROLES:
        if not isinstance(said.get(role), list):
            raise RunError(f"{path}: {role}: found {said.get(role)!r:.80}, allowed is a list of runs: "
                           "this is not a validation's folder")
    return {role: [str(name) for name in said[role]] for role in ROLES}


def judge(folder: Path, make_reporter: Callable[[int, int], Reporter], say: Callable[[str], None]) -> ValidationPage:
    """Predict the measured cells of a validation, compare, and write the table and the page."""
    roles, costs_path = named(folder), folder / COSTS
    if not costs_path.is_file():
        raise RunError(f"{costs_path}: no such file: files to be judged are missing; if it was "
                       f"interrupted, continue with `tickertape validate --resume {folder}`")
    costs = read_costs(costs_path)
    held_out = [folder / "runs" / name for name in roles["held_out"]]
    cells = [each.cell for run in held_out for each in observations.observe(run)]
    resimulate.refuse_overlap(cells, resimulate.fitted_cells(costs), str(folder / NAMED))
    shutil.rmtree(folder / "simulated", ignore_errors=True)
    rows: list[ValidationRow] = []
    reasons: dict[tuple[str, str, int, str], str] = {}
    notes: list[str] = []
    for run in held_out:
        say(f"Simulating {run.name} …")
        resimulated = resimulate.simulate(run, costs_path, folder / "simulated", make_reporter, say, sys.argv[1:])
        mine, theirs = open_run(run), open_run(resimulated.folder)
        found = prediction.pairs(*(prediction.figures(each.trials, each.distributions)
                                   for each in (mine, theirs)))
        compared = [replace(row, run=run.name) for row in prediction.compare(found)]
        rows += compared
        reasons |= _reasons(compared, found, _qualities(mine, costs))
        notes += _left_out(mine, found)
    for name in roles["searches"]:
        say(f"Simulating {name} …")
        resimulated = resimulate.simulate(
            folder / "runs" / name, costs_path, folder / "simulated", make_reporter, say,
                              sys.argv[1:])
        capacity_limits, causes = _limits_of_both(open_run(folder / "runs" / name), open_run(resimulated.folder))
        rows += capacity_limits
        reasons |= causes
    judged = ValidationPage(folder.name, costs.description, rows, reasons, notes)
    with whole_file(folder / "validation.csv") as beside:
        plain.write_csv(beside, prediction.table(rows))
    write(folder, judged)
    return judged


def _qualities(run: Reported, costs: CostsFile) -> dict[str, FitQuality]:
    """Return, by label, how well the costs fit the cells that they were fitted to."""
    scenario = run.manifest.scenario
    feed, qualities = scenario.feed, {}
    same = None if feed.schedule == "replay" else feed.rate_per_s, feed.book_levels, feed.encoding
    for label, subject in scenario.transports.items():
        mine = costs.of(subject.transport, run.manifest.subjects[label].options, subject.implementation)
        alike = [each for each in mine.fitted
                 if (each.cell.rate_per_s, each.cell.book_levels, each.cell.encoding) == same
                 and each.cell.takes_messages == (feed.source == "clients")
                 and each.cell.options.get("connection") != "new"]
        measured = sum(each.server_cpu_cores for each in alike)
        error = sum(each.fitted_cpu_cores for each in alike) / measured - 1 if measured else math.nan
        qualities[label] = FitQuality(mine.residual_share, error)
    return qualities


def _reasons(rows: Sequence[ValidationRow], found: pd.DataFrame, qualities: Mapping[str, FitQuality]
             ) -> dict[tuple[str, str, int, str], str]:
    reasons = {}
    for row in rows:
        if row.met in ("no", "open"):
            cell = found[(found["transport"] == row.transport) & (found["clients"] == row.clients)]
            reasons[row.key] = why(row, cell, qualities[row.transport])
    return reasons


def _left_out(measured: Reported, found: pd.DataFrame) -> list[str]:
    """Return sentences on cells without a pair of trials, and on the number of trials that were not VALID."""
    trials = measured.trials
    bad = int((trials["verdict"] != "VALID").sum())
    notes = [f"{bad} of {len(trials)} measured trials of {measured.folder.name} were not VALID, and are "
             "excluded."] if bad else []
    have = set(zip(found["transport"], found["clients"], strict=True))
    for transport, clients in dict.fromkeys(zip(trials["transport"], trials["clients"], strict=True)):
        if (transport, clients) not in have:
            notes.append(f"{transport} at {clients} clients has no pair of VALID trials, a measured and a simulated "
                         "one, and was not judged.")
    return notes


def _limits_of_both(measured: Reported, predicted: Reported
           ) -> tuple[list[ValidationRow], dict[tuple[str, str, int, str], str]]:
    """Return the capacity limits of both searches, and the causes of differences."""
    mine, theirs = measured.capacity_limits, predicted.capacity_limits
    assert mine is not None, f"{measured.folder}: no search"
    assert theirs is not None, f"{predicted.folder}: no search"
    rows, reasons = [], {}
    for place in range(len(mine)):
        ours = mine.iloc[place]
        simulated = theirs[theirs["transport"] == ours["transport"]].iloc[0]
        row = replace(prediction.compare_limits(
            str(ours["transport"]), _number(ours["server_cpu"]), _state(ours), _state(simulated)),
            run=measured.folder.name)
        rows.append(row)
        if row.met in ("no", "open"):
            reasons[row.key] = (
                f"Measured: {_limit_text(ours)} (limited by: {ours['limited_by']}). Predicted: "
                f"{_limit_text(simulated)} (limited by: {simulated['limited_by']})."
                f"{GENERATOR * (ours['limited_by'] == 'generator')}{_unrest(measured, row)}")
    return rows, reasons


def _unrest(measured: Reported, row: ValidationRow) -> str:
    """Return a sentence on how much repeated measurements of one level differ; empty if no level was repeated.

    A single search can't average out that difference.
    """
    steps = measured.trials[(measured.trials["transport"] == row.transport)
                            & (measured.trials["verdict"] == "VALID")]
    found = furthest_apart(steps["clients"].tolist(), steps["latency_p99_ms"].tolist())
    if found is None:
        return ""
    level, low, high = found
    return (f" Two measured tries with {level:,} clients had a 99th percentile of {low:.1f} and {high:.1f} "
            "ms: a single search depends on such chance.")


def _state(row: pd.Series) -> SearchState:
    held, broke = _number(row["clients"]), _number(row["broke_at"])
    limit = CapacityLimit(*(_number(row[name]) for name in ("limit", "limit_low", "limit_high")))
    return SearchState(None if math.isnan(held) else int(held), None if math.isnan(broke) else int(broke),
                       None if math.isnan(limit.estimate) else limit)


def _number(value: object) -> float:
    return math.nan if pd.isna(value) else float(value)   # type: ignore[call-overload,arg-type]


def _limit_text(row: pd.Series) -> str:
    """Return a limit with its interval in words; without one, the levels that held and broke."""
    limit, low, high = (_number(row[name]) for name in ("limit", "limit_low", "limit_high"))
    if math.isnan(limit):
        return f"held {_value_text(row['clients'])}, broke at {_value_text(row['broke_at'])}"
    return f"{limit:,.0f} ({low:,.0f} to {high:,.0f})"


def _value_text(value: object) -> str:
    number = _number(value)
    return "nothing" if math.isnan(number) else f"{number:,.0f}"
