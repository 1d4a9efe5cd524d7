"""Calibration: from measured trials to a costs file.

    observations of a kind ─► fit of the server's CPU ──► tick, exchange, update, byte, connection, wake …
                          ├─► fit of the load client's CPU ─► its response and update
                          ├─► instants of the smallest cell ─► feed, up, wake
                          └─► spacing of long fan-outs
                                at the kernels: exchange = request + response, and the effect of a cold server
                                of the load client's reads, where it falls behind: its response

Pushes that flush are left out. Of servers that park or push only trials below `FULL` of a core are used: above it,
ticks share responses, and what is seen is a queue. A poll is answered whole at any load, so polled servers are fitted
up to their limit and beyond. Leaving out their full trials would keep those in which the machine happened to be fast:
of two trials with 500 clients one was busy for 79 % of the time, at 63 µs per poll, the other for 99 %, at 86. CPU
alone shows the cost of a request and its response together (`exchange`), since there is always one of each. For a
parked request, the spacing of a fan-out is the response's share. For a poll that is answered at once the split can't be
seen, and all of it is called `request`. A push has responses only. The additional cost with many connections
(`crowd_share`, see `bench.simulation.engine.inputs`) is a property of the machine's caches, of the server's make, and
of what it does: a push writes, a poll's request has to be read, too. So it is one share for all polls of a make, and
one for its pushes: the s that minimises the sum over kinds of n · ln(the fit's mean square at s). A share for each kind
follows the noise of a few trials; one for all predicted 750 clients of a push 15 % too much CPU. It is removed from the
spacing of a fan-out, which is taken from the largest cells, whose fan-outs are the longest.

Only fits of the same terms can be compared: with a large share the counts of responses and of updates differ, so that
the update's cost, which has no crowd share, can be fitted in addition, and hides that the share is wrong. So the terms
of every fit that is compared are those that can be told apart without a share.

What a wake-up costs a polled server, however short its sleep was (`switch`), is fitted to the wake-ups that the
kernel counted. All polls that come until it sleeps again share one: with 50 clients who poll 25 times a second a
poll took 150 µs of CPU, with 400 clients 71, though requests and responses were the same. A server whose clients wait
is woken by ticks alone, and its cost per tick includes that.

The load client sends the polls that its timer finds due together, so the server is woken once for them. The
time between two turns of the timer follows from the wake-ups of a server that is hardly busy: with b polls between
two turns on average, at random instants, they are 1 − exp(−b) for each turn. What the load client has to do delays
its timer, so that time is the timer's own (`timer_s`) divided by the share for which the load client is idle.

How fast a server cools is the machine's: 12 ms fitted one best, 0.1 s another (−2 ln L better by 19 and 86 than with
the other value). So it is the time constant, of a few that are tried, that fits the CPU of all kinds best. Given it,
two measurements show how much slower a cold server is: the spacing of fan-outs that begin more or less cold, and the
CPU of cells whose servers sleep more or less. Neither is exact, so they are weighted:

    cold share = the s that minimises   n · ln(sum of the fit's squares at s) + ((s − spacing's) / its σ)²

A server's use by itself and per open connection is measured while clients wait for ticks and none come.
Servers that are polled are never idle, so they are assumed to use as much as the others, and to get as cold.

A response to a parked request has one update or a few, so that what an update takes can hardly be told from what the
response takes: in one calibration it was fitted as 22 µs, and the latency of 300 long-polling clients at 45 ticks/s was
predicted half too high. Bodies are made by the same code for all, and a poll's can have a hundred updates. So where a
polled server was calibrated that is alike in all but the transport, its cost of an update is taken. A push is encoded
once for all clients (`bench.serving.fanout`), so an update in it costs each of them its bytes alone.

A delay is the measured one in the smallest cell of the kind, less the fitted work: medians over a trial's
ticks, means between trials. The duration of a request that is not answered at once does not show its way up,
so parked requests are given the way up of polls, and polls the feed's delay of the others.

Known weakness: a load client that shares its core with the publisher sometimes waits for it; this is not
part of the load client's costs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import scipy

from bench.errors import RunError
from bench.simulation.calibration.costs import (
    Cell,
    CostKind,
    CostsFile,
    Estimate,
    FittedCell,
    KindCosts,
    MessagesSource,
)
from bench.simulation.calibration.least_squares import TERMS, Fit, Measurement, fit, separable
from bench.simulation.calibration.message_costs import pace, with_messages
from bench.simulation.calibration.observations import COUNTS, FULL, Observation
from bench.simulation.engine.inputs import LoadClient
from bench.simulation.engine.server_queue import coldness
from bench.stats.run.intervals import interval

LOAD_CLIENT_TERMS = ("base", "exchange", "switch", "update", "connection", "byte")
HARDLY_BUSY = 0.5
"""The share of the time that a server may be busy whose wake-ups are taken for the load client's bursts."""
TIMER_MOST_S = 0.02
"""The longest time between two turns of the load client's timer that is searched for."""
COLD_SHARE_MOST = 2.0
LEAST_UP_S = 1e-6
"""The least delay in seconds: no request is answered before it is sent."""
CROWD_SHARES = np.linspace(0.0, 1.0, 41)
"""The crowd shares that are tried."""
UNCROWDED = [term for term in TERMS if term != "crowd"]
COOLINGS_S = (0.006, 0.012, 0.025, 0.05, 0.1, 0.2, 0.4)
"""The time constants of cooling that are tried."""
COOLING_USUAL_S = 0.05
"""The time constant with which it is decided what the trials can tell apart."""
COARSE = 4
"""Of the cold shares, one in this number is tried with each time constant."""
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
    kinds, sending = (_of_kinds(observations, sends) for sends in (False, True))
    enough = {kind: mine for kind, mine in kinds.items() if len(mine) >= TRIALS_LEAST}
    if not enough:
        raise RunError(f"{', '.join(sorted({each.run for each in observations}))}: trials: found fewer than "
                       f"{TRIALS_LEAST} VALID ones of each transport, and costs can't be fitted to so few")
    cooling = _cooling(list(enough.values()))
    waiting = {kind: _weighed(mine, cooling.value) for kind, mine in enough.items() if mine[0].waits}
    cold = {kind: waiting.get(kind) or _middle([waiting[each] for each in _alike(kind, waiting)]) for kind in enough}
    crowd = {alike: _crowd_share(cooling.value, [(mine, cold[kind]) for kind, mine in enough.items()
                                                 if _crowding(kind, enough) == alike])
             for alike in {_crowding(kind, enough) for kind in enough}}
    shares = {kind: {"cooling": cooling, "cold": cold[kind], "crowd": crowd[_crowding(kind, enough)]}
              for kind in enough}
    seen = {kind: _of_kind(kind, enough[kind], shares[kind]) for kind in waiting}
    seen |= {kind: _of_kind(kind, mine, shares[kind] | _lent(kind, seen))
             for kind, mine in enough.items() if kind not in waiting}
    seen |= {kind: _of_kind(kind, enough[kind], shares[kind] | known)
             for kind in waiting if (known := _of_update(kind, seen, enough))}
    found = _borrowed([seen[kind] for kind in enough], enough)
    found = with_messages(found, {kind: sending[kind] for kind in sending if kind in enough}, enough)
    runs = sorted({each.run for of in (enough, sending) for mine in of.values() for each in mine})
    return CostsFile(host_name, dict(host), made_at, commit, dict(versions), runs, found)


