"""The measured baseline of a simulated run: cells of the same shape, and the range that a validation checked.

    a measured run ──cells of the same feed, mode and options──► measured.csv   points beside the curves
                   ──memory of each further client─────────────► manifest       the capacity plan's
    validation.csv of `tickertape validate` ───────────────────► validation.csv   the range that was checked

Both are copied into the run's folder, since a report is made from a run's own files. Two cells have the
same shape if they differ at most in the clients, the windows, the seed, the number of trials and the network.
Values that depend on the network are only compared where both are of the loopback
(`bench.report.text.simulated`).
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bench import shipped
from bench.errors import RunError
from bench.experiment import plan
from bench.output import plain
from bench.records import manifest as manifests
from bench.records.manifest import MeasuredEntry
from bench.records.trial_record import whole_file
from bench.report import open_run
from bench.report.data.run import optional_table
from bench.scenario.fields import Table
from bench.scenario.model import DEFAULT_CLIENT, Scenario
from bench.simulation.calibration.costs import REFERENCE, CostKind, CostsFile, read_costs
from bench.stats.run.prediction import REQUIRED
from bench.stats.run.summary import further_client

MEASURED = shipped.path("results/reference")
REFERENCE_VALIDATION = shipped.path("results/reference-validation/validation.csv")
FEED = ("source", "schedule", "rate_per_s", "symbols", "book_levels", "encoding")


@dataclass(frozen=True, slots=True)
class Baseline:
    """The cells of a measured run to which a simulated run is compared."""

    cells: pd.DataFrame | None = None
    """Rows of the measured run's `summary.csv`, by the labels of the simulated run."""
    about: MeasuredEntry | None = None
    """The entry about the run for the manifest."""
    notes: tuple[str, ...] = ()
    """Reasons why a run that the user named has no cell to compare."""


def measured(folder: Path | None, scenario: Scenario, options: Mapping[str, Table]) -> Baseline:
    """Return the comparable cells of the run in `folder`; with None, of the reference run, if it is there.

    Raises `RunError` where the run is a simulated one.
    """
    if folder is None and not (MEASURED / manifests.NAME).is_file():
        return Baseline()
    found = open_run(folder or MEASURED)
    if "simulated" in set(found.trials["source"]):
        raise RunError(f"{folder}: --measured: found a simulated run, allowed is a measured one")
    theirs = found.manifest.scenario
    labels = _same_subjects(scenario, options, theirs, str(found.folder))
    memory = {mine: further_client(found.trials[found.trials["transport"] == label]).estimate
              for mine, label in _same_kinds(scenario, options, theirs, str(found.folder)).items()}
    about = MeasuredEntry(
        run=found.folder.name, host=found.manifest.host.get("cpu_model"),
        memory_bytes_per_client={mine: value for mine, value in memory.items() if value == value},
    )
    unlike = _unlike(scenario, theirs)
    if unlike:
        notes = (f"{folder}: no comparable cell: {unlike}",) if folder else ()
        return Baseline(None, about, notes)
    cells = [found.summary[found.summary["transport"] == label].assign(transport=mine)
             for mine, label in labels.items()]
    return Baseline(pd.concat(cells) if cells else None, about)


def validation(results: Path, costs: CostsFile) -> pd.DataFrame | None:
    """Return the table of the validation that checked these costs, or None.

    It is the newest validation of this host if the costs are this host's; else the one that comes with the
    project, if the costs are the project's.
    """
    if costs.host_name == platform.node():
        for path in sorted(results.glob("[0-9]*/validation.csv"), reverse=True):
            if not (path.parent / "trials").is_dir():   # a run's copy is not a validation
                return optional_table(path, REQUIRED)
    if not (REFERENCE.is_file() and REFERENCE_VALIDATION.is_file()):
        return None
    known = read_costs(REFERENCE)
    is_known = (known.host_name, known.made_at) == (costs.host_name, costs.made_at)
    return optional_table(REFERENCE_VALIDATION, REQUIRED) if is_known else None


def write(folder: Path, found: Baseline, checked: pd.DataFrame | None) -> None:
    """Write both into a run's folder."""
    for name, frame in (("measured", found.cells), ("validation", checked)):
        if frame is not None:
            _write(folder, name, frame)


def write_validation(folder: Path, checked: pd.DataFrame | None) -> None:
    """Write the validation of a map's costs into the map's folder, if there is one."""
    if checked is not None:
        _write(folder, "validation", checked)


def _write(folder: Path, name: str, frame: pd.DataFrame) -> None:
    with whole_file(folder / f"{name}.csv") as beside:
        plain.write_csv(beside, frame)


def _same_subjects(mine: Scenario, options: Mapping[str, Table], theirs: Scenario, where: str
                   ) -> dict[str, str]:
    """Map each label of ours to their label of the same transport, server and options."""
    their_options = plan.options_of_all(theirs, where)
    found: dict[str, str] = {}
    for label, subject in mine.transports.items():
        for other, their_subject in theirs.transports.items():
            same = (their_subject.transport, their_subject.implementation, their_subject.client) == (
                subject.transport, subject.implementation, subject.client)
            if same and their_subject.external is None and their_options[other] == options[label]:
                found.setdefault(label, other)
    return found


def _same_kinds(mine: Scenario, options: Mapping[str, Table], theirs: Scenario, where: str) -> dict[str, str]:
    """Map each label of ours to theirs of the same kind, at any interval: a client's memory is the same."""
    their_options = plan.options_of_all(theirs, where)
    kinds = {CostKind.of(subject.transport, their_options[label], subject.implementation): label
             for label, subject in reversed(theirs.transports.items())
             if subject.external is None and subject.client == DEFAULT_CLIENT}
    found = {label: kinds.get(CostKind.of(subject.transport, options[label], subject.implementation))
             for label, subject in mine.transports.items()}
    return {label: other for label, other in found.items() if other is not None}


def _unlike(mine: Scenario, theirs: Scenario) -> str:
    """Return the first difference between the shapes of two scenarios' cells; empty if there is none."""
    asked = [_shape(each) for each in (mine, theirs)]
    for name, value in asked[0].items():
        if value != asked[1][name]:
            return f"{name} is {asked[1][name]} there and {value} here"
    return ""


def _shape(scenario: Scenario) -> dict[str, Any]:
    """Return the values that comparable cells have in common, as a flat dict."""
    feed = scenario.feed
    further = {"bursty": feed.bursty, "replay": feed.replay}.get(feed.schedule)
    return {
        **{f"feed.{name}": getattr(feed, name) for name in FEED},
        "feed": further, "load.mode": scenario.load.mode,
        "load.symbols_per_client": scenario.load.symbols_per_client, "server": scenario.server,
    }
