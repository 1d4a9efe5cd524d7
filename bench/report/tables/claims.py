"""The table of published claims together with our own numbers.

It has one row for each published number: the claim, its number, ours with its interval, the verdict and the
reason for it (`bench.claims`). The sources, and what they leave out, are in the note below. A scenario
without claims has no such table.
"""

from __future__ import annotations

import math

from bench.claims import Judgement
from bench.report import style
from bench.report.data.run import RunData
from bench.report.tables.run import TextTable
from bench.report.text.findings import spread_text
from bench.stats.run.intervals import FEW

NOTE = (
    "In brackets: 95 % interval between valid trials; of two or three, their own values. A verdict follows from the "
    "interval and from the relation and tolerance that the scenario gives for the claim."
)


def table(run: RunData) -> TextTable | None:
    """Return the table of verdicts on the claimed numbers; None where the scenario claims none."""
    verdicts = run.claims
    if not verdicts:
        return None
    rows = tuple(
        (each.name, each.claim.says, f"{each.stated:,.15g}", ours_text(each), each.claim.unit, each.verdict,
         each.because)
        for each in verdicts
    )
    sources = "; ".join(dict.fromkeys(each.claim.source for each in verdicts))
    left_out = dict.fromkeys(each.claim.left_out for each in verdicts if each.claim.left_out)
    columns = ("claim", "the claim", "stated", "ours", "unit", "verdict", "because")
    return TextTable("claims", "Published claims, compared with this run", columns, rows,
                     " ".join([f"Claimed by: {sources}.", *left_out, NOTE]))


def ours_text(each: Judgement) -> str:
    """Return our number with its interval: `6.90 (6.88–6.92)`."""
    ours = each.ours
    estimate, low, high = (style.number(value) for value in (ours.estimate, ours.low, ours.high))
    if math.isnan(ours.low) or low == high:
        return estimate
    if ours.count <= FEW:
        return f"{estimate}{spread_text(ours)}"
    between = "–" if ours.low >= 0 else " to "
    return f"{estimate} ({low}{between}{high})"
