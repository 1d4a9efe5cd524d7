"""The times between two turns of a loop: how long what had arrived may have waited for it.

    turn ── gap ── turn ──── gap ──── turn

A loop that takes a turn every few milliseconds even when nothing arrives has short gaps. A longer one means that it was
held up: by its own work, by another task, or by the machine. Arrivals that waited in the kernel meanwhile have a kernel
stamp that says so only for the last segment of a read, and those of a page have none, which is why gaps are reported.
"""

from __future__ import annotations

from bench.transports import NEVER

GAP_LIMIT_NS = 20_000_000
"""A longer gap than this is counted."""
_BIN_NS = 20_000
_BINS = 10_000


class TurnGaps:
    """The times between two turns: a histogram in bins of 20 µs up to 0.2 s, and the longest."""

    def __init__(self) -> None:
        self._last_ns: int | None = None
        self._begin_ns = NEVER
        self._clear()

    def begin(self, at_ns: int) -> None:
        """Start again with the first gap that ends at this instant or later: it extends into the new stretch."""
        self._begin_ns = at_ns

    def _clear(self) -> None:
        self._counts = [0] * (_BINS + 1)
        self._max_ns = 0
        self._over = 0

    def turn(self, now_ns: int) -> None:
        """Record a turn at this instant."""
        if now_ns >= self._begin_ns:
            self._begin_ns = NEVER
            self._clear()
        if self._last_ns is not None:
            self._count(now_ns - self._last_ns)
        self._last_ns = now_ns

    def _count(self, gap_ns: int) -> None:
        self._counts[min(gap_ns // _BIN_NS, _BINS)] += 1
        if gap_ns > self._max_ns:
            self._max_ns = gap_ns
        if gap_ns > GAP_LIMIT_NS:
            self._over += 1

    def quantile_ns(self, share: float) -> int:
        """Return the gap that this share of all gaps does not exceed (the upper edge of its bin), in
        ns."""
        target = share * sum(self._counts)
        passed = 0
        for number, count in enumerate(self._counts[:_BINS]):
            passed += count
            if passed >= target:
                return min((number + 1) * _BIN_NS, self._max_ns)
        return self._max_ns

    def facts(self) -> dict[str, int]:
        """Return the values for the trial's record."""
        return {
            "turns": sum(self._counts),
            "turn_gap_p99_ns": self.quantile_ns(0.99),
            "turn_gap_max_ns": self._max_ns,
            "turn_gaps_over_20ms": self._over,
        }
