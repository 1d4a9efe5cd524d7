"""The clock of a page, brought to the run clock by brackets.

    before ──ask──► page reads its clock ──answer──► after
    before − page ≤ offset ≤ after − page        for every bracket, so the offset is in what all of them have in common

Each exchange with a page is a bracket, whatever else it brings. The offset that is used is the middle of what the
brackets before the client begins have in common, and half its width is the error that the record names
(`clock_error_ns`). Later brackets check it: where they have nothing in common with the earlier ones, one of the two
clocks was stepped, at least by the distance between them (`clock_step_ns`).

A page's clock is read in steps: 5 µs where the page is isolated from other origins, as ours is. A reading is taken for
any instant within a step of it.

Known weakness: where every message to the page takes longer than every answer of it, or the other way around, the
middle is off by half of that. It can't be off by more than the recorded error.
"""

from __future__ import annotations

import math

STEP_NS = 5_000
"""The steps of an isolated page's clock."""


class PageClock:
    """The clock of one page."""

    def __init__(self) -> None:
        self._low_ns = -math.inf
        self._high_ns = math.inf
        self.readings = 0
        """Number of brackets."""
        self.offset_ns = 0
        """The run clock less the page's clock; set by `settle`."""
        self.error_ns = 0
        """The most by which `offset_ns` may be wrong."""

    def bracket(self, before_ns: int, page_ms: float, after_ns: int) -> None:
        """Take a reading of the page's clock, which was made between two instants on the run clock."""
        page_ns = round(page_ms * 1e6)
        self._low_ns = max(self._low_ns, before_ns - page_ns - STEP_NS)
        self._high_ns = min(self._high_ns, after_ns - page_ns + STEP_NS)
        self.readings += 1

    def settle(self) -> None:
        """Set the offset by the brackets up to now."""
        assert self.readings, "a clock that was never read has no offset"
        self.offset_ns = round((self._low_ns + self._high_ns) / 2)
        self.error_ns = math.ceil(max(0.0, self._high_ns - self._low_ns) / 2)

    @property
    def step_ns(self) -> int:
        """Return the least by which one of the clocks was stepped; 0 where all brackets agree."""
        return max(0, math.ceil(self._low_ns - self._high_ns)) if self.readings else 0

    def run_ns(self, page_ms: float) -> int:
        """Convert an instant of the page to the run clock."""
        return round(page_ms * 1e6) + self.offset_ns
