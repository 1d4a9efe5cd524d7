"""Calibration: from measured trials to a costs file.

    observations of a kind ─► fit of the server's CPU ──► tick, exchange, update, byte, connection, wake …
                          ├─► fit of the load client's CPU ─► its response and update
                          ├─► instants of the smallest cell ─► feed, up, wake
                          └─► spacing of long fan-outs
                                at the kernels: exchange = request + response, and the effect of a cold server
                                of the load client's reads, where it falls behind: its response

Only trials below `FULL` of a core are used: above it they measure a queue, not a cost. CPU alone shows the
cost of a request and its response together (`exchange`), since there is always one of each. For a parked
request, the spacing of a fan-out is the response's share. For a poll that is answered at once the split can't be
seen, and all of it is called `request`. A push has responses only. The additional cost with many connections
(`crowd_share`, see `bench.simulation.engine.inputs`) is fitted as one share for both; it is removed from the
spacing of a fan-out, which is taken from the largest cells, whose fan-outs are the longest.

Two measurements show how much slower a cold server is: the spacing of fan-outs that begin more or less cold,
and the CPU of cells whose servers sleep more or less. Neither is exact, so they are weighted:

    cold share = the s that minimises   n · ln(sum of the fit's squares at s) + ((s − spacing's) / its σ)²

A server's use by itself and per open connection is measured while clients wait for ticks and none come.
Servers that are polled are never idle, so they are assumed to use as much as the others, and to get as cold.

A delay is the measured one in the smallest cell of the kind, less the fitted work: medians over a trial's
ticks, means between trials. The duration of a request that is not answered at once does not show its way up,
so parked requests are given the way up of polls, and polls the feed's delay of the others.

Known weakness: a load client that shares its core with the publisher sometimes waits for it; this is not
part of the load client's costs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bench.errors import RunError
from bench.simulation.calibration.costs import Cell, CostKind, CostsFile, Estimate, FittedCell, KindCosts
from bench.simulation.calibration.least_squares import TERMS, Fit, Measurement, fit
from bench.simulation.calibration.observations import COUNTS, Observation
from bench.simulation.engine.inputs import crowding
from bench.stats.run.intervals import interval

FULL = 0.8
LOAD_CLIENT_TERMS = ("base", "exchange", "update", "connection", "byte")
COLD_SHARE_MOST = 1.0
LEAST_CROWDED = 0.1
LEAST_UP_S = 1e-6
"""The least delay in seconds: no request is answered before it is sent."""
CROWD_SHARE_MOST = 1.0
COLD_SHARES = np.linspace(0.0, COLD_SHARE_MOST, 41)
"""The cold shares that are tried."""
BEHIND = 1.1
"""The ratio of the spacing of reads to the spacing of responses from which a load client counts as behind."""
FAN_OUT_LEAST = 100
"""The clients below which the spacing of a fan-out shows waking rather than the cost of a response."""
TRIALS_LEAST = 4
"""The trials of a kind below which nothing is fitted."""

Parts = dict[str, Estimate]


def calibrate(
    observations: Sequence[Observation], host_name: str, host: Mapping[str, Any], made_at: str,
    commit: str | None, versions: Mapping[str, str],
) -> CostsFile:
    """Return the costs of every kind that was observed often enough."""
    kinds: dict[CostKind, list[Observation]] = {}
    for each in observations:
        if each.server_cpu_s < FULL * each.seconds:
            kinds.setdefault(each.kind, []).append(each)
    enough = {kind: mine for kind, mine in kinds.items() if len(mine) >= TRIALS_LEAST}
    if not enough:
        raise RunError(f"{', '.join(sorted({each.run for each in observations}))}: trials: found fewer than "
                       f"{TRIALS_LEAST} VALID ones of each transport, and costs can't be fitted to so few")
    seen = {kind: _of_kind(kind, mine, {"cold": _weighed(mine, _cold_share(mine))})
            for kind, mine in enough.items() if mine[0].waits}
    found = _borrowed([seen[kind] if kind in seen else _of_kind(kind, mine, _lent(kind, list(seen.values())))
                       for kind, mine in enough.items()], enough)
    runs = sorted({each.run for mine in enough.values() for each in mine})
    return CostsFile(host_name, dict(host), made_at, commit, dict(versions), runs, found)


def _lent(kind: CostKind, seen: Sequence[KindCosts]) -> Parts:
    """Return the costs of a polled server that only servers which wait can show.

    They are the mean of the kinds in `seen` with the same name of server implementation, or of all where there
    are none.
    """
    alike = [each for each in seen if each.kind.server == kind.server] or seen
    return {name: _middle([each.costs[cost] for each in alike])
            for name, cost in (("cold", "cold_share"), ("base", "base_share"), ("socket", "socket_share"))}


def left_out(asked: Mapping[str, CostKind | None], observations: Sequence[Observation]) -> list[str]:
    """Return one sentence for each kind that has no costs, with the reason; `asked` are the kinds that the
    runs were to measure, by name."""
    found = []
    for name, kind in asked.items():
        mine = [each for each in observations if each.kind == kind]
        fit_for = sum(each.server_cpu_s < FULL * each.seconds for each in mine)
        if kind is None:
            found.append(f"{name}: left out of the costs: only servers of ours are calibrated")
        elif fit_for < TRIALS_LEAST:
            full = f", and {len(mine) - fit_for} with a fuller core" if len(mine) > fit_for else ""
            found.append(f"{name}: left out of the costs: found {fit_for} VALID trials with a server below "
                         f"{100 * FULL:.0f} % of a core{full}, needed are {TRIALS_LEAST}: measure more "
                         "(--set trials.count=…)")
    return found


def _cold_share(mine: Sequence[Observation]) -> Estimate:
    """Return the cold share from the spacing of fan-outs: the mean between trials, each of which is
    imprecise."""
    return _mean(mine, lambda each: float(np.clip(each.instants.cold_share, 0.0, COLD_SHARE_MOST)))


def _weighed(mine: Sequence[Observation], spacing: Estimate) -> Estimate:
    """Return the cold share by the fan-outs' `spacing` and the servers' CPU together; its bounds are where
    the misfit is larger by 4, as two standard deviations of a normal error make it."""
    def conflict(share: float) -> float:
        stretches = [stretch for each in mine for stretch in each.stretches(share)]
        return len(stretches) * math.log(max(fit(stretches).square, 1e-12))

    found = np.array([conflict(float(share)) for share in COLD_SHARES])
    sigma = (spacing.high - spacing.low) / 4
    if math.isfinite(sigma) and sigma > 0:
        found += ((COLD_SHARES - spacing.value) / sigma)**2
    near = COLD_SHARES[found <= found.min() + 4]
    return Estimate(float(COLD_SHARES[found.argmin()]), float(near.min()), float(near.max()))


def _of_kind(kind: CostKind, mine: Sequence[Observation], known: Parts) -> KindCosts:
    """Return the costs of one kind; `known` are those that its trials can't show.

    Those are `cold`, `base` and `socket`.
    """
    cold_share = known["cold"]
    standing = {name: cost for name, cost in known.items() if name != "cold"}
    stretches = [stretch for each in mine for stretch in each.stretches(cold_share.value)]
    server = fit(stretches, [term for term in TERMS if term not in standing], standing)
    load = fit([Measurement(each.seconds, each.load_cpu_s, each.terms(each.seconds)) for each in mine],
               LOAD_CLIENT_TERMS)
    crowd_share = _share(server.costs["crowd"], server.costs["exchange"])
    request, response = _split(mine, server.costs, cold_share.value, crowd_share.value)
    costs = {
        "tick_s": server.costs["tick"], "request_s": request, "answer_s": response,
        "update_s": server.costs["update"], "byte_s": server.costs["byte"],
        "connection_s": server.costs["connection"], "base_share": server.costs["base"],
        "socket_share": server.costs["socket"], "wake_s": server.costs["wake"], "cold_share": cold_share,
        "crowd_share": crowd_share,
    }
    return KindCosts(
        kind, costs, _net(mine, costs),
        load_client=_load_client(mine, load.costs),
        fitted=_cells(mine, server, load), residual_share=server.residual_share,
        load_residual_share=load.residual_share,
    )


def _load_client(mine: Sequence[Observation], costs: Parts) -> Parts:
    """Return the costs of the load client as a queue. Where it falls behind the responses of a fan-out, the
    spacing of its reads is the time per response; where it keeps pace, the time comes from its CPU."""
    update = _with_bytes(costs, mine)
    behind = [each for each in _spacious(mine)
              if each.instants.reading_s > BEHIND * each.instants.spacing_s]
    response = costs["exchange"]
    if behind:
        response = _mean(behind, lambda each: each.instants.reading_s - update.value)
    return {"wake_s": _wake(mine), "answer_s": response, "update_s": update}


def _with_bytes(costs: Parts, mine: Sequence[Observation]) -> Estimate:
    """Return the load client's seconds per update of the smallest cell's length, since it has no cost per
    byte."""
    update, byte, smallest = costs["update"], costs["byte"], _smallest(mine)
    length = sum(each.counts["payload_bytes"] for each in smallest) / max(
        sum(each.counts["updates"] for each in smallest), 1)
    return Estimate(*(getattr(update, bound) + length * getattr(byte, bound)
                      for bound in ("value", "low", "high")))


def _share(part: Estimate, whole: Estimate) -> Estimate:
    """Return a cost as a share of another; without bounds where either is 0."""
    if not part.value or not whole.value:
        return Estimate(0.0)
    return Estimate(*(min(value / whole.value, CROWD_SHARE_MOST)
                      for value in (part.value, part.low, part.high)))


def _crowded(each: Observation, crowd_share: float) -> float:
    """Return the factor on a trial's requests and responses relative to the crowd that costs are stated for."""
    return max(1 + crowd_share * crowding(each.cell.clients), LEAST_CROWDED)


