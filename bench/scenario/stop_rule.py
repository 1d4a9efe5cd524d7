"""The rule that ends a run: `until = "p99 ± 10 %"`.

    <value> [of <subject> [at <clients>]] ± <number> %        also "+-" or "+/-" for "±"

The value is a latency: `mean`, `p50`, `p90`, `p99` or `p999`. Without a subject the rule covers every cell;
with one, that subject at all client counts; with `at`, that one cell. The rule is met when the 95 % interval
between trials reaches above the estimate by at most that share of it (`bench.stats.run.stopping`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

FIGURES = ("mean", "p50", "p90", "p99", "p999")
RULE = re.compile(
    r"\s*(?P<figure>\w+)(?:\s+of\s+(?P<subject>\w+(?: \w+=[\w.+-]+)?)(?:\s+at\s+(?P<clients>[1-9]\d{0,8}))?)?"
    r"\s*(?:±|\+-|\+/-)\s*(?P<percent>\d{1,3}(?:\.\d{1,6})?)\s*%\s*"
)


@dataclass(frozen=True, slots=True)
class StopRule:
    """The interval width at which a run may end."""

    figure: str
    """One of `FIGURES`."""
    share: float
    """Distance that the interval may reach beyond the estimate, as a share of the estimate."""
    subject: str | None = None
    """Label of the subject; None covers all."""
    clients: int | None = None
    """Client count; None covers all."""

    @property
    def column(self) -> str:
        """Return the value's column in `trials.csv`."""
        return f"latency_{self.figure}_ms"

    def __str__(self) -> str:
        subject = f" of {self.subject}" if self.subject else ""
        clients = f" at {self.clients}" if self.clients else ""
        return f"{self.figure}{subject}{clients} ± {100 * self.share:g} %"


def parse(text: str) -> StopRule:
    """Parse a rule; raise `ValueError` with the allowed form where it can't be read."""
    found = RULE.fullmatch(text)
    if found is None:
        raise ValueError('a value and a share, such as "p99 ± 10 %" or "p50 of <label> at 100 ± 5 %"')
    figure, share = found["figure"], float(found["percent"]) / 100
    if figure not in FIGURES:
        raise ValueError(f"a value among {', '.join(FIGURES)}, such as \"p99 ± 10 %\"")
    if share <= 0:
        raise ValueError('a share above 0 %, such as "p99 ± 10 %"')
    clients = int(found["clients"]) if found["clients"] else None
    return StopRule(figure, share, found["subject"], clients)
