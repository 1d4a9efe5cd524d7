"""When a run may end: `until = "p99 ± 10 %"`.

    <figure> [of <subject> [at <clients>]] ± <number> %        also "+-" or "+/-" for "±"

The figure is a latency: `mean`, `p50`, `p90`, `p99` or `p999`. Without a subject every cell counts,
with one all its client counts, with `at` that cell alone. What is asked is that the 95 % interval
between trials reaches no further up than that share of the estimate (`bench.stats.run.stopping`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

FIGURES = ("mean", "p50", "p90", "p99", "p999")
RULE = re.compile(
    r"\s*(?P<figure>\w+)(?:\s+of\s+(?P<subject>\w+)(?:\s+at\s+(?P<clients>[1-9]\d{0,8}))?)?"
    r"\s*(?:±|\+-|\+/-)\s*(?P<percent>\d{1,3}(?:\.\d{1,6})?)\s*%\s*"
)


@dataclass(frozen=True, slots=True)
class Until:
    """The interval that a run is to go on for."""

    figure: str
    """One of `FIGURES`."""
    share: float
    """How far the interval may reach beyond the estimate, as a share of it."""
    subject: str | None = None
    """None: every one."""
    clients: int | None = None
    """None: every count."""

    @property
    def column(self) -> str:
        """The figure's column in `trials.csv`."""
        return f"latency_{self.figure}_ms"

    def __str__(self) -> str:
        subject = f" of {self.subject}" if self.subject else ""
        clients = f" at {self.clients}" if self.clients else ""
        return f"{self.figure}{subject}{clients} ± {100 * self.share:g} %"


def parse(text: str) -> Until:
    """The rule that `text` says; `ValueError` with what may stand there."""
    found = RULE.fullmatch(text)
    if found is None:
        raise ValueError('a figure and a share, such as "p99 ± 10 %" or "p50 of websocket at 100 ± 5 %"')
    figure, share = found["figure"], float(found["percent"]) / 100
    if figure not in FIGURES:
        raise ValueError(f"a figure among {', '.join(FIGURES)}, such as \"p99 ± 10 %\"")
    if share <= 0:
        raise ValueError('a share above 0 %, such as "p99 ± 10 %"')
    clients = int(found["clients"]) if found["clients"] else None
    return Until(figure, share, found["subject"], clients)