def _split(mine: Sequence[Observation], costs: Parts, cold_share: float, crowd_share: float
           ) -> tuple[Estimate, Estimate]:
    """Return the cost of an exchange, split into request and response.

    A tick that is alone finds the server cold.
    """
    exchange = costs["exchange"]
    if mine[0].cycle.pushes:
        return Estimate(0.0), exchange
    if not mine[0].waits:
        return exchange, Estimate(0.0)

    def answer_s(each: Observation) -> float:
        payload = each.counts["payload_bytes"] / max(each.counts["updates"], 1)
        warm_s = each.instants.spacing_s / (1 + cold_share)
        warm_s -= costs["update"].value + payload * costs["byte"].value
        return warm_s / _crowded(each, crowd_share)

    response = _mean(_spacious(mine) or _smallest(mine), answer_s, most=exchange.value)
    rest = exchange.value - response.value
    request = Estimate(rest, max(0.0, exchange.low - response.value), max(rest, exchange.high - response.value))
    return request, response


def _net(mine: Sequence[Observation], costs: Parts) -> Parts:
    """Return the delays of the loopback; 0 with NaN bounds where this kind can't show one (see `_borrowed`)."""
    smallest, waits = _smallest(mine), mine[0].waits

    def service_s(each: Observation) -> float:
        """Return the seconds of one response to one request."""
        responses = max(each.counts["answers"], 1)
        exchange_s = costs["request_s"].value + costs["answer_s"].value
        return (exchange_s * _crowded(each, costs["crowd_share"].value)
                + each.counts["updates"] / responses * costs["update_s"].value
                + each.counts["payload_bytes"] / responses * costs["byte_s"].value)

    def waking_s(each: Observation, warm_s: float, cold: float) -> float:
        return warm_s * (1 + cold * costs["cold_share"].value) + cold * costs["wake_s"].value

    def feed_s(each: Observation) -> float:
        request_s = costs["request_s"].value * _crowded(each, costs["crowd_share"].value)
        warm_s = costs["tick_s"].value + service_s(each) - request_s
        return each.instants.first_s - waking_s(each, warm_s, 1.0)   # who is alone comes after a long sleep

    def up_s(each: Observation) -> float:
        return each.request_s - waking_s(each, service_s(each), each.coldness) - each.instants.lag_s

    return {
        "up_s": Estimate(0.0) if waits else _mean(smallest, up_s),
        "down_s": Estimate(0.0, 0.0, 0.0),
        "feed_s": _mean(smallest, feed_s) if waits else Estimate(0.0),
    }