def extended(
    known: CostsFile, observations: Sequence[Observation], host_name: str, host: Mapping[str, Any], made_at: str,
    commit: str | None,
) -> CostsFile:
    """Return known costs, which stay as they are, with those of messages that were observed, at their pace.

    Raises `RunError` where a kind with messages is not among the known ones, or nobody sent any.
    """
    listening, sending = (_of_kinds(observations, sends) for sends in (False, True))
    runs = sorted({each.run for each in observations})
    unknown = sorted(str(kind) for kind in sending if kind not in [each.kind for each in known.transports])
    if unknown or not sending:
        what = f"messages to {unknown[0]}" if unknown else "no messages"
        raise RunError(f"{', '.join(runs)}: feed.source: found {what}, needed are some to transports that the costs "
                       "have")
    found = with_messages(known.transports, sending, listening)
    source = MessagesSource(
        host_name, str(host.get("cpu_model", "an unknown processor")), made_at, commit, runs,
        {str(each.kind): pace(each, listening[each.kind]) for each in known.transports if each.kind in sending})
    return replace(known, transports=found, messages=source)


def _of_kinds(observations: Sequence[Observation], sends: bool) -> dict[CostKind, list[Observation]]:
    """Return the observations that show costs, by kind: those whose clients send messages, or all others."""
    kinds: dict[CostKind, list[Observation]] = {}
    for each in observations:
        if each.shows_costs and bool(each.counts["messages"]) == sends:
            kinds.setdefault(each.kind, []).append(each)
    return kinds


