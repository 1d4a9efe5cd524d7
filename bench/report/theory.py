"""The closed forms of the transports, beside what was measured.

    push transport measured ─► δ (its mean latency at the same client count)
    scenario ─► λ: updates a second that a client subscribes to     └─► model of each other transport

A transport pushes if its model asks no requests. Of the first one that does, the mean latency is taken
as δ, the way from the server to a client with the wait for other clients in it; then the model of a
polling transport has no parameter that was fitted to the transport itself. Without a push transport in
the run there is no δ, and nothing is drawn.

Known weakness: a long poller's own pause between answer and request is taken as none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench import transports
from bench.errors import ScenarioError
from bench.report.run import Run

FIGURES = ("latency_mean_ms", "age_mean_ms", "age_excess_mean_ms")
"""The figures that have a closed form."""


@dataclass(frozen=True, slots=True)
class Foreseen:
    """A figure of one cell as its model has it, and as it was measured."""

    transport: str
    clients: int
    figure: str
    foreseen: float
    measured: float

    @property
    def off(self) -> float:
        """(measured − foreseen) / foreseen."""
        return self.measured / self.foreseen - 1


def push(run: Run) -> str | None:
    """The first transport of the run that pushes."""
    for label in run.transports:
        kind, options = _subject(run, label)
        if options is not None and transports.part(kind, "model").requests_per_s(options, 1.0, 0.001) == 0:
            return label
    return None


def foreseen(run: Run) -> list[Foreseen]:
    """All closed forms that can be set beside a measurement, by figure, transport and client count."""
    pusher = push(run)
    if pusher is None:
        return []
    cells = {(row["transport"], int(row["clients"])): row for _, row in run.summary.iterrows()}
    found = []
    for figure in FIGURES:
        for label in run.transports:
            kind, options = _subject(run, label)
            if label == pusher or options is None:
                continue
            for clients in run.clients:
                delay_s = cells[pusher, clients]["latency_mean_ms"] / 1000
                measured = cells[label, clients][figure]
                if not (math.isfinite(delay_s) and math.isfinite(measured)):
                    continue
                expected = _value(run, figure, kind, options, clients, delay_s) * 1000
                found.append(Foreseen(label, clients, figure, expected, float(measured)))
    return found


def _value(run: Run, figure: str, kind: str, options: object, clients: int, delay_s: float) -> float:
    """The closed form of a figure, in s."""
    model = transports.part(kind, "model")
    rate_per_s, symbols = demand(run, clients)
    latest = run.manifest["scenario"]["load"].get("mode") == "latest"
    if figure == "age_mean_ms":
        return float(model.age_mean_s(options, rate_per_s, delay_s, symbols=symbols))
    if figure == "age_excess_mean_ms":
        return float(model.age_excess_mean_s(options, rate_per_s, delay_s, symbols=symbols))
    if latest:
        return float(model.latency_mean_latest_s(options, rate_per_s, delay_s, symbols=symbols))
    return float(model.latency_mean_s(options, rate_per_s, delay_s))


def demand(run: Run, clients: int) -> tuple[float, int]:
    """What one client asks for: updates a second as they were due, and how many symbols."""
    here = run.valid[run.valid["clients"] == clients]
    client_s = float((here["measure_s"] * here["clients"] * here["sample"]).sum())
    scenario = run.manifest["scenario"]
    symbols = scenario["load"].get("symbols_per_client") or scenario["feed"].get("symbols") or 1
    return float(here["updates_due"].sum()) / client_s, int(symbols)


def _subject(run: Run, label: str) -> tuple[str, object | None]:
    """The folder of a transport and its options; None where this version has no such folder."""
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
