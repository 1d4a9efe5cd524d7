"""The flushes of a server's timer: how many hand out, and how cold each finds the server.

    turn ── F ── turn ── F ── turn       Λ ticks per second; a turn hands out if a tick has come since the one before
    └─ h ─┘ hand-out

With turns every F seconds the first after a hand-out of h seconds comes m F after the one before, m = ⌊h / F⌋ + 1. Of
random ticks it finds one with probability 1 − qᵐ, q = exp(−Λ F), each later one with 1 − q. The time since the hand-out
before ended says how cold a hand-out is: by 1 − exp(−time / τ), τ = `cooling_s`.

Known weakness: a tick that is taken takes no time, and with ticks at regular distances turns and ticks are not in step.
"""

from __future__ import annotations

import math

from bench.simulation.engine.server_queue import coldness


def flushes_per_s(every_s: float, ticks_per_s: float, regular: bool) -> float:
    """Return the turns per second that hand out, of a timer with a turn every `every_s` seconds; 0: there is none."""
    if not every_s:
        return 0.0
    return min(ticks_per_s, 1 / every_s) if regular else -math.expm1(-ticks_per_s * every_s) / every_s


def flush_coldness(took_s: float, every_s: float, ticks_per_s: float, cooling_s: float, regular: bool) -> float:
    """Return the mean coldness of a hand-out, where the one before took `took_s`."""
    turns = math.floor(took_s / every_s) + 1
    if regular:
        return float(coldness(max(1 / ticks_per_s, turns * every_s) - took_s, cooling_s))
    left_s = turns * every_s - took_s
    some = -math.expm1(-ticks_per_s * every_s)
    some_first, empty_first = -math.expm1(-ticks_per_s * turns * every_s), math.exp(-ticks_per_s * turns * every_s)
    cooled, step = math.exp(-left_s / cooling_s), math.exp(-every_s / cooling_s)
    return 1 - cooled * (some_first + empty_first * some * step / (1 - (1 - some) * step))