def _wake(mine: Sequence[Observation]) -> Estimate:
    waits = mine[0].waits
    return _mean(_smallest(mine), lambda each: each.instants.wake_s if waits else each.instants.lag_s)


def _borrowed(found: list[KindCosts], kinds: Mapping[CostKind, Sequence[Observation]]) -> list[KindCosts]:
    """Return each kind's costs, with the delays that only other kinds can show."""
    def waits(each: KindCosts) -> bool:
        return kinds[each.kind][0].waits

    ups = [each.net["up_s"] for each in found if not waits(each)]
    feeds = [each.net["feed_s"] for each in found if waits(each)]
    whole = []
    for each in found:
        net = dict(each.net)
        if waits(each):
            net["up_s"] = _middle(ups) if ups else each.load_client["wake_s"]
        else:
            net["feed_s"] = _middle(feeds)
        if net["up_s"].value < LEAST_UP_S:
            net["up_s"] = replace(net["up_s"], value=LEAST_UP_S)
        whole.append(replace(each, net=net))
    return whole


def _middle(estimates: Sequence[Estimate]) -> Estimate:
    """Return the mean of several estimates, with the widest bounds."""
    if not estimates:
        return Estimate(0.0)
    return Estimate(
        float(np.mean([each.value for each in estimates])),
        min(each.low for each in estimates), max(each.high for each in estimates),
    )