def _alike(kind: CostKind, others: Iterable[CostKind]) -> list[CostKind]:
    """Return the kinds with the same name of server implementation, or all where there are none."""
    every = list(others)
    return [each for each in every if each.server == kind.server] or every


def _crowding(kind: CostKind, kinds: Mapping[CostKind, Sequence[Observation]]) -> tuple[str, bool]:
    """Return what the kinds that share a crowd share have in common: the server implementation, and whether clients are
    pushed to."""
    return kind.server, kinds[kind][0].cycle.pushes


def _lent(kind: CostKind, seen: Mapping[CostKind, KindCosts]) -> Parts:
    """Return the costs of a polled server that only servers which wait can show: the mean of those alike."""
    return {name: _middle([seen[each].costs[cost] for each in _alike(kind, seen)])
            for name, cost in (("base", "base_share"), ("socket", "socket_share"))}


def _of_update(kind: CostKind, seen: Mapping[CostKind, KindCosts],
               enough: Mapping[CostKind, Sequence[Observation]]) -> Parts:
    """Return what an update costs a server whose clients wait: nothing if it pushes, else what it costs the polled
    server that is alike in all but the transport; empty where there is no such server."""
    if enough[kind][0].cycle.pushes:
        return {"update": Estimate(0.0, 0.0, 0.0)}
    alike = [seen[each].costs["update_s"] for each, mine in enough.items()
             if not mine[0].waits and replace(each, transport=kind.transport) == kind]
    return {"update": alike[0]} if alike else {}


def left_out(asked: Mapping[str, CostKind | None], observations: Sequence[Observation]) -> list[str]:
    """Return one sentence for each kind that has no costs, with the reason; `asked` are the kinds that the
    runs were to measure, by name."""
    found = []
    for name, kind in asked.items():
        of_kind = [each for each in observations if each.kind == kind]
        mine = [each for each in of_kind if not each.counts["messages"]]
        fit_for = sum(each.shows_costs for each in mine)
        if kind is None:
            found.append(f"{name}: left out of the costs: only servers of ours are calibrated")
        elif fit_for < TRIALS_LEAST:
            flushing = sum(bool(each.cycle.flush_s) for each in mine)
            fuller = len(mine) - fit_for - flushing
            full = f", and {fuller} with a fuller core" if fuller else ""
            full += f", and {flushing} that flush" if flushing else ""
            alone = " whose clients only listen," if len(of_kind) > len(mine) else ""
            found.append(f"{name}: left out of the costs: found {fit_for} VALID trials{alone} with a server below "
                         f"{100 * FULL:.0f} % of a core{full}, needed are {TRIALS_LEAST}: measure more "
                         "(--set trials.count=…)")
    return found


def _cooling(kinds: Sequence[Sequence[Observation]]) -> Estimate:
    """Return the time constant with which the machine's servers cool: that which fits the CPU of all kinds best
    together, each with its own best cold share. Other costs are fitted for this one value, so it has no interval.
    """
    of_kinds = [(mine, _separable(mine, COOLING_USUAL_S, 0.0, TERMS)) for mine in kinds]
    found = np.array([
        sum(min(_misfit(mine, cooling_s, share, 0.0, terms) for share in COLD_SHARES[::COARSE].tolist())
            for mine, terms in of_kinds)
        for cooling_s in COOLINGS_S])
    best_s = COOLINGS_S[int(found.argmin())]
    return Estimate(best_s, best_s, best_s)


def _cold_share(mine: Sequence[Observation], cooling_s: float) -> Estimate:
    """Return the cold share from the spacing of fan-outs: the mean between trials, each of which is
    imprecise."""
    return _mean(mine, lambda each: float(np.clip(each.instants.cold_share(cooling_s), 0.0, COLD_SHARE_MOST)))


def _weighed(mine: Sequence[Observation], cooling_s: float) -> Estimate:
    """Return the cold share by the fan-outs' spacing and the servers' CPU together; its bounds are where
    the misfit is larger by 4, as two standard deviations of a normal error make it."""
    spacing = _cold_share(mine, cooling_s)
    terms = _separable(mine, cooling_s, 0.0, TERMS)
    found = np.array([_misfit(mine, cooling_s, share, 0.0, terms) for share in COLD_SHARES.tolist()])
    sigma = (spacing.high - spacing.low) / 4
    if math.isfinite(sigma) and sigma > 0:
        found += ((COLD_SHARES - spacing.value) / sigma)**2
    near = COLD_SHARES[found <= found.min() + 4]
    return Estimate(float(COLD_SHARES[found.argmin()]), float(near.min()), float(near.max()))


