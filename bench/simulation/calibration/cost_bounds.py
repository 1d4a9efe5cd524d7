"""The costs at the low and at the high end of their intervals; a comparison must hold at both.

    costs + their 95 % bounds + what a client asks for ─► Costs at the low end, Costs at the high end

A client's CPU is a sum of terms, count · cost, each with an interval. Their errors are taken as independent,
so the half width of the sum is the root of the sum of squares (JCGM 100:2008, equation 10), and each cost
moves towards its end by its share in that: the furthest point of an ellipsoid in the direction of the counts,

    cost = value + (end − value) · r / |r|        r: the sum's change with this cost alone at its end

In a least-squares fit with counts that rise together, errors mostly have opposite signs, so this is too wide
rather than too narrow. A worker's own costs (`ALONE`) and the feed's delay move to their ends in full: they
matter with few clients only.

A cost that the fit could not separate is 0 with no interval, and is included in another: in the exchange that
it always came with. Where responses have more updates than in the calibration, an update beyond a response's
first is assumed to cost at most as much as the whole exchange.

Known weakness: a cost without an interval, because there were too few trials, is taken as exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import fields, replace

from bench.simulation.calibration.costs import Estimate
from bench.simulation.engine.inputs import Costs

ALONE = ("base_share", "tick_s")


def ends(costs: Costs, bounds: Mapping[str, Estimate], cpu: Callable[[Costs], float],
         unshared: float) -> tuple[Costs, Costs]:
    """Return the costs at which `cpu`, a client's CPU in seconds per second, is least and most; `unshared` is
    the share of updates that are not the first of their response."""
    names = [each.name for each in fields(costs) if each.name in bounds]
    low = {name: bounds[name].low for name in names if not math.isnan(bounds[name].low)}
    high = {name: bounds[name].high for name in names if not math.isnan(bounds[name].high)}
    if "update_s" in bounds and "update_s" not in high and costs.update_s == 0:
        high["update_s"] = unshared * sum(
            high.get(name, getattr(costs, name)) for name in ("request_s", "answer_s"))
    return _moved(costs, low, cpu), _moved(costs, high, cpu)


def _moved(costs: Costs, to: Mapping[str, float], cpu: Callable[[Costs], float]) -> Costs:
    """Return the costs moved towards these ends."""
    middle = cpu(costs)
    gains = {name: abs(cpu(replace(costs, **{name: end})) - middle)
             for name, end in to.items() if name not in ALONE}
    reach = math.sqrt(sum(gain**2 for gain in gains.values()))
    shares = {name: gains[name] / reach if reach and name in gains else float(name in ALONE) for name in to}
    return replace(costs, **{
        name: getattr(costs, name) + (end - getattr(costs, name)) * shares[name] for name, end in to.items()})
