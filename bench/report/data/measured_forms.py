"""The closed forms of the transports, beside what was measured.

    push transport measured ─► δ (its mean latency at the same client count)
    scenario ─► λ: updates per second that a client subscribes to   └─► model of each other transport

A transport pushes if its cycle says so. The mean latency of the first one that pushes is taken as δ, the way
from the server to a client, which includes the wait for other clients. With δ known, the model of a polling
transport has no parameter that was fitted to that transport. A push has no closed form here, since its latency
is its own δ: another's says nothing about it. Without a push transport in the run there is no δ, and no closed
form is drawn.

Forms that take ticks as a Poisson process (all but those in the model's `ANY_FEED`) are left out where the
feed has another schedule. A mean age depends mostly on the feed: on how long its symbols were quiet during
the trial. So the predicted age is the measured age of an ideal client plus the closed form of the excess age.

Known weakness: the pause of a long poller between an answer and its next request is taken as zero.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench import transports
from bench.errors import ScenarioError
from bench.report.data.run import RunData
from bench.transports.cycle import Cycle

FIGURES = ("latency_mean_ms", "age_mean_ms", "age_excess_mean_ms")
"""The figures that have a closed form."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """A figure of one cell: as its closed form predicts it, and as it was measured."""

    transport: str
    clients: int
    figure: str
    predicted: float
    measured: float

    @property
    def off(self) -> float:
        """Return the relative difference, (measured − foreseen) / foreseen."""
        return self.measured / self.predicted - 1


def push(run: RunData) -> str | None:
    """Return the label of the run's first transport that pushes; None where none does."""
    for label in run.transports:
        kind, options = _subject(run, label)
        if options is not None and _pushes(kind, options):
            return label
    return None


def _pushes(kind: str, options: object) -> bool:
    cycle: Cycle = transports.part(kind, "model").cycle(options)
    return cycle.pushes


def push_delay_ms(run: RunData, clients: int) -> float:
    """Return the mean latency of the first push transport at a client count; NaN where there is none."""
    mine = run.summary[(run.summary["transport"] == push(run)) & (run.summary["clients"] == clients)]
    return float(mine["latency_mean_ms"].iloc[0]) if len(mine) else math.nan


def predicted(run: RunData) -> list[Predicted]:
    """Return all closed forms that have a measured counterpart, by figure, transport and client count.

    Returns an empty list where the run has no push transport.
    """
    pusher = push(run)
    if pusher is None:
        return []
    cells = {(row["transport"], int(row["clients"])): row for _, row in run.summary.iterrows()}
    found = []
    for figure in FIGURES:
        for label in run.transports:
            kind, options = _subject(run, label)
            if options is None or _pushes(kind, options):
                continue
            for clients in run.clients:
                if (pusher, clients) not in cells or (label, clients) not in cells:
                    continue   # a run that is not finished
                delay_s = cells[pusher, clients]["latency_mean_ms"] / 1000
                measured = cells[label, clients][figure]
                if not (math.isfinite(delay_s) and math.isfinite(measured)):
                    continue
                form_ms = 1000 * _form_s(run, figure, kind, options, clients, delay_s)
                if math.isnan(form_ms):
                    continue
                ideal_ms = measured - cells[label, clients]["age_excess_mean_ms"]
                expected_ms = form_ms + ideal_ms if figure == "age_mean_ms" else form_ms
                found.append(Predicted(label, clients, figure, float(expected_ms), float(measured)))
    return found


def poisson(run: RunData) -> bool:
    """Return whether the run's ticks were a Poisson process."""
    return bool(run.manifest["scenario"]["feed"].get("schedule") == "poisson")


def _form_s(run: RunData, figure: str, kind: str, options: object, clients: int, delay_s: float) -> float:
    """Return the closed form of a figure in seconds; for both ages that of the excess age.

    Returns NaN where no form holds for the feed's schedule.
    """
    model = transports.part(kind, "model")
    rate_per_s, symbols = demand(run, clients)
    form, given = "latency_mean_s", {}
    if figure != "latency_mean_ms":
        form, given = "age_excess_mean_s", {"symbols": symbols}
    elif run.manifest["scenario"]["load"].get("mode") == "latest":
        form, given = "latency_mean_latest_s", {"symbols": symbols}
    if not poisson(run) and form not in model.ANY_FEED:
        return math.nan
    return float(getattr(model, form)(options, rate_per_s, delay_s, **given))


def demand(run: RunData, clients: int) -> tuple[float, int]:
    """Return the demand of one client: updates per second that were due, and the number of its symbols."""
    here = run.valid[run.valid["clients"] == clients]
    # Not multiplied by `sample`: updates due are counted for all clients, whether their rows are kept or not.
    client_s = float((here["measure_s"] * here["clients"]).sum())
    scenario = run.manifest["scenario"]
    symbols = scenario["load"].get("symbols_per_client") or scenario["feed"].get("symbols") or 1
    return float(here["updates_due"].sum()) / client_s, int(symbols)


def _subject(run: RunData, label: str) -> tuple[str, object | None]:
    """Return the folder of a transport and its options; None for the options where they can't be read
    here."""
    subject: Mapping[str, Any] = run.manifest["scenario"]["transports"][label]
    kind = str(subject.get("transport") or label)
    if kind not in transports.names():
        return kind, None
    own = {key: value for key, value in subject.items() if key not in ("transport", "server")}
    where = str(run.folder / "manifest.json")
    try:
        return kind, transports.options_of(kind, own, where, f"transports.{label}")
    except ScenarioError:
        return kind, None