def _misfit(mine: Sequence[Observation], cooling_s: float, cold_share: float, crowd_share: float,
            terms: Sequence[str]) -> float:
    """Return −2 ln of the likelihood of the trials' CPU with this cooling and these shares, up to a constant.

    Only fits of the same terms can be compared, so `terms` are those that are separable without any share.
    """
    stretches = [stretch for each in mine for stretch in each.stretches(cooling_s, cold_share, crowd_share)]
    return len(stretches) * math.log(max(fit(stretches, terms).loss, 1e-12))


def _separable(mine: Sequence[Observation], cooling_s: float, cold_share: float, terms: Sequence[str]) -> list[str]:
    """Return the terms that the trials can tell apart with this cooling and cold share, and no crowd share."""
    return separable([stretch for each in mine for stretch in each.stretches(cooling_s, cold_share)], terms)


def _crowd_share(cooling_s: float, kinds: Sequence[tuple[Sequence[Observation], Estimate]]) -> Estimate:
    """Return the crowd share that fits the kinds best together, given each one's cold share; its bounds are
    where the misfit is larger by 4."""
    of_kinds = [(mine, cold.value, _separable(mine, cooling_s, cold.value, UNCROWDED)) for mine, cold in kinds]
    found = np.array([sum(_misfit(mine, cooling_s, cold_share, share, terms) for mine, cold_share, terms in of_kinds)
                      for share in CROWD_SHARES.tolist()])
    near = CROWD_SHARES[found <= found.min() + 4]
    return Estimate(float(CROWD_SHARES[found.argmin()]), float(near.min()), float(near.max()))


def _of_kind(kind: CostKind, mine: Sequence[Observation], known: Parts) -> KindCosts:
    """Return the costs of one kind; `known` are those that were fitted before, from its own trials or others.

    Those are `cooling` and the shares `cold` and `crowd`, of a polled server `base` and `socket`, and `update` of one
    whose clients wait.
    """
    cooling, cold_share, crowd_share = known["cooling"], known["cold"], known["crowd"]
    standing = {name: cost for name, cost in known.items() if name not in ("cooling", "cold", "crowd")}
    stretches = [stretch for each in mine
                 for stretch in each.stretches(cooling.value, cold_share.value, crowd_share.value)]
    server = fit(stretches, [term for term in UNCROWDED if term not in standing], standing)
    load = fit([_of_load(each) for each in mine], LOAD_CLIENT_TERMS)
    request, response = _split(mine, server.costs, known)
    costs = {
        "tick_s": server.costs["tick"], "request_s": request, "answer_s": response,
        "update_s": server.costs["update"], "byte_s": server.costs["byte"],
        "connection_s": server.costs["connection"], "base_share": server.costs["base"],
        "socket_share": server.costs["socket"], "wake_s": server.costs["wake"],
        "switch_s": server.costs["switch"], "cold_share": cold_share, "cooling_s": cooling,
        "crowd_share": crowd_share,
    }
    return KindCosts(
        kind, costs, _net(mine, costs),
        load_client=_load_client(mine, load.costs),
        fitted=_cells(mine, server, load), residual_share=server.residual_share,
        load_residual_share=load.residual_share,
    )


def _of_load(each: Observation) -> Measurement:
    """Return the load client's CPU and counts in a trial. Polls' responses come one by one, and each may wake it."""
    woken = {} if each.waits or math.isnan(each.load_wakeups) else {"switch": each.load_wakeups}
    return Measurement(each.seconds, each.load_cpu_s, {**each.terms(each.seconds), **woken})


def _timer(mine: Sequence[Observation], answer_s: float) -> Estimate:
    """Return how long the load client's timer sleeps, given its time per response; 0 where nothing shows it."""
    def timer_s(each: Observation) -> float:
        polls = each.counts["requests"]
        if not polls or not 0 < each.bursts < polls or each.server_cpu_s > HARDLY_BUSY * each.seconds:
            return math.nan
        polls_per_s, bursts_per_s = polls / each.seconds, each.bursts / each.seconds
        if -math.expm1(-polls_per_s * TIMER_MOST_S) / TIMER_MOST_S > bursts_per_s:
            return math.nan
        turn_s = float(scipy.optimize.brentq(
            lambda every_s: -math.expm1(-polls_per_s * every_s) / every_s - bursts_per_s, 1e-9, TIMER_MOST_S))
        return turn_s / LoadClient(answer_s=answer_s, timer_s=1.0).turn_s(polls_per_s)

    return Estimate(0.0) if mine[0].waits else _mean(mine, timer_s)


