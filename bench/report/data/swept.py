"""The curves of a sweep: the subjects of each transport in the order of the swept values, and their trials.

A sweep makes a subject of each value of an option (`bench.scenario.sweep`); here they are one curve again, of
freshness against cost. Transports that were not swept are a curve of one point.

A run has one feed. Where the sweep is to be seen at several rates of it, there is a run for each, and `put_beside`
copies the values of the others into the folder of one, as `other_rates.csv`: its report is then made from its own
files alone, as any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench.errors import RunError
from bench.output import plain
from bench.records.trial_record import whole_file
from bench.report.data.run import BESIDE, RunData, shown_clients, with_all_bytes
from bench.scenario.sweep import curves
from bench.stats.run.comparison import EqualStaleness, at_equal_staleness

AGE = "age_excess_mean_ms"
MAY_DIFFER = ("question", "seed", "windows", "trials", "simulation")
"""Fields of the scenario in which runs at other rates may differ, besides `feed.rate_per_s`."""


@dataclass(frozen=True, slots=True)
class SweptCurve:
    """The subjects of one transport: of a sweep in the order of its values, else one."""

    label: str
    """The transport's label, without a value."""
    option: str
    """The option that was swept; empty where none was."""
    subjects: tuple[tuple[str, str], ...]
    """Each value in words, with the label of its subject."""


def curves_of(run: RunData) -> list[SweptCurve]:
    """Return the curves of a run, in the order of its subjects; those that were not swept are single points."""
    swept = {subject: curve for curve in curves(run.scenario.sweep)
             for _, subject in curve.subjects}
    found: dict[str, SweptCurve] = {}
    for label in run.transports:
        curve = swept.get(label)
        if curve is None:
            found[label] = SweptCurve(label, "", (("", label),))
        elif curve.label not in found:
            values = tuple((_words(value), subject) for value, subject in curve.subjects)
            found[curve.label] = SweptCurve(curve.label, curve.option, values)
    return list(found.values())


def _words(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def by_rate(run: RunData) -> list[tuple[float, pd.DataFrame]]:
    """Return the feed's rates with their valid trials at the client count that is shown, the lowest first.

    They are the run's own, and those that were put beside it. The rate of replayed trades is that of the scenario.
    """
    clients = shown_clients(run)
    own = with_all_bytes(run.valid)
    found = [(run.scenario.feed.rate_per_s, own[own["clients"] == clients])]
    if run.other_rates is not None:
        others = run.other_rates[run.other_rates["clients"] == clients]
        rates = {float(each) for each in others["rate_per_s"]}
        found += [(rate, others[others["rate_per_s"] == rate]) for rate in rates]
    return sorted(found, key=lambda each: each[0])


def at_equal(run: RunData, trials: pd.DataFrame, column: str) -> EqualStaleness | None:
    """Return the costs of the swept transports at equal excess age, from the trials of one rate.

    A block in which a subject of a curve has no value is left out. Returns None where no staleness is reached by
    every curve, or no block is whole.
    """
    swept = [curve for curve in curves_of(run) if len(curve.subjects) > 1]
    blocks = []
    for _, block in trials.groupby("block"):
        mine = block[(block[AGE] > 0) & (block[column] > 0)]
        known = {str(label): (float(age), float(cost))
                 for label, age, cost in zip(mine["transport"], mine[AGE], mine[column], strict=True)}
        points = {curve.label: [known[label] for _, label in curve.subjects if label in known] for curve in swept}
        if all(len(points[curve.label]) == len(curve.subjects) for curve in swept):
            blocks.append(points)
    return at_equal_staleness(blocks)


def put_beside(run: RunData, others: Sequence[RunData]) -> None:
    """Write the values of runs at other rates of the feed into a run's folder.

    Raises `RunError` where a run has no sweep, differs in more than its rate, or has a rate that another one has.
    """
    taken = {_rate(run)}
    frames = []
    for other in others:
        if _comparable(other) != _comparable(run):
            differs = next(name for name, value in _comparable(run).items() if _comparable(other)[name] != value)
            raise RunError(f"{other.folder}: {differs}: found another one than that of {run.folder}, allowed is a run "
                           "of the same scenario at another feed.rate_per_s")
        if _rate(other) in taken:
            raise RunError(f"{other.folder}: feed.rate_per_s: found {_rate(other):g}, allowed is a rate that no other "
                           "of these runs has")
        taken.add(_rate(other))
        frames.append(with_all_bytes(other.valid).assign(rate_per_s=_rate(other))[list(BESIDE["other_rates"])])
    with whole_file(run.folder / "other_rates.csv") as path:
        plain.write_csv(path, pd.concat(frames, ignore_index=True))


def _rate(run: RunData) -> float:
    """Return the rate of a run's feed; raise `RunError` where the run has no sweep, or replays trades."""
    if not run.scenario.sweep:
        raise RunError(f"{run.folder}: sweep: found none, allowed is a run that sweeps an option")
    if run.scenario.feed.schedule == "replay":
        raise RunError(f"{run.folder}: feed.schedule: found replay, allowed is a feed with a rate of its own")
    return run.scenario.feed.rate_per_s


def _comparable(run: RunData) -> dict[str, Any]:
    """Return the scenario of a run without the fields in which runs at other rates may differ, and its source."""
    tables = {name: value for name, value in run.scenario.canonical().items() if name not in MAY_DIFFER}
    return {**tables, "feed": {**tables["feed"], "rate_per_s": None}, "source": run.manifest.source}