def _smallest(mine: Sequence[Observation]) -> list[Observation]:
    """Return the trials of the cell with the least load, whose delays hardly include waiting."""
    quiet = [each for each in mine if not each.cycle.new_connection] or list(mine)

    def stir(cell: Cell) -> tuple[int, float, int]:
        return cell.book_levels, cell.rate_per_s or math.inf, cell.clients

    least = min(stir(each.cell) for each in quiet)
    return [each for each in quiet if stir(each.cell) == least]


def _spacious(mine: Sequence[Observation]) -> list[Observation]:
    """Return the trials of the larger cells, whose fan-outs are long enough to show the time per response, of
    the server and of the load client."""
    long = [each for each in mine
            if each.cell.clients >= FAN_OUT_LEAST and math.isfinite(each.instants.spacing_s)]
    most = max((each.cell.clients for each in long), default=0)
    return [each for each in long if each.cell.clients >= most / 2]


def _mean(mine: Sequence[Observation], value: Callable[[Observation], float],
          most: float = math.inf) -> Estimate:
    """Return the mean between trials, limited to 0 … `most`; trials without a value are left out."""
    values = np.array([value(each) for each in mine])
    found = interval(values[np.isfinite(values)], logarithm=False)
    if not math.isfinite(found.estimate):
        return Estimate(0.0)

    def within(number: float) -> float:
        return min(max(number, 0.0), most)

    return Estimate(within(found.estimate), within(found.low), within(found.high))


def _cells(mine: Sequence[Observation], server: Fit, load: Fit) -> list[FittedCell]:
    """Return the cells that the costs were fitted to.

    Idle stretches are part of the fit, but of no cell.
    """
    of_server = iter(server.fitted_cpu_s)
    rows: list[tuple[Observation, float, float]] = []
    for each, of_load in zip(mine, load.fitted_cpu_s, strict=True):
        fitted_s, *_ = [next(of_server) for _ in each.stretches(0.0)]
        rows.append((each, fitted_s, of_load))
    found = []
    for cell in {repr(each.cell): each.cell for each in mine}.values():
        of_cell = [row for row in rows if row[0].cell == cell]
        seconds = sum(each.seconds for each, _, _ in of_cell)
        found.append(FittedCell(
            cell, len(of_cell),
            counts={name: sum(each.counts[name] for each, _, _ in of_cell) / seconds for name in COUNTS[:-1]},
            server_cpu_cores=sum(each.server_cpu_s for each, _, _ in of_cell) / seconds,
            fitted_cpu_cores=sum(fitted for _, fitted, _ in of_cell) / seconds,
            load_cpu_cores=sum(each.load_cpu_s for each, _, _ in of_cell) / seconds,
            fitted_load_cores=sum(fitted for _, _, fitted in of_cell) / seconds,
        ))
    return found
