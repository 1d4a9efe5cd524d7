"""The costs of messages of clients, from trials whose clients send them; all other costs are known.

    CPU of a trial / pace = all other work, by the known costs
                            + messages · (message · (1 + κ · cold share) + κ · message cold)     κ: as messages meet it

    pace = CPU of trials whose clients only listen ÷ what the known costs make of them

The pace is 1 but for chance where the known costs were fitted to those very trials. Where they are of another time or
another machine, it is by how much that machine takes longer for the same work, and it is assumed to take as much longer
for a message: a message's cost is one on the machine of the known costs. Instants are divided by it, too.

A message wakes a sleeping server; its tick comes back so soon that the server has hardly slept (`engine.uplinks`). So
each message that finds the server asleep counts as one cold wake-up, and its tick as none. Its fan-out is as cold as
the message found the server, and requests that follow are warm, as the engine has it; where clients wait, a message
that finds the server awake finds it warm, since a tick has just ended a short sleep. A message to a cold server costs
more than `cold share` says: with one cost for both rates, trials with few messages took 13 to 23 % more CPU than it
explains. This `message cold` is added, not multiplied by 1 + κ · cold share, which gave 11 to 20 % too much at 5 per
second.
Messages at two rates tell `message` from `message cold`; with one rate the latter is 0.

    hop = (first kernel − due − send) / pace − up − message − tick − first response     medians of ticks that are alone
    send = sent − due                                                                   a median

A poll shows no hop, since its answer waits for the next one: polled servers are given the mean of the others.

A message's cost is a difference, so an error of the pace is a larger one of it: where messages are a third of the CPU,
three times as large. Its interval has the costs with the pace at both ends of its own.

Known weakness: the load client's own costs stay as they are; the answer to a message counts as one more answer. The
interval of a message's cost has the spread between trials in it, and that of the pace, but not that of the other costs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from bench.errors import RunError
from bench.simulation.calibration.costs import CostKind, Estimate, FittedCell, KindCosts
from bench.simulation.calibration.least_squares import Fit, Measurement, fit
from bench.simulation.calibration.observations import COUNTS, Observation
from bench.simulation.engine.inputs import Costs
from bench.simulation.engine.server_queue import coldness, mean_coldness
from bench.stats.run.intervals import interval

SENDING_LEAST, LISTENING_LEAST = 2, 4
"""The trials of a kind, of clients that send and of clients that only listen, below which nothing is fitted."""
TERMS = ("update", "wake")
"""The terms of the fit that a message counts as: in any case, and by how cold the server was."""

Kinds = Mapping[CostKind, Sequence[Observation]]


def with_messages(known: Sequence[KindCosts], sending: Kinds, listening: Kinds) -> list[KindCosts]:
    """Return the costs with those of messages, where the trials of a kind show them.

    Raises `RunError` where messages were measured, and not enough trials of the same kind whose clients only listen.
    """
    for kind, mine in sending.items():
        alone = len(listening.get(kind, ()))
        if alone < LISTENING_LEAST or len(mine) < SENDING_LEAST:
            runs = ", ".join(sorted({each.run for each in mine}))
            raise RunError(
                f"{runs}: trials: found {len(mine)} VALID ones of {kind} whose clients send and {alone} whose clients "
                f"only listen, needed are {SENDING_LEAST} and {LISTENING_LEAST}: the difference is what messages take")
    found = [_with_messages(each, sending[each.kind], listening[each.kind]) if each.kind in sending else each
             for each in known]
    hops = [each.net["hop_s"] for each in found if each.kind in sending and "hop_s" in each.net]
    if not hops:   # polled servers alone
        hops = [Estimate(0.0)]
    lent = Estimate(float(np.mean([each.value for each in hops])), float(np.min([each.low for each in hops])),
                    float(np.max([each.high for each in hops])))
    return [replace(each, net={"hop_s": lent, **each.net}) if each.kind in sending else each for each in found]


def pace(known: KindCosts, listening: Sequence[Observation]) -> Estimate:
    """Return by what factor trials took more CPU than the known costs say."""
    ratios = [each.server_cpu_s / other_work_s(known.engine_costs, each) for each in listening]
    found = interval(ratios)
    return Estimate(found.estimate, found.low, found.high)


def other_work_s(costs: Costs, each: Observation) -> float:
    """Return the server's CPU seconds in a trial's window by these costs, without those of messages."""
    counts, sleeps = each.counts, _sleeps(each)
    cold, met = _coldness(costs, each)
    switches = 0.0 if each.waits else each.wakeups
    served, asked = (met, 0.0) if each.waits and counts["messages"] else (cold * each.kept, cold * each.kept)
    serving_s = (counts["answers"] * costs.answer_s * each.crowded(costs.crowd_share) + counts["ticks"] * costs.tick_s
                 + counts["updates"] * costs.update_s + counts["payload_bytes"] * costs.byte_s)
    asking_s = (counts["requests"] * costs.request_s * each.crowded(costs.crowd_share)
                + counts["connections"] * costs.connection_s)
    return (serving_s * (1 + served * costs.cold_share) + asking_s * (1 + asked * costs.cold_share)
            + cold * sleeps * costs.wake_s + switches * costs.switch_s
            + costs.idle_s(each.seconds, round(counts["clients"])))


def _coldness(costs: Costs, each: Observation) -> tuple[float, float]:
    """Return the server's mean coldness when it was woken, and that which messages and their fan-outs met."""
    cold = mean_coldness(each.seconds - each.server_cpu_s, _sleeps(each), costs.cooling_s)
    return cold, cold * _asleep(each) if each.waits else cold