def _load_client(mine: Sequence[Observation], costs: Parts) -> Parts:
    """Return the costs of the load client as a queue. Where it falls behind the responses of a fan-out, the
    spacing of its reads is the time per response; where it keeps pace, the time comes from its CPU."""
    update = _with_bytes(costs, mine)
    behind = [each for each in _spacious(mine)
              if each.instants.reading_s > BEHIND * each.instants.spacing_s]
    response = costs["exchange"]
    if behind:
        response = _mean(behind, lambda each: each.instants.reading_s - update.value)
    return {"wake_s": _wake(mine), "answer_s": response, "update_s": update, "timer_s": _timer(mine, response.value)}


def _with_bytes(costs: Parts, mine: Sequence[Observation]) -> Estimate:
    """Return the load client's seconds per update of the smallest cell's length, since it has no cost per
    byte."""
    update, byte, smallest = costs["update"], costs["byte"], _smallest(mine)
    length = sum(each.counts["payload_bytes"] for each in smallest) / max(
        sum(each.counts["updates"] for each in smallest), 1)
    return Estimate(*(getattr(update, bound) + length * getattr(byte, bound)
                      for bound in ("value", "low", "high")))


def _split(mine: Sequence[Observation], costs: Parts, known: Parts) -> tuple[Estimate, Estimate]:
    """Return the cost of an exchange, split into request and response."""
    exchange = costs["exchange"]
    if mine[0].cycle.pushes:
        return Estimate(0.0), exchange
    if not mine[0].waits:
        return exchange, Estimate(0.0)

    def answer_s(each: Observation) -> float:
        payload = each.counts["payload_bytes"] / max(each.counts["updates"], 1)
        cold = float(coldness(each.instants.slept_s, known["cooling"].value))
        warm_s = each.instants.spacing_s / (1 + cold * known["cold"].value)
        warm_s -= costs["update"].value + payload * costs["byte"].value
        return warm_s / each.crowded(known["crowd"].value)

    response = _mean(_spacious(mine) or _smallest(mine), answer_s, most=exchange.value)
    rest = exchange.value - response.value
    low, high = (float(np.maximum(least, bound - response.value))   # NaN stays NaN
                 for least, bound in ((0.0, exchange.low), (rest, exchange.high)))
    request = Estimate(rest, low, high)
    return request, response


def _net(mine: Sequence[Observation], costs: Parts) -> Parts:
    """Return the delays of the loopback; 0 with NaN bounds where this kind can't show one (see `_borrowed`)."""
    smallest, waits, cooling_s = _smallest(mine), mine[0].waits, costs["cooling_s"].value

    def service_s(each: Observation) -> float:
        """Return the seconds of one response to one request."""
        responses = max(each.counts["answers"], 1)
        exchange_s = costs["request_s"].value + costs["answer_s"].value
        return (exchange_s * each.crowded(costs["crowd_share"].value)
                + each.counts["updates"] / responses * costs["update_s"].value
                + each.counts["payload_bytes"] / responses * costs["byte_s"].value)

    def waking_s(each: Observation, warm_s: float, cold: float) -> float:
        woken_s = costs["switch_s"].value + cold * costs["wake_s"].value
        return warm_s * (1 + cold * costs["cold_share"].value) + woken_s

    def feed_s(each: Observation) -> float:
        request_s = costs["request_s"].value * each.crowded(costs["crowd_share"].value)
        warm_s = costs["tick_s"].value + service_s(each) - request_s
        return each.instants.first_s - waking_s(each, warm_s, float(coldness(each.instants.slept_s, cooling_s)))

    def up_s(each: Observation) -> float:
        return each.request_s - waking_s(each, service_s(each), each.coldness(cooling_s)) - each.instants.lag_s

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
    """Return the mean of several estimates, with the widest bounds; NaN bounds where one has none."""
    if not estimates:
        return Estimate(0.0)
    return Estimate(
        float(np.mean([each.value for each in estimates])),
        float(np.min([each.low for each in estimates])), float(np.max([each.high for each in estimates])),
    )


def _smallest(mine: Sequence[Observation]) -> list[Observation]:
    """Return the trials of the cell with the shallowest books and the fewest clients, whose delays hardly include
    waiting."""
    quiet = [each for each in mine if not each.cycle.new_connection] or list(mine)

    def stir(cell: Cell) -> tuple[int, int, float]:
        return cell.book_levels, cell.clients, cell.rate_per_s or math.inf

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
        fitted_s, *_ = [next(of_server) for _ in each.stretches(1.0, 0.0)]
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
