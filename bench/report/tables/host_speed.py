"""The table and the sentences on the speed of the host (`bench.stats.run.host_speed`).

The speed ("pace") is the time that a fixed loop of clock readings takes, in µs; a shorter time is faster.
"""

from __future__ import annotations

from bench.report import style
from bench.report.data.run import RunData
from bench.report.tables.run import TextTable
from bench.stats.run.host_speed import HostSpeed, by_trial, speed

ALIKE = 0.03
"""The relative difference up to which the speeds of two hosts are called alike."""


def host_speed_text(found: HostSpeed) -> str:
    """Return a host's speed in words: `58.1 µs (57.2–60.0)`."""
    median, low, high = (style.number(each) for each in (found.median_us, found.low_us, found.high_us))
    return f"{median} µs ({low}–{high})"


def drift_sentence(run: RunData) -> str:
    """Return a sentence saying that the host's speed changed during the run.

    Returns an empty text where it did not change, or is not known.
    """
    found = speed(run.trials)
    if found is None or not found.drifted:
        return ""
    slower = "slower" if found.drift > 1 else "faster"
    return (f" The host drifted: in the last third of the trials it was {_apart(found.drift)} {slower} "
            "than in the first, which by itself makes values of late and early trials differ.")


def between(before: RunData, after: RunData) -> str:
    """Return a sentence comparing the hosts of two runs by speed; an empty text where either is not known."""
    one, other = speed(before.trials), speed(after.trials)
    if one is None or other is None:
        return ""
    ratio = other.median_us / one.median_us
    verdict = "the hosts were about as fast"
    if abs(ratio - 1) > ALIKE:
        slower = "slower" if ratio > 1 else "faster"
        verdict = (f"the host of the second run was {_apart(ratio)} {slower}, which by itself makes its values "
                   "differ")
    return f"host speed: a fixed spin took {host_speed_text(one)} and {host_speed_text(other)}: {verdict}"


def table(run: RunData) -> TextTable:
    """Return the table of the host's speed, with a row for each block; of a search, for each ten steps."""
    speeds = by_trial(run.trials)
    places = run.trials["block"]
    if run.capacity_limits is not None:
        places = (run.trials["position"] - 1) // 10 + 1
    rows = []
    for place in sorted({int(each) for each in places}):
        found = speed(run.trials[(places == place) & speeds.notna()])
        if found is not None:
            rows.append((str(place), *(style.number(each) for each in
                                       (found.median_us, found.low_us, found.high_us))))
    first = "ten steps" if run.capacity_limits is not None else "block"
    return TextTable("host-speed", "Speed of the host", (first, "spin (µs)", "least", "most"), tuple(rows),
                     folded=True, note=(
        "A fixed spin before and after each trial (a thousand readings of the clock); less is faster."))


def _apart(ratio: float) -> str:
    return f"{100 * abs(ratio - 1):.0f} %"