def _asleep(each: Observation) -> float:
    """Return the share of the time for which the server slept."""
    return max(1 - each.server_cpu_s / each.seconds, 0.0)


def _sleeps(each: Observation) -> float:
    """Return the number of a server's sleeps, without those that ended when a message came back as a tick."""
    if not each.counts["messages"]:
        return each.wakeups
    if each.waits:
        return each.counts["messages"] * _asleep(each)
    return max(each.wakeups - each.counts["ticks"] * _asleep(each), 1.0)


def _with_messages(known: KindCosts, sending: Sequence[Observation], listening: Sequence[Observation]) -> KindCosts:
    costs, factor = known.engine_costs, pace(known, listening)

    def message_work(each: Observation, at: float) -> Measurement:
        _, met = _coldness(costs, each)
        left_s = each.server_cpu_s / at - other_work_s(costs, each)
        messages = each.counts["messages"]
        return Measurement(each.seconds, left_s, {"update": messages * (1 + met * costs.cold_share),
                                                  "wake": messages * met})

    def fitted_at(at: float) -> Fit:
        return fit([message_work(each, at) for each in sending], TERMS)

    work, found = [message_work(each, factor.value) for each in sending], fitted_at(factor.value)
    ends = [fitted_at(at) for at in (factor.low, factor.high) if math.isfinite(at)]
    message, message_cold = (_widened(found.costs[term], [end.costs[term].value for end in ends]) for term in TERMS)
    costs = replace(costs, message_s=message.value, message_cold_s=message_cold.value)
    hops = [hop_s(costs, known, each, factor.value) for each in sending]
    shown = {"hop_s": _mean(hops)} if sending[0].waits and any(map(math.isfinite, hops)) else {}
    fitted = [factor.value * (all_s - part.cpu_s + fitted_s) for all_s, part, fitted_s in zip(
        (each.server_cpu_s / factor.value for each in sending), work, found.fitted_cpu_s, strict=True)]
    cooling = Estimate(costs.cooling_s, costs.cooling_s, costs.cooling_s)
    return replace(
        known, costs={"cooling_s": cooling, **known.costs, "message_s": message, "message_cold_s": message_cold},
        net={**known.net, **shown},
        load_client={**known.load_client, "send_s": _mean([each.send_s for each in sending])},
        fitted=[*known.fitted, *_cells(sending, fitted)])


def hop_s(costs: Costs, known: KindCosts, each: Observation, factor: float) -> float:
    """Return the hop's seconds in a trial; NaN where no tick was alone."""
    counts = each.counts
    payload_bytes = counts["payload_bytes"] / max(counts["updates"], 1)
    cold = float(coldness(each.instants.slept_s, costs.cooling_s))
    message_s = costs.message_s * (1 + cold * costs.cold_share) + cold * (costs.message_cold_s + costs.wake_s)
    answer_s = costs.answer_s * each.crowded(costs.crowd_share)
    first_s = (costs.tick_s + answer_s + costs.update_s + costs.byte_s * payload_bytes) * (1 + cold * costs.cold_share)
    return (each.instants.first_s - each.send_s) / factor - known.net["up_s"].value - message_s - first_s


def _widened(found: Estimate, ends: Sequence[float]) -> Estimate:
    """Return a cost with the interval of the pace in it, as errors that are independent; `ends` are the costs with the
    pace at the bounds of its own."""
    if not found.value:
        return found
    down, up = found.value - min([found.value, *ends]), max([found.value, *ends]) - found.value
    return Estimate(found.value, max(found.value - math.hypot(found.value - found.low, down), 0.0),
                    found.value + math.hypot(found.high - found.value, up))


def _mean(values: Sequence[float]) -> Estimate:
    """Return the mean between trials, at least 0; trials without a value are left out."""
    found = interval([value for value in values if math.isfinite(value)], logarithm=False)
    return Estimate(*(max(value, 0.0) for value in (found.estimate, found.low, found.high)))


def _cells(sending: Sequence[Observation], fitted_s: Sequence[float]) -> list[FittedCell]:
    """Return the cells that messages were fitted to; the load client's CPU was not."""
    found = []
    for cell in {repr(each.cell): each.cell for each in sending}.values():
        mine = [(each, fitted) for each, fitted in zip(sending, fitted_s, strict=True) if each.cell == cell]
        seconds = sum(each.seconds for each, _ in mine)
        found.append(FittedCell(
            cell, len(mine),
            counts={name: sum(each.counts[name] for each, _ in mine) / seconds for name in COUNTS[:-1]},
            server_cpu_cores=sum(each.server_cpu_s for each, _ in mine) / seconds,
            fitted_cpu_cores=sum(fitted for _, fitted in mine) / seconds,
            load_cpu_cores=sum(each.load_cpu_s for each, _ in mine) / seconds, fitted_load_cores=math.nan))
    return found
