"""Which side of a trial was at its limit, from the values and detectors of the audit.

    feed         ticks came late or not at all
    generator    it used up its core: the values measure it, and the server might have carried more
    server CPU   the server used up its core
    generator    it fell behind or was paused, with the server not at its limit
    memory       a process was killed, as the kernel does where memory runs out; or the host was swapping
    errors       clients failed or were refused; a process ended
    invalid      any other detector: the machine or the counts were not reliable
    latency      no side was at a limit; waiting took too long: for the next poll, or for the client's turn
                 when a tick goes to all clients

The order is that of likelihood: a higher entry explains the lower ones.

A trial in which the machine was busy with something else, the load had fewer clients than its level, or a clock or the
counts were wrong, is **void**: it says nothing about what the sides can carry. One in which only the measuring side
reached its limit (the generator, the feed) is a **bound**: the server did not fail, but did not show that it carries
the load.

Known weakness: values of a window show which process was busy, not which one the others waited for. A
server that is busy for a tenth of a second at each tick, and idle in between, shows as `latency`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from bench.audit.detectors import DETECTORS, MEASURING_FAILED
from bench.scenario.objective import Objective

FEED = {"unpublished", "feed-late", "feed-stalled"}
BUSY = {"generator-busy"}
BEHIND = {"generator-lag", "generator-stalled", "polls-late"}
MEMORY = {"host-swapping"}
ERRORS = {"errors", "clients-missing"}
SYMPTOMS = {"not-steady", "littles-law"}
"""Detectors that fire when any side is at its limit."""
OF_MEASURING = FEED | BUSY | BEHIND
"""Detectors about the measuring processes."""
KILLED = "status 137"
"""The text in the detail of a process that was killed: exit status 128 + SIGKILL."""
SERVER_BUSY_CORES = 0.9
"""From this share of its core on, the server counts as at its limit; the same share as the generator's."""

Row = Mapping[Any, Any]
"""A row of `trials.csv`, with its verdict."""


def limited_by(rows: Sequence[Row]) -> str:
    """Return the side that was at its limit: the first that all of these trials show, or that of the
    last trial if they differ.

    Where a trial is VALID, only the valid ones count: they broke without a fault of the machine or
    the generator.
    """
    shown = [_sides(row) for row in rows if row["verdict"] == "VALID"] or [_sides(row) for row in rows]
    common = [side for side in shown[0] if all(side in others for others in shown[1:])]
    return common[0] if common else next(iter(shown[-1]), "latency")


def is_void(row: Row) -> bool:
    """Return True where a trial says nothing about the load that the sides can carry."""
    explained = FEED | BUSY | BEHIND | MEMORY | ERRORS | SYMPTOMS
    return row["verdict"] == "INVALID" and bool(set(fired(row)) - explained)


def outcome_of(row: Row, objective: Objective) -> Literal["held", "broke", "bound", "void"]:
    """Return the outcome of a trial at its level: it held the objective, broke, is a bound, or is void.

    Where the generator falls behind pushed data, the kernel timestamps are still the server's: such a
    trial holds an objective on kernel latency. A generator that polls late sends fewer requests, so
    for polled transports it is a bound.
    """
    met = objective.met(row)
    if row["verdict"] == "VALID":
        return "held" if met else "broke"
    if is_void(row):
        return "void"
    found = set(fired(row))
    failed = _measuring_failed(row)
    if not failed and (not found & OF_MEASURING or found - OF_MEASURING - SYMPTOMS):
        return "broke"
    if not met and not found & (FEED | BUSY) and number(row.get("server_cpu_cores")) >= SERVER_BUSY_CORES:
        return "broke"   # the server is what was waited for
    pushed = number(row.get("requests")) == 0 and not found & FEED and not failed
    by_kernel = not any(condition.by_client for condition in objective.conditions)
    return "held" if met and pushed and by_kernel else "bound"


def fired(row: Row) -> list[str]:
    """Return the names of the detectors that fire on a row, in the audit's order."""
    figures = ((each, number(row.get(each.figure))) for each in DETECTORS)
    return [each.name for each, value in figures if not math.isnan(value) and each.fires(value)]


def number(value: object) -> float:
    """Return a value of a row as a number; NaN where it has none."""
    return float(value) if isinstance(value, int | float) else math.nan


def _measuring_failed(row: Row) -> bool:
    """Return True where a trial failed because the load, a worker of it or the publisher ended or did not answer."""
    return MEASURING_FAILED.fullmatch(str(row.get("failure") or "")) is not None


def _sides(row: Row) -> list[str]:
    """Return the sides that a trial shows at their limit, the likeliest first."""
    found = set(fired(row))
    aborted = row["verdict"] == "ABORTED"
    failed = _measuring_failed(row)
    killed = (aborted or failed) and KILLED in str(row["reasons"])
    sides = [
        ("feed", found & FEED or str(row.get("failure")).startswith("publisher-")),
        ("generator", found & BUSY),
        ("server CPU", number(row.get("server_cpu_cores")) >= SERVER_BUSY_CORES),
        ("generator", found & BEHIND),
        ("memory", killed or found & MEMORY),
        ("errors", aborted or failed or found & ERRORS),
        ("invalid", is_void(row)),
    ]
    return [side for side, is_so in sides if is_so]
