"""The closed forms of the transports, compared with measurements.

    push transport measured ─► δ (its mean latency at the same client count, without the wait for a flush)
    scenario ─► λ: updates per second that a client subscribes to   └─► model of each other transport

The mean latency of the push that flushes most often (the first of them) is taken as δ, the way from the server
to a client, which includes the wait for other clients. With δ known, the model of a polling transport, or of a
push with a longer flush, has no parameter that was fitted to that transport. Without a push transport in the
run there is no δ, and no closed form is drawn. Another push that flushes as often has no closed form here, since its
latency is its own δ: another's says nothing about it.

Forms that take ticks as a Poisson process are left out where the feed has another schedule. A mean age depends
mostly on the feed: on how long its symbols were quiet during the trial. So the predicted age is the measured age
of an ideal client plus the closed form of the excess age.

Known weakness: the pause of a long poller between a response and its next request is taken as zero.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from bench import transports
from bench.errors import ScenarioError
from bench.records import manifest as manifests
from bench.report.data.run import RunData
from bench.scenario.model import DEFAULT_CLIENT
from bench.transports.model import Conditions

FIGURES = ("latency_mean_ms", "age_mean_ms", "age_excess_mean_ms")
"""The values that have a closed form."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """A value of one cell: as its closed form predicts it, and as it was measured."""

    transport: str
    clients: int
    figure: str
    predicted: float
    measured: float

    @property
    def off(self) -> float:
        """Return the relative difference, (measured − predicted) / predicted; NaN where 0 is predicted."""
        return self.measured / self.predicted - 1 if self.predicted else math.nan


def push(run: RunData) -> str | None:
    """Return the label of the run's push whose flushes are closest together, the first of them; None where
    none pushes."""
    flushed = {label: every_s for label in run.transports if (every_s := flush_s(run, label)) is not None}
    return min(flushed, key=lambda label: flushed[label], default=None)


def flush_s(run: RunData, label: str) -> float | None:
    """Return the seconds between two flushes of a push, 0 if it sends at once; None if it is no push."""
    kind, options = _subject(run, label)
    if options is None:
        return None
    cycle = transports.model_of(kind).cycle(options)
    return cycle.flush_s if cycle.pushes else None


def push_delay_ms(run: RunData, clients: int) -> float:
    """Return δ at a client count: the mean latency of the run's push (`push`), without the wait for its flush.

    NaN where there is none, or no trial with this client count is valid.
    """
    pusher = push(run)
    mine = run.summary[(run.summary["transport"] == pusher) & (run.summary["clients"] == clients)]
    if pusher is None or not len(mine) or mine["latency_mean_ms"].isna().iloc[0]:
        return math.nan
    kind, options = _subject(run, pusher)
    waits_ms = 1000 * _form_s(run, "latency_mean_ms", kind, options, clients, 0.0) if flush_s(run, pusher) else 0.0
    return float(mine["latency_mean_ms"].iloc[0]) - waits_ms


def predicted(run: RunData) -> list[Predicted]:
    """Return all closed forms that have a measured counterpart, by figure, transport and client count.

    Returns an empty list where the run has no push transport.
    """
    pusher = push(run)
    if pusher is None:
        return []
    own_s, delays_s = flush_s(run, pusher), {each: push_delay_ms(run, each) / 1000 for each in run.clients}
    cells = {(row["transport"], int(row["clients"])): row for _, row in run.summary.iterrows()}
    found = []
    for figure in FIGURES:
        for label in run.transports:
            kind, options = _subject(run, label)
            if options is None or flush_s(run, label) == own_s:
                continue   # δ is their own
            for clients in run.clients:
                if (pusher, clients) not in cells or (label, clients) not in cells:
                    continue   # a run that is not finished
                delay_s = delays_s[clients]
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
    return run.scenario.feed.schedule == "poisson"


def _form_s(run: RunData, figure: str, kind: str, options: object, clients: int, delay_s: float) -> float:
    """Return the closed form of a value in seconds; for both ages that of the excess age.

    Returns NaN where no form holds for the feed's schedule.
    """
    model = transports.model_of(kind)
    rate_per_s, symbols = demand(run, clients)
    conditions = Conditions(
        rate_per_s, delay_s, symbols=symbols, mode=run.scenario.load.mode, poisson=poisson(run))
    form = model.latency_mean_s if figure == "latency_mean_ms" else model.age_excess_mean_s
    return form(options, conditions)


def demand(run: RunData, clients: int) -> tuple[float, int]:
    """Return the demand of one client: updates per second that were due, and the number of its symbols."""
    here = run.valid[run.valid["clients"] == clients]
    # Not multiplied by `sample`: updates due are counted for all clients, whether their rows are kept or not.
    client_s = float((here["measure_s"] * here["clients"]).sum())
    symbols = run.scenario.load.symbols_per_client or run.scenario.feed.symbols
    return float(here["updates_due"].sum()) / client_s, symbols


def _subject(run: RunData, label: str) -> tuple[str, object | None]:
    """Return the folder of a transport and its options; None for the options where no closed form holds, or they can't
    be read here."""
    subject = run.scenario.transports[label]
    if subject.client != DEFAULT_CLIENT:
        return subject.transport, None   # a browser's own time is in no form
    try:
        return subject.transport, transports.options(label, subject, str(run.folder / manifests.NAME))
    except ScenarioError:
        return subject.transport, None
