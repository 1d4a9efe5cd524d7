"""The verdicts on a run's thresholds, as lines of its report and as the last line of its command.

    broken: websocket.latency_p99_ms <= 50 at 500, found 61.2 (95 % interval 58.3–64.1)

A threshold that covers several cells has a line for each that does not meet it, and one for all that do. The numbers
are those that decided (`bench.stats.run.thresholds`): the ends of the interval, however few the trials.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from bench.report import style
from bench.report.data.run import RunData
from bench.scenario.parsing import list_text
from bench.stats.run.thresholds import COUNTED, ThresholdVerdict


def lines(run: RunData) -> list[tuple[str, str]]:
    """Return the verdict on each threshold, and the threshold with the value that was found.

    Several cells that meet one threshold share a line.
    """
    found = []
    for asked, covered in itertools.groupby(run.thresholds, key=lambda each: each.asked):
        cells = list(covered)
        met = [each for each in cells if each.verdict == "met"]
        shared = len(met) > 1
        found += [(_verdict(each), text(each)) for each in cells if not (shared and each.verdict == "met")]
        if shared:
            found.append(("met", f"{asked}, in {'each' if met == cells else len(met)} of {len(cells)} cells"))
    return found


def _verdict(each: ThresholdVerdict) -> str:
    """Return the verdict, with the words on how it counts where it is open."""
    if each.verdict != "open":
        return each.verdict
    return "open, which fails" if each.failed else "open, which passes"


def text(each: ThresholdVerdict) -> str:
    """Return a threshold with the value that was found: `websocket.lost == 0 at 500, found 0 in each trial`."""
    return f"{each.threshold}, {_found(each)}"


def _found(each: ThresholdVerdict) -> str:
    found = each.found
    if found.count == 0:
        return "without a valid trial"
    if each.threshold.condition.column in COUNTED:
        least, most = f"{found.low:,.0f}", f"{found.high:,.0f}"
        return f"found {least} in each trial" if least == most else f"found {least} to {most} in a trial"
    if math.isnan(found.estimate):
        return "not measured, or too few updates to say"
    if math.isinf(found.estimate):
        return "found among lost updates"
    estimate, low, high = (style.number(value) for value in (found.estimate, found.low, found.high))
    if math.isnan(found.low):
        return f"found {estimate} in one valid trial, which has no interval"
    between = "–" if found.low >= 0 else " to "
    return f"found {estimate}" + (f" (95 % interval {low}{between}{high})" if found.low < found.high else "")


def failure(verdicts: Sequence[ThresholdVerdict]) -> str | None:
    """Return the last line of a command whose thresholds are not all met; None where none of them fails."""
    failed = [each for each in verdicts if each.failed]
    if not failed:
        return None
    parts = [f"{len(which)} {verdict}" for verdict in ("broken", "open")
             if (which := [each for each in failed if each.verdict == verdict])]
    of = style.counted(len(verdicts), "threshold")
    return f"Status 3, {' and '.join(parts)} of {of}: {list_text([text(each) for each in failed])}"
